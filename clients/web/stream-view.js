// One stream on the page: its card, and what is drawn on the card's canvases.
import { isLast } from "./affectd.js";
import { colourOf } from "./palette.js";
import { clock, isWell, notice, percent, reason } from "./wording.js";

const SHOWN_SECONDS = 30;
const KEPT_MOMENTS = 400;
const KEPT_VOICES = 64;
const KEPT_UTTERANCES = 100;
const TRAIL = 24;
const RUN_GAP_SECONDS = 1;
const OLD_SECONDS = 1.5;
const NOTICED_SECONDS = 30;
const MEL_COLUMNS = 2048;
const MEL_SHOWN_DB = 55;
const SWEEP = 0.02;
// Cividis (J. Nuñez et al., 2018), coarsely: even to the eye, also to a colour-blind one.
const CIVIDIS = [[0, 32, 77], [49, 68, 107], [102, 105, 112], [151, 143, 121], [205, 186, 104], [255, 233, 69]];

const root = getComputedStyle(document.documentElement);
const css = (name) => root.getPropertyValue(name).trim();

/** A small bar chart of an utterance's probabilities. */
export function profile(labels, scores) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "profile");
  svg.setAttribute("viewBox", `0 0 ${labels.length * 10} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", labels.map((label) => `${label} ${percent(scores[label] ?? 0)}`).join(", "));
  labels.forEach((label, place) => {
    const height = Math.max(1, 20 * (scores[label] ?? 0));
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ x: 10 * place + 1, y: 20 - height, width: 8, height, fill: colourOf(label) }))
      bar.setAttribute(name, value);
    svg.append(bar);
  });
  return svg;
}

/** The emotion of a result with its swatch, as a table shows it. */
export function said(result) {
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.dataset.none = result.label === null;
  if (result.label) swatch.style.background = colourOf(result.label);
  return [swatch, result.label ?? `(${reason(result.abstained)})`];
}

export function row(...cells) {
  const line = document.createElement("tr");
  for (const content of cells) {
    const cell = document.createElement("td");
    cell.append(...[content].flat());
    line.append(cell);
  }
  return line;
}

export class StreamView {
  #moments = [];
  #voices = [];
  #trail = [];
  #result = null;
  #received = 0;
  #notices = new Map();
  #anchor = null; // the page's clock less stream seconds
  #mel = null;
  #dirty = true;
  #aged = 0;

  constructor(name, labels) {
    this.name = name;
    this.labels = labels;
    this.over = false;
    this.device = "";
    this.load = "";
    const card = document.getElementById("stream-template").content.cloneNode(true).firstElementChild;
    this.card = card;
    const find = (selector) => card.querySelector(selector);
    find("h2").textContent = name;
    card.setAttribute("aria-label", `Stream ${name}`);
    find(".scroll").setAttribute("aria-label", `Utterances of ${name}`);
    this.word = find(".word");
    this.sure = find(".sure");
    this.now = find(".now");
    this.voice = find(".voice");
    this.age = find(".age");
    this.noticeLine = find(".notice");
    this.rows = find("tbody");
    this.areas = find(".areas");
    this.plane = find(".plane canvas");
    this.melCanvas = find(".mel");
    this.bars = new Map(labels.map((label) => [label, this.#bar(label, find(".bars"))]));
  }

  #bar(label, list) {
    const line = document.createElement("li");
    const name = document.createElement("span");
    const track = document.createElement("span");
    const fill = document.createElement("span");
    const share = document.createElement("output");
    name.textContent = label;
    track.className = "track";
    fill.className = "fill";
    fill.style.display = "block";
    fill.style.background = colourOf(label);
    track.append(fill);
    share.setAttribute("aria-live", "off");
    line.append(name, track, share);
    list.append(line);
    return { line, fill, share };
  }

  take(event) {
    const at = performance.now() / 1000;
    this.#dirty = true;
    if (event.type === "mel") this.#takeMel(event);
    if (event.end && event.type !== "utterance") this.#align(at - event.end - (event.age_ms ?? 0) / 1000);
    switch (event.type) {
      case "emotion":
        this.#show(event, at);
        this.#moments.push({ t: event.end, start: event.start, scores: event.scores });
        if (this.#moments.length > KEPT_MOMENTS) this.#moments.shift();
        this.#trail.push({ valence: event.valence, arousal: event.arousal, label: event.label });
        if (this.#trail.length > TRAIL) this.#trail.shift();
        break;
      case "utterance":
        // One that was missed and is sent again says nothing of the present.
        if (!this.#result || event.end >= this.#result.end) this.#show(event, at);
        this.#list(event);
        break;
      case "speech":
        if (event.state === "start") this.#voices.push({ start: event.start, end: Infinity });
        else if (this.#voices.length) this.#voices.at(-1).end = event.end;
        if (this.#voices.length > KEPT_VOICES) this.#voices.shift();
        this.#speaks(event.state === "start");
        break;
      default:
        this.#note(event);
    }
  }

  /** The connection is gone: what is shown is no longer what is heard. */
  hush() {
    this.#speaks(false);
    const open = this.#voices.at(-1);
    if (open && open.end === Infinity) open.end = this.#time();
    this.#dirty = true;
  }

  #align(anchor) {
    // The least delay seen is nearest to the truth; a clock's drift is followed slowly.
    if (this.#anchor === null || anchor < this.#anchor || anchor > this.#anchor + 2) this.#anchor = anchor;
    else this.#anchor += SWEEP * (anchor - this.#anchor);
  }

  #time() {
    return this.#anchor === null ? 0 : performance.now() / 1000 - this.#anchor;
  }

  #speaks(speaking) {
    this.voice.dataset.speaking = speaking;
    this.voice.querySelector(".voice-text").textContent = speaking ? "speech" : "quiet";
    this.now.dataset.live = speaking;
  }

  #show(result, at) {
    this.#result = result;
    this.#received = at;
    const leading = result.label ?? Object.entries(result.scores).reduce((a, b) => (b[1] > a[1] ? b : a))[0];
    this.now.dataset.named = result.label !== null;
    this.word.textContent = result.label ?? reason(result.abstained);
    this.sure.textContent = result.label
      ? `${percent(result.confidence)} sure`
      : `perhaps ${leading}, ${percent(result.scores[leading])}`;
    if (result.label) this.now.style.setProperty("--label", colourOf(result.label));
    else this.now.style.removeProperty("--label");
    for (const [label, { line, fill, share }] of this.bars) {
      const score = result.scores[label] ?? 0;
      fill.style.transform = `scaleX(${score})`;
      share.textContent = percent(score);
      line.dataset.leads = label === leading;
    }
  }

  #list(event) {
    this.rows.prepend(
      row(clock(event.captured_at), `${(event.end - event.start).toFixed(1)} s`, said(event), percent(event.confidence), profile(this.labels, event.scores)),
    );
    while (this.rows.childElementCount > KEPT_UTTERANCES) this.rows.lastElementChild.remove();
    const plane = `valence ${event.valence.toFixed(2)}, arousal ${event.arousal.toFixed(2)}`;
    this.plane.setAttribute("aria-label", `Valence and arousal; the last utterance: ${plane}`);
  }

  #note(event) {
    const text = isWell(event) ? "" : notice(event);
    if (event.type === "device") this.device = text && event.state;
    if (event.type === "load") this.load = text && event.state.replace("_", " ");
    if (isLast(event)) {
      this.over = true;
      this.hush();
    }
    if (event.type === "device" && event.state === "started") this.over = false;
    const passing = event.type === "gap" || event.state === "clipping";
    const until = passing ? performance.now() + 1000 * NOTICED_SECONDS : Infinity;
    if (text) this.#notices.set(event.type, { text: `${clock(event.captured_at)} ${text}`, until });
    else this.#notices.delete(event.type);
    this.#showNotices();
  }

  #showNotices() {
    this.noticeLine.textContent = [...this.#notices.values()].map(({ text }) => text).join(" · ");
    this.noticeLine.hidden = !this.#notices.size;
  }

  /** Forget what has passed; what still holds is shown until it is over. */
  #forget(now) {
    for (const [kind, { until }] of this.#notices) {
      if (until > now) continue;
      this.#notices.delete(kind);
      if (kind === "device") this.device = "";
      this.#showNotices();
    }
  }

  #takeMel({ bands, frames, start, end, data, low_db: lowest, high_db: highest }) {
    if (!this.#mel || this.#mel.bands !== bands) {
      const canvas = document.createElement("canvas");
      canvas.width = MEL_COLUMNS;
      canvas.height = bands;
      // Columns of a ring, each for one frame; the one before `next` is the newest, which ends at `end`.
      this.#mel = { canvas, bands, next: 0, context: canvas.getContext("2d"), end: 0, step: (end - start) / frames, loud: 128 };
    }
    const mel = this.#mel;
    const raw = atob(data);
    const image = mel.context.createImageData(frames, bands);
    // The picture's range follows the signal: what is quiet beside its loudest is dark.
    const shown = (255 * MEL_SHOWN_DB) / (highest - lowest);
    mel.step = (end - start) / frames;
    if (Math.abs(start - mel.end) > 2 * mel.step) {
      const missing = Math.min(MEL_COLUMNS, Math.round((start - mel.end) / mel.step));
      for (let i = 0; i < missing; i++) mel.context.clearRect((mel.next + i) % MEL_COLUMNS, 0, 1, bands);
      if (missing > 0) mel.next = (mel.next + missing) % MEL_COLUMNS;
    }
    for (let frame = 0; frame < frames; frame++) {
      for (let band = 0; band < bands; band++) {
        const level = raw.charCodeAt(frame * bands + band);
        mel.loud = Math.max(level, mel.loud - 0.002);
        const share = Math.max(0, Math.min(0.999, 1 - (mel.loud - level) / shown));
        const place = share * (CIVIDIS.length - 1);
        const [low, high] = [CIVIDIS[Math.floor(place)], CIVIDIS[Math.floor(place) + 1]];
        const at = 4 * ((bands - 1 - band) * frames + frame);
        for (let part = 0; part < 3; part++) image.data[at + part] = low[part] + (place % 1) * (high[part] - low[part]);
        image.data[at + 3] = 255;
      }
    }
    const room = MEL_COLUMNS - mel.next;
    mel.context.putImageData(image, mel.next, 0);
    if (frames > room) mel.context.putImageData(image, mel.next - MEL_COLUMNS, 0);
    mel.next = (mel.next + frames) % MEL_COLUMNS;
    mel.end = end;
  }

  /** Draw what has changed; called once a frame. */
  draw(now, moving) {
    if (this.#notices.size) this.#forget(now);
    const elapsed = now / 1000 - this.#received;
    if (this.#result && now - this.#aged > 100) {
      this.#aged = now;
      const old = Math.max(0, elapsed + (this.#result.age_ms ?? 0) / 1000);
      this.age.textContent =
        elapsed < OLD_SECONDS && this.#result.type === "emotion"
          ? `${Math.round(this.#result.age_ms)} ms late, ${old.toFixed(1)} s old`
          : `heard ${old < 90 ? `${Math.round(old)} s` : `${Math.round(old / 60)} min`} ago`;
    }
    if (!(moving || this.#dirty) || (this.over && !this.#dirty)) return;
    this.#dirty = false;
    const end = this.#time();
    this.#drawAreas(end);
    this.#drawMel(end);
    this.#drawPlane();
  }

  #context(canvas) {
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * scale);
    const height = Math.round(canvas.clientHeight * scale);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    return { context, width: canvas.clientWidth, height: canvas.clientHeight };
  }

  #drawAreas(end) {
    const { context, width, height } = this.#context(this.areas);
    const voice = 6;
    const tall = height - voice - 3;
    const x = (t) => width * (1 - (end - t) / SHOWN_SECONDS);
    context.fillStyle = css("--shade");
    context.fillRect(0, 0, width, tall);
    context.fillRect(0, height - voice, width, voice);
    context.fillStyle = css("--good");
    for (const { start, end: last } of this.#voices) {
      const left = Math.max(0, x(start));
      const right = Math.min(width, x(Math.min(last, end)));
      if (right > left) context.fillRect(left, height - voice, right - left, voice);
    }
    for (const run of this.#runs(end - SHOWN_SECONDS)) {
      let base = run.map(() => 0);
      const times = run.map(({ t }) => x(t));
      if (run.length === 1) {
        times.push(times[0] + 4);
        run.push(run[0]);
        base.push(0);
      }
      const names = [];
      for (const label of this.labels) {
        const top = run.map(({ scores }, i) => base[i] + (scores[label] ?? 0));
        context.fillStyle = colourOf(label);
        context.beginPath();
        times.forEach((left, i) => context.lineTo(left, tall * (1 - top[i])));
        for (let i = run.length - 1; i >= 0; i--) context.lineTo(times[i], tall * (1 - base[i]));
        context.fill();
        names.push([label, times, top, base]);
        base = top;
      }
      const taken = [];
      // The widest first; who finds no room is not named.
      const share = ([, , top, low]) => Math.max(...top.map((value, i) => value - low[i]));
      for (const each of names.sort((a, b) => share(b) - share(a))) this.#name(context, ...each, tall, taken);
    }
  }

  /** Write a label into its area, where there is room: colour alone tells nobody anything. */
  #name(context, label, times, top, base, tall, taken) {
    const last = times.length - 1;
    if (times[last] - times[0] < 48) return;
    let widest = 0;
    for (let i = 0; i <= last; i++)
      if (top[i] - base[i] > top[widest] - base[widest] && times[i] > 30 && times[i] < this.areas.clientWidth - 30) widest = i;
    if (top[widest] - base[widest] < 0.3 || (top[widest] - base[widest]) * tall < 1.6 * 12) return;
    const left = Math.min(Math.max(times[widest], times[0] + 30), times[last] - 30);
    const size = 0.8 * parseFloat(root.fontSize);
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    const half = context.measureText(label).width / 2 + 3;
    if (left - half < times[0] || left + half > Math.min(times[last], this.areas.clientWidth)) return;
    context.lineWidth = 3;
    context.lineJoin = "round";
    const y = tall * (1 - (top[widest] + base[widest]) / 2) + 4;
    if (taken.some((other) => Math.abs(other - y) < 1.5 * size)) return;
    taken.push(y);
    context.strokeStyle = "#fff";
    context.strokeText(label, left, y);
    context.fillStyle = "#111";
    context.fillText(label, left, y);
  }

  *#runs(from) {
    let run = [];
    for (const moment of this.#moments) {
      if (moment.t < from - 1) continue;
      if (run.length && moment.t - run.at(-1).t > RUN_GAP_SECONDS) {
        yield run;
        run = [];
      }
      run.push(moment);
    }
    if (run.length) yield run;
  }

  #drawMel(end) {
    const { context, width, height } = this.#context(this.melCanvas);
    context.fillStyle = "#00204d";
    context.fillRect(0, 0, width, height);
    const mel = this.#mel;
    if (!mel) return;
    const columns = Math.min(MEL_COLUMNS, Math.round(SHOWN_SECONDS / mel.step));
    const right = width * (1 - (end - mel.end) / SHOWN_SECONDS);
    const each = (width * mel.step) / SHOWN_SECONDS;
    const first = (mel.next - columns + MEL_COLUMNS) % MEL_COLUMNS;
    const head = Math.min(columns, MEL_COLUMNS - first);
    context.imageSmoothingEnabled = true;
    context.drawImage(mel.canvas, first, 0, head, mel.bands, right - columns * each, 0, head * each, height);
    if (head < columns)
      context.drawImage(mel.canvas, 0, 0, columns - head, mel.bands, right - (columns - head) * each, 0, (columns - head) * each, height);
  }

  #drawPlane() {
    const { context, width, height } = this.#context(this.plane);
    const at = ({ valence, arousal }) => [(width * (1 + valence)) / 2, (height * (1 - arousal)) / 2];
    context.strokeStyle = css("--line");
    context.lineWidth = 1;
    context.beginPath();
    context.arc(width / 2, height / 2, width / 2 - 1, 0, 7);
    context.moveTo(width / 2, 1);
    context.lineTo(width / 2, height - 1);
    context.moveTo(1, height / 2);
    context.lineTo(width - 1, height / 2);
    context.stroke();
    context.strokeStyle = css("--quiet");
    for (let i = 1; i < this.#trail.length; i++) {
      context.globalAlpha = i / this.#trail.length;
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(...at(this.#trail[i - 1]));
      context.lineTo(...at(this.#trail[i]));
      context.stroke();
    }
    context.globalAlpha = 1;
    const last = this.#trail.at(-1);
    if (!last) return;
    context.beginPath();
    context.arc(...at(last), 7, 0, 7);
    context.fillStyle = last.label ? colourOf(last.label) : css("--card");
    context.fill();
    context.strokeStyle = css("--text");
    context.stroke();
  }
}

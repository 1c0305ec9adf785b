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

/** Show that a box holds more than it shows, for as long as that is so. */
export function signMore(box) {
  const look = () => (box.dataset.more = box.scrollHeight - box.scrollTop - box.clientHeight > 4);
  box.addEventListener("scroll", look, { passive: true });
  const observer = new ResizeObserver(look);
  observer.observe(box);
  observer.observe(box.firstElementChild);
}

export class StreamView {
  #moments = [];
  #voices = [];
  #named = []; // utterances: from when to when, and as what
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
    this.failed = false;
    this.endedAt = 0; // of the page's clock, ms
    this.onClosed = () => {};
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
    this.closeButton = find(".close");
    this.closeButton.setAttribute("aria-label", `Close ${name}`);
    this.closeButton.onclick = () => this.onClosed();
    signMore(find(".scroll"));
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
        this.#moments.push({ t: event.end, start: event.start, scores: event.scores, label: event.label });
        if (this.#moments.length > KEPT_MOMENTS) this.#moments.shift();
        this.#move(event);
        break;
      case "utterance":
        // One that was missed and is sent again says nothing of the present.
        if (!this.#result || event.end >= this.#result.end) {
          this.#show(event, at);
          this.#move(event);
        }
        this.#named.push({ start: event.start, end: event.end, label: event.label });
        if (this.#named.length > KEPT_VOICES) this.#named.shift();
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

  #move({ valence, arousal, label }) {
    this.#trail.push({ valence, arousal, label });
    if (this.#trail.length > TRAIL) this.#trail.shift();
  }

  /** The connection is gone: what is shown is no longer what is heard. */
  hush() {
    if (this.over) return;
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
    this.voice.querySelector(".voice-text").textContent = speaking ? "speech" : "no speech";
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
    if (isLast(event)) return this.end(event);
    if (event.state === "started" && this.over) this.begin();
    const text = isWell(event) ? "" : notice(event);
    if (event.type === "device") this.device = text && event.state;
    if (event.type === "load") this.load = text && event.state.replace("_", " ");
    const passing = event.type === "gap" || event.state === "clipping";
    const until = passing ? performance.now() + 1000 * NOTICED_SECONDS : Infinity;
    if (text) this.#notices.set(event.type, { text: `${clock(event.captured_at)} ${text}`, until });
    else this.#notices.delete(event.type);
    this.#showNotices();
  }

  /** It is over, by its last event or without one. Nothing of it can be ill or late from now on. */
  end(event = null) {
    this.hush();
    this.#over(true);
    this.failed = event?.type === "error";
    this.device = this.load = "";
    this.#notices.clear();
    if (!this.#result) this.word.textContent = "nothing heard";
    // A normal end is no trouble, and is not shown as one.
    if (this.failed) this.#notices.set("error", { text: `${clock(event.captured_at)} ${notice(event)}`, until: Infinity });
    this.#showNotices();
    this.voice.querySelector(".voice-text").textContent = event ? `ended at ${clock(event.captured_at)}` : "ended";
  }

  /** A stream begins anew under this name, and so do its seconds. */
  begin() {
    this.#over(false);
    this.#speaks(false);
    this.#moments = [];
    this.#voices = [];
    this.#named = [];
    this.#trail = [];
    this.#result = this.#anchor = this.#mel = null;
    this.word.textContent = "listening";
    this.sure.textContent = this.age.textContent = "";
    this.now.style.removeProperty("--label");
    for (const { line, fill, share } of this.bars.values()) {
      fill.style.transform = "";
      share.textContent = "";
      line.dataset.leads = false;
    }
    this.#notices.clear();
    this.#showNotices();
  }

  #over(over) {
    this.over = over;
    this.failed = false;
    this.endedAt = performance.now();
    this.card.dataset.over = over;
    this.closeButton.hidden = !over;
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
          ? `${Math.round(this.#result.age_ms)} ms behind the voice`
          : `last heard ${old < 90 ? `${Math.round(old)} s` : `${Math.round(old / 60)} min`} ago`;
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
    const above = Math.round(1.35 * parseFloat(root.fontSize)); // the names of what was heard
    const tall = height - voice - 3 - above;
    const y = (share) => above + tall * (1 - share);
    const x = (t) => width * (1 - (end - t) / SHOWN_SECONDS);
    context.fillStyle = css("--shade");
    context.fillRect(0, above, width, tall);
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
      for (const label of this.labels) {
        const top = run.map(({ scores }, i) => base[i] + (scores[label] ?? 0));
        context.fillStyle = colourOf(label);
        context.beginPath();
        times.forEach((left, i) => context.lineTo(left, y(top[i])));
        for (let i = run.length - 1; i >= 0; i--) context.lineTo(times[i], y(base[i]));
        context.fill();
        base = top;
      }
    }
    this.#drawNames(context, width, end, x);
  }

  /** Name what was heard, above where it was heard: colour alone tells nobody anything. */
  #drawNames(context, width, end, x) {
    const size = 0.8 * parseFloat(root.fontSize);
    context.font = `${size}px system-ui, sans-serif`;
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    const spans = this.#named.filter((each) => end - each.end < SHOWN_SECONDS);
    const heard = this.#moments.filter(({ t }) => t > (this.#named.at(-1)?.end ?? -Infinity));
    if (heard.length) spans.push({ start: heard[0].start, end: heard.at(-1).t, label: heard.at(-1).label });
    let taken = 0;
    spans.forEach(({ start, end: last, label }, i) => {
      let left = Math.max(0, x(start));
      context.fillStyle = label ? colourOf(label) : css("--quiet");
      context.fillRect(left, 0, Math.max(0, x(last) - left), 3);
      let text = label ?? "?";
      // What is heard now has just begun, at the very edge: its name begins before it.
      const isNewest = i + 1 === spans.length;
      if (isNewest) left = Math.max(taken, Math.min(left, width - context.measureText(text).width));
      const room = (isNewest ? width + 1 : x(spans[i + 1].start) - 4) - left;
      while (text.length > 1 && context.measureText(text).width > room) text = `${text.replace("…", "").slice(0, -1)}…`;
      if (context.measureText(text).width > room) return;
      context.fillStyle = css("--text");
      context.fillText(text, left, 3 + 1.15 * size);
      taken = left + context.measureText(text).width + 4;
    });
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

// Files that were opened or dropped: heard by the daemon, seen as a timeline, listened to.
import { analyze } from "./affectd.js";
import { colourOf } from "./palette.js";
import { profile, row, said, signMore } from "./stream-view.js";
import { MANNERS, percent, position, reason } from "./wording.js";

const RATE = 16000;
const RUN_GAP_SECONDS = 1;
const SVG = "http://www.w3.org/2000/svg";

/** A file's samples, mono at 16 kHz, as the browser's own decoders give them. */
async function samplesOf(file) {
  if (!file.size) throw new Error("the file is empty");
  if (file.type && !/^(audio|video)\//.test(file.type)) throw new Error(`it is no sound file, but ${file.type}`);
  let audio;
  try {
    audio = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error("this browser cannot decode it as audio; 'affectd analyze' may, with ffmpeg installed");
  }
  const mono = audio.getChannelData(0).slice();
  for (let channel = 1; channel < audio.numberOfChannels; channel++)
    audio.getChannelData(channel).forEach((sample, i) => (mono[i] += sample));
  if (audio.numberOfChannels > 1) mono.forEach((sample, i) => (mono[i] = sample / audio.numberOfChannels));
  return mono;
}

const vttTime = (seconds) => {
  const ms = Math.round(1000 * seconds);
  const pad = (value, digits) => String(Math.floor(value)).padStart(digits, "0");
  return `${pad(ms / 3600000, 2)}:${pad((ms / 60000) % 60, 2)}:${pad((ms / 1000) % 60, 2)}.${pad(ms % 1000, 3)}`;
};

/** WebVTT with a cue for every utterance whose emotion is named. */
export function vttOf(utterances) {
  const cues = utterances
    .filter(({ label }) => label)
    .map(({ start, end, label }, i) => `${i + 1}\n${vttTime(start)} --> ${vttTime(end)}\n[${MANNERS[label] ?? label}]\n`);
  return ["WEBVTT\n", ...cues].join("\n");
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export class RecordingView {
  #utterances = [];
  #moments = [];
  #seconds = 1;
  #abort = new AbortController();

  constructor(file, labels) {
    this.file = file;
    this.labels = labels;
    const card = document.getElementById("recording-template").content.cloneNode(true).firstElementChild;
    this.card = card;
    this.find = (selector) => card.querySelector(selector);
    card.setAttribute("aria-label", `Recording ${file.name}`);
    this.find("h2").textContent = file.name;
    this.find(".scroll").setAttribute("aria-label", `Utterances of ${file.name}`);
    signMore(this.find(".scroll"));
    this.find(".progress").textContent = "waiting …";
    this.card.dataset.state = "waiting"; // until there is something to see
    this.audio = this.find("audio");
    this.audio.src = URL.createObjectURL(file);
    this.audio.setAttribute("aria-label", file.name);
    for (const label of labels) {
      const item = document.createElement("li");
      item.append(...said({ label }));
      this.find(".key").append(item);
    }
    const seek = this.find(".seek");
    seek.oninput = () => (this.audio.currentTime = Number(seek.value));
    this.audio.ontimeupdate = () => this.#follow();
    this.audio.onplay = () => this.#run();
    this.find(".remove").onclick = () => this.remove();
    this.find(".save-json").onclick = () => save(`${file.name}.json`, "application/json", this.json());
    this.find(".save-vtt").onclick = () => save(`${file.name}.vtt`, "text/vtt", vttOf(this.#utterances));
  }

  json() {
    const kept = ["start", "end", "label", "abstained", "confidence", "scores", "valence", "arousal", "snr_db"];
    const utterances = this.#utterances.map((each) => Object.fromEntries(kept.map((name) => [name, each[name]])));
    return JSON.stringify({ path: this.file.name, seconds: this.#seconds, utterances }, null, 2) + "\n";
  }

  remove() {
    this.#abort.abort();
    this.audio.pause();
    URL.revokeObjectURL(this.audio.src);
    this.card.remove();
    this.onRemoved?.();
  }

  /** Have the file heard; what goes wrong is said on its card. */
  async hear(url, token) {
    if (this.#abort.signal.aborted) return; // removed while it waited for its turn
    const progress = this.find(".progress");
    progress.textContent = "reading …";
    try {
      const samples = await samplesOf(this.file);
      if (!samples.length) throw new Error("it holds no audio");
      this.#seconds = samples.length / RATE;
      this.find(".seek").max = this.#seconds;
      this.card.dataset.state = "heard";
      progress.textContent = "hearing …";
      const began = performance.now();
      await analyze(url, samples, RATE, {
        token,
        signal: this.#abort.signal,
        onEvent: (event) => this.#take(event),
        onProgress: (share) => (progress.textContent = `hearing … ${percent(share)}`),
      });
      const took = (performance.now() - began) / 1000;
      const count = `${this.#utterances.length} utterance${this.#utterances.length === 1 ? "" : "s"}`;
      progress.textContent = `${count} in ${this.#seconds.toFixed(1)} s of audio, heard in ${took.toFixed(1)} s`;
      for (const name of [".save-json", ".save-vtt"]) this.find(name).disabled = false;
      this.#draw();
    } catch (error) {
      progress.textContent = `cannot be heard: ${error.message}`;
      this.card.dataset.state = "failed";
    }
  }

  #take(event) {
    if (event.type === "emotion") this.#moments.push(event);
    if (event.type !== "utterance") return;
    this.#utterances.push(event);
    this.find("tbody").append(
      row(position(event.start), position(event.end), said(event), percent(event.confidence), profile(this.labels, event.scores)),
    );
    const mark = document.createElement("span");
    mark.textContent = event.label ?? "?";
    mark.title = event.label ?? reason(event.abstained);
    mark.style.left = `${(100 * event.start) / this.#seconds}%`;
    mark.style.width = `${(100 * (event.end - event.start)) / this.#seconds}%`;
    if (event.label) mark.style.setProperty("--label", colourOf(event.label));
    this.find(".marks").append(mark);
    this.#draw();
  }

  #draw() {
    const svg = this.find("svg");
    svg.setAttribute("viewBox", `0 0 ${this.#seconds} 1`);
    svg.setAttribute("aria-label", `Probabilities over ${this.#seconds.toFixed(1)} s of ${this.file.name}`);
    svg.replaceChildren();
    const runs = [];
    for (const moment of this.#moments) {
      const run = runs.at(-1);
      if (run && moment.end - run.at(-1).end <= RUN_GAP_SECONDS) run.push(moment);
      else runs.push([moment]);
    }
    for (const run of runs) {
      const times = run.map(({ end }) => end);
      if (run.length === 1) {
        run.push(run[0]);
        times.unshift(run[0].start);
      }
      let base = run.map(() => 0);
      for (const label of this.labels) {
        const top = run.map(({ scores }, i) => base[i] + (scores[label] ?? 0));
        const there = times.map((t, i) => `${t} ${1 - top[i]}`);
        const back = times.map((t, i) => `${t} ${1 - base[i]}`).reverse();
        const area = document.createElementNS(SVG, "path");
        area.setAttribute("d", `M${[...there, ...back].join("L")}Z`);
        area.setAttribute("fill", colourOf(label));
        svg.append(area);
        base = top;
      }
    }
  }

  #run() {
    this.#follow();
    if (!this.audio.paused) requestAnimationFrame(() => this.#run());
  }

  #follow() {
    const at = this.audio.currentTime;
    this.find(".cursor").style.left = `${Math.min(100, (100 * at) / this.#seconds)}%`;
    const seek = this.find(".seek");
    seek.value = at;
    seek.setAttribute("aria-valuetext", position(at));
    const now = this.#utterances.find(({ start, end }) => start <= at && at <= end);
    this.find(".under").textContent = now ? `${now.label ?? reason(now.abstained)} ${percent(now.confidence)}` : "";
  }
}

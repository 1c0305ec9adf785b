// The page: puts the parts together. Its token, where the daemon wants one, stands in the fragment
// (#token=…), which browsers keep to themselves.
import { Subscription, isLast } from "./affectd.js";
import { Microphone } from "./microphone.js";
import { RecordingView } from "./recordings.js";
import { StreamView } from "./stream-view.js";
import { percent, reason } from "./wording.js";

const SHOWN_STREAMS = 64;
const SHOWN_SPECTROGRAMS = 8; // streams, beyond which they would cost more than they show
const ANNOUNCED = 5;
// A stream that is over makes room for those that live; a failure is shown longer.
const ENDED_MS = 30000;
const FAILED_MS = 300000;

const find = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const url = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/`;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const views = new Map();
const unshown = new Set(); // live streams for which there is no room
const own = new Set(); // streams of this page's microphone: who spoke wants to read what was heard
let labels = [];
let epoch = "";
let engine = "";

/** The card of a stream, which is made if there is room; a stream that is over makes room. */
function view(name) {
  if (views.has(name)) return views.get(name);
  if (views.size >= SHOWN_STREAMS) {
    const over = [...views.values()].find((each) => each.over);
    if (!over) {
      unshown.add(name);
      return null;
    }
    forget(over);
  }
  const made = new StreamView(name, labels);
  made.onClosed = () => forget(made);
  views.set(name, made);
  unshown.delete(name);
  find("streams").append(made.card);
  find("empty").hidden = true;
  return made;
}

function forget(each) {
  each.card.remove();
  views.delete(each.name);
  find("empty").hidden = views.size > 0;
  health();
}

/** Whether a stream has been over for so long that nobody misses it. */
function isStale(each, now) {
  if (!each.over || own.has(each.name)) return false;
  return now - each.endedAt > (each.failed ? FAILED_MS : ENDED_MS) && !each.card.matches(":hover, :focus-within");
}

/** What depends on how many streams are live. */
function count() {
  const live = [...views.values()].filter((each) => !each.over).length + unshown.size;
  subscription.showMel(live <= SHOWN_SPECTROGRAMS);
  find("more").hidden = !unshown.size;
  find("more").textContent = `${unshown.size} more ${unshown.size === 1 ? "stream is" : "streams are"} live. This page shows ${SHOWN_STREAMS}.`;
}

function take(event) {
  const known = views.size + unshown.size;
  const shown = view(event.stream);
  shown?.take(event);
  if (isLast(event)) unshown.delete(event.stream);
  if (event.type === "utterance") announce(event);
  if (["device", "load", "error"].includes(event.type)) health();
  if (event.type === "device" || event.type === "error" || known !== views.size + unshown.size) count();
}

function greet(hello) {
  engine = `${hello.server} · model ${hello.model}`;
  if (hello.epoch !== epoch) {
    // Another daemon: its streams have nothing to do with those before.
    for (const each of views.values()) forget(each);
    epoch = hello.epoch;
    labels = hello.labels;
  }
  unshown.clear();
  for (const each of views.values()) {
    const lives = hello.streams.includes(each.name);
    if (each.over && lives) each.begin();
    if (!each.over && !lives) each.end();
  }
  hello.streams.forEach(view);
  health();
  count();
}

/** Who serves, with which model, and how devices and load are. */
function health() {
  // Of what cannot be reached nobody knows how it fares; of what is over nobody asks.
  if (find("status").dataset.state !== "connected") return void (find("engine").textContent = engine);
  const all = [...views.values()].filter((each) => !each.over);
  const ill = all.filter((each) => each.device).map((each) => `${each.name} ${each.device}`);
  const behind = all.filter((each) => each.load).map((each) => `${each.name} ${each.load}`);
  const device = ill.length ? `device: ${ill.join(", ")}` : "device well";
  const load = behind.length ? `load: ${behind.join(", ")}` : "load well";
  find("engine").textContent = `${engine} · ${device} · ${load}`;
}

function announce({ stream, label, abstained, confidence }) {
  const line = document.createElement("p");
  line.textContent = label ? `${stream}: ${label}, ${percent(confidence)}` : `${stream}: ${reason(abstained)}`;
  const log = find("announcer");
  log.append(line);
  while (log.childElementCount > ANNOUNCED) log.firstElementChild.remove();
}

function trouble(text) {
  find("trouble").textContent = text;
  find("trouble").hidden = !text;
}

const subscription = new Subscription(url, {
  token,
  mel: true,
  onEvent(event) {
    if (event.type === "hello") greet(event);
    else if (event.stream) take(event);
    else if (event.type === "error" && event.code !== "unknown_epoch") trouble(`${event.message} (${event.code})`);
  },
  onStatus({ state, since, reason: why }) {
    find("status").dataset.state = state;
    find("status-text").textContent = state === "connected" ? "connected" : "not connected";
    if (state === "connected") trouble("");
    if (state !== "gone") return;
    health();
    for (const each of views.values()) each.hush();
    const when = new Date(since).toLocaleTimeString("en-GB");
    const hint = token
      ? "Does 'affectd run' run there, and is the token still the same?"
      : "Does 'affectd run' run there? If it wants a token, open this page with #token=… at its end.";
    trouble(`The daemon cannot be reached since ${when}: ${why}. Trying again. ${hint}`);
  },
});
addEventListener("online", () => subscription.retry());

// The microphone.
let microphone = null;
function letGo(text = "") {
  microphone?.stop();
  microphone = null;
  find("microphone").setAttribute("aria-pressed", "false");
  find("microphone").textContent = "Use this microphone";
  if (text) trouble(text);
}
find("microphone").onclick = async () => {
  if (microphone) return letGo();
  find("microphone").disabled = true;
  try {
    microphone = await Microphone.open(url, {
      token,
      onEnded: letGo,
      onStatus({ state, reason: why }) {
        if (state === "refused") letGo(`The daemon does not take the microphone: ${why}`);
      },
    });
    own.add(microphone.publisher.stream);
    find("microphone").setAttribute("aria-pressed", "true");
    find("microphone").textContent = "Stop this microphone";
    trouble("");
  } catch (error) {
    trouble(error.message);
  } finally {
    find("microphone").disabled = false;
  }
};

// Files: one after the other, so that each is done as soon as can be.
let hearing = Promise.resolve();
function open(files) {
  for (const file of files) {
    const recording = new RecordingView(file, labels);
    recording.onRemoved = () => (find("recordings").hidden = !find("recordings").childElementCount);
    find("recordings").prepend(recording.card);
    find("recordings").hidden = false;
    hearing = hearing.then(() => recording.hear(url, token));
  }
}
find("open").onclick = () => find("files").click();
find("files").onchange = () => {
  open(find("files").files);
  find("files").value = "";
};
let entered = 0;
addEventListener("dragenter", () => (find("drop").hidden = !++entered));
addEventListener("dragleave", () => (find("drop").hidden = !--entered));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  entered = 0;
  find("drop").hidden = true;
  open(event.dataTransfer.files);
});

// One frame for all streams. Who prefers less motion sees changes when they come, four times a second.
let drawn = 0;
function frame(now) {
  requestAnimationFrame(frame);
  if (still.matches && now - drawn < 250) return;
  drawn = now;
  for (const each of views.values()) {
    if (isStale(each, now)) forget(each);
    else each.draw(now, !still.matches);
  }
}
requestAnimationFrame(frame);

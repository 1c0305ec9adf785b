// The JavaScript client: subscribe, publish, analyze. Needs nothing but WebSocket, so it runs in
// browsers, and in Node.js from 22.7. The protocol is described in docs/protocol.md.
import { decode, encode } from "./msgpack.js";

const SUBPROTOCOLS = { msgpack: "affectd.v1.msgpack", json: "affectd.v1.json" };
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;
const REMEMBERED = 1024;
const QUEUED_EVENTS = 1024;
const FRAME_BYTES = 32768;
const UNSENT_SECONDS = 1;
const UNSENT_BYTES = 1 << 20;
const GIVEN_UP = "it was given up";
const PASSING = ["too_many_clients", "too_many_streams"];

/** Which events of one stream came: a mark up to which nothing final is missing, and what is beyond. */
class Progress {
  constructor(first) {
    this.mark = first - 1;
    this.beyond = new Set();
  }
  take(seq) {
    if (seq <= this.mark || this.beyond.has(seq)) return false;
    this.beyond.add(seq);
    if (this.beyond.size > REMEMBERED) this.mark = Math.min(...this.beyond) - 1;
    while (this.beyond.delete(this.mark + 1)) this.mark += 1;
    return true;
  }
}

/** An address with its token, which a browser can show in the query alone. */
function addressed(url, token, path) {
  const address = new URL(url);
  if (path) address.pathname = path;
  if (token) address.searchParams.set("token", token);
  return address.href;
}

/** Whether a stream is over with an event. */
export const isLast = ({ type, state, fatal }) => (type === "device" && state === "ended") || (type === "error" && fatal === true);

const parse = (data) => (typeof data === "string" ? JSON.parse(data) : decode(data));

/**
 * A connection that is made anew whenever it is lost, and asks for the final events it missed.
 */
export class Subscription {
  #progress = new Map();
  #resumed = new Set(); // on this connection: older events may follow newer ones
  #leaving = new Set(); // asked for once more, and gone from the daemon
  #epoch = "";
  #attempts = 0;
  #timer = 0;
  #socket = null;
  #closed = false;
  #since = null;

  constructor(url, { format = "msgpack", token = "", mel = false, streams = null, onEvent = () => {}, onStatus = () => {} } = {}) {
    if (!(format in SUBPROTOCOLS)) throw new TypeError(`format "${format}" is unknown; allowed are msgpack and json`);
    this.url = url;
    this.format = format;
    this.token = token;
    this.mel = mel;
    this.streams = streams;
    this.onEvent = onEvent;
    this.onStatus = onStatus;
    this.#connect();
  }

  /** End it for good. */
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.onStatus({ state: "closed", since: null, reason: "" });
  }

  /** Ask for the spectrogram of what is heard, or no longer. */
  showMel(on) {
    if (this.mel === on) return;
    this.mel = on;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#say({ type: "spectrogram", on });
  }

  #say(message) {
    this.#socket.send(this.format === "json" ? JSON.stringify(message) : encode(message));
  }

  /** Try again now, instead of after the pause. */
  retry() {
    if (this.#closed || this.#socket) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #connect() {
    const socket = new WebSocket(addressed(this.url, this.token), SUBPROTOCOLS[this.format]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let reason = "";
    socket.onmessage = ({ data }) => {
      let event;
      try {
        event = parse(data);
      } catch (error) {
        reason = `what answers is no affectd: ${error.message}`;
        socket.close(4000);
        return;
      }
      if (event.type === "hello") this.#greeted(event);
      if (event.type === "bye") reason = `the daemon says goodbye (${event.reason})`;
      if (event.type === "error" && event.fatal && !event.stream) reason = event.message;
      if (this.#isNew(event)) this.onEvent(event);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (this.#closed) return;
      this.#since ??= Date.now();
      const longest = Math.min(FIRST_PAUSE_MS * 2 ** this.#attempts++, LONGEST_PAUSE_MS);
      this.#timer = setTimeout(() => this.#connect(), (longest * (1 + Math.random())) / 2);
      this.onStatus({ state: "gone", since: this.#since, reason: reason || "nothing answers" });
    };
  }

  #greeted(hello) {
    this.#attempts = 0;
    this.#since = null;
    if (this.streams) this.#say({ type: "subscribe", streams: this.streams });
    if (this.mel) this.#say({ type: "spectrogram", on: true });
    if (hello.epoch !== this.#epoch) {
      this.#epoch = hello.epoch;
      this.#progress.clear();
    }
    for (const stream of this.#leaving) this.#progress.delete(stream);
    // Who ended meanwhile is asked for its last events now, and then never again.
    this.#resumed = new Set(this.#progress.keys());
    this.#leaving = new Set(this.#resumed);
    for (const stream of hello.streams) this.#leaving.delete(stream);
    for (const [stream, { mark }] of this.#progress)
      this.#say({ type: "resume", epoch: this.#epoch, stream, after: mark });
    this.onStatus({ state: "connected", since: null, reason: "" });
  }

  #isNew(event) {
    const { stream, seq } = event;
    if (!stream || !seq) return true; // it concerns the connection, or is not numbered
    if (!this.#progress.has(stream)) this.#progress.set(stream, new Progress(seq));
    const isNew = this.#progress.get(stream).take(seq);
    if (event.state === "started") this.#leaving.delete(stream);
    if (isLast(event) && !this.#resumed.has(stream)) this.#progress.delete(stream);
    return isNew;
  }
}

/**
 * The events of a daemon, one after the other, over any number of connections.
 *
 *     for await (const event of subscribe("ws://127.0.0.1:8765")) console.log(event.type, event.label);
 */
export async function* subscribe(url, options = {}) {
  const waiting = [];
  let wake = () => {};
  const subscription = new Subscription(url, {
    ...options,
    onEvent(event) {
      // Who reads too slowly loses what a newer event makes worthless, and then the oldest.
      if (waiting.length >= QUEUED_EVENTS) {
        const place = waiting.findIndex(({ type }) => type === "emotion" || type === "mel");
        waiting.splice(Math.max(place, 0), 1);
      }
      waiting.push(event);
      wake();
    },
  });
  try {
    for (;;) {
      while (!waiting.length) await new Promise((resolve) => (wake = resolve));
      yield waiting.shift();
    }
  } finally {
    subscription.close();
  }
}

/** Samples within ±1 as signed 16-bit little-endian. */
export function pcm(samples) {
  const view = new DataView(new ArrayBuffer(2 * samples.length));
  for (let i = 0; i < samples.length; i++)
    view.setInt16(2 * i, Math.max(-32768, Math.min(32767, Math.round(samples[i] * 32768))), true);
  return view.buffer;
}

/**
 * Audio on its way to a daemon, as a stream of its own. What the network cannot take in time is
 * dropped and counted in `lostSeconds`: live audio is worth nothing later.
 */
export class Publisher {
  #key = "";
  #accepted = false; // at any time
  #graceMs = 0;
  #lostAt = 0;
  #socket = null;
  #ready = false;
  #timer = 0;
  #attempts = 0;
  #ending = false;

  constructor(url, { rate, stream = "", voice = "", token = "", onEvent = () => {}, onStatus = () => {} }) {
    this.url = url;
    this.rate = rate;
    this.stream = stream;
    this.voice = voice;
    this.token = token;
    this.onEvent = onEvent;
    this.onStatus = onStatus;
    this.lostSeconds = 0;
    this.#connect();
  }

  /** Send mono samples within ±1. */
  send(samples) {
    const behind = (this.#socket?.bufferedAmount ?? 0) / (2 * this.rate);
    if (!this.#ready || this.#ending || behind > UNSENT_SECONDS) {
      this.lostSeconds += samples.length / this.rate;
      return;
    }
    this.#socket.send(pcm(samples));
  }

  /** Say that there is no more; the stream's last events still come. */
  end() {
    if (this.#ending) return;
    this.#ending = true;
    clearTimeout(this.#timer);
    if (this.#ready) this.#socket.send('{"type":"end"}');
    else if (this.#socket) this.#socket.close(1000);
    else this.onStatus({ state: "ended", stream: this.stream, reason: "" });
  }

  #connect() {
    const socket = new WebSocket(addressed(this.url, this.token), SUBPROTOCOLS.json);
    this.#socket = socket;
    let refusal = "";
    let pause = 0;
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "hello") {
        const hello = { type: "hello", rate: this.rate, format: "s16le" };
        if (this.stream) hello.stream = this.stream;
        if (this.voice) hello.voice = this.voice;
        if (this.#key) hello.key = this.#key;
        socket.send(JSON.stringify(hello));
      } else if (event.type === "accepted") {
        this.stream = event.name;
        this.#key = event.key;
        this.#graceMs = 1000 * event.grace_seconds;
        this.#ready = this.#accepted = true;
        this.#attempts = 0;
        this.onStatus({ state: "publishing", stream: event.name, reason: "" });
      } else if (event.type === "error" && (event.fatal || !this.#ready)) {
        pause = 1000 * event.retry_after;
        if (!this.#passes(event)) refusal = event.message;
        socket.close(1000);
      }
      this.onEvent(event);
    };
    socket.onclose = ({ code }) => {
      if (this.#ready) this.#lostAt = Date.now();
      this.#ready = false;
      this.#socket = null;
      if (this.#ending || refusal) {
        this.#ending = true;
        this.onStatus({ state: refusal ? "refused" : "ended", stream: this.stream, reason: refusal });
        return;
      }
      if (code === 1001) this.#key = ""; // another daemon will not know it
      const longest = Math.min(FIRST_PAUSE_MS * 2 ** this.#attempts++, LONGEST_PAUSE_MS);
      pause = Math.max(pause, (longest * (1 + Math.random())) / 2);
      this.#timer = setTimeout(() => this.#connect(), pause);
      this.onStatus({ state: "gone", stream: this.stream, reason: "the connection is lost" });
    };
  }

  /** Whether it is worth to try again after an error. */
  #passes({ code }) {
    if (!this.#accepted) return false;
    // The key opens it, but not in the moment at which the daemon gives it up.
    if (code === "stream_taken" && this.#key) return Date.now() < this.#lostAt + 2 * this.#graceMs;
    return PASSING.includes(code);
  }
}

/**
 * Have a recording heard as fast as it goes; nobody else sees its events.
 *
 * @returns the events, in order, when all of it was heard
 */
export function analyze(url, samples, rate, { token = "", onEvent = () => {}, onProgress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new Error(GIVEN_UP);
    const socket = new WebSocket(addressed(url, token, "/analyze"), SUBPROTOCOLS.json);
    const events = [];
    let failure = "the daemon cannot be reached";
    let done = false;
    const isOpen = () => socket.readyState === WebSocket.OPEN;
    const giveUp = () => {
      failure = GIVEN_UP;
      socket.close(1000);
    };
    signal?.addEventListener("abort", giveUp);
    async function send() {
      const step = FRAME_BYTES / 2;
      for (let at = 0; at < samples.length; at += step) {
        // The daemon takes it at its own pace; nothing piles up here meanwhile.
        // Of a socket that is closed meanwhile, what was not sent stays so for ever.
        while (isOpen() && socket.bufferedAmount > UNSENT_BYTES) await new Promise((go) => setTimeout(go, 20));
        if (!isOpen()) return;
        socket.send(pcm(samples.subarray(at, at + step)));
      }
      socket.send('{"type":"end"}');
    }
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "hello") {
        failure = "the daemon broke off";
        socket.send(JSON.stringify({ type: "hello", rate, format: "s16le" }));
      } else if (event.type === "accepted") send();
      else if (event.type === "error") failure = event.message;
      else if (event.type === "device" && event.state === "ended") done = true;
      else {
        events.push(event);
        onEvent(event);
        if (event.end) onProgress(Math.min(1, (event.end * rate) / samples.length));
      }
    };
    socket.onclose = () => {
      signal?.removeEventListener("abort", giveUp);
      if (done) resolve(events);
      else reject(new Error(failure));
    };
  });
}

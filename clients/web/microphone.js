// The browser's microphone, on its way to the daemon as a stream of its own.
import { Publisher } from "./affectd.js";

const BROWSER = "Click the icon at the left of the address bar, allow the microphone for this page, and press the button again.";

/** What a person can do about an error of getUserMedia. */
export function explain(error) {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return `The browser may not use the microphone. ${BROWSER} The system's own privacy settings must allow it, too.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return "This machine has no microphone that the browser can find. Plug one in, and press the button again.";
    case "NotReadableError":
    case "AbortError":
      return "The microphone cannot be opened: another program may hold it. Close that, and press the button again.";
    default:
      return `The microphone cannot be used: ${error.message || error.name}`;
  }
}

export class Microphone {
  #parts = [];

  /** Ask for the microphone and begin to send. Throws an Error with a sentence for a person. */
  static async open(url, options) {
    if (!navigator.mediaDevices?.getUserMedia)
      throw new Error(
        "Browsers hand out the microphone on secure pages alone: open this page as http://127.0.0.1 or http://localhost on the daemon's own machine, or put the daemon behind HTTPS.",
      );
    let media;
    try {
      // The engine wants to hear the voice as it is, not what a telephone would make of it.
      const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      media = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new Error(explain(error));
    }
    const microphone = new Microphone();
    await microphone.#start(media, url, options);
    return microphone;
  }

  async #start(media, url, { token, onStatus, onEnded }) {
    const context = new AudioContext();
    this.#parts.push(() => media.getTracks().forEach((track) => track.stop()), () => context.close());
    try {
      await context.audioWorklet.addModule("capture.js");
      await context.resume();
    } catch (error) {
      this.stop();
      throw new Error(explain(error));
    }
    const source = context.createMediaStreamSource(media);
    const capture = new AudioWorkletNode(context, "affectd-capture", { numberOfOutputs: 0 });
    // A name of its own, so that a second browser can speak as well.
    const stream = `microphone-${crypto.getRandomValues(new Uint16Array(1))[0].toString(16).padStart(4, "0")}`;
    this.publisher = new Publisher(url, { rate: context.sampleRate, stream, token, onStatus });
    capture.port.onmessage = ({ data }) => this.publisher.send(data);
    source.connect(capture);
    this.#parts.push(() => source.disconnect(), () => this.publisher.end());
    media.getTracks()[0].onended = () => onEnded("The microphone was unplugged, or its permission taken back.");
  }

  /** Let go of the microphone, and say that there is no more. */
  stop() {
    for (const part of this.#parts.splice(0).reverse()) part();
  }
}

// Runs in the browser's audio thread: collects the microphone's quanta, mostly of 128 frames, into
// blocks of about 20 ms, averages the channels, and hands them over.
class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(128 * Math.ceil((0.02 * sampleRate) / 128));
    this.held = 0;
  }

  process([channels]) {
    const frames = channels[0]?.length ?? 0;
    for (let i = 0; i < frames; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.block[this.held++] = sum / channels.length;
      if (this.held === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.held = 0;
      }
    }
    return true;
  }
}

registerProcessor("affectd-capture", Capture);

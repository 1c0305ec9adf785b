// Events in human words, as in the terminal.
const REASONS = {
  too_short: "too short to judge",
  noisy: "too noisy to judge",
  not_speech: "hardly any speech",
  uncertain: "undecided",
};
const GAPS = {
  overrun: "the engine was too slow",
  overflow: "the system was too slow",
  device: "the device was away",
  publisher: "the publisher was away",
};
const DEVICES = {
  lost: "the device is lost",
  silent: "nothing but zeros: muted, or no permission?",
  clipping: "the level is too high: it clips",
  ended: "the source has ended",
};

/** Why a result names no emotion. */
export const reason = (abstained) => REASONS[abstained] ?? String(abstained);

/** What is wrong according to an event; empty if it says that something is well again. */
export function notice(event) {
  switch (event.type) {
    case "gap":
      return `${event.lost_seconds.toFixed(2)} s of audio are missing: ${GAPS[event.reason] ?? event.reason}`;
    case "device":
      return (DEVICES[event.state] ?? "") + (event.detail ? ` (${event.detail})` : "");
    case "load":
      return event.state === "degraded"
        ? `the engine cannot keep up: ${event.dropped} windows dropped, one every ${event.hop_seconds} s from now on`
        : "";
    case "error":
      return `${event.message} (${event.code})`;
    default:
      return "";
  }
}

export const percent = (share) => `${Math.round(100 * share)} %`;

/** Local time of an event, hh:mm:ss. */
export const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString("en-GB");

/** A time within a recording, m:ss.t */
export function position(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(1).padStart(4, "0")}`;
}

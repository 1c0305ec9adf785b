// Events in human words, as in clients/wording.py; a test holds the two together.
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
  publisher: "the publisher was away, or sent none",
};
const DEVICES = {
  lost: "the device is lost",
  restored: "the device is back",
  silent: "the device delivers nothing but zeros: muted, or no permission?",
  sounding: "the device delivers sound again",
  clipping: "the device is driven too hard: it clips",
  ended: "the source has ended",
  started: "a publisher begins to send",
};
const LOADS = {
  voice_only: () => "the engine cannot keep up: it tells only who speaks from now on",
  degraded: ({ dropped, hop_seconds }) =>
    `the engine cannot keep up: ${dropped} windows dropped, one every ${Number(hop_seconds.toPrecision(2))} s from now on`,
};
/** How something is said, as it stands in brackets before a subtitle: clients/words/en.toml. */
export const MANNERS = {
  angry: "angrily",
  disgust: "disgusted",
  fearful: "fearfully",
  happy: "happily",
  neutral: "neutrally",
  sad: "sadly",
  surprised: "surprised",
};
const WELL = ["restored", "sounding", "started", "recovered"];

/** Why a result names no emotion. */
export const reason = (abstained) => REASONS[abstained] ?? String(abstained);

/** Whether an event says that a device or the load is well, or well again. */
export const isWell = ({ state }) => WELL.includes(state);

/** What a gap, a change of the device or the load, or an error means; empty for other events. */
export function notice(event) {
  switch (event.type) {
    case "gap":
      return `${event.lost_seconds.toFixed(2)} s of audio are missing: ${GAPS[event.reason] ?? event.reason}`;
    case "device":
      return (DEVICES[event.state] ?? `device: ${event.state}`) + (event.detail ? ` (${event.detail})` : "");
    case "load":
      return LOADS[event.state]?.(event) ?? "the engine keeps up again";
    case "error":
      return `${event.message} (${event.code})`;
    case "bye":
      return `the daemon says goodbye (${event.reason})`;
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

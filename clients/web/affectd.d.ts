/** Types of affectd.js; the events are described in docs/protocol.md. */
export type Abstention = "too_short" | "noisy" | "not_speech" | "uncertain";

export interface EventBase {
  /** Name of the stream; empty where the event concerns the connection. */
  stream: string;
  /** Number in its stream, from 1; 0 where it is not numbered. */
  seq: number;
  /** Stream seconds. */
  start: number;
  end: number;
  /** UTC of the last sample, seconds since 1970. */
  captured_at: number;
}
export interface Hello extends EventBase {
  type: "hello"; server: string; epoch: string; model: string; labels: string[];
  streams: string[]; hop_seconds: number; window_seconds: number; voice_baseline: boolean;
}
export interface Speech extends EventBase { type: "speech"; state: "start" | "end" }
export interface Result extends EventBase {
  type: "emotion" | "utterance";
  label: string | null;
  abstained: Abstention | null;
  confidence: number;
  scores: Record<string, number>;
  valence: number;
  arousal: number;
  snr_db: number;
  age_ms: number | null;
  stages_ms: Record<string, number> | null;
  /** How many utterances the voice's baseline knew; null without one. */
  voice_utterances: number | null;
}
export interface Gap extends EventBase { type: "gap"; reason: "overrun" | "overflow" | "device" | "publisher"; lost_seconds: number }
export interface Device extends EventBase {
  type: "device";
  state: "started" | "lost" | "restored" | "silent" | "sounding" | "clipping" | "ended";
  detail: string;
}
export interface Load extends EventBase {
  type: "load"; state: "degraded" | "voice_only" | "recovered"; dropped: number; hop_seconds: number;
}
export interface Failure extends EventBase {
  type: "error"; code: string; message: string; fatal: boolean; lost: number; retry_after: number;
}
export interface Accepted extends EventBase {
  type: "accepted"; name: string; key: string; rate: number; format: string; resumed: boolean;
  grace_seconds: number; voice_baseline: boolean; voice: string;
}
export interface Mel extends EventBase {
  type: "mel"; frames: number; bands: number; low_db: number; high_db: number;
  /** Base64: a byte a band and frame, 0 for `low_db`, 255 for `high_db`. */
  data: string;
}
export interface Bye extends EventBase { type: "bye"; reason: string }
export type AffectdEvent =
  | Hello | Speech | Result | Gap | Device | Load | Failure | Accepted | Mel | Bye;

export interface Status {
  state: "connected" | "gone" | "closed";
  /** Since when it is gone, in milliseconds since 1970. */
  since: number | null;
  reason: string;
}
export interface SubscriptionOptions {
  format?: "msgpack" | "json";
  token?: string;
  /** Whether to ask for `mel` events. */
  mel?: boolean;
  /** Which streams to hear; all where it is left out. */
  streams?: string[] | null;
}
export declare class Subscription {
  constructor(url: string, options?: SubscriptionOptions & {
    onEvent?: (event: AffectdEvent) => void;
    onStatus?: (status: Status) => void;
  });
  close(): void;
  retry(): void;
  showMel(on: boolean): void;
}
export declare function subscribe(
  url: string, options?: SubscriptionOptions,
): AsyncGenerator<AffectdEvent, void, void>;

export interface PublisherStatus {
  state: "publishing" | "gone" | "refused" | "ended";
  stream: string;
  reason: string;
}
export declare class Publisher {
  constructor(url: string, options: {
    /** Hz, 8000 to 96000. */
    rate: number;
    stream?: string;
    /** Whose voice it is, of those enrolled where the daemon runs. */
    voice?: string;
    token?: string;
    onEvent?: (event: AffectdEvent) => void;
    onStatus?: (status: PublisherStatus) => void;
  });
  stream: string;
  /** What was never sent. */
  lostSeconds: number;
  send(samples: Float32Array): void;
  end(): void;
}
/** Whether a stream is over with an event. */
export declare function isLast(event: AffectdEvent): boolean;
/** Samples within ±1 as signed 16-bit little-endian. */
export declare function pcm(samples: Float32Array): ArrayBuffer;
export declare function analyze(
  url: string, samples: Float32Array, rate: number, options?: {
    token?: string;
    onEvent?: (event: AffectdEvent) => void;
    onProgress?: (share: number) => void;
    signal?: AbortSignal;
  },
): Promise<AffectdEvent[]>;

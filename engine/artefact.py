"""The contract between a model and the engine: what every artefact says of itself.

An artefact is one ONNX file. Everything needed to use it stands in its ``metadata_props``, one
JSON value per field, each key prefixed with ``affectd.``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.kernels.normalisation import Normalisation, normalise
from affectd.kernels.speech_bounds import trimmed
from affectd.kernels.voice_experts import VoiceExperts

__all__ = [
    "FINGERPRINT_TOLERANCE_DB",
    "FORMAT_VERSION",
    "INPUTS",
    "OUTPUTS",
    "ArtefactError",
    "ArtefactWarning",
    "Corpus",
    "Gate",
    "Metadata",
    "Precision",
    "Quantisation",
    "Target",
    "fingerprint",
    "golden_signal",
]

FORMAT_VERSION = 1
INPUTS = ("logmel", "frames")
"""float32 ``(batch, frames, columns)``, normalised, and int64 ``(batch,)``: the valid frames."""
OUTPUTS = ("logits", "embedding", "attention")
"""``(batch, classes)``, ``(batch, d)`` and ``(batch, steps)``, float32."""

FINGERPRINT_TOLERANCE_DB = 0.05
"""How far two correct implementations of one front end may lie apart on the golden signal."""

_PREFIX = "affectd."
_TELLING_RANGE_DB = 80.0

Coordinate = Annotated[float, Field(ge=-1, le=1)]
Precision = Literal["fp32", "fp16", "int8"]
Target = Literal["cpu", "cuda", "tensorrt"]
"""What an artefact was made to run on; it runs elsewhere too, perhaps slower."""


class ArtefactError(ValueError):
    """A file cannot be used as an artefact; the message names the field and what is allowed."""


class ArtefactWarning(UserWarning):
    """A file is used as an artefact that its export rejected."""


class Corpus(BaseModel):
    """What of a corpus a model was trained on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    licence: str
    clips: Annotated[int, Field(ge=0)]
    speakers: tuple[str, ...]
    """The speakers heard in training, or on whom a setting was chosen; all others are unseen."""
    resynthesised: Annotated[int, Field(ge=0)] = 0
    """How many of the clips were spectrograms, and made sound again."""


class Gate(BaseModel):
    """One thing that an artefact was held to when it was exported."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    figure: float | None
    """What was measured, in the gate's own unit; `None` where it could not be."""
    limit: float
    passed: bool
    allowed: bool = False
    """Whether whoever exported it let a failure pass."""

    @property
    def rejects(self) -> bool:
        """Whether it keeps the artefact from being used."""
        return not (self.passed or self.allowed)


class Quantisation(BaseModel):
    """How the weights of an artefact became integers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    scheme: str
    """In words, e.g. ``hybrid, per channel, minmax``."""
    windows: Annotated[int, Field(ge=0)]
    """Windows of speech from which the ranges of the activations were taken."""
    choice: str
    """Which windows those were."""
    excluded: tuple[str, ...] = ()
    """Layers left in floating point, because quantising them hurt most."""


class Metadata(BaseModel):
    """Everything an artefact says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    format_version: int = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][\w.-]*$")]
    labels: Annotated[tuple[str, ...], Field(min_length=2, max_length=64)]
    front_end: FrontEnd
    front_end_fingerprint: tuple[float, ...]
    """Mean of each band over the golden signal in dB: a hash that survives rounding."""
    window_seconds: Annotated[float, Field(gt=0, le=60)]
    """Length of a full window of audio."""
    hop_seconds: Annotated[float, Field(gt=0, le=10)]
    """Distance between two windows that the model was trained for."""
    minimum_seconds: Annotated[float, Field(gt=0, le=10)]
    """The shortest window that the model was trained for."""
    frame_sizes: Annotated[tuple[int, ...], Field(min_length=1, max_length=16)]
    """The sizes, ascending, to which a window's frames are padded with zeros at the end."""
    normalisation: Normalisation
    margin_seconds: Annotated[float, Field(ge=0, le=10)] | None = None
    """How much silence a window keeps on either side of its speech; its ends are not trimmed where
    it is not said."""
    temperature: Annotated[float, Field(gt=0, le=100)]
    """Divides the logits before the softmax."""
    valence_arousal: dict[str, tuple[Coordinate, Coordinate]]
    """Where each label lies, valence and arousal, each within ±1."""
    corpora: tuple[Corpus, ...]
    licence: str
    """The terms under which the weights may be used."""
    uar: dict[str, float] = Field(default_factory=dict)
    """Unweighted average recall in percent by corpus and protocol, e.g. ``ravdess/held-out``."""
    parity: dict[str, float] = Field(default_factory=dict)
    """How the artefact differs from its checkpoint: windows, largest and mean logit difference."""
    latency: dict[str, float] = Field(default_factory=dict)
    """Milliseconds a window takes on the machine that exported it."""
    precision: Precision = "fp32"
    target: Target = "cpu"
    quantisation: Quantisation | None = None
    gates: tuple[Gate, ...] = ()
    """What the export measured and what it demanded."""
    graph_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Hash of the graph apart from this metadata: tells whether anybody changed it since."""
    checkpoint_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    voice_experts: VoiceExperts | None = None
    """What knows, from the output ``embedding``, how a voice lies; without it no baseline of a
    voice can be had."""

    def window(self, logmel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return a window as the model takes it: trimmed, if it wants that, and normalised.

        Args:
            logmel: In dB, not normalised, float32 ``(frames, bands)``, at least one frame.
        """
        if self.margin_seconds is not None:
            logmel = trimmed(
                logmel,
                self.front_end,
                margin_seconds=self.margin_seconds,
                minimum_seconds=self.minimum_seconds,
            )
        return normalise(logmel, self.normalisation, self.front_end)

    @property
    def title(self) -> str:
        """Its name with its precision, as its file is called."""
        return self.name if self.precision == "fp32" else f"{self.name}-{self.precision}"

    @field_validator("front_end", mode="before")
    @classmethod
    def _front_end(cls, value: object) -> object:
        return FrontEnd.from_dict(value) if isinstance(value, Mapping) else value

    @field_validator("voice_experts", mode="before")
    @classmethod
    def _voice_experts(cls, value: object) -> object:
        return VoiceExperts.from_dict(value) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _consistent(self) -> Metadata:
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"format_version is {self.format_version}; this engine reads {FORMAT_VERSION}"
            )
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels repeat: {self.labels}")
        if set(self.valence_arousal) != set(self.labels):
            raise ValueError(
                f"valence_arousal names {sorted(self.valence_arousal)}, not the labels"
            )
        if list(self.frame_sizes) != sorted(set(self.frame_sizes)) or self.frame_sizes[0] < 1:
            raise ValueError(f"frame_sizes {self.frame_sizes} do not ascend")
        window_frames = self.front_end.frames(
            round(self.window_seconds * self.front_end.sample_rate)
        )
        if not 1 <= window_frames <= self.frame_sizes[-1]:
            raise ValueError(
                f"window_seconds gives {window_frames} frames; frame_sizes end at "
                f"{self.frame_sizes[-1]}"
            )
        if len(self.front_end_fingerprint) != self.front_end.columns:
            raise ValueError(
                f"front_end_fingerprint has {len(self.front_end_fingerprint)} values for "
                f"{self.front_end.columns} bands"
            )
        if self.front_end.extras and self.normalisation != "none":
            raise ValueError(
                f"normalisation is {self.normalisation!r}; with extras in the front end only "
                "'none' is allowed"
            )
        if self.voice_experts and len(self.voice_experts.columns) != len(self.labels):
            raise ValueError(
                f"voice_experts is of {len(self.voice_experts.columns)} labels, and not of "
                f"{len(self.labels)}"
            )
        if self.normalisation == "whisper" and self.front_end.spectrum != "mel":
            raise ValueError("normalisation 'whisper' needs mel bands in the front end")
        return self

    def to_props(self) -> dict[str, str]:
        """Return the metadata as ONNX ``metadata_props``."""
        values: dict[str, Any] = self.model_dump(
            mode="json", exclude={"front_end", "voice_experts"}
        )
        values["front_end"] = self.front_end.to_dict()
        values["voice_experts"] = self.voice_experts and self.voice_experts.to_dict()
        return {_PREFIX + key: json.dumps(value) for key, value in values.items()}

    @classmethod
    def from_props(cls, props: Mapping[str, str]) -> Metadata:
        """Read the metadata back.

        Raises:
            ArtefactError: a field is missing, is no JSON, or holds what the engine cannot honour.
        """
        if not any(key.startswith(_PREFIX) for key in props):
            raise ArtefactError("it is an ONNX file without affectd metadata")
        values: dict[str, Any] = {}
        for key, text in props.items():
            if key.startswith(_PREFIX):
                field = key.removeprefix(_PREFIX)
                try:
                    values[field] = json.loads(text)
                except ValueError:
                    raise ArtefactError(
                        f"metadata field {field!r} is no JSON: {text[:40]!r}"
                    ) from None
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "metadata"
            raise ArtefactError(f"metadata field {field!r}: {first['msg']}") from None


def fingerprint(front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """Return the mean of each column over the golden signal, dB, float32 ``(columns,)``."""
    frames = LogMel(front_end).batch(golden_signal(front_end.sample_rate))
    if front_end.spectrum == "linear":
        # A bin far from every sine holds the rounding of the transform, which no two machines
        # agree on.
        frames = np.maximum(frames, frames.max() - _TELLING_RANGE_DB)
    mean: npt.NDArray[np.float32] = frames.mean(axis=0)
    return mean


def golden_signal(sample_rate: int) -> npt.NDArray[np.float32]:
    """Return one second that every band answers to: a sweep over all frequencies, and clicks.

    It is built from sines alone, so that no random generator has to agree between versions.

    Returns:
        float32 ``(sample_rate,)`` within ±1.
    """
    seconds = np.arange(sample_rate) / sample_rate
    sweep = np.sin(np.pi * (sample_rate / 2) * seconds**2)
    clicks = np.sin(2 * np.pi * 7 * seconds) ** 200
    return (0.5 * sweep + 0.25 * clicks).astype(np.float32)

"""The recipe of a linear probe on an encoder that sees no label."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from affectd.models.labels import LABELS
from affectd.models.recipes import Recipe
from affectd.models.windowing import MARGIN_SECONDS

__all__ = ["DistillingSettings", "ProbeRecipe", "ProbeSettings"]


class ProbeSettings(BaseModel):
    """How the probe is learnt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shrinkage: Annotated[float, Field(gt=0, le=1)]
    """Share of the mean variance in that of every direction; see `affectd.models.discriminant`."""
    drawn: Annotated[int, Field(ge=0, le=16)] = 0
    """Windows of each clip that are drawn and disturbed, beside those that it is scored on."""
    strangeness: Annotated[float, Field(ge=0)] = 0.0
    """How much voices' means count in the scatter; see `affectd.models.discriminant`."""
    kinship: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How much a voice of another corpus counts, beside one of the discriminant's own, in that."""
    covariance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the other corpora in the covariance within the classes."""


class DistillingSettings(BaseModel):
    """How a part of an encoder learns to say, of disturbed speech, what all says of clean speech.

    Windows are cut, stretched, shifted and filtered as the recipe's augmentation says; see
    `affectd.models.distilling`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=2, max_length=5)]
    """How much each layer of the encoder that teaches counts, the stem first: one more than its
    blocks."""
    windows: Annotated[int, Field(ge=1, le=16)] = 2
    """Of each clip, drawn once."""
    steps: Annotated[int, Field(ge=1)] = 2_000
    batch: Annotated[int, Field(ge=1)] = 32
    rate: Annotated[float, Field(gt=0)] = 5e-4
    """At its highest; a cosine takes it down to zero."""
    warm_up_steps: Annotated[int, Field(ge=1)] = 60
    noise: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Probability of added noise."""
    noise_snr_db: tuple[float, float] = (3.0, 40.0)
    room: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Probability of reverberation."""
    room_seconds: tuple[float, float] = (0.2, 0.8)
    """Range of the time in which it falls by 60 dB."""
    room_ratio_db: tuple[float, float] = (-3.0, 12.0)
    """Range of how far its energy lies below the direct sound's."""
    line: Annotated[float, Field(ge=0, le=1)] = 0.15
    """Probability of a line that carries a part of the frequencies."""
    line_low_hz: tuple[float, float] = (0.0, 300.0)
    line_high_hz: tuple[float, float] = (3_200.0, 4_200.0)
    seed: Annotated[int, Field(ge=0)] = 1


class ProbeRecipe(Recipe):
    """A recipe whose encoder learns no label, and whose classes are told apart in closed form.

    Its optimiser is not used.
    """

    may_have_a_teacher: ClassVar[bool] = False
    margin_seconds: ClassVar[float | None] = MARGIN_SECONDS
    probe: ProbeSettings
    distilling: DistillingSettings | None = None
    """Without it, the encoder's weights stay as they come."""
    needs_weights: str
    """What foreign weights the encoder has, and how to get them."""

    @model_validator(mode="before")
    @classmethod
    def _as_corpora_and_labels_say(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("options", {}), dict):
            return values
        # Both are told once: the network has an expert for each corpus, and calm speech counts as
        # neutral, wherever that stands among the labels.
        told = dict(values.get("options", {}))
        told.pop("neutral", None)
        if isinstance(corpora := values.get("corpora"), dict):
            told["corpora"] = len(corpora)
        if isinstance(absent := values.get("absent"), list | tuple) and absent:
            labels = [label for label in LABELS if label not in absent]
            if "neutral" not in labels:
                raise ValueError("absent names neutral, which calm speech counts as")
            told["neutral"] = labels.index("neutral")
        return {**values, "options": told}

    @model_validator(mode="after")
    def _learns_what_is_deeper(self) -> Self:
        ahead = bool(self.options.get("ahead"))
        if self.distilling is None:
            if ahead:
                raise ValueError("options.ahead needs distilling: nothing teaches what lies ahead")
            return self
        blocks, deepest = self.options.get("blocks", "not said"), len(self.distilling.layers) - 1
        if not ahead and blocks != deepest:
            raise ValueError(
                f"options.blocks is {blocks} and distilling.layers has {deepest} beside the stem: "
                "without options.ahead each block learns what its like says, so give as many"
            )
        if not self.distilling.layers[-1]:
            raise ValueError("distilling.layers ends with 0: nothing would teach the last layer")
        return self

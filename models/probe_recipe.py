"""The recipe of a linear probe on a frozen encoder."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from affectd.models.recipes import Recipe

__all__ = ["ProbeRecipe", "ProbeSettings"]


class ProbeSettings(BaseModel):
    """How the probe is learnt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shrinkage: Annotated[float, Field(gt=0, le=1)]
    """Share of the mean variance in that of every direction; see `affectd.models.whitening`."""
    drawn: Annotated[int, Field(ge=0, le=16)] = 0
    """Windows of each clip that are drawn and disturbed, beside those that it is scored on."""
    epochs: Annotated[int, Field(ge=1)] = 20
    """Of so many draws as there are clips."""
    batch: Annotated[int, Field(ge=2)] = 256
    rate: Annotated[float, Field(gt=0)] = 1e-3
    """Of AdamW, falling to zero as a cosine."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1


class ProbeRecipe(Recipe):
    """A recipe whose encoder is frozen, and whose classes are told apart by a small network.

    Its optimiser is not used: the probe has its own.
    """

    probe: ProbeSettings
    needs_weights: str
    """What foreign weights the encoder has, and how to get them."""

"""The recipe of a linear probe on a frozen encoder."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from affectd.models.recipes import Recipe

__all__ = ["ProbeRecipe", "ProbeSettings"]


class ProbeSettings(BaseModel):
    """How the probe is learnt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shrinkage: Annotated[float, Field(gt=0, le=1)]
    """Share of the mean variance in that of every direction; see `affectd.models.discriminant`."""
    drawn: Annotated[int, Field(ge=0, le=16)] = 0
    """Windows of each clip that are drawn and disturbed, beside those that it is scored on."""
    shrinkage_of_place: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The same, of the discriminant that tells corpora apart."""
    strangeness: Annotated[float, Field(ge=0)] = 0.0
    """How much voices' means count in the scatter; see `affectd.models.discriminant`."""


class ProbeRecipe(Recipe):
    """A recipe whose encoder is frozen, and whose classes are told apart in closed form.

    Its optimiser is not used.
    """

    may_have_a_teacher: ClassVar[bool] = False
    probe: ProbeSettings
    needs_weights: str
    """What foreign weights the encoder has, and how to get them."""

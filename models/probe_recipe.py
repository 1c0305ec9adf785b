"""The recipe of a linear probe on a frozen encoder."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from affectd.models.recipes import Recipe

__all__ = ["ProbeRecipe", "ProbeSettings"]


class ProbeSettings(BaseModel):
    """How the discriminant is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shrinkage: Annotated[float, Field(gt=0, le=1)]
    """Share of the identity in the covariance within the classes."""
    drawn: Annotated[int, Field(ge=0, le=16)] = 0
    """Windows of each clip that are drawn and disturbed, beside those that it is scored on."""


class ProbeRecipe(Recipe):
    """A recipe whose encoder is frozen and whose classes are told apart by a discriminant.

    Its optimiser is not used: the solution is in closed form.
    """

    probe: ProbeSettings
    needs_weights: str
    """What foreign weights the encoder has, and how to get them."""

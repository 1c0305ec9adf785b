"""A recipe: everything that decides a training run but its data's place and its seed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.normalisation import Normalisation
from affectd.models.augmentation import Augmentation
from affectd.models.corpora import corpus_named
from affectd.models.labels import LABELS
from affectd.models.spelling import nearest
from affectd.models.windowing import Windowing

__all__ = [
    "Distillation",
    "Optimiser",
    "Recipe",
    "RecipeError",
    "checked",
    "load_recipe",
    "shipped_recipes",
]

Checked = TypeVar("Checked", bound=BaseModel)


class RecipeError(ValueError):
    """A recipe cannot be used; the message names the key and what is allowed."""


class Optimiser(BaseModel):
    """AdamW with a warm-up and a cosine down to zero, over windows drawn anew each epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Annotated[int, Field(ge=1)] = 40
    windows_per_epoch: Annotated[int, Field(ge=1)] = 12_288
    batch: Annotated[int, Field(ge=2)] = 64
    rate: Annotated[float, Field(gt=0)] = 1.5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warm_up_steps: Annotated[int, Field(ge=0)] = 300
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    mixup: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Probability that a batch is mixed (H. Zhang et al., "mixup", ICLR 2018)."""
    mixup_alpha: Annotated[float, Field(gt=0)] = 0.4
    average: Annotated[float, Field(ge=0, lt=1)] = 0.998
    """Decay per step of the moving average of the weights, which is what is kept."""
    clip_norm: Annotated[float, Field(gt=0)] = 5.0

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch, all of them full."""
        return max(self.windows_per_epoch // self.batch, 1)


class Distillation(BaseModel):
    """A trained model that is learnt from beside the labels; see `affectd.models.teacher`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """A shipped name, an ONNX file or a checkpoint, with the same windows and labels."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Of the loss; the labels have the rest."""


class Recipe(BaseModel):
    """What a model is and how it is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    may_have_a_teacher: ClassVar[bool] = True
    margin_seconds: ClassVar[float | None] = None
    """See `Windowing`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,63}$")]
    architecture: str
    options: dict[str, Any] = Field(default_factory=dict)
    front_end: FrontEnd = FrontEnd()
    normalisation: Normalisation = "standard"
    window_seconds: Annotated[float, Field(gt=0, le=60)] = 3.0
    hop_seconds: Annotated[float, Field(gt=0, le=10)] = 0.25
    minimum_seconds: Annotated[float, Field(gt=0, le=10)] = 0.6
    corpora: dict[str, float]
    """The corpora heard and how much each one counts."""
    absent: tuple[str, ...] = ()
    """Emotions of `affectd.models.labels.LABELS` that the model does not know."""
    noise: bool = True
    """Whether ESC-10 is added to white and pink noise, where it is at hand."""
    optimiser: Optimiser = Optimiser()
    augmentation: Augmentation = Augmentation()
    teacher: Distillation | None = None

    @field_validator("teacher")
    @classmethod
    def _teacher(cls, value: Distillation | None) -> Distillation | None:
        if value is not None and not cls.may_have_a_teacher:
            raise ValueError(
                "this kind of recipe has none: only networks trained by gradient on live windows do"
            )
        return value

    @field_validator("front_end", mode="before")
    @classmethod
    def _front_end(cls, value: object) -> object:
        return FrontEnd.from_dict(value) if isinstance(value, Mapping) else value

    @field_validator("corpora")
    @classmethod
    def _corpora(cls, value: dict[str, float]) -> dict[str, float]:
        if not value:
            raise ValueError("no corpus to train on")
        for name, weight in value.items():
            corpus_named(name)
            if not weight > 0:
                raise ValueError(f"weight of {name} is {weight}; allowed is above 0")
        return value

    @field_validator("absent")
    @classmethod
    def _absent(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - set(LABELS)):
            raise ValueError(f"{unknown[0]} is none of {', '.join(LABELS)}")
        if len(set(value)) > len(LABELS) - 2:
            raise ValueError("a model tells at least two emotions apart")
        return value

    @property
    def labels(self) -> tuple[str, ...]:
        """What is told apart."""
        return tuple(label for label in LABELS if label not in self.absent)

    @property
    def windowing(self) -> Windowing:
        """How windows are cut and normalised."""
        return Windowing(
            front_end=self.front_end,
            normalisation=self.normalisation,
            window_seconds=self.window_seconds,
            hop_seconds=self.hop_seconds,
            minimum_seconds=self.minimum_seconds,
            margin_seconds=self.margin_seconds,
        )

    def changed(
        self,
        *,
        epochs: int | None = None,
        normalisation: str | None = None,
        corpora: Iterable[str] | None = None,
    ) -> Recipe:
        """Return the recipe with other values for those that are given.

        Args:
            epochs: Of the optimiser.
            normalisation: Of the windows.
            corpora: Those of the recipe's corpora to hear; one that is not in it weighs 1.

        Raises:
            RecipeError: a value is not allowed.
        """
        values = self.to_dict()
        if epochs is not None:
            values["optimiser"]["epochs"] = epochs
        if normalisation is not None:
            values["normalisation"] = normalisation
        if corpora is not None:
            values["corpora"] = {name: self.corpora.get(name, 1.0) for name in corpora}
        return type(self).from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, ready for JSON."""
        # Runs are named by a hash of this, and most have no teacher.
        left_out = {"front_end"} if self.teacher else {"front_end", "teacher"}
        return self.model_dump(mode="json", exclude=left_out) | {
            "front_end": self.front_end.to_dict()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe that `to_dict` described.

        Raises:
            RecipeError: a key is missing, unknown, or holds what is not allowed.
        """
        return checked(cls, values)


def checked(kind: type[Checked], values: Mapping[str, Any]) -> Checked:
    """Return the recipe of a kind that these values describe.

    Raises:
        RecipeError: a key is missing, unknown, or holds what is not allowed.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if not key:
            raise RecipeError(f"recipe: {first['msg'].removeprefix('Value error, ')}") from None
        given = "" if first["type"] == "missing" else f" is {str(first['input'])[:40]!r}"
        raise RecipeError(f"recipe key {key!r}{given}: {first['msg']}") from None


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with the package."""
    folder = resources.files("affectd.models").joinpath("recipes")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_recipe(named: str) -> Recipe:
    """Read a recipe.

    Args:
        named: The name of one that is shipped, or the path of a TOML file.

    Raises:
        RecipeError: there is none of that name, or it is no valid recipe.
    """
    try:
        if named in shipped_recipes():
            folder = resources.files("affectd.models").joinpath("recipes")
            text = folder.joinpath(f"{named}.toml").read_text("utf-8")
        elif Path(named).suffix == ".toml":
            text = Path(named).read_text("utf-8")
        else:
            raise RecipeError(f"no recipe {named!r}; {nearest(named, shipped_recipes())}")
        values = tomllib.loads(text)
        if "probe" in values:
            # Imported where needed: its recipe is a recipe, too.
            from affectd.models.probe_recipe import ProbeRecipe

            return ProbeRecipe.from_dict(values)
        return Recipe.from_dict(values)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"recipe {named} cannot be read: {error}") from None

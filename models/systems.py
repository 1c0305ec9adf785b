"""A system of a paper: a recipe with the paper's split, labels, loss and schedule, and its figures.

`affectd.models.recipes.Recipe` says what a model is; a `System` says besides how its paper trained
and tested it. Each stands in ``recipes/papers`` as a small TOML file.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from affectd.models.augmentation import Augmentation
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.recipes import Recipe, RecipeError, checked, load_recipe, shipped_recipes
from affectd.models.spelling import nearest

__all__ = [
    "Disturbance",
    "Published",
    "Schedule",
    "SplitPlan",
    "System",
    "named_recipe",
    "recipe_from",
    "system_named",
    "systems",
]

_FOLDER = "recipes/papers"
_REVISIONS = {"two-branch": 2}
"""Raised where a network became another one under its name, so that old runs are not its own."""
PREFIX = "papers/"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Published(_Value):
    """A figure as its paper has it."""

    accuracy: float
    """Percent."""
    protocol: str
    corpora: tuple[str, ...] = ()
    f1: float | None = None


class SplitPlan(_Value):
    """How the paper divides its clips."""

    train: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Share of the clips trained on; with `test_clips`, all that no other part takes."""
    development: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share on which the best epoch is chosen, or the schedule decided, with `test_clips` of what
    they leave; none where it is 0."""
    stratified: bool = True
    """Whether each class is divided in the same proportion."""
    test_clips: Annotated[int, Field(ge=0)] = 0
    """How many clips are tested on; what `train` and `development` leave where it is 0."""
    left_out: tuple[str, ...] = ()
    """Speakers that are in no part of it."""
    seed: int = 42

    @model_validator(mode="after")
    def _possible(self) -> SplitPlan:
        if not self.test_clips and self.train + self.development > 1 + 1e-9:
            raise ValueError(
                f"train ({self.train:g}) and development ({self.development:g}) are more than 1"
            )
        return self


class ForestGrid(_Value):
    """The sizes of a forest that are tried; those with the best cross-validated accuracy count."""

    trees: tuple[int, ...] = (100, 300)
    depth: tuple[int, ...] = (10, 20, 0)
    """0: as deep as it gets."""
    split: tuple[int, ...] = (2, 5)
    """Fewest clips of a node that is divided."""
    leaf: tuple[int, ...] = (1, 2)
    """Fewest clips of a leaf."""
    criterion: tuple[Literal["gini", "entropy"], ...] = ("gini", "entropy")

    def to_sklearn(self) -> dict[str, list[Any]]:
        """Return the grid in scikit-learn's words."""
        return {
            "n_estimators": list(self.trees),
            "max_depth": [depth or None for depth in self.depth],
            "min_samples_split": list(self.split),
            "min_samples_leaf": list(self.leaf),
            "criterion": list(self.criterion),
        }


class Schedule(_Value):
    """How the weights are found."""

    optimiser: Literal["adam", "adamw", "forest"] = "adam"
    epochs: Annotated[int, Field(ge=1)] = 50
    batch: Annotated[int, Field(ge=2)] = 32
    rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """``adam`` adds it to the gradient (L2), ``adamw`` takes it from the weights."""
    decay_convolutions_only: bool = False
    clip_norm: float = 0.0
    """Largest norm of the gradient; none where it is 0."""
    plan: Literal["constant", "plateau", "restarts", "cosine"] = "constant"
    """``plateau``: ×0.5 after 3 epochs without a better development loss. ``restarts``: cosine
    with restarts after 10 epochs, then after twice as many, and so on."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without a better development loss before it ends; 0: never."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    distance_weighting: Annotated[float, Field(ge=0)] = 0.0
    """How much more a confusion of emotions that lie far apart on the plane of valence and arousal
    costs than one of neighbours."""
    balance: Literal["none", "weights", "under", "over"] = "none"
    """Of the classes: weights in the loss, or drawing fewer or more of some."""
    pretraining_epochs: Annotated[int, Field(ge=0)] = 0
    """Of a greedy layer-wise autoencoder, for each convolution block, before the classifier."""
    forest_grid: ForestGrid = ForestGrid()
    """For the optimiser ``forest``."""
    mixed_precision: bool = False
    """bfloat16 where it may be, for speed."""


class Disturbance(_Value):
    """How images are disturbed in training; zeros turn a disturbance off."""

    masks: Annotated[int, Field(ge=0, le=8)] = 0
    """Along each axis."""
    mask_share: Annotated[float, Field(ge=0, le=1)] = 0.15
    """Longest mask, as a share of its axis."""
    noise: Annotated[float, Field(ge=0)] = 0.0
    """Deviation of added Gaussian noise, as a share of the image's own."""
    shift_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Longest shift in time, as a share of the image."""


class System(Recipe):
    """A recipe as a paper has it."""

    may_have_a_teacher: ClassVar[bool] = False
    margin_seconds: ClassVar[float] = 0.1
    source: str
    """The paper, in words or by number."""
    chosen: tuple[str, ...] = ()
    """What the paper leaves open and was chosen here, and what stands in for what."""
    emotions: tuple[str, ...]
    """The classes; calm counts as neutral where it is not one of them."""
    sex_in_label: bool = False
    split: SplitPlan = SplitPlan()
    schedule: Schedule = Schedule()
    disturbance: Disturbance = Disturbance()
    speaker_normalisation: Literal["none", "relative", "speaker"] = "none"
    """Of hand-crafted vectors: ``speaker``: by the mean and deviation of all clips of their
    speaker; ``relative``: less the mean of the speaker's neutral clips. Both use every clip of a
    speaker, the tested ones too; live, every voice is taken for the average one."""
    augmented: bool = False
    """Whether `augmentation` is applied to the windows."""
    note: str = ""
    """What came of it here, where the figures alone do not say it."""
    published: tuple[Published, ...] = ()
    further: tuple[tuple[str, ...], ...] = ()
    """Other sets of corpora that the paper's protocol is repeated on, beside `corpora`."""
    pretrained: bool = False
    """Whether it begins with foreign weights, from the folder that ``--weights`` names."""
    needs_weights: str = ""
    """What foreign weights those are, and how to get them."""

    @model_validator(mode="before")
    @classmethod
    def _quiet(cls, values: Any) -> Any:
        # What a paper does not disturb is left alone: the engine's own defaults are not its.
        if isinstance(values, dict) and "augmentation" not in values:
            return {**values, "augmentation": _STILL}
        return values

    @property
    def labels(self) -> tuple[str, ...]:
        """The outputs, in their order."""
        if not self.sex_in_label:
            return self.emotions
        return tuple(f"{sex} {emotion}" for sex in ("female", "male") for emotion in self.emotions)

    @property
    def digest(self) -> str:
        """A hash of all that decides a run but its seed: words about the system do not."""
        told = self.model_dump(
            mode="json",
            exclude_defaults=True,
            exclude={
                "front_end",
                "chosen",
                "note",
                "published",
                "further",
                "source",
                "needs_weights",
            },
        )
        told["front_end"] = self.front_end.to_dict()
        if self.architecture in _REVISIONS:
            told["revision"] = _REVISIONS[self.architecture]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> System:
        """Return the system that `to_dict` described.

        Raises:
            RecipeError: a key is missing, unknown, or holds what is not allowed.
        """
        return checked(cls, values)

    def changed(
        self,
        *,
        epochs: int | None = None,
        normalisation: str | None = None,
        corpora: Iterable[str] | None = None,
    ) -> System:
        """Return the system with other values; see `Recipe.changed`."""
        changed = super().changed(normalisation=normalisation, corpora=corpora)
        assert isinstance(changed, System)
        return changed if epochs is None else changed.with_epochs(epochs)

    @property
    def on_further_corpora(self) -> tuple[System, ...]:
        """The same system for each of the `further` sets of corpora."""
        return tuple(self.changed(corpora=corpora) for corpora in self.further)

    def with_epochs(self, epochs: int) -> System:
        """Return the system with another number of epochs."""
        return self.model_copy(
            update={"schedule": self.schedule.model_copy(update={"epochs": epochs})}
        )


_STILL = Augmentation(
    early=0.0,
    crop=0.0,
    leading_seconds=0.1,
    trailing_seconds=0.1,
    stretch=0.0,
    shift=0.0,
    tilt=0.0,
    noise=0.0,
    masks=0,
).model_dump()


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe or the system that `Recipe.to_dict` described.

    Raises:
        RecipeError: a key is missing, unknown, or holds what is not allowed.
    """
    if "probe" in values:
        return ProbeRecipe.from_dict(values)
    kind = System if "source" in values else Recipe
    return kind.from_dict(values)


def systems() -> tuple[str, ...]:
    """Return the names of the papers' systems."""
    folder = resources.files("affectd.models").joinpath(_FOLDER)
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def system_named(name: str) -> System:
    """Read a system.

    Args:
        name: One of `systems`, with or without ``papers/`` before it.

    Raises:
        RecipeError: there is none of that name; the message names the near ones.
    """
    bare = name.removeprefix(PREFIX)
    if bare not in systems():
        raise RecipeError(f"no system {name!r}; {nearest(bare, systems())}")
    path = resources.files("affectd.models").joinpath(f"{_FOLDER}/{bare}.toml")
    values = tomllib.loads(path.read_text("utf-8"))
    base = values.pop("like", None)
    if base is not None:
        values = _merged(system_named(base).to_dict() | {"note": ""}, values)
    try:
        return System.from_dict(values)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None


def named_recipe(name: str) -> Recipe:
    """Read a recipe or a system; a name of both is the recipe's, and ``papers/NAME`` the system's.

    Raises:
        RecipeError: there is neither.
    """
    if name in shipped_recipes() or name.endswith(".toml"):
        return load_recipe(name)
    if name.removeprefix(PREFIX) in systems():
        return system_named(name)
    recipes = shipped_recipes()
    of_papers = (PREFIX + each if each in recipes else each for each in systems())
    raise RecipeError(f"no recipe {name!r}; {nearest(name, (*recipes, *of_papers))}")


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        # A table of corpora or of a front end is replaced as a whole, as are the options of another
        # architecture; the others key by key.
        whole = key in ("corpora", "front_end") or (key == "options" and "architecture" in changes)
        merged[key] = _merged(merged[key], value) if both and not whole else value
    return merged

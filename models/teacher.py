"""A trained model whose opinion of a window is learnt beside the window's label.

Source: G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015. The
teacher hears the very window that is learnt from, disturbed and mixed as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from affectd.models.checkpoint import Heard
from affectd.models.recipes import Recipe, RecipeError
from affectd.models.scoring import Scorer
from affectd.models.subject import subject_named
from affectd.models.windowing import Windowing

__all__ = ["Teacher", "teacher_of"]


@dataclass(frozen=True, slots=True)
class Teacher:
    """What a recipe's teacher says of windows, and how much that counts."""

    scorer: Scorer
    temperature: float
    """The teacher's own calibration; nothing is softened beyond it, and the pupil stays at 1."""
    share: float
    """Weight of the distillation in the loss, 0 to 1; the labels have the rest."""

    def posterior(self, logmel: Tensor, frames: Tensor) -> Tensor:
        """Return the probabilities of the labels, float32 ``(batch, classes)``.

        Args:
            logmel: Normalised windows, float32 ``(batch, frames, bands)``.
            frames: How many frames of each are valid, int64 ``(batch,)``.
        """
        logits = torch.from_numpy(self.scorer(logmel.numpy(), frames.numpy()))
        return torch.softmax(logits / self.temperature, dim=1)


def teacher_of(recipe: Recipe, heard: Sequence[Heard]) -> Teacher | None:
    """Return the teacher that a recipe names; `None` where it names none.

    Args:
        recipe: What is trained.
        heard: Whom the run hears, development speakers among them: the teacher must have heard
            nobody else, or the test speakers would be known to the pupil.

    Raises:
        RecipeError: there is no such model, it has heard others or does not say whom, or it takes
            other windows or labels.
    """
    if recipe.teacher is None:
        return None
    named = recipe.teacher.model
    try:
        subject = subject_named(named)
    except ValueError as error:
        raise RecipeError(f"recipe key 'teacher.model': {error}") from None
    if subject.labels != recipe.labels:
        raise RecipeError(
            f"recipe key 'teacher.model': {named} tells {', '.join(subject.labels)} apart, "
            f"{recipe.name} {', '.join(recipe.labels)}"
        )
    if _windows(subject.windowing) != _windows(recipe.windowing):
        raise RecipeError(
            f"recipe key 'teacher.model': {named} takes other windows than {recipe.name}"
        )
    if not subject.heard:
        raise RecipeError(f"recipe key 'teacher.model': {named} does not say whom it has heard")
    ours = {each.corpus: frozenset(each.speakers) for each in heard}
    for corpus, speakers in subject.heard.items():
        if others := speakers - ours.get(corpus, frozenset()):
            raise RecipeError(
                f"recipe key 'teacher.model': {named} has heard {min(others)} of {corpus}, whom "
                "this run does not hear; a teacher knows the run's speakers or fewer"
            )
    return Teacher(subject.scorer, subject.temperature, recipe.teacher.share)


def _windows(windowing: Windowing) -> tuple[object, ...]:
    # How far they lie apart does not matter to who learns from single ones.
    return (windowing.front_end, windowing.normalisation, windowing.window_frames)

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

__all__ = ["Teacher", "teacher_of"]


@dataclass(frozen=True, slots=True)
class Teacher:
    """What a recipe's teacher says of windows, and how much that counts."""

    scorer: Scorer
    temperature: float
    share: float
    """Of the loss, 0 to 1; the labels have the rest."""

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
        heard: Whom the run hears: the teacher must have heard nobody else, or the test speakers
            would be known to the pupil.

    Raises:
        RecipeError: the teacher has heard others, or takes other windows or labels.
        EvaluationError: there is no such model.
    """
    if recipe.teacher is None:
        return None
    named = recipe.teacher.model
    subject = subject_named(named)
    if subject.labels != recipe.labels or subject.windowing != recipe.windowing:
        raise RecipeError(
            f"recipe key 'teacher': {named} has other labels or takes other windows than "
            f"{recipe.name}"
        )
    ours = {each.corpus: frozenset(each.speakers) for each in heard}
    for corpus, speakers in subject.heard.items():
        if others := speakers - ours.get(corpus, frozenset()):
            raise RecipeError(
                f"recipe key 'teacher': {named} has heard {min(others)} of {corpus}, whom this run "
                f"shall not know; name one that has not, or train without"
            )
    return Teacher(subject.scorer, subject.temperature, recipe.teacher.share)

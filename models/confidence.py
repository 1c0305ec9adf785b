"""How far experts are to be believed, fitted on voices and corpora that they have not heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from affectd.models.experts import ABSENT, Confidence, others_of, own_share

__all__ = ["Trial", "fit_confidence"]

_ROUNDS = 60
_KNOWN = 3.0
"""What a window of a known corpus counts beside a stranger's when the reach is fitted: without its
own expert it loses what none else knows, where a stranger is only judged too surely."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What experts said of clips that they had not heard."""

    corpus: str
    """Whose clips they are."""
    corpora: tuple[str, ...]
    """Whose experts spoke, after the mean of all."""
    parts: npt.NDArray[np.float64]
    """``(clips, experts, kinds)``."""
    distances: npt.NDArray[np.float64]
    """From each corpus's voices, ``(clips, corpora)``."""
    absent: npt.NDArray[np.bool_]
    """``(experts, kinds)``."""
    voices: npt.NDArray[np.float64]
    """How many each corpus's expert has learnt from, ``(corpora,)``."""
    truth: npt.NDArray[np.int64]
    """Places among the columns."""
    columns: tuple[tuple[int, ...], ...]
    """The kinds that count for each emotion that is guessed among."""
    weight: float
    """Of all the clips together."""


def fit_confidence(trials: Sequence[Trial]) -> Confidence:
    """Return the confidence that fits trials best.

    How far a corpus's voices reach is fitted first, as a logistic regression of which corpus, or
    none that was heard, a window came from. Then sharpness, familiarity and company are what makes
    the truth likeliest. All experts share them: with a sharpness for each, what was fitted on a few
    corpora was too sure of the next.

    Raises:
        ValueError: there are no trials.
    """
    if not trials:
        raise ValueError("no trials to fit confidence on")
    total = sum(trial.weight for trial in trials)
    gate = torch.tensor([0.0, 4.0], dtype=torch.float64, requires_grad=True)

    def lost_of_gate() -> Tensor:
        lost = torch.zeros((), dtype=torch.float64)
        for trial in trials:
            shares = torch.log_softmax(_nearness(trial, gate[0].exp(), gate[1]), dim=1)
            own = 1 + trial.corpora.index(trial.corpus) if trial.corpus in trial.corpora else 0
            lost = lost - (_KNOWN if own else 1.0) * trial.weight * shares[:, own].mean()
        # Where all is told apart without error, no slope is steep enough.
        return lost / total + 1e-4 * gate.square().sum()

    _minimise([gate], lost_of_gate)
    slope, offset = gate.detach()[0].exp(), gate.detach()[1]
    shares = [torch.softmax(_nearness(trial, slope, offset), dim=1) for trial in trials]
    others = [torch.from_numpy(others_of(one.parts[:, 1:], one.absent[1:])) for one in trials]
    sharp = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    familiar = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    company = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)

    def lost_of_sharpness() -> Tensor:
        lost = torch.zeros((), dtype=torch.float64)
        for trial, share, beside in zip(trials, shares, others, strict=True):
            # As `affectd.models.experts.blended` does it.
            parts, voices = torch.from_numpy(trial.parts), torch.from_numpy(trial.voices)
            kept = own_share(voices, company.exp())[:, None]
            own = familiar.exp() * (kept * parts[:, 1:] + (1 - kept) * beside)
            said = sharp.exp() * torch.cat([parts[:, :1], own], dim=1)
            said = said + ABSENT * torch.from_numpy(trial.absent.astype(np.float64))
            judged = (share[:, :, None] * said).sum(1)
            logits = torch.stack(
                [torch.logsumexp(judged[:, list(kinds)], dim=1) for kinds in trial.columns], dim=1
            )
            truth = torch.from_numpy(trial.truth)
            lost = lost + trial.weight * torch.nn.functional.cross_entropy(logits, truth)
        return lost / total

    _minimise([sharp, familiar, company], lost_of_sharpness)
    return Confidence(
        sharpness=float(sharp.detach().exp()),
        slope=float(slope),
        reach=float(offset / slope),
        familiarity=float(familiar.detach().exp()),
        company=float(company.detach().exp()),
    )


def _nearness(trial: Trial, slope: Tensor, offset: Tensor) -> Tensor:
    near = offset - slope * torch.from_numpy(trial.distances)
    return torch.cat([torch.zeros_like(near[:, :1]), near], dim=1)


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    optimiser = torch.optim.LBFGS(parameters, max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        lost = loss()
        lost.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return lost

    optimiser.step(step)  # type: ignore[no-untyped-call]  # torch leaves it untyped

"""How far experts are to be believed, fitted on voices and corpora that they have not heard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from affectd.models.experts import ABSENT, Confidence

__all__ = ["Belief", "Trial", "fit_belief"]

_ALL = "mean of all"
_ROUNDS = 60
_PULL = 0.002
"""Of each expert's sharpness towards that of the mean's, for want of trials."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What experts said of clips that they had not heard."""

    corpus: str
    """Whose clips they are."""
    corpora: tuple[str, ...]
    """Whose experts spoke, after the mean of all."""
    parts: npt.NDArray[np.float64]
    """``(clips, experts, kinds)``."""
    likeness: npt.NDArray[np.float64]
    """``(clips, corpora)``."""
    absent: npt.NDArray[np.bool_]
    """``(experts, kinds)``."""
    truth: npt.NDArray[np.int64]
    """Places among the columns."""
    columns: tuple[tuple[int, ...], ...]
    """The kinds that count for each emotion that is guessed among."""
    weight: float
    """Of all the clips together."""


@dataclass(frozen=True, slots=True)
class Belief:
    """How far the expert of each corpus is to be believed."""

    sharpness: Mapping[str, float]
    slope: float
    margin: float
    company: float

    def of(self, corpora: Sequence[str]) -> Confidence:
        """Return it for the experts of these corpora, after the mean of all."""
        common = self.sharpness[_ALL]
        each = [common, *(self.sharpness.get(name, common) for name in corpora)]
        return Confidence(np.array(each), self.slope, self.margin, self.company)

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "sharpness": dict(self.sharpness),
            "slope": self.slope,
            "margin": self.margin,
            "company": self.company,
        }


def fit_belief(trials: Sequence[Trial]) -> Belief:
    """Return the belief that fits trials best.

    Whether a window is like a corpus is fitted first, as a logistic regression of which corpus, or
    none that was heard, it came from. Then the sharpness of the experts is what makes the truth
    likeliest.

    Raises:
        ValueError: there are no trials.
    """
    if not trials:
        raise ValueError("no trials to fit a belief on")
    names = (_ALL, *dict.fromkeys(name for trial in trials for name in trial.corpora))
    total = sum(trial.weight for trial in trials)
    gate = torch.tensor([np.log(0.2), 4.0], dtype=torch.float64, requires_grad=True)

    def lost_of_gate() -> Tensor:
        lost = torch.zeros((), dtype=torch.float64)
        for trial in trials:
            shares = torch.log_softmax(_likeness(trial, gate[0].exp(), gate[1]), dim=1)
            own = 1 + trial.corpora.index(trial.corpus) if trial.corpus in trial.corpora else 0
            lost = lost - trial.weight * shares[:, own].mean()
        # Where all is told apart without error, no slope is steep enough.
        return lost / total + 1e-4 * gate.square().sum()

    _minimise([gate], lost_of_gate)
    slope, offset = gate.detach()[0].exp(), gate.detach()[1]
    shares = [torch.softmax(_likeness(trial, slope, offset), dim=1) for trial in trials]
    sharp = torch.full((len(names),), 0.0, dtype=torch.float64, requires_grad=True)
    company = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)

    def lost_of_sharpness() -> Tensor:
        lost = torch.zeros((), dtype=torch.float64)
        for trial, share in zip(trials, shares, strict=True):
            places = [0, *(names.index(name) for name in trial.corpora)]
            beside = torch.cat([company.exp() * (1 - share[:, :1]), 0 * share[:, 1:]], dim=1)
            said = torch.from_numpy(trial.parts) * sharp[places].exp()[:, None]
            said = said + ABSENT * torch.from_numpy(trial.absent.astype(np.float64))
            judged = ((share + beside)[:, :, None] * said).sum(1)
            logits = torch.stack(
                [torch.logsumexp(judged[:, list(own)], dim=1) for own in trial.columns], dim=1
            )
            truth = torch.from_numpy(trial.truth)
            lost = lost + trial.weight * torch.nn.functional.cross_entropy(logits, truth)
        return lost / total + _PULL * (sharp[1:] - sharp[0]).square().sum()

    _minimise([sharp, company], lost_of_sharpness)
    values = sharp.detach().exp().tolist()
    return Belief(
        dict(zip(names, values, strict=True)),
        slope=float(slope),
        margin=float(offset / slope),
        company=float(company.detach().exp()),
    )


def _likeness(trial: Trial, slope: Tensor, offset: Tensor) -> Tensor:
    near = slope * torch.from_numpy(trial.likeness) - offset
    return torch.cat([torch.zeros_like(near[:, :1]), near], dim=1)


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    optimiser = torch.optim.LBFGS(parameters, max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        lost = loss()
        lost.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return lost

    optimiser.step(step)  # type: ignore[no-untyped-call]  # torch leaves it untyped

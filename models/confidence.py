"""How far experts are to be believed, fitted on voices and corpora that they have not heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from affectd.models.experts import ABSENT, Confidence, Panel, others_of, own_share

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
    speakers: int
    """How many people's."""
    panel: Panel
    """Whose experts spoke."""
    parts: npt.NDArray[np.float64]
    """``(clips, experts, kinds)``."""
    distances: npt.NDArray[np.float64]
    """From each corpus's voices, ``(clips, corpora)``."""
    truth: npt.NDArray[np.int64]
    """Places among the columns."""
    columns: tuple[tuple[int, ...], ...]
    """The kinds that count for each emotion that is guessed among."""
    weight: float
    """Of all the clips together."""


def fit_confidence(
    trials: Sequence[Trial], *, power: float = 0.5, alike: float | None = None
) -> Confidence:
    """Return the confidence that fits trials best.

    How far a corpus's voices reach is fitted first, as a logistic regression of which corpus, or
    none that was heard, a window came from. Then sharpness, familiarity and company are what makes
    the truth likeliest. Experts share the first two, or differ by as much as the people say whom
    they were tried on: what one or two say of an expert is believed little.

    Args:
        trials: What was said of speech that was not heard.
        power: Of `Confidence`.
        alike: How strongly each expert's keenness is held to one: what the square of its logarithm
            costs, over the number of its corpus's people on trial. Without it, all are one.

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
            corpora = trial.panel.corpora
            own = 1 + corpora.index(trial.corpus) if trial.corpus in corpora else 0
            lost = lost - (_KNOWN if own else 1.0) * trial.weight * shares[:, own].mean()
        # Where all is told apart without error, no slope is steep enough.
        return lost / total + 1e-4 * gate.square().sum()

    _minimise([gate], lost_of_gate)
    slope, offset = gate.detach()[0].exp(), gate.detach()[1]
    shares = [torch.softmax(_nearness(trial, slope, offset), dim=1) for trial in trials]
    others = [torch.from_numpy(others_of(one.parts[:, 1:], one.panel.absent[1:])) for one in trials]
    names = sorted({name for trial in trials for name in trial.panel.corpora})
    # Folds test different people.
    tried: Counter[str] = Counter()
    for trial in trials:
        if trial.corpus in trial.panel.corpora:
            tried[trial.corpus] += trial.speakers
    people = torch.tensor([max(tried[name], 1) for name in names], dtype=torch.float64)
    keen = torch.zeros(len(names), dtype=torch.float64, requires_grad=alike is not None)
    sharp = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    familiar = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    company = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)

    def lost_of_sharpness() -> Tensor:
        lost = torch.zeros((), dtype=torch.float64)
        for trial, share, beside in zip(trials, shares, others, strict=True):
            # As `affectd.models.experts.blended` does it.
            parts, panel = torch.from_numpy(trial.parts), trial.panel
            kept = own_share(torch.from_numpy(panel.voices), company.exp(), power)[:, None]
            each = keen[[names.index(name) for name in panel.corpora]].exp()[:, None]
            own = familiar.exp() * each * (kept * parts[:, 1:] + (1 - kept) * beside)
            said = sharp.exp() * torch.cat([parts[:, :1], own], dim=1)
            said = said + ABSENT * torch.from_numpy(panel.absent.astype(np.float64))
            judged = (share[:, :, None] * said).sum(1)
            logits = torch.stack(
                [torch.logsumexp(judged[:, list(kinds)], dim=1) for kinds in trial.columns], dim=1
            )
            truth = torch.from_numpy(trial.truth)
            lost = lost + trial.weight * torch.nn.functional.cross_entropy(logits, truth)
        apart = (alike or 0.0) * (keen.square() / people).sum()
        # Without strangers on trial, nothing says what is familiar.
        return lost / total + apart + 1e-4 * familiar.square()

    fitted = [sharp, familiar, company, *([] if alike is None else [keen])]
    _minimise(fitted, lost_of_sharpness)
    keenness = dict(zip(names, keen.detach().exp().tolist(), strict=True))
    return Confidence(
        sharpness=float(sharp.detach().exp()),
        slope=float(slope),
        reach=float(offset / slope),
        familiarity=float(familiar.detach().exp()),
        company=float(company.detach().exp()),
        power=power,
        keenness={} if alike is None else keenness,
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

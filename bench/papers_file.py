"""The table of the papers' systems as it is kept: its order, its protocols and its figures.

All of it is read and written without PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from affectd.models.replacing import replacing
from affectd.models.spelling import nearest
from affectd.models.systems import system_named, systems

__all__ = [
    "FOLDS_CORPUS",
    "ORDER",
    "PROTOCOLS",
    "Papers",
    "command_of",
    "kept",
    "protocols_named",
    "save",
]

ORDER = (
    "cnn2-stft",
    "dnn-stft",
    "mlp",
    "random-forest",
    "crnn-4",
    "crnn-4-gated",
    "cnn-4",
    "cnn4-elu",
    "cnn-mlp",
    "crnn",
    "dnn-253",
    "dnn-253-relative",
    "dnn-253-speaker",
    "cnn1d",
    "lstm-stft",
    "lstm-2x64",
    "lstm",
    "whisper-tiny-blocks-2",
    "whisper-tiny-blocks-2-tuned",
    "cnn-3",
    "cnn-3-pretrained-25",
    "cnn-3-pretrained-30",
    "dscnn",
    "cnn-3-augmented",
    "cnn-4-augmented",
    "cnn-blstm-attention-without-cnn",
    "cnn4-elu-sex",
    "cnn-blstm-attention-without-lstm",
    "cnn-lstm",
    "cnn-blstm-attention",
    "cnn-blstm",
    "cnn-blstm-attention-imbalanced",
    "cnn-blstm-attention-under-sampled",
    "cnn-blstm-attention-without-dropout",
    "cnn-blstm-attention-without-l2",
    "cnn",
    "cnn-5",
    "cnn-5-augmented",
    "cnn-lstm-attention-4",
)
"""Those with a figure to reach first, then the others, the cheapest first; what is not named comes
last."""
PROTOCOLS = ("paper", "folds", "further")
"""The paper's own, published folds of unseen speakers, and the paper's own on further corpora."""

FOLDS_CORPUS = "ravdess"
"""Whose published folds the systems are scored on."""
Papers = dict[str, Any]
"""A system's row."""


def protocols_named(names: Sequence[str]) -> tuple[str, ...]:
    """Return the protocols, all of them where none is named.

    Raises:
        ValueError: one is unknown.
    """
    for name in names:
        if name not in PROTOCOLS:
            raise ValueError(f"no protocol {name!r}; {nearest(name, PROTOCOLS)}")
    return tuple(names) or PROTOCOLS


def command_of(
    name: str, protocol: str, *, folds: int = 0, seed: int = 1, needs_weights: bool = False
) -> str:
    """Return the command that gives a system's figures again.

    Args:
        name: The system's.
        protocol: One of `PROTOCOLS`.
        folds: How many of the published folds; all of them where it is 0.
        seed: Of the run.
        needs_weights: Whether it begins with foreign weights; where they lie is the caller's.
    """
    parts = [f"affectd bench papers --run {name} --protocol {protocol}"]
    if protocol == "folds" and folds:
        parts.append(f"--folds {folds}")
    if seed != 1:
        parts.append(f"--seed {seed}")
    if needs_weights:
        parts.append("--weights DIR")
    return " ".join(parts)


def kept(path: Path) -> dict[str, Papers]:
    """Return the rows that `save` wrote, by system; none where there is no such file.

    What rows of before lack, and can be told without a run, is filled in.

    Raises:
        ValueError: it holds something else.
    """
    if not path.exists():
        return {}
    try:
        rows = json.loads(path.read_text("utf-8"))["systems"]
        return {each["system"]: _as_now(each) for each in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no table of the papers' systems: {error!r}") from None


def save(rows: Iterable[Papers], machine: dict[str, Any], path: Path) -> None:
    """Write the table as JSON; the file is the old one or the new one, whole."""
    told = {
        "benchmark": "papers",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "systems": list(rows),
    }
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(told, indent=2) + "\n", "utf-8")


def _as_now(row: Papers) -> Papers:
    name = row["system"]
    classes = len(system_named(name).labels) if name in systems() else None
    row = row | {"classes": row.get("classes", classes)}

    def told(protocol: str, figures: Papers, folds: int = 0) -> Papers:
        # Commands of before left out the seed and the weights.
        weights = bool(row["needs_weights"])
        command = command_of(name, protocol, folds=folds, seed=row["seed"], needs_weights=weights)
        return figures | {"command": command}

    if row["paper"]:
        row["paper"] = told("paper", row["paper"])
    if row["folds"]:
        ran, published = row["folds"]["folds"], row["folds"]["published_folds"]
        row["folds"] = told("folds", row["folds"], ran if ran < published else 0)
        if ran == 1:
            row["folds"]["uar_fold_deviation"] = None  # one fold deviates from nothing
    row["further"] = [told("further", figures) for figures in row.get("further", ())]
    return row

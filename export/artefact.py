"""Makes an artefact: the ONNX graph of a checkpoint with everything needed to use it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx.helper import set_model_props
from pydantic import ValidationError

from affectd.engine.artefact import Corpus, Metadata, golden_signal
from affectd.export.conversion import to_onnx
from affectd.export.latency import measure_latency
from affectd.export.parity import Parity, measure_parity, windows_at_hand
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.models.card import write_card
from affectd.models.checkpoint import Checkpoint, CheckpointError
from affectd.models.evaluation import Evaluation
from affectd.models.labels import VALENCE_AROUSAL

__all__ = ["Artefact", "fingerprint", "licence_of", "make_artefact"]


@dataclass(frozen=True, slots=True)
class Artefact:
    """A verified artefact, not yet written."""

    graph: bytes
    """The ONNX file."""
    metadata: Metadata
    parity: Parity
    card: str
    """The model card, Markdown."""

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write ``NAME.onnx`` and ``NAME.md``; each file is the old one or the new one, whole.

        Returns:
            The two paths.
        """
        folder.mkdir(parents=True, exist_ok=True)
        graph, card = (folder / f"{self.metadata.name}{suffix}" for suffix in (".onnx", ".md"))
        for path, content in ((graph, self.graph), (card, self.card.encode())):
            unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            unfinished.write_bytes(content)
            unfinished.replace(path)
        return graph, card


def make_artefact(
    path: Path,
    *,
    name: str | None = None,
    corpora: Path | None = None,
    audio: Sequence[Path] = (),
    evaluations: Sequence[Evaluation] = (),
) -> Artefact:
    """Convert a checkpoint and check the result against it.

    Args:
        path: The checkpoint.
        name: Of the artefact; the recipe's where none is given.
        corpora: The folder of the corpora, for windows to check on.
        audio: Sound files to check on instead.
        evaluations: What was measured of this very checkpoint, for the metadata and the card.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ParityError: the graph differs from it.
        ValueError: an evaluation is of another checkpoint, or the name is not allowed.
    """
    checkpoint = Checkpoint.load(path)
    try:
        model = checkpoint.model()
    except CheckpointError as error:
        raise CheckpointError(f"checkpoint {path}: {error}") from None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for evaluation in evaluations:
        if evaluation.protocol == "held-out" and evaluation.checkpoint_sha256 != digest:
            raise ValueError(
                f"the evaluation on {evaluation.corpus} is of another checkpoint "
                f"({str(evaluation.checkpoint_sha256)[:12]}… and not {digest[:12]}…)"
            )
    windowing = checkpoint.recipe.windowing
    bands, frames = windowing.front_end.bands, windowing.window_frames
    proto = to_onnx(model, bands=bands, frames=frames)
    bare = proto.SerializeToString()
    parity = measure_parity(model, bare, windows_at_hand(windowing, corpora=corpora, audio=audio))
    try:
        metadata = Metadata(
            name=name or checkpoint.recipe.name,
            labels=checkpoint.labels,
            front_end=windowing.front_end,
            front_end_fingerprint=fingerprint(windowing.front_end),
            window_seconds=windowing.window_seconds,
            hop_seconds=windowing.hop_seconds,
            minimum_seconds=windowing.minimum_seconds,
            frame_sizes=windowing.frame_sizes,
            normalisation=windowing.normalisation,
            temperature=checkpoint.temperature,
            valence_arousal={label: VALENCE_AROUSAL[label] for label in checkpoint.labels},
            corpora=tuple(
                Corpus(name=one.corpus, licence=one.licence, clips=one.clips, speakers=one.speakers)
                for one in checkpoint.heard
            ),
            licence=licence_of(one.licence for one in checkpoint.heard),
            uar={f"{one.corpus}/{one.protocol}": round(one.uar, 2) for one in evaluations},
            parity=parity.to_dict(),
            latency=measure_latency(bare, bands=bands, frames=frames),
            checkpoint_sha256=digest,
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "metadata"
        raise ValueError(f"{field}: {first['msg']}") from None
    set_model_props(proto, metadata.to_props())
    onnx.checker.check_model(proto)
    card = write_card(metadata, evaluations)
    return Artefact(proto.SerializeToString(), metadata, parity, card)


def fingerprint(front_end: FrontEnd) -> tuple[float, ...]:
    """Return the mean of each band over the golden signal, dB."""
    frames = LogMel(front_end).batch(golden_signal(front_end.sample_rate))
    return tuple(round(float(value), 4) for value in frames.mean(axis=0))


def licence_of(licences: Iterable[str]) -> str:
    """Return the terms of weights trained on data under these licences."""
    named = sorted(set(licences))
    non_commercial = any("-NC" in licence for licence in named)
    use = "Non-commercial use only" if non_commercial else "See the data's terms"
    return f"{use}: trained on data under {', '.join(named)}. See LICENSE-weights.md."

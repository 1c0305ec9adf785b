"""Repeats the gates of an artefact on another machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx

from affectd.engine.artefact import ArtefactError, Metadata
from affectd.export.conversion import to_onnx
from affectd.export.gates import GateError, check_names, describe, failed
from affectd.export.inspection import open_artefact
from affectd.export.judge import Judge, Judgement
from affectd.export.original import Original
from affectd.export.runtime import scorer_of
from affectd.export.speech import Speech
from affectd.models.scoring import Scorer, torch_scorer
from affectd.models.windowing import Windowing

__all__ = ["Verification", "reference_beside", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the gates said here."""

    metadata: Metadata
    judgement: Judgement

    def check(self) -> None:
        """Go on only where no gate failed.

        Raises:
            GateError: one did; the message says which, and by how much.
        """
        clauses = [
            f"{self.metadata.precision} fails {describe(gate, all_heard=self.judgement.all_heard)}"
            for gate in failed(self.judgement.gates)
        ]
        if clauses:
            raise GateError("; ".join(clauses))


def verify(
    path: Path, speech: Speech, *, reference: Path, allow: Iterable[str] = ()
) -> Verification:
    """Hold an artefact to its gates again, on this machine.

    Args:
        path: The artefact.
        speech: To compare and score on.
        reference: What it is compared with: the checkpoint, or the FP32 artefact of it.
        allow: Gates whose failure is let pass.

    Raises:
        ArtefactError: a file is no artefact, was changed, or is of another checkpoint.
        CheckpointError: the checkpoint cannot be used.
    """
    allowed = check_names(allow)
    proto, metadata = open_artefact(path)
    scorer, graph, digest = _reference(reference)
    if digest != metadata.checkpoint_sha256:
        raise ArtefactError(
            f"{path} and {reference} are of different checkpoints "
            f"({metadata.checkpoint_sha256[:12]}… and {digest[:12]}…)"
        )
    judge = Judge(
        scorer,
        graph,
        speech,
        windowing=Windowing.of(metadata),
        labels=metadata.labels,
        allow=allowed,
        target=metadata.target,
    )
    bare = onnx.ModelProto()
    bare.CopyFrom(proto)
    del bare.metadata_props[:]
    return Verification(
        metadata=metadata, judgement=judge.judge(bare.SerializeToString(), metadata.precision)
    )


def reference_beside(path: Path, metadata: Metadata) -> Path:
    """Return the FP32 artefact beside another one.

    Raises:
        ArtefactError: there is none, or the artefact is FP32 itself.
    """
    beside = path.with_name(f"{metadata.name}.onnx")
    if metadata.precision == "fp32" or not beside.is_file():
        raise ArtefactError(
            f"{path}: nothing to compare it with; give --reference, its checkpoint"
            + ("" if metadata.precision == "fp32" else f" or its FP32 artefact ({beside.name})")
        )
    return beside


def _reference(path: Path) -> tuple[Scorer, bytes, str]:
    if path.suffix == ".onnx":
        proto, metadata = open_artefact(path)
        if metadata.precision != "fp32":
            raise ArtefactError(f"{path} is {metadata.precision}; a reference is FP32")
        del proto.metadata_props[:]
        graph = proto.SerializeToString()
        return scorer_of(graph), graph, metadata.checkpoint_sha256
    original = Original.of_checkpoint(path)
    windowing = original.windowing
    graph = to_onnx(
        original.model, bands=windowing.front_end.columns, frames=windowing.window_frames
    ).SerializeToString()
    return torch_scorer(original.model), graph, original.sha256

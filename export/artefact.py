"""Makes artefacts: the graphs of a checkpoint with everything needed to use them, and the proof."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx.helper import set_model_props
from pydantic import ValidationError

from affectd.engine.artefact import (
    Corpus,
    Gate,
    Metadata,
    Precision,
    Quantisation,
    Target,
)
from affectd.engine.artefact import fingerprint as measure_fingerprint
from affectd.export.accuracy import Accuracy
from affectd.export.conversion import to_onnx
from affectd.export.gates import GateError, Limits, check_names, describe, failed
from affectd.export.graph_hash import graph_sha256
from affectd.export.half import to_half
from affectd.export.judge import Judge, Judgement
from affectd.export.latency import percentiles
from affectd.export.original import Original
from affectd.export.parity import Parity
from affectd.export.quantisation import Scheme
from affectd.export.search import Attempt, Sensitivity, search
from affectd.export.speech import Speech, gather_speech
from affectd.kernels.front_end import FrontEnd
from affectd.models.card import write_card
from affectd.models.evaluation import Evaluation
from affectd.models.replacing import replacing
from affectd.models.scoring import torch_scorer

__all__ = [
    "PRECISIONS",
    "Artefact",
    "Export",
    "export_model",
    "fingerprint",
    "licence_of",
    "make_artefact",
    "metadata_of",
]

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")

_TERMS = "LICENSE-weights.md"
"""Beside weights, the terms of each corpus that they were trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One judged artefact, not yet written."""

    graph: bytes
    """The ONNX file."""
    metadata: Metadata
    judgement: Judgement
    attempts: tuple[Attempt, ...] = ()
    """What was tried to get there, this one last."""
    sensitivity: tuple[Sensitivity, ...] = ()
    """What quantising each layer alone does; empty where it did not come to that."""

    @property
    def parity(self) -> Parity:
        """How far it lies from its checkpoint."""
        return self.judgement.parity

    @property
    def failures(self) -> list[Gate]:
        """The gates that reject it."""
        return failed(self.metadata.gates)

    @property
    def file_name(self) -> str:
        """``NAME.onnx``, or ``NAME-PRECISION.onnx``; with ``.rejected`` where a gate failed."""
        metadata = self.metadata
        suffix = "" if metadata.precision == "fp32" else f"-{metadata.precision}"
        # An FP32 or FP16 graph is the same for every target.
        if metadata.precision == "int8" and metadata.target != "cpu":
            suffix += f"-{metadata.target}"
        return f"{metadata.name}{suffix}.onnx{'.rejected' if self.failures else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The artefacts of one checkpoint."""

    artefacts: tuple[Artefact, ...]
    card: str
    """The model card, Markdown."""
    reference_accuracy: Accuracy | None
    """Of the checkpoint, where there is labelled speech."""
    reference_bytes: int
    """Of the FP32 graph."""

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write the artefacts and ``NAME.md``; each file is the old one or the new one, whole.

        The card points to the terms where the folder has such.

        Returns:
            The paths, the card's last.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / artefact.file_name for artefact in self.artefacts]
        for path, artefact in zip(paths, self.artefacts, strict=True):
            with replacing(path) as unfinished:
                unfinished.write_bytes(artefact.graph)
            if not artefact.failures:
                path.with_name(f"{path.name}.rejected").unlink(missing_ok=True)
        card = folder / f"{self.artefacts[0].metadata.name}.md"
        with replacing(card) as unfinished:
            terms = f"See {_TERMS}.\n" if (folder / _TERMS).is_file() else ""
            unfinished.write_bytes(f"{self.card}{terms}".encode())
        return (*paths, card)

    def check(self) -> None:
        """Go on only where no gate failed.

        Raises:
            GateError: one did; the message says which, and by how much.
        """
        clauses = [
            f"{artefact.metadata.precision} fails "
            f"{describe(gate, all_heard=artefact.judgement.all_heard)}"
            for artefact in self.artefacts
            for gate in artefact.failures
        ]
        if clauses:
            raise GateError("; ".join(clauses))


def make_artefact(
    path: Path,
    *,
    name: str | None = None,
    corpora: Path | None = None,
    audio: Sequence[Path] = (),
    evaluations: Sequence[Evaluation] = (),
) -> Export:
    """Convert a checkpoint to FP32 and check the result against it.

    Args:
        path: The checkpoint.
        name: Of the artefact; the recipe's where none is given.
        corpora: The folder of the corpora, for windows to check on.
        audio: Sound files to check on instead.
        evaluations: What was measured of this very checkpoint, for the metadata and the card.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ValueError: an evaluation is of another checkpoint, or the name is not allowed.
    """
    original = Original.of_checkpoint(path, name=name)
    speech = gather_speech(
        original.windowing, heard=original.speakers, corpora=corpora, audio=audio, labelled=False
    )
    return export_model(original, speech, evaluations=evaluations)


def export_model(
    original: Original,
    speech: Speech,
    *,
    precisions: Sequence[Precision] = PRECISIONS[:1],
    target: Target = "cpu",
    allow: Iterable[str] = (),
    limits: Limits | None = None,
    evaluations: Sequence[Evaluation] = (),
) -> Export:
    """Convert a model to each precision, and hold each graph to its gates.

    A model of one's own is exported by the same call:

        original = Original(
            name="mine", model=module, labels=("calm", "tense"), windowing=windowing,
            heard=(), valence_arousal={"calm": (0.5, -0.5), "tense": (-0.5, 0.5)},
            sha256=sha256_of(module),
        )
        speech = gather_speech(windowing, heard={}, audio=[Path("speech.wav")])
        export = export_model(original, speech, precisions=("fp32", "int8"))
        export.write(Path("models"))
        export.check()

    Args:
        original: The model.
        speech: To compare, calibrate, and score on.
        precisions: Any of `PRECISIONS`.
        target: What the INT8 graph is to run on.
        allow: Names of gates whose failure is let pass; it is recorded.
        limits: What is demanded, instead of what is usual for each precision.
        evaluations: What was measured of this very checkpoint, for the metadata and the card.

    Raises:
        ValueError: an evaluation is of another checkpoint, a gate or precision is unknown, or the
            name is not allowed.
    """
    allowed = check_names(allow)
    for precision in precisions:
        if precision not in PRECISIONS:
            raise ValueError(f"no precision {precision!r}; known are {', '.join(PRECISIONS)}")
    for evaluation in evaluations:
        if evaluation.protocol == "held-out" and evaluation.checkpoint_sha256 != original.sha256:
            raise ValueError(
                f"the evaluation on {evaluation.corpus} is of another checkpoint "
                f"({str(evaluation.checkpoint_sha256)[:12]}… and not {original.sha256[:12]}…)"
            )
    windowing = original.windowing
    metadata = metadata_of(original, evaluations)
    proto = to_onnx(
        original.model, bands=windowing.front_end.columns, frames=windowing.window_frames
    )
    reference = proto.SerializeToString()
    judge = Judge(
        torch_scorer(original.model),
        reference,
        speech,
        windowing=windowing,
        labels=original.labels,
        allow=allowed,
        target=target,
        limits=limits,
    )
    artefacts = [
        _make(precision, proto, metadata, judge, target, frozenset(original.in_float))
        for precision in PRECISIONS
        if precision in precisions
    ]
    card = write_card(
        artefacts[0].metadata,
        evaluations,
        [one.metadata for one in artefacts[1:]],
        fitted=original.temperature != 1,
        noise=original.noise,
        teacher=original.teacher,
    )
    return Export(
        artefacts=tuple(artefacts),
        card=card,
        reference_accuracy=judge.accuracy if set(precisions) != {"fp32"} else None,
        reference_bytes=len(reference),
    )


def metadata_of(original: Original, evaluations: Sequence[Evaluation] = ()) -> Metadata:
    """Return what an artefact of a model says of itself before it is judged.

    Raises:
        ValueError: the engine would refuse it; the message names the field.
    """
    windowing = original.windowing
    try:
        return Metadata(
            name=original.name,
            labels=original.labels,
            front_end=windowing.front_end,
            front_end_fingerprint=fingerprint(windowing.front_end),
            window_seconds=windowing.window_seconds,
            hop_seconds=windowing.hop_seconds,
            minimum_seconds=windowing.minimum_seconds,
            frame_sizes=windowing.frame_sizes,
            normalisation=windowing.normalisation,
            margin_seconds=windowing.margin_seconds,
            temperature=original.temperature,
            valence_arousal=dict(original.valence_arousal),
            corpora=tuple(
                Corpus(
                    name=one.corpus,
                    licence=one.licence,
                    clips=one.clips,
                    speakers=one.speakers,
                    resynthesised=one.resynthesised,
                )
                for one in original.heard
            ),
            licence=licence_of(one.licence for one in original.heard),
            uar={f"{one.corpus}/{one.protocol}": round(one.uar, 2) for one in evaluations},
            checkpoint_sha256=original.sha256,
            voice_experts=original.voice_experts,
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "metadata"
        raise ValueError(f"{field}: {first['msg']}") from None


def _make(
    precision: Precision,
    proto: onnx.ModelProto,
    metadata: Metadata,
    judge: Judge,
    target: Target,
    in_float: Set[str],
) -> Artefact:
    attempts: tuple[Attempt, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    quantisation: Quantisation | None = None
    if precision == "int8":
        calibration = judge.speech.calibration
        # Neither CUDA nor TensorRT has an integer LSTM.
        left = tuple(
            node.name for node in proto.graph.node if not in_float.isdisjoint(node.name.split("/"))
        )
        default = Scheme(recurrent=target == "cpu", excluded=left)
        converted, attempts, sensitivity = search(proto, calibration, judge, default)
        scheme, judgement = attempts[-1].scheme, attempts[-1].judgement
        quantisation = Quantisation(
            scheme=str(scheme),
            windows=len(calibration),
            choice=calibration.source,
            excluded=scheme.excluded,
        )
    else:
        converted = to_half(proto) if precision == "fp16" else proto
        judgement = judge.judge(converted.SerializeToString(), precision)
    temperature = metadata.temperature
    if precision != "fp32":
        temperature = judge.refitted(converted.SerializeToString(), temperature)
    assert judgement.latency_ms is not None
    told = metadata.model_copy(
        update={
            "precision": precision,
            "target": target,
            "temperature": temperature,
            "quantisation": quantisation,
            "gates": judgement.gates,
            "parity": judgement.parity.to_dict(),
            "latency": percentiles(judgement.latency_ms[1], frames=judge.windowing.window_frames),
            "graph_sha256": graph_sha256(converted),
        }
    )
    finished = onnx.ModelProto()
    finished.CopyFrom(converted)
    set_model_props(finished, told.to_props())
    onnx.checker.check_model(finished)
    return Artefact(
        graph=finished.SerializeToString(),
        metadata=told,
        judgement=judgement,
        attempts=attempts,
        sensitivity=sensitivity,
    )


def fingerprint(front_end: FrontEnd) -> tuple[float, ...]:
    """Return the mean of each band over the golden signal, dB."""
    return tuple(round(float(value), 4) for value in measure_fingerprint(front_end))


def licence_of(licences: Iterable[str]) -> str:
    """Return the terms of weights trained on data under these licences."""
    named = sorted(set(licences))
    if not named:
        return "See whoever trained it: the licences of its data are not recorded."
    non_commercial = any("-NC" in licence or "research only" in licence for licence in named)
    use = "Non-commercial use only" if non_commercial else "See the data's terms"
    return f"{use}: trained on data under {', '.join(named)}."

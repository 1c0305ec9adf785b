"""Measures a graph against its reference and holds it to the gates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from affectd.engine.artefact import Gate, Precision, Target
from affectd.export.accuracy import Accuracy, measure_accuracy, temperature_of
from affectd.export.gates import Limits, failed, hold, limits_for
from affectd.export.latency import interleaved_ms
from affectd.export.parity import Parity, logits_of, measure_parity
from affectd.export.runtime import scorer_of
from affectd.export.speech import Speech
from affectd.models.scoring import Scorer
from affectd.models.windowing import Windowing

__all__ = ["Judge", "Judgement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything that was measured of one graph."""

    parity: Parity
    accuracy: Accuracy | None
    """`None` where there is no labelled speech, or the graph failed before it came to that."""
    latency_ms: npt.NDArray[np.float64] | None
    """Of FP32 and of the graph, in turn, ``(2, runs)``."""
    size: int
    """Bytes."""
    gates: tuple[Gate, ...]
    all_heard: bool
    """Whether nothing could be scored because every speaker at hand was heard in training."""

    @property
    def accepted(self) -> bool:
        """Whether no gate stands in the way."""
        return not failed(self.gates)

    @property
    def mendable(self) -> bool:
        """Whether another way to quantise might pass: not where speech is what is missing."""
        return any(gate.figure is not None and gate.name != "speech" for gate in failed(self.gates))

    @property
    def excused(self) -> bool:
        """Whether it is accepted, but is less like FP32 than was asked for: let pass by name."""
        return self.accepted and any(
            gate.allowed
            for gate in self.gates
            if gate.name in ("parity", "parity-mean", "agreement")
        )


class Judge:
    """Holds graphs to the gates of their precision.

    Args:
        reference: Runs what a graph is compared with: the checkpoint.
        reference_graph: The same as an FP32 ONNX file, for latency and size.
        speech: To compare and to score on.
        windowing: How the model's windows are cut.
        labels: The model's outputs.
        allow: Gates whose failure is let pass.
        target: What the artefacts are to run on.
        limits: Instead of those of the precision.
    """

    def __init__(
        self,
        reference: Scorer,
        reference_graph: bytes,
        speech: Speech,
        *,
        windowing: Windowing,
        labels: tuple[str, ...],
        allow: Collection[str] = (),
        target: Target = "cpu",
        limits: Limits | None = None,
    ) -> None:
        self.reference_graph = reference_graph
        self.speech = speech
        self.windowing = windowing
        self.labels = labels
        self._reference = reference
        self._allow = frozenset(allow)
        self._target = target
        self._limits = limits

    @cached_property
    def expected(self) -> npt.NDArray[np.float32]:
        """What the reference says of the windows compared, ``(windows, classes)``."""
        return logits_of(self._reference, self.speech.compared)

    @cached_property
    def accuracy(self) -> Accuracy | None:
        """How the reference does on labelled speech."""
        return self._accuracy(self._reference)

    @cached_property
    def temperature(self) -> float | None:
        """The temperature that fits the reference best; `None` without development speakers."""
        return self._temperature(self._reference)

    def judge(self, graph: bytes, precision: Precision, *, thorough: bool = True) -> Judgement:
        """Measure a graph.

        Args:
            graph: The ONNX file.
            precision: Decides the gates.
            thorough: Whether labelled speech is scored even where parity has failed.
        """
        limits = self._limits or limits_for(precision, self._target)
        scorer = scorer_of(graph)
        parity = measure_parity(self.expected, scorer, self.speech.compared)
        accuracy, latency_ms = None, None
        figures: dict[str, float | None] = {
            "speech": float(len(parity.windows)) if parity.windows.real else 0.0,
            "parity": parity.largest,
            "parity-mean": parity.mean,
            "agreement": parity.agreement,
            "size": len(graph) / len(self.reference_graph),
        }
        early = hold(figures, limits, allow=self._allow)
        hopeless = any(gate.figure is not None and gate.name != "speech" for gate in failed(early))
        if thorough or not hopeless:
            frames = self.windowing.window_frames
            latency_ms = interleaved_ms(
                [self.reference_graph, graph], bands=self.windowing.front_end.columns, frames=frames
            )
            before, after = np.median(latency_ms, axis=1)
            figures["latency"] = float(after / before)
            if precision != "fp32" or limits.uar is not None:
                accuracy = self._accuracy(scorer)
            if accuracy is not None and self.accuracy is not None:
                figures["uar"] = self.accuracy.uar - accuracy.uar
        gates = hold(figures, limits, allow=self._allow)
        return Judgement(
            parity=parity,
            accuracy=accuracy,
            latency_ms=latency_ms,
            size=len(graph),
            gates=gates,
            all_heard=self.speech.all_heard,
        )

    def refitted(self, graph: bytes, temperature: float) -> float:
        """Return a temperature for a graph: the reference's, times the ratio of both fits.

        Without development speakers it stays as it is.
        """
        before = self.temperature
        after = self._temperature(scorer_of(graph))
        if before is None or after is None:
            return temperature
        return temperature * after / before

    def _accuracy(self, scorer: Scorer) -> Accuracy | None:
        if self.speech.labelled is None:
            return None
        return measure_accuracy(
            scorer, self.speech.labelled, windowing=self.windowing, labels=self.labels
        )

    def _temperature(self, scorer: Scorer) -> float | None:
        if self.speech.development is None:
            return None
        return temperature_of(
            scorer, self.speech.development, windowing=self.windowing, labels=self.labels
        )

"""The model: an ONNX artefact, honoured to the letter or refused with the reason."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.engine.artefact import (
    FINGERPRINT_TOLERANCE_DB,
    INPUTS,
    OUTPUTS,
    ArtefactError,
    ArtefactWarning,
    Metadata,
    fingerprint,
)
from affectd.engine.runtime import open_session
from affectd.engine.scheduling import Costs

__all__ = [
    "CPU",
    "Binding",
    "Classifier",
    "ClassifierDevice",
]

BATCHES = (1, 2, 4, 8)
"""Windows in one run. On a processor larger ones gain nothing, and make the first one wait."""


class Classifier:
    """A model ready to run, warmed up for every size of window and of batch.

    Inputs and outputs are bound once for each size, to memory that every run uses again. Threads
    may run it at the same time: each takes memory that no other uses meanwhile.

    Args:
        path: The artefact.
        device: What runs it.

    Attributes:
        metadata: What the artefact says of itself.
        costs: How long each size takes on this machine, as measured at the warm-up.

    Warns:
        ArtefactWarning: its export rejected it.

    Raises:
        ArtefactError: the file is no artefact, is damaged, or was made for what this engine
            cannot do; the message names the field.
        ImportError: ONNX Runtime is not installed, or twice.
    """

    def __init__(self, path: Path, *, device: ClassifierDevice | None = None) -> None:
        self._device = device or CPU
        self._session = self._device.open(path)
        self._free: dict[tuple[int, int], list[Binding]] = {}
        """Of each size, the memory that no thread uses at the moment."""
        try:
            self.metadata = Metadata.from_props(self._session.get_modelmeta().custom_metadata_map)
            self._check_signature()
            _check_front_end(self.metadata)
            self.costs = Costs(self._warm_up(), mixed=self._device.mixes)
        except ArtefactError as error:
            raise ArtefactError(f"{path} cannot be used: {error}") from None
        if missed := ", ".join(
            f"{gate.name} {gate.figure}, limit {gate.limit:g}"
            for gate in self.metadata.gates
            if gate.rejects
        ):
            text = f"{path} missed what its export demands ({missed}); it runs all the same"
            warnings.warn(text, ArtefactWarning, stacklevel=2)

    def run(self, windows: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """Return the logits of some windows.

        Those of one length are run together, in the device's sizes of batch; where the device
        mixes lengths, those that are padded to the same frames. None shares a batch with anything
        that nobody asked for.

        Args:
            windows: Normalised log-mel, each float32 ``(frames, columns)`` with its own number of
                frames, at least one and at most the largest of `Metadata.frame_sizes`.

        Returns:
            float32 ``(batch, classes)``.
        """
        return self._run(windows, None)

    def hear(
        self, windows: Sequence[npt.NDArray[np.float32]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the logits of some windows as `run` does, and the vectors of their voices.

        Raises:
            ArtefactError: the model knows nothing of voices.
        """
        if self.metadata.voice_experts is None:
            raise ArtefactError(f"{self.metadata.title} has no experts for voices")
        vectors = np.empty((len(windows), self.metadata.voice_experts.size), np.float32)
        return self._run(windows, vectors), vectors

    def _run(
        self,
        windows: Sequence[npt.NDArray[np.float32]],
        vectors: npt.NDArray[np.float32] | None,
    ) -> npt.NDArray[np.float32]:
        """Return logits, and put the vectors where there is room for them."""
        logits = np.empty((len(windows), len(self.metadata.labels)), np.float32)
        alike: dict[tuple[int, int], list[int]] = {}
        for place, window in enumerate(windows):
            frames = next(size for size in self.metadata.frame_sizes if size >= len(window))
            length = frames if self._device.mixes else len(window)
            alike.setdefault((frames, length), []).append(place)
        for (frames, _), places in alike.items():
            while places:
                batch = max(size for size in self._device.batches if size <= len(places))
                chosen, places = places[:batch], places[batch:]
                with self._binding(frames, batch) as binding:
                    logits[chosen] = binding.run([windows[place] for place in chosen])
                    if vectors is not None:
                        vectors[chosen] = binding.vectors
        return logits

    @contextmanager
    def _binding(self, frames: int, batch: int) -> Iterator[Binding]:
        """Lend memory of a size, and take it back; what is returned of it must be a copy."""
        free = self._free[frames, batch]
        try:
            binding = free.pop()
        except IndexError:  # others have it all
            binding = self._device.bind(self._session, self.metadata, frames, batch)
        try:
            yield binding
        finally:
            free.append(binding)

    def _warm_up(self) -> dict[int, dict[int, float]]:
        """Run every size three times, and return the seconds of the best by frames and batch.

        The first run of a size takes its memory and is never the best.
        """
        costs: dict[int, dict[int, float]] = {}
        for frames in self.metadata.frame_sizes:
            window = np.zeros((frames, self.metadata.front_end.columns), np.float32)
            costs[frames] = {}
            for batch in self._device.batches:
                try:
                    binding = self._device.bind(self._session, self.metadata, frames, batch)
                    binding.run([window] * batch)
                    costs[frames][batch] = min(binding.timed([window] * batch) for _ in range(2))
                except Exception as error:  # ONNX Runtime's own errors have no common base
                    reason = str(error).splitlines()[0]
                    text = f"a window of {frames} frames does not run: {reason}"
                    raise ArtefactError(text) from None
                self._free[frames, batch] = [binding]
        return costs

    def _check_signature(self) -> None:
        inputs = {each.name: each for each in self._session.get_inputs()}
        outputs = {each.name: each for each in self._session.get_outputs()}
        for name in INPUTS:
            if name not in inputs:
                raise ArtefactError(f"it has no input {name!r}, only {sorted(inputs)}")
        for name in OUTPUTS:
            if name not in outputs:
                raise ArtefactError(f"it has no output {name!r}, only {sorted(outputs)}")
        for name, rank in (("logmel", 3), ("frames", 1)):
            if len(inputs[name].shape) != rank:
                raise ArtefactError(f"its input {name!r} has not {rank} axes: {inputs[name].shape}")
        if len(outputs["logits"].shape) != 2:
            raise ArtefactError(f"its output 'logits' has not 2 axes: {outputs['logits'].shape}")
        experts, size = self.metadata.voice_experts, outputs["embedding"].shape[-1]
        # Where the graph does not say how long it is, the first run does.
        if experts and isinstance(size, int) and size != experts.size:
            raise ArtefactError(
                f"its output 'embedding' has {size} values, its voice experts take {experts.size}"
            )
        bands = inputs["logmel"].shape[-1]
        if bands != self.metadata.front_end.columns:
            raise ArtefactError(
                f"its input takes {bands} bands, its front end gives "
                f"{self.metadata.front_end.columns}"
            )
        classes = outputs["logits"].shape[-1]
        if classes != len(self.metadata.labels):
            raise ArtefactError(f"it has {classes} logits for {len(self.metadata.labels)} labels")


class Binding:
    """Memory for windows of one size in batches of one size, known to the runtime once for all."""

    def __init__(self, session: Any, metadata: Metadata, frames: int, batch: int) -> None:
        self._session = session
        self._logmel = np.zeros((batch, frames, metadata.front_end.columns), np.float32)
        self._frames = np.full(batch, frames, np.int64)
        self._logits = np.empty((batch, len(metadata.labels)), np.float32)
        self._io = session.io_binding()
        inputs: tuple[npt.NDArray[Any], ...] = (self._logmel, self._frames)
        for name, values in zip(INPUTS, inputs, strict=True):
            self._io.bind_input(name, "cpu", 0, values.dtype.type, values.shape, values.ctypes.data)
        logits = self._logits
        self._io.bind_output(OUTPUTS[0], "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        experts = metadata.voice_experts
        self._vectors: npt.NDArray[np.float32] | None = None
        if experts:
            # The model computes it in any case: to bind it costs nothing.
            self._vectors = vectors = np.empty((batch, experts.size), np.float32)
            place = vectors.ctypes.data
            self._io.bind_output(OUTPUTS[1], "cpu", 0, np.float32, vectors.shape, place)

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        """What the last run's encoder said of its windows, ``(batch, d)``.

        There are none of a model that knows nothing of voices.
        """
        assert self._vectors is not None
        return self._vectors

    def run(self, windows: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """Return the logits of a whole batch of windows, each of at most these frames.

        They are overwritten by the next run.
        """
        for row, window in enumerate(windows):
            self._logmel[row, : len(window)] = window
            self._logmel[row, len(window) :] = 0
            self._frames[row] = len(window)
        self._execute()
        return self._logits

    def timed(self, windows: Sequence[npt.NDArray[np.float32]]) -> float:
        """Run windows and return how many seconds that took."""
        began = time.perf_counter()
        self.run(windows)
        return time.perf_counter() - began

    def _execute(self) -> None:
        """Run the model on what lies in the inputs' memory, into the outputs'."""
        self._session.run_with_iobinding(self._io)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierDevice:
    """What runs a model.

    Args:
        name: As it is asked for.
        batches: Windows in one run, ascending, 1 among them.
        open: Returns a session of the model in a file.
        mixes: Whether windows of different lengths share a batch. A GPU's run costs more than
            padding; on a processor a batch of one length needs neither padding nor masks.
        bind: Returns memory for windows of one number of frames in batches of one size, given the
            session, the artefact's metadata, and both.
    """

    name: str
    batches: tuple[int, ...]
    open: Callable[[Path], Any]
    bind: Callable[[Any, Metadata, int, int], Binding]
    mixes: bool = False


def _open_on_cpu(path: Path) -> Any:
    return open_session(path, ["CPUExecutionProvider"])


CPU = ClassifierDevice(name="cpu", batches=BATCHES, open=_open_on_cpu, bind=Binding)


def _check_front_end(metadata: Metadata) -> None:
    distance = np.abs(
        fingerprint(metadata.front_end) - np.array(metadata.front_end_fingerprint)
    ).max()
    if not distance <= FINGERPRINT_TOLERANCE_DB:
        raise ArtefactError(
            f"metadata field 'front_end_fingerprint': on the golden signal its front end and "
            f"this engine's differ by {distance:.2f} dB; allowed are {FINGERPRINT_TOLERANCE_DB} dB"
        )

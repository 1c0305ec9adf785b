"""The models that a benchmark asks, and whom each of them has heard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from affectd.engine.classifier import Classifier
from affectd.engine.shipped import DEFAULT_MODEL, find_model
from affectd.models.clips import Clip

__all__ = ["Listener", "listeners"]


@dataclass(frozen=True, slots=True)
class Listener:
    """A model as the engine runs it."""

    name: str
    classifier: Classifier
    heard: Mapping[str, frozenset[str]]
    """Speakers by corpus that it was trained on, or that a setting of it was chosen on."""

    @classmethod
    def of(cls, artefact: Path) -> Listener:
        """Load an artefact.

        Raises:
            ArtefactError: it cannot be used.
        """
        classifier = Classifier(artefact)
        metadata = classifier.metadata
        heard = {one.name: frozenset(one.speakers) for one in metadata.corpora}
        return cls(metadata.title, classifier, heard)

    def knows(self, clip: Clip) -> bool:
        """Whether it has heard who speaks."""
        return clip.speaker in self.heard.get(clip.corpus, frozenset())


@contextmanager
def listeners(model: str = "", checkpoints: Sequence[Path] = ()) -> Iterator[list[Listener]]:
    """Load an artefact, or checkpoints in its stead; each is exported first, in full precision.

    Args:
        model: A shipped model's name or an artefact's file; empty for the default.
        checkpoints: Of one recipe, as of the folds' models.

    Raises:
        ArtefactError: an artefact cannot be used.
        CheckpointError: a checkpoint cannot be used.
        ValueError: the checkpoints tell other emotions apart.
    """
    if not checkpoints:
        yield [Listener.of(find_model(model or DEFAULT_MODEL))]
        return
    from affectd.export.artefact import make_artefact
    from affectd.export.speech import demo_clips

    with TemporaryDirectory(prefix="affectd-bench-") as folder:
        found: list[Listener] = []
        for number, path in enumerate(checkpoints, 1):
            paths = make_artefact(path, audio=demo_clips()).write(Path(folder) / str(number))
            found.append(Listener.of(paths[0]))
        if len({each.classifier.metadata.labels for each in found}) > 1:
            raise ValueError("--checkpoint: they tell different emotions apart")
        yield found

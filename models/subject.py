"""The model that is evaluated: an artefact, a checkpoint, or a recipe to train by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affectd.engine.artefact import ArtefactError, Metadata
from affectd.models.checkpoint import Checkpoint
from affectd.models.evaluation import EvaluationError
from affectd.models.extra import need_inference_extra
from affectd.models.recipes import Recipe, load_recipe, shipped_recipes
from affectd.models.scoring import Scorer, torch_scorer
from affectd.models.spelling import nearest
from affectd.models.systems import named_recipe
from affectd.models.windowing import Windowing

__all__ = ["Subject", "recipe_of", "shipped_models", "subject_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One trained model, ready to score."""

    name: str
    labels: tuple[str, ...]
    windowing: Windowing
    temperature: float
    scorer: Scorer
    checkpoint_sha256: str
    heard: Mapping[str, frozenset[str]]
    """Speakers by corpus that it was trained on, or that a setting of it was chosen on."""

    @classmethod
    def of_artefact(cls, path: Path) -> Subject:
        """Load an ONNX artefact.

        Raises:
            ArtefactError: the file is no artefact.
            EvaluationError: it is missing or cannot be run.
        """
        need_inference_extra("evaluate")
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            content = path.read_bytes()
            session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except OSError as error:
            raise EvaluationError(f"model {path} cannot be read: {error.strerror}") from None
        except _onnx_errors() as error:
            reason = str(error).splitlines()[0]
            raise EvaluationError(f"model {path} is no ONNX file that runs: {reason}") from None
        try:
            metadata = Metadata.from_props(session.get_modelmeta().custom_metadata_map)
        except ArtefactError as error:
            raise ArtefactError(f"model {path}: {error}") from None

        def score(
            logmel: npt.NDArray[np.float32], frames: npt.NDArray[np.int64]
        ) -> npt.NDArray[np.float32]:
            logits: npt.NDArray[np.float32]
            (logits,) = session.run(["logits"], {"logmel": logmel, "frames": frames})
            return logits

        return cls(
            name=metadata.name,
            labels=metadata.labels,
            windowing=Windowing.of(metadata),
            temperature=metadata.temperature,
            scorer=score,
            checkpoint_sha256=metadata.checkpoint_sha256,
            heard={corpus.name: frozenset(corpus.speakers) for corpus in metadata.corpora},
        )

    @classmethod
    def of_checkpoint(cls, path: Path) -> Subject:
        """Load a checkpoint.

        Raises:
            CheckpointError: it cannot be used.
        """
        checkpoint = Checkpoint.load(path)
        return cls(
            name=checkpoint.recipe.name,
            labels=checkpoint.labels,
            windowing=checkpoint.recipe.windowing,
            temperature=checkpoint.temperature,
            scorer=torch_scorer(checkpoint.model()),
            checkpoint_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            heard={one.corpus: frozenset(one.speakers) for one in checkpoint.heard},
        )


def _onnx_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (state.InvalidProtobuf, state.InvalidGraph, state.Fail, state.InvalidArgument)


def shipped_models() -> dict[str, Path]:
    """Return the artefacts that come with the package, by name."""
    folder = resources.files("affectd.models").joinpath("weights")
    if not isinstance(folder, Path) or not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}


def subject_named(model: str) -> Subject:
    """Return a trained model.

    Args:
        model: An ONNX file, a checkpoint, or the name of a shipped model.

    Raises:
        EvaluationError: there is none; the message names the near ones.
    """
    path = Path(model)
    if path.suffix == ".onnx":
        return Subject.of_artefact(path)
    if path.suffix in (".pt", ".safetensors"):
        return Subject.of_checkpoint(path)
    shipped = shipped_models()
    for name in (model, f"{model}-int8"):
        if name in shipped:
            return Subject.of_artefact(shipped[name])
    if path.suffix == ".toml" or model in shipped_recipes():
        raise EvaluationError(
            f"{model} is a recipe; held-out scores a trained model: an ONNX file or a checkpoint"
        )
    raise EvaluationError(f"no model {model!r}; {nearest(model, shipped)}")


def recipe_of(model: str) -> Recipe:
    """Return the recipe that a model was trained by.

    Args:
        model: A recipe's name or TOML file, a checkpoint, an ONNX file, or a shipped model's name.

    Raises:
        RecipeError: no recipe of that name is shipped.
    """
    path = Path(model)
    if path.suffix in (".pt", ".safetensors"):
        return Checkpoint.load(path).recipe
    if path.suffix == ".onnx":
        return load_recipe(Subject.of_artefact(path).name)
    return named_recipe(model)

"""The models inside the package, by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from affectd.engine.artefact import ArtefactError

__all__ = ["DEFAULT_MODEL", "find_model", "shipped_models"]


def shipped_models() -> list[str]:
    """Return the names of the models inside the package."""
    folder = resources.files("affectd.models") / "weights"
    return sorted(
        entry.name.removesuffix(".onnx")
        for entry in folder.iterdir()
        if entry.name.endswith(".onnx")
    )


DEFAULT_MODEL = "fast-int8" if "fast-int8" in shipped_models() else "open-int8"
"""The shipped model that runs where none is named: `open` where it is shipped alone."""


def find_model(name_or_file: str) -> Path:
    """Return the file of a shipped model, or of one's own.

    A model that is not shipped in full precision goes by its bare name, too: ``accurate`` for
    ``accurate-int8``.

    Raises:
        ArtefactError: there is neither such a name nor such a file.
    """
    for name in (name_or_file, f"{name_or_file}-int8"):
        if name in shipped_models():
            with resources.as_file(resources.files("affectd.models") / "weights") as folder:
                return folder / f"{name}.onnx"
    path = Path(name_or_file)
    if not path.is_file():
        raise ArtefactError(
            f"no model {name_or_file!r}: it is neither a file nor one of the shipped models "
            f"({', '.join(_short_names())})"
        )
    return path


def _short_names() -> list[str]:
    # What is shipped in both precisions has a name for each.
    shipped = shipped_models()
    return [name if (bare := name.removesuffix("-int8")) in shipped else bare for name in shipped]

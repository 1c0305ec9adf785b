"""ONNX Runtime: found, or missed with what to do about it; and its sessions."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

from affectd.engine.artefact import ArtefactError

__all__ = ["load_runtime", "open_session"]

_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


def load_runtime() -> Any:
    """Import ONNX Runtime.

    Raises:
        ImportError: none of its packages is installed, or more than one.
    """
    installed = []
    for name in _RUNTIMES:
        try:
            distributions.distribution(name)
        except distributions.PackageNotFoundError:
            continue
        installed.append(name)
    if not installed:
        raise ImportError(
            "ONNX Runtime is missing: pip install 'affectd[cpu]', or for an NVIDIA GPU "
            "pip install 'affectd[gpu]'"
        )
    if len(installed) > 1:
        raise ImportError(
            f"{' and '.join(installed)} are both installed and overwrite each other: run "
            f"'pip uninstall -y {' '.join(installed)}', then one of pip install 'affectd[cpu]' "
            "and pip install 'affectd[gpu]'"
        )
    import onnxruntime

    return onnxruntime


def open_session(path: Path, providers: Sequence[Any]) -> Any:
    """Return an ONNX Runtime session of a model.

    Args:
        path: Its file.
        providers: As ONNX Runtime takes them. Those that do not start it leaves out in silence.

    Raises:
        ArtefactError: it cannot be loaded.
    """
    runtime = load_runtime()
    options = runtime.SessionOptions()
    # More threads were slower for every model of this size, and spinning ones starve the others.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    errors = runtime.capi.onnxruntime_pybind11_state
    failures = (
        errors.EPFail,
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NoSuchFile,
        errors.NotImplemented,
        errors.RuntimeException,
    )
    try:
        return runtime.InferenceSession(path, options, providers=providers)
    except failures as error:
        size = path.stat().st_size
        what = "it is empty" if not size else "it is damaged, truncated, or not an ONNX file"
        reason = str(error).split(" : ")[-1].splitlines()[0]
        raise ArtefactError(f"{path} cannot be loaded: {what} ({reason})") from None

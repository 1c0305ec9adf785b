"""How every kernel is compiled: without the interpreter's lock, and cached between starts."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

__all__ = ["c_callback", "kernel"]

Function = TypeVar("Function", bound=Callable[..., Any])
Compiled = TypeVar("Compiled")

# rocket-fft reports every array it specialises on at INFO; a start has dozens.
logging.getLogger("numba").setLevel(logging.WARNING)


def kernel(*signatures: Any, fastmath: bool | set[str] = False) -> Callable[[Function], Function]:
    """Compile a function for fixed signatures, cached on disk and without the interpreter's lock.

    Where neither the package's folder nor the user's cache folder can be written (a read-only
    container), the cache goes to a private folder under the system's temporary one.

    Args:
        signatures: Numba signatures, as types or as text; with none the kernel compiles at its
            first call, which only kernels inlined into others should do.
        fastmath: LLVM's fast-math flags; ``nnan`` and ``ninf`` must not be among them where
            samples are checked.
    """

    def compile_now(function: Function) -> Function:
        compiler: Any = numba.njit(
            list(signatures) or None, cache=True, nogil=True, fastmath=fastmath
        )
        return _cached(lambda: cast("Function", compiler(function)))

    return compile_now


def c_callback(signature: Any, function: Callable[..., Any]) -> Any:
    """Compile a function to be called from C, in any thread and without the interpreter.

    Such a function must raise nothing: only an error would make it wait for the interpreter.

    Args:
        signature: Numba signature, in C's types.
        function: What to compile; it may call kernels.

    Returns:
        Numba's object; its ``address`` is the C function's, valid as long as the object lives.
    """
    return _cached(lambda: numba.cfunc(signature, cache=True)(function))


def _forget_other_sources() -> None:
    """Remove cached machine code that was made from other sources than these.

    Numba looks at the file of a kernel alone, and not at those whose kernels are inlined into it.
    """
    folder = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for source in sorted(folder.glob("*.py")):
        digest.update(source.read_bytes())
    stamp = folder / "__pycache__" / "kernels.sha256"
    with contextlib.suppress(OSError):  # installed where we may not write: all files came at once
        if stamp.exists() and stamp.read_text("ascii") == digest.hexdigest():
            return
        stamp.parent.mkdir(exist_ok=True)
        for cached in stamp.parent.glob("*.nb[ic]"):
            cached.unlink(missing_ok=True)
        stamp.write_text(digest.hexdigest(), "ascii")


def _cached(compile_now: Callable[[], Compiled]) -> Compiled:
    """Compile with the cache where Numba can put it, else in a folder of our own."""
    try:
        return compile_now()
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
    settings: Any = numba.config
    settings.CACHE_DIR = os.fspath(_private_cache())
    return compile_now()


def _private_cache() -> Path:
    folder = Path(tempfile.gettempdir()) / f"affectd-numba-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    # Cached machine code is executed: a folder that another user made is not ours to trust.
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="affectd-numba-"))
    return folder


_forget_other_sources()

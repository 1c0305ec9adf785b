"""Unit tests of how kernels are compiled."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import pytest

from affectd.kernels import jit
from affectd.kernels.jit import kernel


def test_a_kernel_is_compiled_at_once_and_for_its_signature_only() -> None:
    @kernel("int64(int64)")
    def twice(number: int) -> int:
        return number * 2

    assert twice.signatures == [(numba.int64,)]
    assert twice(21) == 42
    with pytest.raises(TypeError, match="No matching definition"):
        twice("21")


def test_a_kernel_runs_without_the_interpreters_lock() -> None:
    @kernel("int64(int64)")
    def same(number: int) -> int:
        return number

    assert same.targetoptions["nogil"] is True


def test_the_private_cache_is_readable_by_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = jit._private_cache()
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert jit._private_cache() == folder


@pytest.mark.parametrize("planted", ["link", "open to all"])
def test_a_cache_that_someone_else_could_have_filled_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = tmp_path / f"affectd-numba-{os.getuid()}"
    if planted == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.mkdir()
        place.chmod(0o777)
    folder = jit._private_cache()
    assert folder != place
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_kernels_import_where_no_cache_can_be_written(tmp_path: Path) -> None:
    """Neither the package's folder nor a home: what a read-only container offers."""
    script = (
        "import numba.core.caching as caching\n"
        "for locator in (caching.InTreeCacheLocator, caching.UserWideCacheLocator):\n"
        "    locator.ensure_cache_path = lambda self: (_ for _ in ()).throw(OSError('read-only'))\n"
        "from affectd.kernels.jit import kernel\n"
        "from affectd.kernels.normalisation import normalise\n"
        "import numpy as np\n"
        "assert normalise(np.eye(3, dtype=np.float32)).shape == (3, 3)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("affectd-numba-*/**/*.nbi"))


def test_machine_code_of_other_sources_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, cached = tmp_path / "jit.py", tmp_path / "__pycache__" / "kernel.nbi"
    source.write_text("one = 1")
    cached.parent.mkdir()
    cached.touch()
    monkeypatch.setattr(jit, "__file__", str(source))
    jit._forget_other_sources()
    assert not cached.exists()
    cached.touch()
    jit._forget_other_sources()
    assert cached.exists()
    (tmp_path / "inlined.py").write_text("two = 2")
    jit._forget_other_sources()
    assert not cached.exists()

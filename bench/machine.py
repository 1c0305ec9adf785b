"""What a figure was measured on: without it a figure says nothing."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

__all__ = ["Stolen", "describe_machine"]

# Among the times of "cpu": user, nice, system, idle, iowait, irq, softirq, steal.
_STOLEN = 7
_PACKAGES = (
    "affectd",
    "numpy",
    "numba",
    "onnxruntime",
    "onnxruntime-gpu",
    "websockets",
    "librosa",
    "torch",
    "opensmile",
)


class Stolen:
    """Counts, from now on, what other guests of the host took of this machine's processors.

    Beside a level of it that is not near zero, the high percentiles of a latency are the host's.

    Args:
        stat: Where Linux says what its processors did; see proc_stat(5).
    """

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._before = self._times()

    def percent(self) -> float | None:
        """Return the share of all processor time, percent; `None` where nothing tells it."""
        if not self._before:
            return None
        gone = [after - before for after, before in zip(self._times(), self._before, strict=True)]
        return round(100 * gone[_STOLEN] / sum(gone), 2) if sum(gone) > 0 else None

    def _times(self) -> list[int]:
        if not self._stat.is_file():
            return []
        line = self._stat.read_text().partition("\n")[0]
        times = [int(field) for field in line.split()[1 : _STOLEN + 2]]
        return times if len(times) > _STOLEN else []


def describe_machine() -> dict[str, object]:
    """Return the processor, the system, the versions and the time."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "load_average": round(os.getloadavg()[0], 2),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

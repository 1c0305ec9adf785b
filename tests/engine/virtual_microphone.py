"""A microphone without a sound card: a PulseAudio server of our own with a null sink."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

TOOLS = ("pulseaudio", "paplay", "parec", "pactl")


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


class VirtualMicrophone:
    """What is played into it can be captured from the device ``pulse``."""

    def __init__(self, folder: Path, *, rate: int = 16_000) -> None:
        self._folder = folder
        self._rate = rate
        self._server: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ,
            "PULSE_SERVER": f"unix:{folder / 'socket'}",
            "PULSE_SOURCE": "mic.monitor",
            "XDG_RUNTIME_DIR": os.fspath(folder),
            "PULSE_RUNTIME_PATH": os.fspath(folder),
            "HOME": os.fspath(folder),
        }

    def plug_in(self) -> None:
        socket = self._folder / "socket"
        self._server = subprocess.Popen(
            [
                "pulseaudio",
                "-n",
                "--daemonize=no",
                "--use-pid-file=no",
                "--exit-idle-time=-1",
                "--disallow-exit=yes",
                "-L",
                f"module-native-protocol-unix socket={socket} auth-anonymous=1",
                "-L",
                f"module-null-sink sink_name=mic rate={self._rate} channels=1 format=s16le",
            ],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_until_it_answers()
        # The monitor of a null sink ticks only while someone listens.
        self._keeper = subprocess.Popen(
            ["parec", "--device=mic.monitor"], env=self.environment, stdout=subprocess.DEVNULL
        )

    def pull_out(self) -> None:
        for process in (self._keeper, self._server):
            if process:
                process.kill()
                process.wait()

    def play(self, path: Path) -> None:
        subprocess.run(["paplay", "--device=mic", path], env=self.environment, check=True)

    def _wait_until_it_answers(self) -> None:
        for _ in range(200):
            answer = subprocess.run(["pactl", "info"], env=self.environment, capture_output=True)
            if answer.returncode == 0:
                return
            time.sleep(0.05)
        raise TimeoutError("PulseAudio does not answer")


@contextlib.contextmanager
def virtual_microphone(folder: Path, *, rate: int = 16_000) -> Iterator[VirtualMicrophone]:
    microphone = VirtualMicrophone(folder, rate=rate)
    microphone.plug_in()
    try:
        yield microphone
    finally:
        microphone.pull_out()

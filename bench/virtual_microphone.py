"""A microphone without a sound card: a PulseAudio server of our own with a null sink."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["VirtualMicrophone", "missing_tools", "virtual_microphone"]

_TOOLS = ("pulseaudio", "paplay", "parec", "pactl")
_ANSWER_TRIES = 400
_ANSWER_PAUSE_SECONDS = 0.05


def missing_tools() -> list[str]:
    """Return what is not installed of what it needs: PulseAudio's programs, and PortAudio."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    return missing + ([] if ctypes.util.find_library("portaudio") else ["PortAudio"])


class VirtualMicrophone:
    """What is played into it can be captured from the device ``pulse``, bit by bit.

    Args:
        folder: An empty one, for its socket.
        rate: Its own sampling rate, Hz.

    Attributes:
        environment: Of processes that shall hear or feed it.
    """

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
        """Start the server.

        Raises:
            TimeoutError: it does not answer.
        """
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
        """End the server, as if somebody pulled the plug."""
        for process in (self._keeper, self._server):
            if process:
                process.kill()
                process.wait()

    def play(self, path: Path) -> None:
        """Play a sound file into it, to its end."""
        with self.playing(path) as player:
            player.wait()
        if player.returncode:
            raise OSError(f"{path} could not be played into the virtual microphone")

    @contextlib.contextmanager
    def playing(self, path: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Play a sound file into it meanwhile."""
        player = subprocess.Popen(["paplay", "--device=mic", path], env=self.environment)
        try:
            yield player
        finally:
            if player.poll() is None:
                player.kill()
            player.wait()

    def _wait_until_it_answers(self) -> None:
        for _ in range(_ANSWER_TRIES):
            answer = subprocess.run(["pactl", "info"], env=self.environment, capture_output=True)
            if answer.returncode == 0:
                return
            time.sleep(_ANSWER_PAUSE_SECONDS)
        raise TimeoutError("PulseAudio does not answer")


@contextlib.contextmanager
def virtual_microphone(folder: Path, *, rate: int = 16_000) -> Iterator[VirtualMicrophone]:
    """Plug a virtual microphone in, and pull it out at the end.

    Raises:
        OSError: what it needs is not installed, or does not start.
    """
    if missing := missing_tools():
        raise OSError(
            f"the virtual microphone needs {', '.join(missing)}: on Debian 'apt install "
            "libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins'"
        )
    microphone = VirtualMicrophone(folder, rate=rate)
    microphone.plug_in()
    try:
        yield microphone
    finally:
        microphone.pull_out()

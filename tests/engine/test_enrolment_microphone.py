"""Integration: a voice is got to know by a virtual microphone, as a person would speak into one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affectd.bench.virtual_microphone import missing_tools, virtual_microphone
from affectd.engine.sources import DemoSource

MISSING = missing_tools()

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; see .ci/system-packages test"
)


def test_a_voice_is_enrolled_by_a_microphone_and_asks_for_no_more_than_it_needs(
    tmp_path: Path,
) -> None:
    demo = DemoSource()
    pause = np.zeros(round(0.8 * demo.rate), np.float32)
    pieces = [piece for clip in demo.clips() for piece in (clip, pause)]
    spoken = tmp_path / "spoken.wav"
    soundfile.write(spoken, np.concatenate(pieces), demo.rate, subtype="PCM_16")
    pulse = tmp_path / "pulse"
    pulse.mkdir()
    with virtual_microphone(pulse) as microphone:
        enrolment = subprocess.Popen(
            [sys.executable, "-m", "affectd", "enrol", "anna", "--device", "pulse"],
            env={**microphone.environment, "XDG_DATA_HOME": os.fspath(tmp_path / "data")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert enrolment.stdout is not None
        try:
            # It asks when it hears.
            assert "Please speak for about 20 s" in enrolment.stdout.readline()
            with microphone.playing(spoken) as player:
                out, error = enrolment.communicate(timeout=90)
                # What is spoken goes on for longer than it listens.
                assert player.poll() is None
        finally:
            enrolment.kill()
    assert enrolment.returncode == 0, error
    assert "anna: learnt from" in out + error
    (kept,) = (tmp_path / "data/affectd/voices").iterdir()
    assert kept.name == "anna.json"
    assert kept.stat().st_size < 4_096  # numbers, and no audio

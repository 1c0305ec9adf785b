"""Unit: what of the daemon's work is counted while a swarm measures."""

from __future__ import annotations

import subprocess
import sys

from affectd.bench.many import _cores

BUSY_AND_THEN_IDLE = """
import time
while time.process_time() < 0.5:
    pass
print("done", flush=True)
time.sleep(60)
"""
SWARM = """
import sys, time
sys.stdin.readline()
print("measuring", file=sys.stderr, flush=True)
time.sleep(60)
"""


def test_work_from_before_the_swarm_measures_is_not_counted() -> None:
    pipe = subprocess.PIPE
    with (
        subprocess.Popen([sys.executable, "-c", BUSY_AND_THEN_IDLE], stdout=pipe) as busy,
        subprocess.Popen(
            [sys.executable, "-c", SWARM], stdin=busy.stdout, stderr=pipe, text=True
        ) as swarm,
    ):
        try:
            cores, stolen = _cores(busy.pid, swarm, 1.0)
        finally:
            busy.kill()
            swarm.kill()
    assert cores < 0.1
    assert stolen is None or 0 <= stolen <= 100

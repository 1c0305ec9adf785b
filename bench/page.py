"""The web page in a headless Chromium: how evenly it draws several streams, and what it keeps."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from affectd.bench.own_daemon import daemon
from affectd.bench.percentiles import Percentiles
from affectd.engine.sources import DemoSource

__all__ = ["measure_page"]

_RATE = 16_000
_START_SECONDS = 15
# The time between two frames, and what drawing one of them took.
_WATCH = """async (seconds) => {
    const between = [], drawing = [];
    const own = window.requestAnimationFrame;
    let last = 0;
    window.requestAnimationFrame = (draw) => own((now) => {
        if (last) between.push(now - last);
        last = now;
        const began = performance.now();
        draw(now);
        drawing.push(performance.now() - began);
    });
    await new Promise((done) => setTimeout(done, 1000 * seconds));
    window.requestAnimationFrame = own;
    return { between, drawing };
}"""


def measure_page(streams: int, *, seconds: float) -> dict[str, Any]:
    """Watch the page while streams of speech play.

    Args:
        streams: How many, the demo included.
        seconds: For how long.

    Returns:
        ``between_ms`` and ``drawing_ms`` as percentiles, ``frames_per_second``, and the JavaScript
        heap after collection at the start and the end, ``heap_mib``.

    Raises:
        ImportError: Playwright is not installed.
        FileNotFoundError: there is no Chromium.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise ImportError("Playwright is missing: pip install 'affectd[dev]'") from None
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise FileNotFoundError("there is no Chromium: install Debian's package 'chromium'")
    with (
        tempfile.TemporaryDirectory() as folder,
        daemon(model="") as own,
        _speakers(Path(folder), own.address, streams - 1, seconds + _START_SECONDS),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(own.address.replace("ws://", "http://"))
        page.locator(".stream").nth(streams - 1).wait_for()
        session = page.context.new_cdp_session(page)

        def heap_mib() -> float:
            session.send("HeapProfiler.collectGarbage")
            used: float = session.send("Runtime.getHeapUsage")["usedSize"]
            return round(used / 2**20, 2)

        first = heap_mib()
        seen = page.evaluate(_WATCH, seconds)
        last = heap_mib()
        browser.close()
    return {
        "streams": streams,
        "between_ms": Percentiles.of(seen["between"]).to_dict(),
        "drawing_ms": Percentiles.of(seen["drawing"]).to_dict(),
        "frames_per_second": round(len(seen["between"]) / seconds, 1),
        "heap_mib": {"first": first, "last": last, "after_seconds": seconds},
    }


@contextlib.contextmanager
def _speakers(folder: Path, address: str, count: int, seconds: float) -> Iterator[None]:
    clips = list(DemoSource().clips())
    pause = np.zeros(_RATE, np.float32)
    with contextlib.ExitStack() as stack:
        for number in range(count):
            turned = clips[number:] + clips[:number]
            speech = np.concatenate([part for clip in turned for part in (clip, pause)])
            path = folder / f"{number}.flac"
            soundfile.write(path, np.resize(speech, round(seconds * _RATE)), _RATE)
            command = [sys.executable, "-m", "affectd", "send", str(path), address]
            command += ["--stream", f"speaker-{number + 1}"]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
            stack.callback(process.terminate)
        yield

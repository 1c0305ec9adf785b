"""A real daemon, and Debian's Chromium before its page."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from tests.clients.conftest import GREETING
from tests.engine.running_daemon import RunningDaemon, running_daemon

from affectd.engine.access import AccessRules
from affectd.engine.hub import Hub
from affectd.engine.metrics import Metrics
from affectd.engine.protocol import Event
from affectd.engine.server import Server, ServerSettings
from affectd.engine.sources import DemoSource

ARTEFACTS = Path(__file__).parents[3] / "runs" / "screenshots"
RATE = 44_100
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")  # its event loop would be in the way of other tests' own
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips with pauses, at the rate that Chromium's fake microphone plays exactly."""
    import soxr

    clips = list(DemoSource().clips())[:3]
    pause = np.zeros(19_200, np.float32)
    speech = np.concatenate([each for clip in clips for each in (pause, clip)] + [pause])
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, soxr.resample(speech, 16_000, RATE), RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def browser(playwright: Playwright, talk: Path) -> Iterator[Browser]:
    chromium = os.environ.get("AFFECTD_TEST_CHROMIUM") or shutil.which("chromium")
    assert chromium, "Chromium is missing: .ci/system-packages test installs it"
    browser = playwright.chromium.launch(
        executable_path=chromium,
        args=[
            "--no-sandbox",  # it runs as root in a container, and sees nobody's pages but ours
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={talk}%noloop",
            "--autoplay-policy=no-user-gesture-required",
        ],
    )
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with running_daemon() as daemon:
        yield daemon


class Broadcast:
    """A real server and hub in a thread, whose streams and events a test makes up."""

    def __init__(self, token: str = "") -> None:
        self._token = token
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.hub = Hub()
        self.address = ""

    def start(self) -> None:
        self._thread.start()
        server = Server(
            self.hub,
            GREETING,
            access=AccessRules(token=self._token),
            settings=ServerSettings(),
            metrics=Metrics(),
        )
        self._server = server
        starting = asyncio.run_coroutine_threadsafe(server.start("127.0.0.1", 0), self._loop)
        self.address = f"ws://127.0.0.1:{starting.result()}"

    def publish(self, *events: Event) -> None:
        self._loop.call_soon_threadsafe(self.hub.publish, events)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextlib.contextmanager
def broadcasting(token: str = "") -> Iterator[Broadcast]:
    broadcast = Broadcast(token)
    broadcast.start()
    yield broadcast
    broadcast.stop()


@pytest.fixture
def broadcast() -> Iterator[Broadcast]:
    with broadcasting() as broadcast:
        yield broadcast


def site(daemon: RunningDaemon | Broadcast) -> str:
    return daemon.address.replace("ws://", "http://") + "/"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def still(browser: Browser) -> Iterator[BrowserContext]:
    """A context for pages that draw only what is new, which costs less where there is no GPU."""
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, daemon: RunningDaemon) -> Iterator[Page]:
    """The daemon's page, connected; an error in its scripts fails the test."""
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site(daemon))
    page.locator("#status[data-state=connected]").wait_for()
    yield page
    assert not errors


@pytest.fixture(scope="session")
def keep() -> Callable[[Page, str], None]:
    """Save a picture of the page, for people to look at."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)

    def save(page: Page, name: str) -> None:
        page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)

    return save

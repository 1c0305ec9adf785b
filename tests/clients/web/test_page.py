"""The page in a real browser, before a real daemon with the shipped model."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.clients.web.conftest import PATIENCE_MS, Broadcast, broadcasting, site
from tests.engine.running_daemon import RunningDaemon, running_daemon

import affectd
from affectd.clients import palette
from affectd.clients.manner import manner
from affectd.clients.subtitles import Subtitles
from affectd.engine.protocol import Device, Load
from affectd.engine.sources import DemoSource

LABELS = {"angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"}
Keep = Callable[[Page, str], None]
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def expected(talk: Path) -> list[str]:
    """The labels that analysis gives for the file."""
    return list(affectd.Recognizer().analyze(talk)["label"])


def table(page: Page, card: str) -> list[str]:
    """Return the emotions of a card's table, oldest first as they stand there."""
    return [
        each.strip() for each in page.locator(f"{card} tbody td:nth-child(3)").all_inner_texts()
    ]


def until(condition: Callable[[], bool], page: Page) -> None:
    """Wait, letting the browser work meanwhile."""
    for _ in range(PATIENCE_MS // 20):
        if condition():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it never came to be")


def test_what_is_heard_appears(page: Page, keep: Keep) -> None:
    card = page.get_by_role("article", name="Stream demo")
    expect(card.locator("tbody tr")).not_to_have_count(0)
    card.locator(".voice[data-speaking=true]").wait_for()
    expect(card.locator(".age")).to_have_text(re.compile(r"\d+ ms behind the voice"))
    assert set(card.locator(".bars li > span:first-child").all_inner_texts()) == LABELS
    word = card.locator(".word").inner_text()
    assert word in LABELS | {"undecided", "too noisy to judge", "hardly any speech"}
    # Something is drawn: a canvas of one colour would be empty.
    for canvas in (".areas", ".mel", ".plane canvas"):
        count = card.locator(canvas).evaluate(
            "canvas => new Set(new Uint32Array(canvas.getContext('2d')"
            ".getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"
        )
        assert count > 2, canvas
    assert page.locator("#engine").inner_text().startswith("affectd ")
    keep(page, "live-desktop-light")


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [
        ("phone-dark", 390, 844, "dark"),
        ("phone-light", 390, 844, "light"),
        ("wall-dark", 2560, 1440, "dark"),
    ],
)
def test_every_size_and_scheme_passes_the_axe_check(
    browser: Browser,
    daemon: RunningDaemon,
    talk: Path,
    keep: Keep,
    name: str,
    width: int,
    height: int,
    scheme: str,
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(site(daemon))
    expect(page.locator(".stream tbody tr")).not_to_have_count(0)
    if name == "phone-dark":  # the recording's card is checked once
        page.locator("#files").set_input_files(talk)
        expect(page.locator(".progress")).to_have_text(re.compile("heard in"))
    keep(page, f"live-{name}")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, "the page must not scroll sideways"
    context.close()


def test_a_dropped_file_yields_its_timeline(
    page: Page, talk: Path, expected: list[str], tmp_path: Path, keep: Keep
) -> None:
    handle = page.evaluate_handle(
        """async ([name, bytes]) => {
            const transfer = new DataTransfer();
            const data = Uint8Array.from(atob(bytes), (each) => each.charCodeAt(0));
            transfer.items.add(new File([data], name, { type: "audio/wav" }));
            return transfer;
        }""",
        [talk.name, b64encode(talk.read_bytes()).decode()],
    )
    page.dispatch_event("main", "dragenter", {"dataTransfer": handle})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": handle})
    expect(page.locator("#drop")).to_be_hidden()
    card = page.get_by_role("article", name=f"Recording {talk.name}")
    expect(card.locator(".progress")).to_have_text(re.compile("heard in"))
    assert table(page, ".recording") == expected
    assert card.locator(".marks span").all_inner_texts() == expected
    assert card.locator("svg path").count() >= len(LABELS)

    with page.expect_download() as saved:
        card.get_by_role("button", name="Save as JSON").click()
    kept = json.loads(saved.value.path().read_text("utf-8"))
    assert [each["label"] for each in kept["utterances"]] == expected
    with page.expect_download() as saved:
        card.get_by_role("button", name="Save as WebVTT").click()
    cues = Subtitles(saved.value.path().read_text("utf-8")).cues
    said = manner("word")
    assert [cue.words for cue in cues] == [said(label) for label in expected]
    assert [cue.start for cue in cues] == [
        pytest.approx(each["start"], abs=1e-3) for each in kept["utterances"]
    ]

    middle = (cues[1].start + cues[1].end) / 2
    card.locator(".seek").fill(f"{middle:.2f}")
    expect(card.locator(".under")).to_have_text(re.compile(f"^{expected[1]} "))
    keep(page, "file-desktop-light")
    card.get_by_role("button", name="Remove").click()
    expect(page.locator("#recordings")).to_be_hidden()


def test_a_file_that_is_removed_before_its_turn_is_not_heard(
    still: BrowserContext, broadcast: Broadcast, tmp_path: Path
) -> None:
    page = still.new_page()
    page.goto(site(broadcast))
    page.locator("#status[data-state=connected]").wait_for()
    heard: list[str] = []
    page.on("websocket", lambda socket: heard.append(socket.url))
    clip = next(DemoSource().clips())
    paths = [tmp_path / f"{name}.wav" for name in ("first", "second", "third")]
    for path in paths:
        soundfile.write(path, clip, 16_000)
    page.locator("#files").set_input_files(paths)
    until(lambda: len(heard) == 1, page)  # there is no model here: the others wait
    for name in ("second", "first"):
        card = page.get_by_role("article", name=f"Recording {name}.wav")
        card.get_by_role("button", name="Remove").click()
    third = page.get_by_role("article", name="Recording third.wav")
    expect(third.locator(".progress")).to_have_text(re.compile("reading|hearing"))
    until(lambda: len(heard) > 1, page)
    assert len(heard) == 2


def test_a_file_that_is_no_audio_says_so(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "words.wav"
    path.write_text("nobody speaks here")
    page.locator("#files").set_input_files(path)
    expect(page.locator(".progress")).to_have_text(re.compile("cannot be heard: this browser"))
    card = page.locator(".recording")
    for part in (".timeline", "audio", ".key", "table", ".save-json"):
        expect(card.locator(part)).to_be_hidden()
    card.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.wav", "", "the file is empty"),
        ("talk.txt", "hello", "it is no sound file, but"),
    ],
)
def test_what_cannot_be_a_recording_is_told_without_advice_that_would_not_help(
    page: Page, tmp_path: Path, name: str, content: str, why: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    page.locator("#files").set_input_files(path)
    expect(page.locator(".progress")).to_have_text(re.compile(f"cannot be heard: {why}"))
    expect(page.locator(".progress")).not_to_have_text(re.compile("ffmpeg"))


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_table_shows_whole_rows_and_says_that_there_are_more(
    page: Page, keep: Keep, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    box = page.locator(".stream .scroll").first
    expect(box).to_have_attribute("data-more", "false")
    expect(box.locator("tbody tr")).not_to_have_count(0)
    shown, head, row = box.evaluate(
        """(box) => {
            const rows = box.querySelector("tbody");
            while (rows.childElementCount < 40) rows.append(rows.firstElementChild.cloneNode(true));
            const height = (each) => each.getBoundingClientRect().height;
            return [height(box), height(box.querySelector("th")), height(rows.firstElementChild)];
        }"""
    )
    rows = (shown - head) / row
    assert rows >= 6
    assert rows == pytest.approx(round(rows), abs=0.1)
    expect(box).to_have_attribute("data-more", "true")
    keep(page, f"table-{width}")
    box.evaluate("box => box.scrollTo(0, box.scrollHeight)")
    expect(box).to_have_attribute("data-more", "false")


def test_the_microphone_is_heard_as_analysis_hears_its_file(
    browser: Browser, daemon: RunningDaemon, expected: list[str], keep: Keep
) -> None:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, permissions=["microphone"]
    )
    page = context.new_page()
    page.clock.install()
    page.goto(site(daemon))
    page.locator("#status[data-state=connected]").wait_for()
    page.get_by_role("button", name="Use this microphone").click()
    expect(page.get_by_role("button", name="Stop this microphone")).to_be_visible()
    card = page.locator(".stream:not([aria-label='Stream demo'])")
    expect(card.locator("tbody tr")).to_have_count(len(expected))
    keep(page, "microphone-desktop-light")
    newest_first = [each.strip() for each in card.locator("td:nth-child(3)").all_inner_texts()]
    assert newest_first[::-1] == expected
    page.get_by_role("button", name="Stop this microphone").click()
    expect(card.locator(".voice")).to_have_text(re.compile(r"ended at \d\d:\d\d:\d\d"))
    expect(card.locator(".notice")).to_be_hidden()
    page.clock.fast_forward(60_000)
    page.wait_for_function("new Promise(requestAnimationFrame)")
    expect(card).to_be_visible()  # who spoke may still read what was heard
    card.get_by_role("button", name="Close").click()
    expect(card).to_have_count(0)
    context.close()


PUBLISH = """async ([url, stream, last]) => {
    const { Publisher } = await import("/affectd.js");
    await new Promise((resolve) => {
        const guest = new Publisher(url, {
            rate: 16000,
            stream,
            onStatus({ state }) {
                if (state !== "publishing") return resolve();
                guest.send(new Float32Array(1600));
                if (last) guest.end();
                else resolve();
            },
        });
        window.guest = guest;
    });
}"""


def test_streams_that_are_over_go_away_by_themselves_or_by_a_button(
    context: BrowserContext, daemon: RunningDaemon, keep: Keep
) -> None:
    page = context.new_page()
    page.clock.install()
    page.goto(site(daemon))
    page.locator("#status[data-state=connected]").wait_for()
    for name in ("first", "second"):
        page.evaluate(PUBLISH, [daemon.address, name, True])
    first, second = (page.get_by_role("article", name=f"Stream {n}") for n in ("first", "second"))
    for card in (first, second):
        expect(card.locator(".voice")).to_have_text(re.compile("ended at"))
        expect(card.locator(".notice")).to_be_hidden()
        expect(card.locator(".word")).to_have_text("nothing heard")
    keep(page, "ended-desktop-light")
    first.get_by_role("button", name="Close first").click()
    expect(first).to_have_count(0)
    page.evaluate(PUBLISH, [daemon.address, "second", False])
    expect(second.locator(".voice")).to_have_text("no speech")
    expect(second.get_by_role("button", name="Close", include_hidden=True)).to_be_hidden()
    page.clock.fast_forward(31_000)
    page.mouse.move(0, 0)  # who points at a card may read on
    page.evaluate("guest.end()")
    expect(second.locator(".voice")).to_have_text(re.compile("ended at"))
    page.clock.fast_forward(31_000)
    expect(second).to_have_count(0)
    expect(page.get_by_role("article", name="Stream demo")).to_be_visible()
    expect(page.locator("#engine")).to_have_text(re.compile("device well · load well"))


def test_a_stream_that_fails_says_why_for_longer(
    context: BrowserContext, daemon: RunningDaemon
) -> None:
    page = context.new_page()
    page.clock.install()
    page.goto(site(daemon))
    page.locator("#status[data-state=connected]").wait_for()
    page.evaluate(
        """([url]) => {
            const socket = new WebSocket(url, "affectd.v1.json");
            socket.onmessage = ({ data }) => {
                const { type } = JSON.parse(data);
                const hello = { type: "hello", rate: 16000, format: "f32le", stream: "broken" };
                if (type === "hello") socket.send(JSON.stringify(hello));
                if (type === "accepted") socket.send(new Float32Array(1600).fill(NaN));
            };
        }""",
        [daemon.address],
    )
    card = page.get_by_role("article", name="Stream broken")
    expect(card.locator(".notice")).to_have_text(re.compile("must be finite"))
    page.clock.fast_forward(31_000)
    page.wait_for_function("new Promise(requestAnimationFrame)")
    expect(card).to_be_visible()
    page.clock.fast_forward(300_000)
    expect(card).to_have_count(0)


def test_a_microphone_without_permission_says_how_to_give_it(page: Page) -> None:
    page.get_by_role("button", name="Use this microphone").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("allow the microphone"))
    expect(page.get_by_role("button", name="Use this microphone")).to_be_enabled()


def test_the_daemons_restart_is_survived_without_a_reload(
    context: BrowserContext, keep: Keep
) -> None:
    page = context.new_page()
    with running_daemon() as first:
        page.goto(site(first))
        page.locator("#status[data-state=connected]").wait_for()
        page.evaluate("window.stillHere = true")
        expect(page.locator(".stream .bars li[data-leads=true]")).to_have_count(1)
        port = first.address.rpartition(":")[2]
        first.process.send_signal(signal.SIGTERM)
        first.process.wait(timeout=10)
        expect(page.locator("#status")).to_have_attribute("data-state", "gone")
        expect(page.locator("#engine")).not_to_have_text(re.compile("well"))
        expect(page.get_by_role("alert")).to_have_text(
            re.compile(r"cannot be reached since \d\d:\d\d:\d\d.*affectd run")
        )
        keep(page, "unreachable")
    with running_daemon("--port", port):
        page.locator("#status[data-state=connected]").wait_for()
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.locator(".stream .bars li[data-leads=true]")).to_have_count(1)
        assert page.evaluate("window.stillHere")


def test_the_page_asks_no_other_host_for_anything(
    context: BrowserContext, daemon: RunningDaemon
) -> None:
    hosts: set[str] = set()
    page = context.new_page()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(site(daemon))
    page.locator("#status[data-state=connected]").wait_for()
    assert hosts == {site(daemon).split("/")[2]}


def test_a_token_in_the_fragment_lets_the_page_in(context: BrowserContext) -> None:
    with broadcasting(token="geheim") as guarded:
        page = context.new_page()
        page.goto(site(guarded))
        expect(page.get_by_role("alert")).to_have_text(re.compile("#token="))
        page.goto(site(guarded) + "#token=geheim")
        page.reload()
        page.locator("#status[data-state=connected]").wait_for()


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_a_loop_of_javascript_subscribes(page: Page, daemon: RunningDaemon, encoding: str) -> None:
    event = page.evaluate(
        """async ([url, format]) => {
            const { subscribe } = await import("/affectd.js");
            for await (const event of subscribe(url, { format }))
                if (event.type === "emotion") return event;
        }""",
        [daemon.address, encoding],
    )
    assert set(event["scores"]) == LABELS
    assert sum(event["scores"].values()) == pytest.approx(1, abs=1e-3)


def device(stream: str, seq: int, state: str) -> Device:
    return Device(
        stream=stream,
        seq=seq,
        start=1.0,
        end=1.0,
        captured_at=time.monotonic(),
        state=state,  # type: ignore[arg-type]
        detail="",
    )


def test_spectrograms_are_shown_while_few_streams_are_live(
    still: BrowserContext, broadcast: Broadcast
) -> None:
    page = still.new_page()
    page.goto(site(broadcast))
    until(lambda: broadcast.hub.shows_mel("demo"), page)
    # One is the daemon's own.
    broadcast.publish(*(device(f"caller-{number}", 1, "started") for number in range(8)))
    until(lambda: not broadcast.hub.shows_mel("demo"), page)
    broadcast.publish(device("caller-0", 2, "ended"))
    until(lambda: broadcast.hub.shows_mel("demo"), page)
    expect(page.locator(".stream")).to_have_count(9)


def test_streams_beyond_the_limit_are_counted_until_there_is_room(
    still: BrowserContext, broadcast: Broadcast
) -> None:
    page = still.new_page()
    page.goto(site(broadcast))
    page.locator("#status[data-state=connected]").wait_for()
    broadcast.publish(*(device(f"caller-{number}", 1, "started") for number in range(65)))
    expect(page.locator("#more")).to_have_text("2 more streams are live. This page shows 64.")
    page.evaluate("window.first = document.querySelector('.stream')")
    broadcast.publish(*(device(f"caller-{number}", 2, "clipping") for number in range(65)))
    broadcast.publish(device("caller-0", 3, "ended"), device("caller-64", 3, "clipping"))
    expect(page.get_by_role("article", name="Stream caller-64")).to_be_visible()
    expect(page.locator("#more")).to_have_text("1 more stream is live. This page shows 64.")
    assert page.evaluate("window.first.isConnected"), "no card gave way to a live stream"
    expect(page.locator(".stream")).to_have_count(64)


def test_a_stream_that_is_no_longer_judged_is_no_load_that_is_well(
    still: BrowserContext, broadcast: Broadcast
) -> None:
    page = still.new_page()
    page.goto(site(broadcast))
    page.locator("#status[data-state=connected]").wait_for()
    event = device("demo", 1, "sounding")
    common = {name: getattr(event, name) for name in ("stream", "start", "end", "captured_at")}
    load = Load(**common, seq=2, state="voice_only", dropped=9, hop_seconds=0.0)
    broadcast.publish(event, load)
    expect(page.locator("#engine")).to_have_text(re.compile("load: demo voice only$"))
    expect(page.locator(".notice")).to_have_text(re.compile("tells only who speaks"))
    broadcast.publish(replace(load, seq=3, state="recovered"))
    expect(page.locator("#engine")).to_have_text(re.compile("load well$"))
    expect(page.locator(".notice")).to_be_hidden()


def test_messagepack_is_what_python_writes(page: Page) -> None:
    import msgpack

    value = {
        "text": "ü" * 40,
        "numbers": [1, -1, -33, 200, 70_000, 2**40, -(2**40), 1.5, -0.25],
        "others": [None, True, False],
        "deep": {"a": [{}] * 20},
        "long": "x" * 300,
        "__proto__": 7,
    }
    read, written = page.evaluate(
        """async (bytes) => {
            const { decode, encode } = await import("/msgpack.js");
            const value = decode(Uint8Array.from(bytes).buffer);
            return [JSON.stringify(value), [...encode(value)]];
        }""",
        list(msgpack.packb(value)),
    )
    assert json.loads(read) == value
    assert msgpack.unpackb(bytes(written)) == value
    with pytest.raises(Exception, match="cut short"):
        page.evaluate(
            "async (bytes) => (await import('/msgpack.js')).decode(Uint8Array.from(bytes).buffer)",
            list(msgpack.packb(value)[:-1]),
        )


def test_the_colours_are_the_terminals(page: Page) -> None:
    for label in [*LABELS, "amused"]:
        theirs = page.evaluate(
            "async (label) => (await import('/palette.js')).colourOf(label)", label
        )
        assert theirs == palette.colour_of(label)


def test_the_page_of_an_analysis_passes_the_axe_check(
    context: BrowserContext, talk: Path, tmp_path: Path, keep: Keep
) -> None:
    out = tmp_path / "talk.html"
    command = [sys.executable, "-m", "affectd", "analyze", str(talk), "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    page = context.new_page()
    page.goto(out.as_uri())
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    keep(page, "analysis")

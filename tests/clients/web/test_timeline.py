"""Integration: the page of an analysis in a browser, at a desk and on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.clients.test_timeline import timeline

from affectd.clients.timeline import page_of

LONG_NAME = f"/home/somebody/{'recordings_of_a_long_evening/' * 4}talk.wav"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_a_long_recording_can_be_read(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    path = tmp_path / "talk.html"
    path.write_text(page_of([timeline(120.0, name=LONG_NAME)]), "utf-8")
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    heights = page.locator("svg text").evaluate_all(
        "texts => texts.map(each => each.getBoundingClientRect().height)"
    )
    assert min(heights) > 10
    page.close()

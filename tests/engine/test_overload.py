"""Integration: overload over real sockets, from admission to the voice alone and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np
from tests.engine.fake_classifier import FakeClassifier
from tests.engine.publishing import RATE, Client, Engine, engine, of

from affectd.engine.load import LoadSettings

LOAD = LoadSettings(longest_hop_seconds=1.0, calm_seconds=3.0, pressed_seconds=1.0, late_seconds=60)
PATIENCE_SECONDS = 60
FASTER = 4
"""Than anyone speaks: how the speech is sent."""


class SlowClassifier(FakeClassifier):
    """Answers, while it is slow, only when a newer window has taken the place of one that waits.

    So it is too slow for whatever comes, on any machine, without a time of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.slow = True
        self.engine: Engine | None = None

    def run(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        until = time.monotonic() + PATIENCE_SECONDS
        while self.slow and not self._behind() and time.monotonic() < until:
            time.sleep(0.002)
        return super().run(windows)

    def _behind(self) -> bool:
        assert self.engine
        streams = self.engine.worker.streams
        return any(job.superseded for job in self.engine.batcher._waiting.copy()) or any(
            stream.governor.voice_only for stream in streams
        )


async def talk(client: Client, speech: np.ndarray) -> None:
    size = RATE // 50
    while True:
        for start in range(0, speech.size, size):
            await client.send(speech[start : start + size], size=size)
            await asyncio.sleep(size / RATE / FASTER)


async def test_overload_is_announced_step_by_step_and_undone_when_there_is_room(
    clips: list[np.ndarray],
) -> None:
    speech = np.concatenate(clips)
    classifier = SlowClassifier()
    async with engine(
        capacity=1, classifier=classifier, load=LOAD, ahead_seconds=60, fast_seconds=600
    ) as served:
        classifier.engine = served
        first, second = await served.client(), await served.client()
        await second.say(type="subscribe", streams=[])
        assert (await first.publish(stream="first"))["type"] == "accepted"

        refused = await second.publish(stream="second")
        assert (refused["code"], refused["retry_after"]) == ("too_many_streams", 2.5)

        talking = asyncio.create_task(talk(first, speech))
        pressed = await first.until("load", state="voice_only")
        hops = [event["hop_seconds"] for event in of(pressed, "load")]
        assert hops[0] == 0.5
        assert hops[-2:] == [1.0, 0.0], "no windows are cut while only the voice is followed"
        assert all(event["dropped"] >= 1 for event in of(pressed, "load")[:2])

        classifier.slow = False
        tried = await first.until("load", state="degraded")
        assert len(of(tried, "load")) == 1
        assert len(of(tried, "emotion")) <= 1, "no more than what was under way"

        eased = await first.until("load", state="recovered")
        assert of(eased, "load")[-1]["hop_seconds"] == 0.25
        assert of(eased, "emotion") or of(eased, "utterance")
        assert (await first.until("emotion"))[-1]["stream"] == "first"

        talking.cancel()
        await first.end()
        events, code = await first.rest()
        assert code == 1000
        seqs = [event["seq"] for event in (*pressed, *tried, *eased, *events) if event["stream"]]
        assert seqs == sorted(seqs)
        assert (await second.publish(stream="second"))["type"] == "accepted"


async def test_while_only_the_voice_is_followed_who_speaks_is_still_told(
    clips: list[np.ndarray],
) -> None:
    pause = np.zeros(RATE, np.float32)
    speech = np.concatenate([piece for clip in clips for piece in (clip[:RATE], pause)])
    classifier = SlowClassifier()
    load = LoadSettings(
        calm_seconds=600, pressed_seconds=1.0, late_seconds=60, longest_hop_seconds=0.25
    )
    async with engine(classifier=classifier, load=load, fast_seconds=600) as served:
        classifier.engine = served
        client = await served.client()
        await client.publish(stream="first")
        talking = asyncio.create_task(talk(client, np.concatenate((clips[0], clips[1], speech))))
        await client.until("load", state="voice_only")
        [stream] = served.worker.streams
        assert stream.governor.voice_only
        for state in ("start", "end", "start"):
            told = await client.until("speech", state=state)
        assert not of(told, "utterance")
        assert stream.governor.dropped >= 1, "what is not heard is counted for the next word on it"
        talking.cancel()

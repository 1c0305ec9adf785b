"""Unit tests of Opus packets: real ones from libopus, and what is none."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.publishing import engine, of

from affectd.engine import opus
from affectd.engine.opus import OPUS_RATE, BadPacketError, OpusDecoder, packet_samples


def encoded(samples: np.ndarray, *, milliseconds: float = 20) -> list[bytes]:
    """Return 16 kHz samples as packets."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.options = {"frame_duration": f"{milliseconds:g}"}
    encoder.sample_rate, encoder.layout, encoder.format = OPUS_RATE, "mono", "s16"
    encoder.bit_rate = 48_000
    size = round(OPUS_RATE * milliseconds / 1000)
    places = np.arange(3 * samples.size) / 3
    pcm = (np.interp(places, np.arange(samples.size), samples) * 32_767).astype(np.int16)
    packets = []
    for start in range(0, pcm.size - size + 1, size):
        frame = av.AudioFrame.from_ndarray(
            pcm[None, start : start + size], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = OPUS_RATE, start, Fraction(1, OPUS_RATE)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


@pytest.mark.parametrize("milliseconds", [2.5, 5, 10, 20, 40, 60])
def test_a_packet_tells_its_length(milliseconds: float, clips: list[np.ndarray]) -> None:
    packets = encoded(clips[0][:8_000], milliseconds=milliseconds)
    assert packets
    assert {packet_samples(packet) for packet in packets} == {round(48 * milliseconds)}


# RFC 6716, section 3.1 and 3.2: configuration 1 is SILK with 20 ms, 16 and 28 CELT with 2.5 ms.
@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"\x08", 960),
        (b"\x09\0", 1_920),
        (b"\x0b\x03\0", 2_880),
        (b"\x0b\x06\0", 5_760),
        (b"\x0b\x07\0", 0),
        (b"\x0b\x00", 0),
        (b"\x0b", 0),
        (b"\x80\0", 120),
        (b"\xe0\0", 120),
        (b"", 0),
    ],
)
def test_lengths_by_the_standard(packet: bytes, samples: int) -> None:
    assert packet_samples(packet) == samples


@given(packet=st.binary(max_size=60))
def test_whatever_comes_gives_as_many_samples_as_it_says_or_is_refused(packet: bytes) -> None:
    if not packet_samples(packet):
        return
    try:
        samples = OpusDecoder().decode(packet)
    except BadPacketError:
        return
    assert (samples.dtype, samples.shape) == (np.float32, (packet_samples(packet),))
    assert np.isfinite(samples).all()


def test_what_is_decoded_is_what_was_spoken(clips: list[np.ndarray]) -> None:
    decoder = OpusDecoder()
    heard = np.concatenate([decoder.decode(packet) for packet in encoded(clips[0])])
    spoken = np.interp(np.arange(heard.size) / 3, np.arange(clips[0].size), clips[0])
    delay = 312  # the look-ahead of libopus at 48 kHz
    correlation = np.corrcoef(heard[delay:], spoken[:-delay])[0, 1]
    assert correlation > 0.9


async def test_packets_over_a_socket_are_heard_as_samples_are(clips: list[np.ndarray]) -> None:
    speech = np.concatenate((clips[0], np.zeros(16_000, np.float32)))
    async with engine() as served:
        client = await served.client()
        accepted = await client.publish(rate=OPUS_RATE, format="opus")
        assert (accepted["type"], accepted["format"]) == ("accepted", "opus")
        for packet in encoded(speech):
            await client.connection.send(packet)
        await client.connection.send(b"\x0b\x00")
        await client.end()
        events, code = await client.rest()
    assert code == 1000
    [utterance] = of(events, "utterance")
    assert utterance["end"] - utterance["start"] == pytest.approx(clips[0].size / 16_000, abs=0.5)
    [error] = of(events, "error")
    assert (error["code"], error["message"]) == (
        "odd_audio",
        "a frame of 2 bytes holds no Opus packet",
    )
    assert [gap["reason"] for gap in of(events, "gap")] == ["publisher"]


async def test_a_packet_that_cannot_be_decoded_ends_its_stream() -> None:
    async with engine() as served:
        client = await served.client()
        await client.publish(rate=OPUS_RATE, format="opus")
        # Two frames of equal length in an odd number of bytes: no decoder takes that.
        await client.connection.send(b"\x09" + bytes(3))
        events, code = await client.rest()
    assert code == 1008
    assert events[-1]["code"] == "bad_audio"
    assert events[-1]["message"].startswith("Opus packet 1 cannot be decoded")


async def test_opus_has_one_rate_and_needs_its_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine() as served:
        client = await served.client()
        error = await client.publish(rate=16_000, format="opus")
        assert (error["code"], error["message"]) == (
            "unsupported_audio",
            "rate 16000 Hz: Opus is decoded at 48000",
        )
        with monkeypatch.context() as without:
            without.setattr(opus, "_av", None)
            opus.can_decode.cache_clear()
            error = await client.publish(rate=OPUS_RATE, format="opus")
        opus.can_decode.cache_clear()
        assert (error["code"], error["message"]) == (
            "unsupported_audio",
            "format 'opus': s16le and f32le are taken",
        )

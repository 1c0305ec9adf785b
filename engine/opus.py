"""Opus packets (RFC 6716): how long one is, and the samples in it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

# At the daemon's start and not with the first stream, which would make all others wait for it.
try:
    import av
except ImportError:
    _av: Any = None
else:
    _av = av

__all__ = ["OPUS_RATE", "BadPacketError", "OpusDecoder", "can_decode", "packet_samples"]

OPUS_RATE = 48_000
"""Hz: what every packet is decoded at, whatever its bandwidth."""

_LONGEST_SAMPLES = 5_760
# RFC 6716, section 3.1: samples of a frame, by the configuration in the first five bits.
_SILK = (480, 960, 1_920, 2_880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_FRAMES = _SILK * 3 + _HYBRID * 2 + _CELT * 4
_FULL_SCALE = np.float32(1 / 32768)


class BadPacketError(ValueError):
    """A packet cannot be decoded; the message says which."""


def _codec() -> Any:
    return _av.CodecContext.create("libopus", "r")


@cache
def can_decode() -> bool:
    """Whether a decoder is installed: PyAV, built with libopus."""
    try:
        return _av is not None and _codec() is not None
    except ValueError:  # the codec is unknown
        return False


def packet_samples(packet: bytes) -> int:
    """Return how many samples at `OPUS_RATE` a packet holds; 0 where it is none.

    Only its first bytes are looked at.
    """
    if not packet:
        return 0
    frames = (1, 2, 2, 0)[packet[0] & 3]
    if not frames:
        frames = packet[1] & 63 if len(packet) > 1 else 0
    samples = frames * _FRAMES[packet[0] >> 3]
    return samples if samples <= _LONGEST_SAMPLES else 0


class OpusDecoder:
    """Decodes the packets of one stream, in their order.

    Raises:
        ImportError: no decoder is installed.
    """

    def __init__(self) -> None:
        if _av is None:
            raise ImportError("Opus needs PyAV: pip install 'affectd[opus]'")
        self._context: Any = _codec()
        self._context.sample_rate = OPUS_RATE
        self._context.layout = "mono"
        self._packets = 0

    def decode(self, packet: bytes) -> npt.NDArray[np.float32]:
        """Return the samples of the next packet, float32 ``(packet_samples,)``.

        Raises:
            BadPacketError: it cannot be decoded.
        """
        self._packets += 1
        try:
            frames = self._context.decode(_av.Packet(packet))
        except _av.FFmpegError as error:
            text = f"Opus packet {self._packets} cannot be decoded: {error.strerror}"
            raise BadPacketError(text) from None
        pieces = [frame.to_ndarray()[0] for frame in frames]
        samples: npt.NDArray[np.float32] = np.zeros(packet_samples(packet), np.float32)
        heard = np.concatenate(pieces)[: samples.size] if pieces else samples[:0]
        samples[: heard.size] = heard.astype(np.float32) * _FULL_SCALE
        return samples

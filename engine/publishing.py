"""All streams that clients send: their names, their keys, and who is let in."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from affectd.engine.opus import OPUS_RATE, can_decode
from affectd.engine.protocol import HIGHEST_RATE, LOWEST_RATE, ErrorCode, Event
from affectd.engine.publication import Publication
from affectd.engine.publisher import FORMATS, FrameFormat, PublisherSource
from affectd.engine.publisher_settings import PublisherSettings
from affectd.engine.refusal import RequestError
from affectd.engine.sources import Notice
from affectd.engine.voice_baseline import VoiceError
from affectd.engine.voice_files import check_voice_name

__all__ = ["Publishers"]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REMEMBERED_NAMES = 4_096


class Publishers:
    """All streams that clients send, by their names.

    Args:
        settings: Limits.
        begin: Runs a new stream, given its source, the number of the last event of an earlier
            stream with its name, and whose voice it is, if that was said. Returns whether it is
            heard beside the voice's own baseline; may raise `VoiceError`.
        reserved: Names that no client may take.
        capacity: How many streams the machine carries at once, and how many seconds from now
            it is worth to ask again.
    """

    def __init__(
        self,
        settings: PublisherSettings,
        *,
        begin: Callable[[PublisherSource, int, str], bool],
        reserved: tuple[str, ...] = (),
        capacity: Callable[[], tuple[int, float]] = lambda: (100_000, 1.0),
    ) -> None:
        self._settings = settings
        self._begin = begin
        self._reserved = reserved
        self._capacity = capacity
        self._publications: dict[str, Publication] = {}
        self._last_seq: OrderedDict[str, int] = OrderedDict()

    @classmethod
    def none(cls) -> Publishers:
        """Return publishers that nobody may join."""
        return cls(PublisherSettings(largest_streams=0), begin=lambda source, seq, voice: False)

    def __len__(self) -> int:
        return len(self._publications)

    @property
    def names(self) -> tuple[str, ...]:
        """The streams that are published."""
        return tuple(self._publications)

    def open(self, message: dict[str, Any]) -> tuple[Publication, dict[str, Any]]:
        """Begin or continue a stream.

        Args:
            message: A client's ``hello``.

        Returns:
            The stream, and the fields of the answer that are not of every event.

        Raises:
            RequestError: it asks for what cannot be.
        """
        rate, sample_format = _audio(message)
        name, key = _identity(message)
        voice = _voice(message)
        now = time.monotonic()
        known = self._publications.get(name) if name else None
        if known:
            if known.ended or not key or not hmac.compare_digest(key, known.key):
                text = f"stream {name!r} has a publisher"
                raise RequestError(ErrorCode.STREAM_TAKEN, text)
            if known.connected:
                known = self._publications[name] = known.hand_over()
            known.rejoin(rate, sample_format, now)
        else:
            known = self._new(name or self._free_name(), rate, sample_format, voice, now)
        return known, {
            "name": known.name,
            "key": known.key,
            "rate": rate,
            "format": sample_format,
            "resumed": known.name == name and key == known.key,
            "grace_seconds": self._settings.grace_seconds,
            "voice_baseline": known.voice_baseline,
            "voice": known.voice,
        }

    def saw(self, event: Event) -> None:
        """Look at an event that is being published, for streams that end with it."""
        publication = self._publications.get(event.stream)
        if publication is None:
            return
        fault = getattr(event, "code", None) if getattr(event, "fatal", False) else None
        if fault or (event.type == "device" and getattr(event, "state", "") == "ended"):
            self._last_seq[event.stream] = event.seq
            self._last_seq.move_to_end(event.stream)
            if len(self._last_seq) > _REMEMBERED_NAMES:
                self._last_seq.popitem(last=False)
            publication.finished(fault)

    def _new(
        self, name: str, rate: int, sample_format: FrameFormat, voice: str, now: float
    ) -> Publication:
        if name in self._reserved:
            raise RequestError(ErrorCode.STREAM_TAKEN, f"stream {name!r} is the daemon's own")
        self._admit()
        source = PublisherSource(name, rate, sample_format)
        publication = Publication(source, self._settings, release=self._release, voice=voice)
        self._publications[name] = publication
        source.notice(Notice("started"))
        try:
            publication.voice_baseline = self._begin(source, self._last_seq.get(name, 0), voice)
        except VoiceError:
            del self._publications[name]
            # Where files lie, and why one cannot be used, is none of a client's business.
            text = f"voice {voice!r} is not known here, or not to the model that runs"
            raise RequestError(ErrorCode.VOICE_UNAVAILABLE, text) from None
        except BaseException:
            del self._publications[name]
            raise
        publication.begin(rate, sample_format, now)
        return publication

    def _admit(self) -> None:
        streams = len(self._publications)
        if streams >= self._settings.largest_streams:
            text = f"{streams} streams are published, and no more may be"
            raise RequestError(ErrorCode.TOO_MANY_STREAMS, text, retry_after=30.0)
        carried, retry_after = self._capacity()
        if self._settings.admission == "measured" and streams >= carried:
            text = f"{streams} streams are published, which is what this machine carries"
            raise RequestError(ErrorCode.TOO_MANY_STREAMS, text, retry_after=retry_after)

    def _free_name(self) -> str:
        while (name := f"stream-{secrets.token_hex(4)}") in self._publications:
            pass
        return name

    def _release(self, publication: Publication) -> None:
        if self._publications.get(publication.name) is publication:
            del self._publications[publication.name]


def _audio(message: dict[str, Any]) -> tuple[int, FrameFormat]:
    rate, sample_format = message.get("rate"), message.get("format")
    if not isinstance(rate, int) or isinstance(rate, bool) or not isinstance(sample_format, str):
        text = "'hello' needs 'rate' as a whole number and 'format' as a text"
        raise RequestError(ErrorCode.MALFORMED_MESSAGE, text)
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        text = f"rate {rate} Hz: from {LOWEST_RATE} to {HIGHEST_RATE} are taken"
        raise RequestError(ErrorCode.UNSUPPORTED_AUDIO, text)
    taken = FORMATS if can_decode() else tuple(each for each in FORMATS if each != "opus")
    chosen = next((each for each in taken if each == sample_format), None)
    if chosen is None:
        text = f"format {sample_format[:40]!r}: {', '.join(taken[:-1])} and {taken[-1]} are taken"
        raise RequestError(ErrorCode.UNSUPPORTED_AUDIO, text)
    if chosen == "opus" and rate != OPUS_RATE:
        text = f"rate {rate} Hz: Opus is decoded at {OPUS_RATE}"
        raise RequestError(ErrorCode.UNSUPPORTED_AUDIO, text)
    return rate, chosen


def _voice(message: dict[str, Any]) -> str:
    voice = message.get("voice")
    if voice is None:
        return ""
    if not isinstance(voice, str):
        raise RequestError(ErrorCode.MALFORMED_MESSAGE, "'voice' is the name of an enrolled voice")
    try:
        return check_voice_name(voice)
    except VoiceError as error:
        raise RequestError(ErrorCode.MALFORMED_MESSAGE, str(error)) from None


def _identity(message: dict[str, Any]) -> tuple[str, str]:
    name, key = message.get("stream"), message.get("key")
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        text = "'stream' is a text of 1 to 64 of A-Z a-z 0-9 . _ -"
        raise RequestError(ErrorCode.MALFORMED_MESSAGE, text)
    if key is not None and not (isinstance(key, str) and key.isascii()):
        text = "'key' is a text, as 'accepted' gave it"
        raise RequestError(ErrorCode.MALFORMED_MESSAGE, text)
    return name or "", key or ""

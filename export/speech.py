"""The speech an export needs: to compare on, to calibrate on, to score, to fit a temperature on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affectd.kernels.logmel import LogMel
from affectd.models.clips import AUDIO_SUFFIXES, Clip, read_audio
from affectd.models.corpora import CORPORA, CorpusError
from affectd.models.features import FeatureSet
from affectd.models.folds import HELD_OUT
from affectd.models.material import Progress, features_of
from affectd.models.windowing import Windowing
from affectd.models.windows import utterance_windows

__all__ = [
    "CALIBRATION_WINDOWS",
    "COMPARED_WINDOWS",
    "Speech",
    "Windows",
    "demo_clips",
    "gather_speech",
    "windows_at_hand",
    "windows_of",
]

COMPARED_WINDOWS = 512
"""How many windows are compared on."""
CALIBRATION_WINDOWS = 128
"""How many windows the ranges of the activations are taken from."""

_CLIPS_PER_CORPUS = 40
_SEED = 0


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of speech, and where they are from."""

    windows: tuple[npt.NDArray[np.float32], ...]
    """Normalised, float32 ``(frames, bands)`` each, of all lengths that the engine sends."""
    source: str
    """Where the audio is from, in words."""
    real: bool
    """Whether it is speech that somebody spoke."""

    def __len__(self) -> int:
        return len(self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Everything an export listens to."""

    compared: Windows
    """A graph is compared with its checkpoint on these."""
    calibration: Windows
    """The ranges of the activations are taken from these."""
    labelled: FeatureSet | None = None
    """Clips of speakers that the model has not heard; `None` without a corpus."""
    development: FeatureSet | None = None
    """Clips on which the temperature is fitted; `None` without a corpus."""
    all_heard: bool = False
    """Whether no clip is left to score because every speaker at hand was heard in training."""


def gather_speech(
    windowing: Windowing,
    *,
    heard: Mapping[str, frozenset[str]],
    corpora: Path | None = None,
    corpus: Sequence[str] = (),
    cache: Path | None = None,
    audio: Sequence[Path] = (),
    calibration: Path | None = None,
    labelled: bool = True,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Speech:
    """Gather the best speech there is for an export.

    With corpora, a graph is compared and scored on speakers whom the model has not heard, and
    calibrated on speakers whom it has; without, both are done on the audio at hand.

    Args:
        windowing: How to cut windows.
        heard: The speakers that the model has heard, by corpus.
        corpora: The folder of the corpora.
        corpus: The corpora to use; where none is named, every one at hand that can be used.
        cache: The folder of the feature cache; needed with corpora.
        audio: Sound files to compare on instead.
        calibration: A sound file, a folder of such, or a feature file to calibrate on instead.
        labelled: Whether labelled clips are wanted; without them the features of the corpora need
            not be computed.
        progress: Told how far the features are.
        say: Told in one line of each corpus at hand that is left out, and why.

    Raises:
        CorpusError: a named corpus cannot be used, or none of those at hand.
        UnreadableClipError: a file that was asked for cannot be read.
        ValueError: no audio lasts as long as the shortest window.
    """
    chosen = windows_of(calibration, windowing) if calibration else None
    names = _names(corpora, corpus) if labelled else ()
    if not names or corpora is None or cache is None:
        compared = windows_at_hand(windowing, corpora=corpora, audio=audio, heard=heard)
        return Speech(compared=compared, calibration=chosen or _some(compared))
    extract = partial(
        features_of, corpora=corpora, cache=cache, front_end=windowing.front_end, progress=progress
    )
    if not corpus:
        names = _usable(names, extract, corpora=corpora, say=say)
    features, _ = extract(names)

    def unheard(clip: Clip) -> bool:
        return clip.speaker not in heard.get(clip.corpus, frozenset())

    def tuned_on(clip: Clip) -> bool:
        return HELD_OUT.part(clip.corpus, clip.speaker) == "development"

    test = features.select(unheard)
    known = features.select(lambda clip: not unheard(clip) and not tuned_on(clip))
    compared = (
        windows_at_hand(windowing, audio=audio)
        if audio or not len(test)
        else _drawn(test, windowing, COMPARED_WINDOWS, whose="not heard")
    )
    if chosen is None:
        # A model that has heard none of these corpora is calibrated on strangers.
        whose = "heard in training" if len(known) else "not heard"
        chosen = _drawn(known if len(known) else test, windowing, CALIBRATION_WINDOWS, whose=whose)
    development = features.select(tuned_on)
    return Speech(
        compared=compared,
        calibration=chosen,
        labelled=test if len(test) else None,
        development=development if len(development) else None,
        all_heard=not len(test),
    )


def windows_of(path: Path, windowing: Windowing) -> Windows:
    """Return the windows of a sound file, of a folder of them, or of a feature file.

    Args:
        path: A feature file is an ``.npz`` with ``logmel``, dB, ``(windows, frames, bands)``, not
            normalised, and optionally ``frames``, the valid frames of each window.
        windowing: How to cut and normalise.

    Raises:
        ValueError: it holds nothing of use; the message names the file and what is wrong.
    """
    if path.suffix == ".npz":
        return Windows(tuple(_stored(path, windowing)), f"the feature file {path.name}", True)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in AUDIO_SUFFIXES)
        if not files:
            raise ValueError(f"{path} holds no sound file")
        # Evenly over the folder: its order is often that of speakers or emotions.
        files = files[:: max(len(files) // CALIBRATION_WINDOWS, 1)][:CALIBRATION_WINDOWS]
    else:
        files = [path]
    return _some(windows_at_hand(windowing, audio=files))


def windows_at_hand(
    windowing: Windowing,
    *,
    corpora: Path | None = None,
    audio: Sequence[Path] = (),
    heard: Mapping[str, frozenset[str]] | None = None,
) -> Windows:
    """Return windows of the best audio there is.

    That is the audio that is given, else a few clips of every corpus at hand, else the package's
    demo, else a voice-like tone, which is said.

    Args:
        windowing: How to cut them.
        corpora: The folder of the corpora.
        audio: Sound files.
        heard: Speakers by corpus that are to be left out where a corpus has others.

    Raises:
        UnreadableClipError: a file that was asked for cannot be read.
        ValueError: no audio lasts as long as the shortest window.
    """
    rate = windowing.front_end.sample_rate
    paths, source = tuple(audio), "the given files"
    if not paths and corpora is not None:
        paths, source = _corpus_clips(corpora, heard or {}), "the corpora"
    if not paths:
        paths, source = demo_clips(), "the demo"
    if paths:
        signals = [read_audio(path, sample_rate=rate) for path in paths]
    else:
        signals, source = [_voice_like(rate, pitch_hz) for pitch_hz in (110, 160, 220)], "a tone"
    windows = tuple(_cut(signals, windowing))
    if not windows:
        raise ValueError(f"no audio of {source} lasts {windowing.minimum_seconds} s")
    return Windows(windows, source, bool(paths))


def _cut(
    signals: Iterable[npt.NDArray[np.float32]], windowing: Windowing
) -> list[npt.NDArray[np.float32]]:
    """Return windows of every length at evenly spread places.

    They are at least `COMPARED_WINDOWS` where the audio has so many.
    """
    transform = LogMel(windowing.front_end)
    shortest, full = windowing.minimum_frames, windowing.window_frames
    clips = [logmel for logmel in map(transform.batch, signals) if len(logmel) >= shortest]
    wanted = [
        (logmel, length)
        for logmel in clips
        for length in sorted({shortest, (shortest + full) // 2, min(full, len(logmel))})
        if length <= len(logmel)
    ]
    places = [len(logmel) - length + 1 for logmel, length in wanted]
    most = max(places, default=1)
    each = next(
        (n for n in range(1, most) if sum(min(n, room) for room in places) >= COMPARED_WINDOWS),
        most,
    )
    cut: list[npt.NDArray[np.float32]] = []
    for logmel, length in wanted:
        starts = np.linspace(0, len(logmel) - length, each).round().astype(int)
        cut += [windowing.normalise(logmel[start : start + length]) for start in np.unique(starts)]
    return cut


def _drawn(features: FeatureSet, windowing: Windowing, count: int, *, whose: str) -> Windows:
    """Draw windows, one a clip, in turn over corpora and labels; every third one is shortened."""
    rng = np.random.default_rng(_SEED)
    cells: dict[tuple[str, str | None], list[int]] = {}
    for index in rng.permutation(len(features)):
        clip = features.clips[index]
        cells.setdefault((clip.corpus, clip.label), []).append(int(index))
    order = [
        members[turn]
        for turn in range(max(map(len, cells.values())))
        for members in cells.values()
        if turn < len(members)
    ]
    windows: list[npt.NDArray[np.float32]] = []
    place = 0
    while len(windows) < count and place < 4 * len(order):
        cut = utterance_windows(features, order[place % len(order)], windowing)
        window = cut[place // len(order) % len(cut)]
        if place % 3 == 2 and len(window) > windowing.minimum_frames:
            window = window[: rng.integers(windowing.minimum_frames, len(window))]
        if len(window):
            windows.append(window)
        place += 1
    corpora = ", ".join(sorted({clip.corpus for clip in features.clips}))
    source = (
        f"{corpora}: speakers {whose}, in turn over corpora and labels, one a clip, seed {_SEED}"
    )
    return Windows(tuple(windows), source, True)


def _some(windows: Windows) -> Windows:
    step = max(len(windows) // CALIBRATION_WINDOWS, 1)
    return Windows(
        windows.windows[::step][:CALIBRATION_WINDOWS],
        f"{windows.source}, every window of {step}" if step > 1 else windows.source,
        windows.real,
    )


def _stored(path: Path, windowing: Windowing) -> Iterable[npt.NDArray[np.float32]]:
    bands = windowing.front_end.columns
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "logmel" not in arrays:
                raise ValueError(f"it has no array 'logmel', only {sorted(arrays)}")
            logmel = arrays["logmel"]
            if logmel.ndim != 3 or logmel.shape[2] != bands or not len(logmel):
                raise ValueError(
                    f"'logmel' is {logmel.shape}; needed is (windows, frames, {bands})"
                )
            frames = (
                arrays["frames"] if "frames" in arrays else np.full(len(logmel), len(logmel[0]))
            )
    except (OSError, ValueError) as error:
        raise ValueError(f"feature file {path}: {error}") from None
    chosen = np.linspace(0, len(logmel) - 1, min(len(logmel), CALIBRATION_WINDOWS)).astype(int)
    return [
        windowing.normalise(logmel[row, : int(frames[row])].astype(np.float32)) for row in chosen
    ]


def _names(corpora: Path | None, wanted: Sequence[str]) -> tuple[str, ...]:
    if wanted or corpora is None:
        return tuple(wanted)
    return tuple(name for name in CORPORA if (corpora / name).is_dir())


def _usable(
    names: Iterable[str],
    extract: Callable[[tuple[str]], object],
    *,
    corpora: Path,
    say: Callable[[str], None] | None,
) -> tuple[str, ...]:
    """Return the corpora whose features can be had; what they are comes from the cache then."""
    usable: list[str] = []
    left_out: list[str] = []
    for name in names:
        try:
            extract((name,))
        except ValueError as error:
            reason = str(error).removeprefix(f"corpus {name}: ")
            left_out.append(f"{name}: {reason}")
            if say is not None:
                say(f"corpus {name} is left out: {reason}")
        else:
            usable.append(name)
    if not usable:
        raise CorpusError(f"no corpus in {corpora} can be used: {'; '.join(left_out)}")
    return tuple(usable)


def _corpus_clips(corpora: Path, heard: Mapping[str, frozenset[str]]) -> tuple[Path, ...]:
    chosen: list[Path] = []
    for corpus in CORPORA.values():
        try:
            listed = [clip for clip in corpus.list(corpora).labelled if clip.row is None]
        except CorpusError:
            continue  # any corpus will do, none has to be there
        strangers = [
            clip for clip in listed if clip.speaker not in heard.get(corpus.name, frozenset())
        ]
        clips = [clip.path for clip in strangers or listed]
        chosen += clips[:: max(len(clips) // _CLIPS_PER_CORPUS, 1)][:_CLIPS_PER_CORPUS]
    return tuple(chosen)


def demo_clips() -> tuple[Path, ...]:
    """Return the sound files of the package's demo; none where they are left out."""
    folder = resources.files("affectd.engine").joinpath("demo")
    if not isinstance(folder, Path) or not folder.is_dir():
        return ()
    return tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES))


def _voice_like(sample_rate: int, pitch_hz: float) -> npt.NDArray[np.float32]:
    """Return four seconds of a pulse train with a moving pitch and syllables."""
    seconds = np.arange(4 * sample_rate) / sample_rate
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.15 * np.sin(5 * seconds))) / sample_rate
    harmonics = sum(np.sin(number * phase) / number for number in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * seconds), 0.01, 1)
    return (0.2 * harmonics * syllables).astype(np.float32)

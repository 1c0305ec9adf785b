"""Corpora as the encoders of a recipe hear them, each tried on people who have not taught it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache as once
from pathlib import Path

from affectd.models.clean_speech import clean_speech
from affectd.models.clips import Clip
from affectd.models.corpora import NOISE, corpus_named
from affectd.models.distilling import distil
from affectd.models.encoders import teacher_of, untaught_encoder
from affectd.models.features import FeatureSet, extract
from affectd.models.folds import HEARD_NOISE, Without, shared_folds
from affectd.models.foreign_weights import weights_of
from affectd.models.material import Progress
from affectd.models.noise import NoiseBank
from affectd.models.pooled_whisper import PooledWhisper
from affectd.models.probe import KINDS, empty_network
from affectd.models.probe_data import CorpusMaterial, ProbeData, emotion_of
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.whisper_trunk import Trunk
from affectd.models.window_statistics import Disturbed, window_statistics
from affectd.models.windows import noise_bank

__all__ = ["HeldOut", "TrialData", "encoders_on_trial", "gather_trial_data"]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Some speakers, and the corpora as an encoder hears them that they have not taught."""

    without: Without
    data: ProbeData


@dataclass(frozen=True, slots=True)
class TrialData:
    """What a probe learns from, and what it is tried on."""

    recipe: ProbeRecipe
    speakers: Without
    """Who speaks, by corpus."""
    everyone: Callable[[], ProbeData]
    """The corpora as the encoder hears them that is shipped; made when it is asked for: no trial
    of the recipe's own corpora needs it."""
    folds: tuple[HeldOut, ...]
    """The test speakers of each model on trial."""
    strangers: Mapping[str, HeldOut]
    """All speakers of each corpus."""
    foreign: Callable[[], HeldOut] | None = None
    """All speakers of corpora that the recipe does not have, where some were asked for, and all
    corpora as the encoder hears them that is shipped; made when it is asked for."""

    @classmethod
    def untaught(cls, data: ProbeData, *, published: bool = False) -> TrialData:
        """Return the trials of an encoder that nobody has taught: it serves them all.

        Raises:
            ValueError: the folds must be the published ones, and a corpus has none, or lacks some
                of their speakers.
        """
        speakers = data.speakers()
        folds = shared_folds(speakers, published=published)
        strangers = {name: HeldOut({name: who}, data) for name, who in speakers.items()}
        return cls(
            data.recipe,
            speakers,
            lambda: data,
            tuple(HeldOut(without, data) for without in folds),
            strangers if len(speakers) > 1 else {},
        )

    def held_out(self, corpus: str, speakers: tuple[str, ...]) -> ProbeData:
        """Return the corpora as an encoder hears them that some speakers of a fold have not taught.

        Raises:
            ValueError: no fold tests all of them.
        """
        for fold in self.folds:
            if set(speakers) <= set(fold.without.get(corpus, ())):
                return fold.data
        raise ValueError(f"no fold of {corpus} tests all of {', '.join(speakers)}")


def gather_trial_data(
    recipe: ProbeRecipe,
    *,
    corpora: Path,
    cache: Path,
    weights: Path | None,
    seed: int,
    published: bool = False,
    foreign: Iterable[str] = (),
    progress: Progress | None = None,
) -> TrialData:
    """Return what a probe learns from; what encoders say is computed once and kept.

    Args:
        recipe: Names the corpora.
        corpora: The folder that holds them.
        cache: The folder of features and statistics.
        weights: The folder of the encoder's weights.
        seed: Of the disturbed windows.
        published: Whether no other folds will do than those that are published.
        foreign: Corpora that the recipe does not have, to try on them what has heard all others.
        progress: Told how far it is.

    Raises:
        CorpusError: a corpus cannot be used.
        ValueError: the folds must be the published ones, and a corpus has none, or lacks some of
            their speakers.
        WeightsError: the encoder's weights are not there.
    """

    def advancing(what: str) -> Callable[[int, int], None]:
        def advance(done: int, of: int) -> None:
            if progress is not None:
                progress(what, done, of)

        return advance

    def features_of(name: str, clips: tuple[Clip, ...]) -> FeatureSet:
        return extract(
            clips,
            front_end=recipe.front_end,
            cache=cache,
            workers=2,
            resynthesise=True,
            advance=advancing(f"features of {name}"),
        )

    # First of all: where its weights are missing, no minutes are spent on corpora.
    options = empty_network(recipe).options
    weights = weights_of(recipe.name, weights, needed=recipe.needs_weights)
    untaught = untaught_encoder(options, weights=weights)
    disturbs = recipe.probe.drawn or recipe.distilling
    recordings = None
    if recipe.noise and disturbs and (corpora / NOISE.name).is_dir():
        recorded = NOISE.list(corpora).clips
        recordings = features_of(
            NOISE.name, tuple(clip for clip in recorded if clip.speaker in HEARD_NOISE)
        )
    noise = noise_bank(recipe, recordings) if disturbs else NoiseBank(())

    def spoken_in(names: Iterable[str]) -> dict[str, FeatureSet]:
        return {
            name: features_of(
                name,
                tuple(
                    clip
                    for clip in corpus_named(name).list(corpora).clips
                    if emotion_of(clip, KINDS) is not None
                ),
            )
            for name in names
        }

    heard = spoken_in(recipe.corpora)
    foreign_heard = spoken_in(name for name in foreign if name not in recipe.corpora)
    foreign_speakers = {name: features.speakers() for name, features in foreign_heard.items()}
    recent: list[ProbeData] = []

    def heard_by(trunk: Trunk, who: str, *, foreign_too: bool = False) -> ProbeData:
        network = _network(recipe, trunk)
        found: dict[str, CorpusMaterial] = {}
        for name, features in (heard | foreign_heard if foreign_too else heard).items():
            draws = recipe.probe.drawn if name in heard else 0
            clean, *drawn = (
                window_statistics(
                    features,
                    network=network,
                    recipe=recipe,
                    cache=cache,
                    disturbed=disturbed,
                    advance=advancing(f"{name}, encoded{who}"),
                )
                for disturbed in (
                    None,
                    *(Disturbed(noise, seed + 1000 * view) for view in range(draws)),
                )
            )
            found[name] = CorpusMaterial(features, clean, tuple(drawn))
        return ProbeData(recipe, found, trunk, recent=recent)

    def abroad(data: Callable[[], ProbeData]) -> Callable[[], HeldOut] | None:
        return once(lambda: HeldOut(foreign_speakers, data())) if foreign_speakers else None

    if recipe.distilling is None:
        found = TrialData.untaught(heard_by(untaught, ""), published=published)
        return replace(found, foreign=abroad(lambda: heard_by(untaught, "", foreign_too=True)))
    speakers = {name: features.speakers() for name, features in heard.items()}
    folds = shared_folds(speakers, published=published)
    teacher = teacher_of(recipe.distilling, options, weights=weights)
    clean = {
        name: clean_speech(
            features,
            teacher=teacher,
            stride=untaught.stride,
            recipe=recipe,
            cache=cache,
            advance=advancing(f"{name}, heard by the teacher"),
        )
        for name, features in heard.items()
    }

    def taught(without: Without, *, foreign_too: bool = False) -> ProbeData:
        who = _named(without)
        trunk = distil(
            untaught,
            clean,
            without=without,
            recipe=recipe,
            noise=noise,
            cache=cache,
            advance=advancing(f"encoder{who}"),
        )
        return heard_by(trunk, who, foreign_too=foreign_too)

    halves, strangers = encoders_on_trial(folds, speakers)
    own = [taught(half) for half in halves]
    return TrialData(
        recipe,
        speakers,
        once(lambda: taught({})),
        tuple(HeldOut(fold, own[place % len(own)]) for place, fold in enumerate(folds)),
        {name: HeldOut(without, taught(without)) for name, without in strangers.items()},
        abroad(lambda: taught({}, foreign_too=True)),
    )


def encoders_on_trial(
    folds: list[dict[str, tuple[str, ...]]], speakers: Without
) -> tuple[list[Without], dict[str, Without]]:
    """Return whom encoders must not have learnt from that are tried on somebody.

    Args:
        folds: The test speakers by corpus of each.
        speakers: All of them, by corpus.

    Returns:
        Whom any of every other fold tests, for two encoders that serve all folds; and for each
        corpus all of its speakers, where there is another one.
    """
    halves: list[Without] = [
        {
            name: tuple(one for fold in folds[first::2] for one in fold.get(name, ()))
            for name in speakers
        }
        for first in range(min(2, len(folds)))
    ]
    strangers: dict[str, Without] = {name: {name: who} for name, who in speakers.items()}
    return halves, strangers if len(speakers) > 1 else {}


def _named(without: Without) -> str:
    """Return whom an encoder does not hear, in a few words."""
    parts = [f"{len(who)} of {name}" for name, who in without.items() if who]
    return ", without " + ", ".join(parts) if parts else ""


def _network(recipe: ProbeRecipe, trunk: Trunk) -> PooledWhisper:
    network = empty_network(recipe).eval()
    network.trunk.load_state_dict(trunk.state_dict())
    return network

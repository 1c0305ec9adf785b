"""The model card: written from an artefact's metadata and from evaluations, never by hand."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from affectd.engine.artefact import Gate, Metadata
from affectd.kernels.front_end import Spectrum
from affectd.models.corpora import CORPORA
from affectd.models.evaluation import Evaluation
from affectd.models.labels import FOUR_LABELS
from affectd.models.recipes import Distillation

__all__ = ["AddedNoise", "write_card"]

AddedNoise = Literal["recorded", "coloured", "none"]
"""What was added to the speech in training: ESC-10 beside white and pink noise, those two alone, or
nothing."""

_NOISE: Mapping[AddedNoise | None, str] = MappingProxyType(
    {
        "recorded": " Noise for augmentation: ESC-10 (CC BY 3.0), white and pink noise.",
        "coloured": " Noise for augmentation: white and pink noise.",
        "none": " No noise was added to the speech.",
        None: "",
    }
)
_INPUT: Mapping[Spectrum, tuple[str, str]] = MappingProxyType(
    {
        "mel": ("log-mel", "bands"),
        "linear": ("log-spectrum", "bins"),
        "samples": ("bare", "samples a frame"),
    }
)


def write_card(
    metadata: Metadata,
    evaluations: Sequence[Evaluation],
    variants: Sequence[Metadata] = (),
    *,
    fitted: bool = True,
    noise: AddedNoise | None = None,
    teacher: Distillation | None = None,
) -> str:
    """Return the card of an artefact as Markdown; no figure is in it that was not measured.

    Args:
        metadata: Of the artefact.
        evaluations: Of this very model, and of its recipe on folds.
        variants: Of the same model in other precisions.
        fitted: Whether the model's temperature was fitted.
        noise: What was added to the speech in training; `None` where that is not known.
        teacher: Of the recipe.
    """
    held_out = sorted(
        (one for one in evaluations if one.protocol == "held-out"), key=lambda one: one.corpus
    )
    folds = sorted(
        (one for one in evaluations if one.protocol == "folds"), key=lambda one: one.corpus
    )
    parts = [
        f"# Model card: {metadata.name}\n",
        "This file is written by `affectd export` from what was measured; edit the code instead.\n",
        _summary(metadata, fitted=fitted),
        _data(metadata, fitted=fitted, noise=noise),
        *([_taught(teacher)] if teacher else []),
        _held_out(held_out, of_recipe=bool(folds)),
    ]
    if folds:
        parts.append(_folds(folds))
    parts += [_matrix(evaluation) for evaluation in held_out]
    parts += [_export(metadata)]
    if variants:
        parts.append(_variants([metadata, *variants]))
    parts += [_cannot(metadata), _terms(metadata)]
    return "\n".join(parts)


def _summary(metadata: Metadata, *, fitted: bool) -> str:
    front_end = metadata.front_end
    kind, columns = _INPUT[front_end.spectrum]
    if front_end.extras:
        columns += f", {_listed([extra.replace('_', ' ') for extra in front_end.extras])}"
    temperature = f"Temperature {metadata.temperature:.3f}"
    if fitted:
        temperature += ", fitted on speech that was not trained on"
    elif metadata.temperature == 1:
        temperature += ": the logits are taken as they are"
    else:
        temperature += (
            f": the checkpoint has none, and {metadata.precision} is brought to its sharpness"
        )
    return (
        f"Emotion of speech in {len(metadata.labels)} classes: {', '.join(metadata.labels)}.\n\n"
        f"- Input: {kind} windows of {metadata.minimum_seconds:g} to "
        f"{metadata.window_seconds:g} s ({front_end.bands} {columns}, "
        f"{1000 * front_end.frame_seconds:g} ms hop, {front_end.sample_rate} Hz), "
        f"normalisation `{metadata.normalisation}`.\n"
        f"- {temperature}.\n"
        f"- Checkpoint SHA-256 `{metadata.checkpoint_sha256}`.\n"
    )


def _data(metadata: Metadata, *, fitted: bool, noise: AddedNoise | None) -> str:
    if not metadata.corpora:
        return "## Training data\n\nWhat it was trained on is not recorded.\n"
    rows = [
        (
            corpus.name,
            f"{corpus.clips:,}",
            _shortened(corpus.speakers),
            corpus.licence,
        )
        for corpus in metadata.corpora
    ]
    told = "Speakers heard are those trained on" + (
        " and the development speakers on whom the best epoch and the temperature were chosen."
        if fitted
        else ", or that a setting was chosen on."
    )
    emotions = _emotions(metadata)
    if "calm" not in emotions and "neutral" in emotions:
        told += " Calm speech counts as neutral; bored speech is left out."
    else:
        told += " Bored speech is left out."
    for corpus in metadata.corpora:
        if corpus.resynthesised:
            told += (
                f" Of {corpus.name}, {corpus.resynthesised:,} clips were spectrograms, made sound "
                "again: what their phases told was lost, and its figures are of such sound, too."
            )
    return (
        "## Training data\n\n"
        + _table(("corpus", "clips trained on", "speakers heard", "licence"), rows)
        + f"\n{told}{_NOISE[noise]}\n"
    )


def _emotions(metadata: Metadata) -> set[str]:
    """Return what is told apart, without the sex that a label may have before it."""
    return {label.removeprefix("female ").removeprefix("male ") for label in metadata.labels}


def _taught(teacher: Distillation) -> str:
    return (
        f"Taught by `{Path(teacher.model).stem}`: what it says of each disturbed window counts "
        f"{100 * teacher.share:g} % of the loss, the label the rest.\n"
    )


def _held_out(evaluations: Sequence[Evaluation], *, of_recipe: bool) -> str:
    if not evaluations and of_recipe:
        return (
            "## Figures\n\nNone of these very weights: they have heard every speaker of their "
            "corpora. The figures below are of the same recipe, on speakers left out.\n"
        )
    if not evaluations:
        return "## Figures\n\nNone was measured of this model yet.\n"
    rows = [
        (
            one.corpus + ("" if one.heard_corpus else " (unseen corpus)"),
            _shortened(one.speakers),
            f"{one.clips:,}",
            f"{len(one.recalls)}",
            f"**{one.uar:.1f}**",
            f"{one.accuracy:.1f}",
            "–" if one.uar_four is None else f"{one.uar_four:.1f}",
            f"{one.calibration_error:.1f}",
        )
        for one in evaluations
    ]
    head = ("corpus", "speakers", "clips", "classes", "UAR", "accuracy", "UAR of four", "ECE")
    commands = "\n".join(dict.fromkeys(one.command for one in evaluations))
    return (
        "## Figures: speakers that the model has not heard\n\n"
        + _table(head, rows)
        + "\nAll in percent. UAR is the mean of the recalls of the classes that occur, "
        "however few clips a class has. UAR of four "
        f"is among {', '.join(FOUR_LABELS)} alone. ECE is the expected calibration error over 15 "
        "bins. A clip is cut into windows as the engine does: one window up to 3 s, else one every "
        "250 ms; of several the mean of the logits is taken, where the engine takes that of their "
        "probabilities. A clip's ends are trimmed by level, where the engine has its voice "
        "activity detector.\n\n"
        f"```\n{commands}\n```\n"
    )


def _folds(evaluations: Sequence[Evaluation]) -> str:
    rows = [
        (
            one.corpus,
            f"{len(one.folds)}",
            f"{one.epochs}",
            ", ".join(one.trained_on),
            f"{one.uar_fold_mean:.1f} ± {one.uar_fold_deviation:.1f}",
            f"{one.uar:.1f}",
            f"{one.accuracy:.1f}",
        )
        for one in evaluations
    ]
    head = ("corpus", "folds", "epochs", "trained on", "UAR over folds", "UAR pooled", "accuracy")
    commands = "\n".join(dict.fromkeys(one.command for one in evaluations))
    return (
        "## Figures: published folds\n\n"
        "Each fold has a model of its own, of the same recipe, that has not heard its speakers. "
        "These are not the shipped weights.\n\n" + _table(head, rows) + f"\n```\n{commands}\n```\n"
    )


def _matrix(evaluation: Evaluation) -> str:
    return (
        f"### Confusion on {evaluation.corpus}\n\nRows are the true labels.\n\n"
        f"```\n{evaluation.matrix}\n```\n"
    )


def _export(metadata: Metadata) -> str:
    lines = ["## Export\n"]
    if parity := metadata.parity:
        speech = "real speech" if parity.get("real_speech") else "synthetic sound"
        lines.append(
            f"- {parity['windows']:.0f} windows of {speech}: logits differ from the checkpoint's "
            f"by at most {parity['largest_logit_difference']:.1e}."
        )
    if latency := metadata.latency:
        lines.append(
            f"- A window of {latency['frames']:.0f} frames on one thread of the exporting machine: "
            f"p50 {latency['p50_ms']:.2f} ms, p99 {latency['p99_ms']:.2f} ms, the front end "
            "apart."
        )
    return "\n".join(lines) + "\n"


def _variants(variants: Sequence[Metadata]) -> str:
    names = list(dict.fromkeys(gate.name for variant in variants for gate in variant.gates))
    rows = []
    for variant in variants:
        figures = {gate.name: _figure(gate) for gate in variant.gates}
        rows.append(
            (
                variant.precision,
                f"{variant.temperature:.3f}",
                f"{variant.latency['p50_ms']:.2f} ms",
                *(figures.get(name, "–") for name in names),
            )
        )
    lines = [
        "### Precisions\n\n" + _table(("precision", "temperature", "p50", *names), rows),
        "Agreement and size are shares of FP32, latency is the p50 as a multiple of FP32's, and "
        "uar is what is lost in points. (!) marks what failed its gate.\n",
    ]
    lines += [
        f"{variant.precision} is quantised so: {quantisation.scheme}; ranges from "
        f"{quantisation.windows} windows of {quantisation.choice}.\n"
        for variant in variants
        if (quantisation := variant.quantisation) is not None
    ]
    return "\n".join(lines)


def _figure(gate: Gate) -> str:
    shown = "not measured" if gate.figure is None else f"{gate.figure:.4g}"
    return shown if gate.passed else f"{shown} (!)"


def _cannot(metadata: Metadata) -> str:
    published = all(corpus.name in CORPORA for corpus in metadata.corpora)
    acted = "acted corpora" if metadata.corpora and published else "its corpora"
    told = (
        "It hears how speech sounds, not what a person feels. The labels are those of "
        f"{acted}; what people do in daily life is weaker, mixed, and often none of its "
        f"{len(_emotions(metadata))} emotions.",
        f"{_languages(metadata)} Other languages, children, age, illness, accents, telephone lines "
        "and noisy rooms are not covered by any figure here.",
        "It judges single utterances of one voice. Overlapping voices, singing, laughter, crying "
        "and music give a label all the same; the engine abstains on some of these, the model does "
        "not.",
        "It knows nothing of the speaker"
        + (" unless a voice's baseline is asked for" if metadata.voice_experts else "")
        + ": a voice that is always loud or low is heard as a mood.",
        "A point of valence and arousal is computed from the probabilities and fixed coordinates "
        "per label (Russell and Mehrabian, 1977); no rating of valence or arousal was learnt.",
        "Inferring the emotions of people at work or in education is prohibited in the European "
        "Union (AI Act, Article 5(1)(f); medical and safety uses excepted). It must not be used "
        "for that, and not for decisions on a person anywhere.",
    )
    return "## What it cannot do\n\n" + "".join(
        textwrap.fill(
            line, 100, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        + "\n"
        for line in told
    )


def _languages(metadata: Metadata) -> str:
    known = sorted(
        {
            language
            for corpus in metadata.corpora
            if corpus.name in CORPORA
            for language in CORPORA[corpus.name].language.split(" and ")
        }
    )
    others = [corpus.name for corpus in metadata.corpora if corpus.name not in CORPORA]
    if not known:
        return "Which languages it has heard is not recorded."
    heard = f"It has heard {_listed(known)}, read or acted by adults, mostly in studios"
    if not others:
        return f"{heard}."
    return f"{heard}; which languages it has heard in {_listed(others)} is not recorded."


def _terms(metadata: Metadata) -> str:
    return (
        f"## Licence\n\n{metadata.licence} The code that trains and runs it is under Apache-2.0.\n"
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{len(names)}: {names[0]} to {names[-1]}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)

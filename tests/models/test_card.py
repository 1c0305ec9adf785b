from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from tests.engine.voice_artefact import random_experts

from affectd.engine.artefact import Corpus, Metadata
from affectd.kernels.front_end import FrontEnd
from affectd.models.card import AddedNoise, write_card
from affectd.models.evaluation import Evaluation, Scored
from affectd.models.features import FeatureSet
from affectd.models.labels import LABELS, VALENCE_AROUSAL, valence_arousal_of
from affectd.models.recipes import Distillation

METADATA = Metadata(
    name="tiny",
    labels=LABELS,
    front_end=FrontEnd(),
    front_end_fingerprint=(0.0,) * 64,
    window_seconds=3,
    hop_seconds=0.25,
    minimum_seconds=0.6,
    frame_sizes=(184,),
    normalisation="standard",
    temperature=1.25,
    valence_arousal=VALENCE_AROUSAL,
    corpora=(Corpus(name="emodb", licence="CC0 1.0", clips=300, speakers=("09", "10")),),
    licence="See the data's terms.",
    checkpoint_sha256="0" * 64,
)


def test_a_card_without_measurements_claims_nothing() -> None:
    card = write_card(METADATA, [])
    assert "None was measured" in card
    assert "UAR" not in card
    assert "Article 5(1)(f)" in card


def test_a_card_says_what_was_made_sound_again() -> None:
    assert "sound again" not in write_card(METADATA, [])
    own = METADATA.corpora[0].model_copy(update={"resynthesised": 1200})
    card = write_card(METADATA.model_copy(update={"corpora": (own,)}), [])
    assert "Of emodb, 1,200 clips were spectrograms, made sound again" in card


def test_a_card_states_what_was_measured_and_how(separable_clips: FeatureSet) -> None:
    logits = np.random.default_rng(0).normal(0, 1, (len(separable_clips), 7))
    result = Evaluation.of(
        [Scored(logits, separable_clips, LABELS, 1.0)],
        model="tiny",
        checkpoint_sha256="0" * 64,
        corpus="emodb",
        protocol="held-out",
        heard_corpus=False,
        command="affectd evaluate tiny --corpus emodb --protocol held-out",
        trained_on=["nemo"],
    )
    card = write_card(METADATA, [result])
    assert f"**{result.uar:.1f}**" in card
    assert "emodb (unseen corpus)" in card
    assert result.command in card
    assert write_card(METADATA, [result, result]).count(result.command) == 1
    assert str(result.matrix) in card
    assert "| emodb | 300 | 09, 10 | CC0 1.0 |" in card


def test_a_model_that_can_learn_a_voice_says_so() -> None:
    knowing = METADATA.model_copy(update={"voice_experts": random_experts()})
    assert "It knows nothing of the speaker: " in write_card(METADATA, [])
    told = " ".join(write_card(knowing, []).split())
    assert "nothing of the speaker unless a voice's baseline is asked for: " in told


def test_the_shipped_weights_have_a_card_and_terms() -> None:
    folder = resources.files("affectd.models").joinpath("weights")
    names = {entry.name for entry in folder.iterdir()}
    assert {"crnn.onnx", "crnn.md", "LICENSE-weights.md"} <= names
    assert "non-commercial" in folder.joinpath("crnn.md").read_text("utf-8").lower()


def test_a_teacher_is_named_without_the_folder_it_lay_in() -> None:
    card = write_card(METADATA, [], teacher=Distillation(model="/home/me/big-int8.onnx", share=0.6))
    assert "Taught by `big-int8`: what it says of each disturbed window counts 60 %" in card
    assert "/home" not in card
    assert "Taught" not in write_card(METADATA, [])


def paper_card(noise: AddedNoise = "none") -> str:
    """Return the card of a paper's system with calm, that has heard RAVDESS alone."""
    corpus = Corpus(name="ravdess", licence="CC BY-NC-SA 4.0", clips=1_080, speakers=("01", "02"))
    labels = (*LABELS, "calm")
    metadata = METADATA.model_copy(
        update={
            "labels": labels,
            "valence_arousal": {label: valence_arousal_of(label) for label in labels},
            "temperature": 1.0,
            "corpora": (corpus,),
        }
    )
    return write_card(metadata, [], fitted=False, noise=noise)


def test_a_card_says_of_calm_and_of_the_temperature_what_is_so() -> None:
    card = paper_card()
    assert "Calm speech counts as neutral" not in card
    assert "Bored speech is left out." in card
    assert "- Temperature 1.000: the logits are taken as they are.\n" in card
    assert "fitted" not in card
    assert "temperature were chosen" not in card
    assert "none of its 8 emotions" in " ".join(card.split())
    usual = write_card(METADATA, [])
    assert "Calm speech counts as neutral; bored speech is left out." in usual
    assert "- Temperature 1.250, fitted on speech that was not trained on.\n" in usual


def test_a_temperature_that_int8_alone_has_is_not_called_fitted() -> None:
    int8 = METADATA.model_copy(update={"precision": "int8"})
    card = write_card(int8, [], fitted=False)
    assert (
        "Temperature 1.250: the checkpoint has none, and int8 is brought to its sharpness." in card
    )


@pytest.mark.parametrize(
    ("front_end", "told"),
    [
        (FrontEnd(), "log-mel windows of 0.6 to 3 s (64 bands, 16 ms hop"),
        (
            FrontEnd(spectrum="linear", bands=513, extras=("rms", "zero_crossings")),
            "log-spectrum windows of 0.6 to 3 s (513 bins, rms and zero crossings, 16 ms hop",
        ),
        (
            FrontEnd(spectrum="samples", bands=320, fft_samples=320, hop_samples=320),
            "bare windows of 0.6 to 3 s (320 samples a frame, 20 ms hop",
        ),
    ],
)
def test_the_input_of_the_card_is_what_the_front_end_gives(front_end: FrontEnd, told: str) -> None:
    card = write_card(METADATA.model_copy(update={"front_end": front_end}), [])
    assert f"- Input: {told}, 16000 Hz)" in card


def test_a_sex_in_the_label_makes_no_emotion_more() -> None:
    labels = tuple(f"{sex} {emotion}" for sex in ("female", "male") for emotion in LABELS)
    card = write_card(METADATA.model_copy(update={"labels": labels}), [])
    assert "Calm speech counts as neutral" in card
    assert "none of its 7 emotions" in " ".join(card.split())


def test_the_noise_of_the_card_is_the_one_that_was_added() -> None:
    assert "Noise for augmentation: ESC-10 (CC BY 3.0), white and pink" in paper_card("recorded")
    assert "Noise for augmentation: white and pink noise." in paper_card("coloured")
    assert "No noise was added to the speech." in paper_card()
    assert (
        "oise" not in write_card(METADATA, []).partition("## Training data")[2].partition("##")[0]
    )


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["ravdess"], "It has heard English, read or acted by adults, mostly in studios."),
        (["ravdess", "emodb", "nemo", "tess"], "It has heard English, German and Polish, read"),
        (["esd"], "It has heard English and Mandarin, read"),
        (["own-calls"], "Which languages it has heard is not recorded."),
        (["emodb", "own-calls"], "studios; which languages it has heard in own-calls is not rec"),
        ([], "Which languages it has heard is not recorded."),
    ],
)
def test_the_languages_are_those_of_the_corpora_heard(names: list[str], sentence: str) -> None:
    corpora = tuple(Corpus(name=name, licence="x", clips=1, speakers=("1",)) for name in names)
    card = " ".join(write_card(METADATA.model_copy(update={"corpora": corpora}), []).split())
    assert sentence in card
    published = bool(names) and "own-calls" not in names
    assert ("The labels are those of acted corpora" in card) is published
    assert ("What it was trained on is not recorded." in card) == (not names)

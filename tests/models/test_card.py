from __future__ import annotations

from importlib import resources

import numpy as np

from affectd.engine.artefact import Corpus, Metadata
from affectd.kernels.front_end import FrontEnd
from affectd.models.card import write_card
from affectd.models.evaluation import Evaluation, Scored
from affectd.models.features import FeatureSet
from affectd.models.labels import LABELS, VALENCE_AROUSAL
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
    assert str(result.matrix) in card
    assert "| emodb | 300 | 09, 10 | CC0 1.0 |" in card


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

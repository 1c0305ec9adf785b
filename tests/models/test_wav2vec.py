"""wav2vec 2.0: weights from a folder, and windows that mean the same however they are padded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from affectd.models.foreign_weights import WeightsError
from affectd.models.systems import system_named
from affectd.models.wav2vec import Wav2Vec, Wav2VecOptions

WINDOWING = system_named("wav2vec2-base").windowing


def small(**options: object) -> Wav2Vec:
    chosen = Wav2VecOptions(projector=(8,), **options)  # type: ignore[arg-type]
    return Wav2Vec(WINDOWING, classes=8, options=chosen).eval()


@pytest.mark.parametrize("stable_norm", [False, True])
def test_padding_changes_nothing(stable_norm: bool) -> None:
    torch.manual_seed(0)
    model = small(stable_norm=stable_norm)
    samples = 0.1 * torch.randn(1, 60, 320)
    with torch.no_grad():
        bare = model(samples, torch.tensor([60]))[0]
        noise = torch.randn(1, 30, 320)
        padded = model(torch.cat([samples, noise], dim=1), torch.tensor([60]))[0]
        louder = model(3 * samples, torch.tensor([60]))[0]
    torch.testing.assert_close(bare, padded)
    torch.testing.assert_close(bare, louder, atol=1e-3, rtol=1e-3)


def test_only_the_tuned_layers_and_the_head_learn() -> None:
    model = small(layers=3, tuned=(1, 2))
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    inside = {name for name in learning if name.startswith("encoder")}
    assert {name.split(".")[3] for name in inside} == {"1", "2"}
    assert {"classify.weight", "dense.1.weight"} <= learning
    with pytest.raises(ValueError, match="tuned layer 7; allowed are 0 to 2"):
        small(layers=3, tuned=(7,))


def test_the_weights_of_a_folder_are_taken_and_others_refused(tmp_path: Path) -> None:
    torch.manual_seed(1)
    theirs, ours = small(), small()
    theirs.encoder.save_pretrained(tmp_path)
    ours.take_weights(tmp_path)
    for name, value in theirs.encoder.state_dict().items():
        assert torch.equal(ours.encoder.state_dict()[name], value), name
    with pytest.raises(WeightsError, match="do not fit"):
        small(width=64).take_weights(tmp_path)
    with pytest.raises(WeightsError, match=r"holds no config\.json"):
        ours.take_weights(tmp_path / "nowhere")

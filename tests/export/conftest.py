"""A checkpoint as a training run leaves it, small and untrained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from affectd.models.architectures import build
from affectd.models.checkpoint import Checkpoint, Heard
from affectd.models.labels import LABELS
from affectd.models.recipes import Recipe, load_recipe

# Two threads that spin for one core take minutes for what one does in seconds.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    values = load_recipe("crnn").to_dict()
    values["name"] = "tiny"
    values["options"] = {"channels": [4, 4, 8], "recurrent": 8, "hidden": 8}
    return Recipe.from_dict(values)


@pytest.fixture(scope="session")
def checkpoint(recipe: Recipe) -> Checkpoint:
    torch.manual_seed(0)
    model = build("crnn", bands=64, classes=7, options=recipe.options)
    weights = {
        name: value + 0.3 * torch.rand_like(value) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    return Checkpoint(
        recipe=recipe,
        labels=LABELS,
        seed=1,
        epoch=1,
        step=10,
        weights=weights,
        averaged=weights,
        optimiser={},
        random_state=torch.get_rng_state(),
        heard=(
            Heard(
                corpus="emodb", licence="CC0 1.0", clips=300, speakers=("09", "10"), resynthesised=7
            ),
            Heard(corpus="nemo", licence="CC BY-NC-SA 4.0", clips=9, speakers=("KS0",)),
        ),
        temperature=1.5,
    )


@pytest.fixture(scope="session")
def checkpoint_file(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "best.pt"
    checkpoint.save(path)
    return path

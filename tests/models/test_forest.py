"""A forest as tensors answers as scikit-learn's does, there and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier

from affectd.kernels.front_end import FrontEnd
from affectd.models.forest import Forest, ForestOptions
from affectd.models.windowing import Windowing

WINDOWING = Windowing(
    front_end=FrontEnd(bands=16),
    normalisation="standard",
    window_seconds=3.0,
    hop_seconds=0.25,
    minimum_seconds=0.6,
)


@pytest.fixture(scope="module")
def fitted() -> tuple[RandomForestClassifier, np.ndarray]:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((300, 64)).astype(np.float32)
    truth = (vectors[:, 0] > 0).astype(int) + 2 * (vectors[:, 1] > 0.5)
    forest = RandomForestClassifier(20, max_depth=9, random_state=0).fit(vectors, truth)
    return forest, rng.standard_normal((200, 64)).astype(np.float32)


def taken(forest: RandomForestClassifier) -> Forest:
    sizes = Forest.sizes_of(forest)
    model = Forest(WINDOWING, classes=4, options=ForestOptions(**sizes))
    model.take(forest)
    return model


def test_its_answers_are_scikit_learns(
    fitted: tuple[RandomForestClassifier, np.ndarray],
) -> None:
    forest, fresh = fitted
    shares = taken(forest).body(torch.from_numpy(fresh))[0].exp().numpy()
    np.testing.assert_allclose(shares, forest.predict_proba(fresh), atol=2e-4)


def test_what_is_rebuilt_answers_as_the_original(
    fitted: tuple[RandomForestClassifier, np.ndarray],
) -> None:
    forest, fresh = fitted
    rebuilt = taken(forest).to_sklearn()
    np.testing.assert_allclose(rebuilt.predict_proba(fresh), forest.predict_proba(fresh), atol=1e-6)


def test_a_feature_on_a_threshold_goes_the_same_way() -> None:
    vectors = np.array([[0.1], [0.3], [0.2], [0.4]], np.float32).repeat(64, axis=1)
    forest = RandomForestClassifier(5, random_state=1).fit(vectors, [0, 1, 0, 1])
    tree = forest.estimators_[0].tree_
    edge = np.float32(tree.threshold[0])
    places = np.array([np.nextafter(edge, np.float32(-1)), edge, np.nextafter(edge, np.float32(1))])
    fresh = places[:, None].repeat(64, axis=1).astype(np.float32)
    shares = taken(forest).body(torch.from_numpy(fresh))[0].exp().numpy()[:, :2]
    np.testing.assert_allclose(shares, forest.predict_proba(fresh), atol=2e-4)

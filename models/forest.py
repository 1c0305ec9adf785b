"""A random forest as tensors: trained by scikit-learn, kept without pickle, run in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from affectd.models.handcrafted import STATISTICS, vector_view
from affectd.models.windowing import Windowing

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

__all__ = ["LOWEST_SHARE", "Forest", "ForestOptions"]

LOWEST_SHARE = 1e-4
"""A class that no tree votes for still has a logarithm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestOptions:
    """The vector and the sizes of the trees' tensors."""

    tracks: tuple[str, ...] = ()
    statistics: tuple[str, ...] = STATISTICS
    scalars: tuple[str, ...] = ()
    trees: int = 10
    nodes: int = 7
    """Of the largest tree."""
    depth: int = 2
    """Of the deepest tree."""


class Forest(nn.Module):
    """The mean of the leaves' class shares over all trees; the logits are their logarithms.

    Fresh ones ask at random and answer at random. A node whose children are itself is a leaf.

    Args:
        windowing: What the vector is of.
        classes: Number of outputs.
        options: The vector and the sizes.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    shares: Tensor

    def __init__(
        self, windowing: Windowing, *, classes: int, options: ForestOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options = options or ForestOptions()
        self.classes = classes
        self.view = vector_view(
            windowing,
            tracks=options.tracks,
            statistics=options.statistics,
            scalars=options.scalars,
        )
        trees, nodes = options.trees, options.nodes
        node = torch.arange(nodes)
        inner = 2 * node + 2 < nodes
        self.register_buffer("feature", torch.randint(self.view.width, (trees, nodes)))
        self.register_buffer("threshold", torch.randn(trees, nodes))
        self.register_buffer("left", torch.where(inner, 2 * node + 1, node).repeat(trees, 1))
        self.register_buffer("right", torch.where(inner, 2 * node + 2, node).repeat(trees, 1))
        self.register_buffer("shares", torch.rand(trees, nodes, classes).softmax(2))

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows; the embedding is the vector that the trees ask about."""
        return self.body(self.view(logmel, frames))

    def body(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score vectors, float32 ``(batch, width)``."""
        trees, nodes = self.options.trees, self.options.nodes
        roots = torch.arange(trees, device=vectors.device) * nodes
        place = roots.unsqueeze(0) + torch.zeros_like(vectors[:, :1]).long()
        feature, threshold = self.feature.flatten(), self.threshold.flatten()
        left, right = ((side + roots.unsqueeze(1)).flatten() for side in (self.left, self.right))
        for _ in range(self.options.depth):
            answers = vectors.gather(1, feature[place])
            place = torch.where(answers <= threshold[place], left[place], right[place])
        mean = self.shares.flatten(0, 1)[place].mean(1)
        logits = mean.clamp(min=LOWEST_SHARE).log()
        return logits, vectors, torch.ones_like(vectors[:, :1])

    @classmethod
    def sizes_of(cls, forest: RandomForestClassifier) -> dict[str, int]:
        """Return the options that hold a fitted forest."""
        return {
            "trees": len(forest.estimators_),
            "nodes": max(tree.tree_.node_count for tree in forest.estimators_),
            "depth": max(max(tree.tree_.max_depth for tree in forest.estimators_), 1),
        }

    def take(self, forest: RandomForestClassifier) -> None:
        """Copy a fitted forest whose classes are 0 to `classes` − 1, all or some of them."""
        columns = forest.classes_.astype(int)
        for row, estimator in enumerate(forest.estimators_):
            tree = estimator.tree_
            count = tree.node_count
            own = np.arange(count)
            leaf = tree.children_left < 0
            self.feature[row, :count] = torch.from_numpy(np.where(leaf, 0, tree.feature))
            # scikit-learn compares float32 features with float64 thresholds. The largest float32
            # that is not above a threshold splits all float32 features the same way.
            self.threshold[row, :count] = torch.from_numpy(_not_above(tree.threshold))
            self.left[row, :count] = torch.from_numpy(np.where(leaf, own, tree.children_left))
            self.right[row, :count] = torch.from_numpy(np.where(leaf, own, tree.children_right))
            values = tree.value[:, 0, :]
            shares = np.zeros((count, self.classes), np.float32)
            shares[:, columns] = values / values.sum(axis=1, keepdims=True)
            self.shares[row, :count] = torch.from_numpy(shares)

    def to_sklearn(self) -> RandomForestClassifier:
        """Rebuild scikit-learn's forest, for what converts those.

        Returns:
            A fitted forest with the same answers; its classes are 0 to `classes` − 1.
        """
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.tree import DecisionTreeClassifier

        width, classes = self.view.width, self.classes
        sample = np.zeros((classes, width), np.float32)
        labels = np.arange(classes)
        forest = RandomForestClassifier(n_estimators=1, bootstrap=False).fit(sample, labels)
        template = DecisionTreeClassifier().fit(sample, labels).tree_.__getstate__()
        forest.estimators_ = [
            self._tree(row, template, width, classes) for row in range(len(self.feature))
        ]
        forest.n_estimators = len(forest.estimators_)
        return forest

    def _tree(self, row: int, template: dict[str, Any], width: int, classes: int) -> Any:
        from sklearn.tree import DecisionTreeClassifier
        from sklearn.tree._tree import Tree

        used, depths = self._used(row)
        place = {old: new for new, old in enumerate(used)}
        nodes: npt.NDArray[Any] = np.zeros(len(used), template["nodes"].dtype)
        # As if every question halved the samples: only importances are computed from these.
        nodes["n_node_samples"] = 1
        nodes["weighted_n_node_samples"] = 0.5 ** np.array(depths)
        values = np.zeros((len(used), 1, classes))
        for new, old in enumerate(used):
            leaf = int(self.left[row, old]) == old
            nodes["left_child"][new] = -1 if leaf else place[int(self.left[row, old])]
            nodes["right_child"][new] = -1 if leaf else place[int(self.right[row, old])]
            nodes["impurity"][new] = not leaf
            nodes["feature"][new] = -2 if leaf else int(self.feature[row, old])
            nodes["threshold"][new] = -2.0 if leaf else float(self.threshold[row, old])
            values[new, 0] = self.shares[row, old].numpy()
        tree = Tree(width, np.array([classes], np.intp), 1)
        tree.__setstate__(
            {**template, "max_depth": max(depths), "node_count": len(used), "nodes": nodes}
            | {"values": values}
        )
        estimator = DecisionTreeClassifier()
        estimator.n_features_in_, estimator.n_outputs_ = width, 1
        estimator.classes_, estimator.n_classes_ = np.arange(classes), classes
        estimator.tree_ = tree
        return estimator

    def _used(self, row: int) -> tuple[list[int], list[int]]:
        """Return the nodes that can be reached, the root first, and the depth of each."""
        order: list[int] = []
        depths: list[int] = []
        level, depth = [0], 0
        while level:
            order += level
            depths += [depth] * len(level)
            level = [
                child
                for node in level
                if int(self.left[row, node]) != node
                for child in (int(self.left[row, node]), int(self.right[row, node]))
            ]
            depth += 1
        return order, depths


def _not_above(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)

"""The hash that tells whether a graph is the one that was exported."""

from __future__ import annotations

import hashlib

import onnx

__all__ = ["graph_sha256"]


def graph_sha256(proto: onnx.ModelProto) -> str:
    """Return a hash over a file's graph: its weights and layers, the metadata apart."""
    return hashlib.sha256(proto.graph.SerializeToString(deterministic=True)).hexdigest()

"""The voices that a probe has heard, and the network that is trained on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from affectd.kernels.voice_network import VoiceNetwork
from affectd.models.labels import LABELS
from affectd.models.probe import KINDS, Probe, ProbeData, columns_of
from affectd.models.voice_network import Voices, train_voice_network

__all__ = ["probe_voice_network"]


def probe_voice_network(
    data: ProbeData,
    probe: Probe,
    *,
    seed: int,
    without: Mapping[str, Iterable[str]] | None = None,
) -> VoiceNetwork:
    """Train a network that knows voices on all speakers but a few.

    Each emotion of each corpus is drawn with the square root of its share in all clips.

    Args:
        data: What is learnt from.
        probe: Whose vectors are taken.
        seed: Decides first weights and every draw.
        without: Speakers by corpus who are not heard.
    """
    examples = data.examples(probe.whitening, without or {})
    likely = np.zeros(len(examples.kinds))
    for corpus in np.unique(examples.corpora):
        for kind in range(len(KINDS)):
            cell = (examples.corpora == corpus) & (examples.kinds == kind)
            if cell.any():
                likely[cell] = examples.shares[cell] / examples.shares[cell].sum() ** 0.5
    voices = Voices(
        vectors=examples.vectors,
        emotions=examples.kinds,
        voices=examples.speakers,
        likely=likely / likely.sum(),
        neutral=KINDS.index("neutral"),
        count=len(KINDS),
        columns=columns_of(LABELS),
    )
    return train_voice_network(voices, seed=seed)

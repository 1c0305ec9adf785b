"""wav2vec 2.0 with a small head; its frames are the samples themselves.

Source: A. Baevski et al., "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech
Representations", NeurIPS 2020; the network is the library `transformers`'.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from affectd.models.extra import MissingExtraError
from affectd.models.foreign_weights import WeightsError
from affectd.models.views import inside
from affectd.models.windowing import Windowing

__all__ = ["Wav2Vec", "Wav2VecOptions"]

_HOP = 320
"""Samples that become one step of the encoder, after the first 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wav2VecOptions:
    """The encoder's sizes and the head; fresh ones are small."""

    width: int = 32
    layers: int = 2
    heads: int = 2
    hidden: int = 64
    convolution: int = 16
    """Channels of the feature extractor."""
    stable_norm: bool = False
    """Pre-norm blocks and layer-normalised convolutions, as the large models have them."""
    tuned: tuple[int, ...] = ()
    """Numbers of the layers that learn, from 0; none: the encoder is frozen."""
    projector: tuple[int, ...] = (256,)
    """Dense layers before the classifier."""
    pooled_dropout: float = 0.1
    dropout: float = 0.2


class Wav2Vec(nn.Module):
    """The encoder, the mean of its valid steps, dense layers.

    Args:
        windowing: A front end of bare samples at 16 kHz, 320 a frame.
        classes: Number of outputs.
        options: Sizes.

    Raises:
        MissingExtraError: the library is not installed.
        ValueError: the front end gives something else than samples.
    """

    def __init__(
        self, windowing: Windowing, *, classes: int, options: Wav2VecOptions | None = None
    ) -> None:
        super().__init__()
        try:
            from transformers import Wav2Vec2Config, Wav2Vec2Model
        except ImportError:
            raise MissingExtraError(
                "wav2vec 2.0 needs the extra 'wav2vec': pip install 'affectd[wav2vec]'"
            ) from None

        self.options = options = options or Wav2VecOptions()
        front_end = windowing.front_end
        self.window_frames = windowing.window_frames
        if front_end.spectrum != "samples" or front_end.bands != _HOP:
            raise ValueError(
                f"wav2vec needs a front end of samples, {_HOP} a frame; this one is "
                f"{front_end.to_dict()}"
            )
        config = Wav2Vec2Config(
            hidden_size=options.width,
            num_hidden_layers=options.layers,
            num_attention_heads=options.heads,
            intermediate_size=options.hidden,
            conv_dim=(options.convolution,) * 7,
            do_stable_layer_norm=options.stable_norm,
            feat_extract_norm="layer" if options.stable_norm else "group",
            conv_bias=options.stable_norm,
            apply_spec_augment=False,
            layerdrop=0.0,
        )
        config._attn_implementation = "eager"  # the exporter knows no other
        self.encoder: Any = Wav2Vec2Model(config)
        self.encoder.requires_grad_(requires_grad=False)
        for number in options.tuned:
            if not 0 <= number < options.layers:
                raise ValueError(f"tuned layer {number}; allowed are 0 to {options.layers - 1}")
            self.encoder.encoder.layers[number].requires_grad_(requires_grad=True)
        layers: list[nn.Module] = [nn.Dropout(options.pooled_dropout)]
        width = options.width
        for outputs in options.projector:
            layers += [nn.Linear(width, outputs), nn.ReLU(), nn.Dropout(options.dropout)]
            width = outputs
        self.dense = nn.Sequential(*layers)
        self.classify = nn.Linear(width, classes)

    def take_weights(self, folder: Path) -> None:
        """Take the encoder's weights from a folder as `transformers` saves them.

        Raises:
            WeightsError: there are none, or they are of other sizes.
        """
        from transformers import Wav2Vec2Model

        if not (folder / "config.json").is_file():
            raise WeightsError(
                f"{folder} holds no config.json: expected is a folder as transformers saves a "
                "wav2vec 2.0 model, with config.json and model.safetensors"
            )
        try:
            theirs = Wav2Vec2Model.from_pretrained(folder, local_files_only=True)
            self.encoder.load_state_dict(theirs.state_dict())
        except (OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise WeightsError(f"the weights in {folder} do not fit: {reason}") from None

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows; see `affectd.models.crnn.Crnn.forward`.

        The samples are brought to mean 0 and deviation 1 over the valid ones; what follows them is
        silence, and no step of it is counted.
        """
        # Always the full window: the first convolution is normalised over all its steps, and the
        # engine pads windows to several lengths.
        rest = self.window_frames - logmel.shape[1]
        logmel = nn.functional.pad(logmel, (0, 0, 0, rest))
        valid = inside(frames, self.window_frames).unsqueeze(2)
        count = (frames * _HOP).float()[:, None, None]
        mean = (logmel * valid).sum((1, 2), keepdim=True) / count
        square = ((logmel - mean).square() * valid).sum((1, 2), keepdim=True) / count
        samples = ((logmel - mean) * valid / (square + 1e-7).sqrt()).flatten(1)
        steps = self.encoder.feature_extractor(samples).transpose(1, 2)
        steps = self.encoder.feature_projection(steps)[0]
        steps = self.encoder.encoder(steps, return_dict=False)[0]
        # The last step needs 80 samples more than a frame has.
        heard = inside((frames - 1).clamp(min=1), steps.shape[1])
        attention = heard / heard.sum(1, keepdim=True)
        embedding = self.dense((steps * attention.unsqueeze(2)).sum(1))
        return self.classify(embedding), embedding, attention

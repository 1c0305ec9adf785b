"""VGG19, ResNet-50 and MobileNetV3-Large without their classifiers.

Sources: K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015 (configuration E); K. He et al., "Deep Residual Learning for Image
Recognition", CVPR 2016 (with the stride in the 3×3 convolution); A. Howard et al., "Searching for
MobileNetV3", ICCV 2019 (table 1).

They stand here because the library that has them, `timm`, does not import without torchvision, and
that has no wheel for a torch without CUDA. Their tensors have the names and shapes of
`timm`'s ``vgg19``, ``resnet50`` and ``mobilenetv3_large_100``, so that its weights fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor, nn

__all__ = ["TRUNKS", "Trunk", "convolutions"]

_VGG19 = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and number of the convolutions before each pooling."""
_RESNET50 = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Inner channels and blocks of each stage."""
# Kernel, channels after the expansion, channels, squeeze and excitation, hard swish, stride.
_MOBILENET = (
    ((3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1)),
    ((5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1)),
    (
        (3, 240, 80, False, True, 2),
        (3, 200, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
    ),
    ((3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1)),
    ((5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1)),
)


def _rounded(channels: float) -> int:
    """Return a multiple of 8, at least nine tenths of what was asked for."""
    whole = max(8, int(channels + 4) // 8 * 8)
    return whole if whole >= 0.9 * channels else whole + 8


class Trunk(nn.Module):
    """Gives planes of features, float32 ``(batch, outputs, steps, height)``."""

    outputs: int


class _Vgg19(Trunk):
    def __init__(self, width: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for channels, count in _VGG19:
            outputs = _rounded(channels * width)
            for _ in range(count):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.outputs = inputs

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images)
        return features


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, 4 * inner, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * inner)
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != 4 * inner:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * inner, 1, stride, bias=False), nn.BatchNorm2d(4 * inner)
            )

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        x = nn.functional.relu(self.bn1(self.conv1(x)))
        x = nn.functional.relu(self.bn2(self.conv2(x)))
        return nn.functional.relu(self.bn3(self.conv3(x)) + kept)


class _ResNet50(Trunk):
    def __init__(self, width: float) -> None:
        super().__init__()
        inputs = _rounded(64 * width)
        self.conv1 = nn.Conv2d(3, inputs, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.pool = nn.MaxPool2d(3, 2, 1)
        for number, (channels, blocks) in enumerate(_RESNET50, 1):
            inner = _rounded(channels * width)
            layer: list[nn.Module] = []
            for place in range(blocks):
                layer.append(_Bottleneck(inputs, inner, 2 if number > 1 and not place else 1))
                inputs = 4 * inner
            setattr(self, f"layer{number}", nn.Sequential(*layer))
        self.outputs = inputs

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.pool(nn.functional.relu(self.bn1(self.conv1(images))))
        for number in range(1, len(_RESNET50) + 1):
            x = getattr(self, f"layer{number}")(x)
        return x


class _Squeeze(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = _rounded(channels / 4)
        self.conv_reduce = nn.Conv2d(channels, inner, 1)
        self.conv_expand = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        share = nn.functional.relu(self.conv_reduce(x.mean((2, 3), keepdim=True)))
        weighted: Tensor = x * nn.functional.hardsigmoid(self.conv_expand(share))
        return weighted


class _Depthwise(nn.Module):
    """The first block: depthwise and pointwise, of as many channels as come in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv_pw = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        inner = nn.functional.relu(self.bn1(self.conv_dw(x)))
        added: Tensor = self.bn2(self.conv_pw(inner)) + x
        return added


class _Inverted(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, *, inner: int, kernel: int, stride: int, squeeze: bool,
        swish: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv_pw = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv_dw = nn.Conv2d(
            inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.se: nn.Module = _Squeeze(inner) if squeeze else nn.Identity()
        self.conv_pwl = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self._activate: Callable[[Tensor], Tensor] = (
            nn.functional.hardswish if swish else nn.functional.relu
        )
        self._adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = self._activate(self.bn1(self.conv_pw(x)))
        inner = self.se(self._activate(self.bn2(self.conv_dw(inner))))
        out: Tensor = self.bn3(self.conv_pwl(inner))
        return out + x if self._adds else out


class _Last(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.hardswish(self.bn1(self.conv(x)))


class _MobileNetV3(Trunk):
    def __init__(self, width: float) -> None:
        super().__init__()
        inputs = _rounded(16 * width)
        self.conv_stem = nn.Conv2d(3, inputs, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        stages = [nn.Sequential(_Depthwise(inputs))]
        for rows in _MOBILENET:
            blocks: list[nn.Module] = []
            for kernel, inner, channels, squeeze, swish, stride in rows:
                outputs = _rounded(channels * width)
                blocks.append(
                    _Inverted(
                        inputs,
                        outputs,
                        inner=_rounded(inner * width),
                        kernel=kernel,
                        stride=stride,
                        squeeze=squeeze,
                        swish=swish,
                    )
                )
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.outputs = _rounded(960 * width)
        stages.append(nn.Sequential(_Last(inputs, self.outputs)))
        self.blocks = nn.Sequential(*stages)

    def forward(self, images: Tensor) -> Tensor:
        x = nn.functional.hardswish(self.bn1(self.conv_stem(images)))
        features: Tensor = self.blocks(x)
        return features


TRUNKS: dict[str, Callable[[float], Trunk]] = {
    "vgg19": _Vgg19,
    "resnet50": _ResNet50,
    "mobilenetv3-large": _MobileNetV3,
}
"""By name; each takes a factor for its channels, 1 for its own, and images of three channels."""


def convolutions(trunk: nn.Module) -> Iterator[nn.Conv2d]:
    """Return its convolutions, the first one first."""
    return (layer for layer in trunk.modules() if isinstance(layer, nn.Conv2d))

"""Every architecture exports, and so does a model that is none of ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from affectd.export.artefact import Export, export_model
from affectd.export.conversion import to_onnx
from affectd.export.gates import GATES
from affectd.export.inspection import open_artefact
from affectd.export.original import Original, sha256_of
from affectd.export.quantisation import Scheme, prepare, quantise
from affectd.export.runtime import open_session, scorer_of
from affectd.export.speech import Speech, Windows, windows_at_hand
from affectd.kernels.front_end import FrontEnd
from affectd.models.architectures import (
    ARCHITECTURES,
    NEEDS_LINEAR_SPECTRUM,
    NEEDS_SAMPLES,
    NEEDS_WHISPERS_FRONT_END,
    build,
)
from affectd.models.recipes import load_recipe
from affectd.models.scoring import torch_scorer
from affectd.models.windowing import Windowing


@pytest.fixture(scope="module")
def windowing() -> Windowing:
    return load_recipe("crnn").windowing


@pytest.fixture(scope="module")
def windows(windowing: Windowing) -> Windows:
    demo = windows_at_hand(windowing)
    return Windows(demo.windows[::16], demo.source, demo.real)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_exports_with_any_batch_and_every_frame_size(
    name: str, windowing: Windowing, windows: Windows
) -> None:
    torch.manual_seed(0)
    if name in NEEDS_LINEAR_SPECTRUM:
        windowing = replace(
            windowing,
            front_end=FrontEnd(bands=513, spectrum="linear", extras=("rms", "zero_crossings")),
            normalisation="none",
        )
        demo = windows_at_hand(windowing)
        windows = Windows(demo.windows[::64], demo.source, demo.real)
    if name in NEEDS_SAMPLES:
        bare = FrontEnd(fft_samples=320, hop_samples=320, bands=320, spectrum="samples")
        windowing = replace(windowing, front_end=bare, normalisation="none")
        demo = windows_at_hand(windowing)
        windows = Windows(demo.windows[::64], demo.source, demo.real)
    if name in NEEDS_WHISPERS_FRONT_END:
        whispers = FrontEnd(fft_samples=400, hop_samples=160, bands=80)
        windowing = replace(windowing, front_end=whispers, normalisation="whisper")
        demo = windows_at_hand(windowing)
        windows = Windows(demo.windows[::64], demo.source, demo.real)
    bands = windowing.front_end.columns
    model = build(name, bands=bands, classes=7, options={}, windowing=windowing).eval()
    if name == "two-branch":
        # Cepstra are standardised before they are convolved, as training would have it.
        views = [
            model.view(torch.from_numpy(each)[None], torch.tensor([len(each)]))
            for each in windows.windows
        ]
        model.fit(torch.cat(views))
    graph = to_onnx(model, bands=bands, frames=windowing.window_frames)
    quantised = quantise(prepare(graph), windows, Scheme())
    says, whole, small = (
        torch_scorer(model),
        scorer_of(graph.SerializeToString()),
        scorer_of(quantised.SerializeToString()),
    )
    rng = np.random.default_rng(0)
    for batch in (1, 3):
        for size in windowing.frame_sizes:
            logmel = rng.standard_normal((batch, size, bands), np.float32)
            if windowing.normalisation == "none":
                logmel = 10 * logmel - 30  # dB
            frames = rng.integers(20, size + 1, batch)
            expected = says(logmel, frames)
            assert np.abs(whole(logmel, frames) - expected).max() < 1e-4
            assert np.abs(small(logmel, frames) - expected).max() < 0.5


class Mean(nn.Module):
    """Somebody's own model: dense layers on the mean and the peak of each band."""

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(2 * bands, 32), nn.ReLU())
        self.classify = nn.Linear(32, classes)

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        steps = torch.arange(logmel.shape[1])[None, :]
        inside = (steps < frames[:, None]).float()
        attention = inside / frames[:, None]
        mean = (logmel * attention.unsqueeze(2)).sum(1)
        peak = (logmel - 1e3 * (1 - inside).unsqueeze(2)).amax(1)
        embedding = self.embed(torch.cat([mean, peak], dim=1))
        return self.classify(embedding), embedding, attention


def export_own(
    windowing: Windowing, windows: Windows, *, in_float: tuple[str, ...] = (), **options: object
) -> Export:
    torch.manual_seed(0)
    module = Mean(windowing.front_end.bands, 2)
    original = Original(
        name="mine",
        model=module,
        labels=("calm", "tense"),
        windowing=windowing,
        heard=(),
        valence_arousal={"calm": (0.5, -0.5), "tense": (-0.5, 0.5)},
        sha256=sha256_of(module),
        in_float=in_float,
    )
    speech = Speech(compared=windows, calibration=windows)
    return export_model(
        original,
        speech,
        precisions=("fp32", "int8"),
        allow=GATES,
        **options,  # type: ignore[arg-type]  # a target
    )


def test_int8_leaves_in_floating_point_what_the_model_says(
    windowing: Windowing, windows: Windows
) -> None:
    whole, part = (
        export_own(windowing, windows, in_float=names).artefacts[1] for names in ((), ("classify",))
    )
    assert whole.metadata.quantisation is not None
    assert part.metadata.quantisation is not None
    assert whole.metadata.quantisation.excluded == ()
    assert part.metadata.quantisation.excluded == ("/classify/Gemm",)
    floats = {
        each.name
        for each in onnx.load_from_string(part.graph).graph.initializer
        if each.data_type == 1
    }
    # ONNX Runtime 1.32 names it by the transposition that it has applied.
    assert floats & {"classify.weight", "classify.weight_Transposed"}


def test_a_model_of_ones_own_exports_by_one_call(
    windowing: Windowing, windows: Windows, tmp_path: Path
) -> None:
    done = export_own(windowing, windows)
    paths = done.write(tmp_path)
    assert [path.name for path in paths] == ["mine.onnx", "mine-int8.onnx", "mine.md"]
    _, metadata = open_artefact(tmp_path / "mine-int8.onnx")
    assert metadata.labels == ("calm", "tense")
    assert metadata.licence.startswith("See whoever trained it")
    assert done.artefacts[1].parity.mean < 0.05


def test_the_hash_of_weights_follows_every_value(windowing: Windowing) -> None:
    torch.manual_seed(0)
    module = Mean(windowing.front_end.bands, 2)
    before = sha256_of(module)
    assert before == sha256_of(module)
    with torch.no_grad():
        module.classify.bias[1] += 1e-6
    assert sha256_of(module) != before


@pytest.mark.parametrize("target", ["cuda", "tensorrt"])
def test_for_a_graphics_processor_nothing_but_qdq_is_in_the_graph(
    windowing: Windowing, windows: Windows, tmp_path: Path, target: str
) -> None:
    done = export_own(windowing, windows, target=target)
    done.write(tmp_path)
    path = tmp_path / f"mine-int8-{target}.onnx"
    proto = onnx.load(path)
    assert not [node for node in proto.graph.node if node.domain]
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in proto.graph.node}
    _, metadata = open_artefact(path)
    assert metadata.target == target
    assert metadata.quantisation is not None
    assert metadata.quantisation.scheme.startswith("QDQ only")
    assert "latency" not in {gate.name for gate in metadata.gates}


@pytest.mark.skipif(
    "CUDAExecutionProvider" not in __import__("onnxruntime").get_available_providers(),
    reason="ONNX Runtime was built without CUDA",
)
def test_a_qdq_graph_runs_on_cuda(windowing: Windowing, windows: Windows, tmp_path: Path) -> None:
    export_own(windowing, windows, target="cuda").write(tmp_path)
    session = open_session(
        (tmp_path / "mine-int8-cuda.onnx").read_bytes(), providers=("CUDAExecutionProvider",)
    )
    # What is installed lists CUDA on machines without one; only the session tells.
    if "CUDAExecutionProvider" not in session.get_providers():
        pytest.skip("no CUDA device here")
    window = windows.windows[0][None]
    logits = session.run(["logits"], {"logmel": window, "frames": np.array([window.shape[1]])})[0]
    assert np.isfinite(logits).all()

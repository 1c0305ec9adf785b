"""Small corpora in their official layouts, and clips that are easy to tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

from affectd.kernels.front_end import FrontEnd
from affectd.models.clips import Clip
from affectd.models.features import FeatureSet
from affectd.models.noise import NoiseBank, coloured_noise
from affectd.models.recipes import Recipe, load_recipe

RATE = 16_000


def voice(seconds: float, pitch_hz: float, *, silence: float = 0.3) -> npt.NDArray[np.float32]:
    """A harmonic tone with silence around it."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * pitch_hz * k * time) / k for k in range(1, 15))
    rng = np.random.default_rng(0)
    quiet = np.zeros(round(silence * RATE))
    samples = np.concatenate([quiet, 0.2 * np.asarray(tone), quiet])
    return (samples + 1e-4 * rng.standard_normal(samples.size)).astype(np.float32)


def write(path: Path, samples: npt.NDArray[np.float32], rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)


# Two threads that spin for one core take minutes for what one does in seconds.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every corpus with a few clips, named as the official ones are."""
    root = tmp_path_factory.mktemp("corpora")
    for actor in (1, 2, 21):
        for emotion in ("01", "02", "03", "05"):
            name = f"03-01-{emotion}-01-01-01-{actor:02d}.wav"
            write(root / "ravdess" / f"Actor_{actor:02d}" / name, voice(0.8, 90 + 30 * actor % 100))
    write(root / "ravdess/Actor_01/03-02-03-01-01-01-01.wav", voice(0.5, 100))  # a song
    for speaker in ("OAF", "YAF"):
        for emotion in ("angry", "ps", "fear"):
            write(root / f"tess/{speaker}_{emotion}/{speaker}_back_{emotion}.wav", voice(0.8, 150))
    write(root / "tess/OAF_neutral/OA_bite_neutral.wav", voice(0.8, 150))
    for name in ("03a01Fa", "03a01Nc", "03a01Wa", "08a02La", "08b03Ta"):
        write(root / f"emodb/wav/{name}.wav", voice(0.9, 120), 16_000)
    rows = ["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"]
    for speaker, sex in (("EB0", "female"), ("WR0", "male"), ("KS0", "male")):
        for emotion in ("anger", "surprised"):
            rows.append(
                f"{speaker}_{emotion}_1.wav\t{emotion}\tTak.\ttak\t        {speaker}\t{sex}\t30"
            )
            write(root / f"nemo/samples/{speaker}_{emotion}_1.flac", voice(0.8, 200))
    write(root / "nemo/samples/XX0_anger_1.wav", voice(0.8, 200))  # the table does not know it
    (root / "nemo/data.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    crema_d = root / "crema-d"
    crema_d.mkdir()
    levels = np.zeros((2, 64, 188), np.uint8)
    levels[:, 10:30, 20:80] = 200
    np.savez(
        crema_d / "logmel64.npz",
        logmel_u8=levels,
        clip=np.array(["1001_DFA_ANG_XX", "1090_IEO_SAD_HI"]),
        active_frames=np.array([100, 188], np.int16),
    )
    (crema_d / "VideoDemographics.csv").write_text(
        '"ActorID","Age","Sex"\n1001,51,"Male"\n1090,30,"Female"\n', "utf-8"
    )
    for actor in (1, 18):
        for emotion in ("02", "05"):
            name = f"03-02-{emotion}-01-01-01-{actor:02d}.wav"
            write(root / "ravdess-song" / f"Actor_{actor:02d}" / name, voice(0.6, 120))
    for name in ("DC/a01", "DC/sa02", "KL/su15"):
        write(root / f"savee/AudioData/{name}.wav", voice(0.6, 110))
    write(root / "savee/AudioData/Info/a01.wav", voice(0.6, 110))  # no speaker of it
    rows = ["[START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for clip, emotion in (("F000", "exc"), ("F001", "fru"), ("M000", "neu")):
        name = f"Ses01F_impro01_{clip}"
        rows.append(f"[6.2901 - 8.2357]\t{name}\t{emotion}\t[2.5000, 2.5000, 2.5000]")
        write(root / f"iemocap/Session1/sentences/wav/Ses01F_impro01/{name}.wav", voice(0.6, 150))
    table = root / "iemocap/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    table.parent.mkdir(parents=True)
    table.write_text("\n".join(rows) + "\n", "utf-8")
    write(root / "esd/0011/Angry/0011_000351.wav", voice(0.6, 130))
    write(root / "esd/0002/Surprise/train/0002_001501.wav", voice(0.6, 130))
    jl_corpus = root / "jl-corpus/Raw JL corpus (unchecked and unannotated)/JL(wav+txt)"
    for name in ("female1_angry_10a_1", "male2_excited_3b_2", "male2_anxious_3b_2"):
        write(jl_corpus / f"{name}.wav", voice(0.6, 140))
    write(root / "noise/esc10/rain/1-1.wav", 0.1 * voice(2.0, 50))
    return root


@pytest.fixture
def tiny_recipe() -> Recipe:
    """A recipe that learns in seconds."""
    values = load_recipe("crnn").to_dict()
    values["options"] = {"channels": [4, 4, 8], "recurrent": 8, "hidden": 8, "dropout": 0.1}
    values["optimiser"] |= {
        "epochs": 4,
        "windows_per_epoch": 192,
        "batch": 16,
        "rate": 1e-2,
        "warm_up_steps": 4,
        "mixup": 0.2,
        "average": 0.9,
    }
    values["corpora"] = {"emodb": 1.0, "ravdess": 1.0}
    return Recipe.from_dict(values)


def separable(clips: int, *, seed: int = 0) -> FeatureSet:
    """Angry clips are loud in the high bands, sad ones in the low bands, neutral ones in both."""
    rng = np.random.default_rng(seed)
    frames, lengths = [], []
    told = []
    for index in range(clips):
        label = ("angry", "sad", "neutral")[index % 3]
        length = int(rng.integers(60, 200))
        logmel = rng.normal(-60, 3, (length, 64))
        if label != "sad":
            logmel[5:-5, 36:60] += 40
        if label != "angry":
            logmel[5:-5, 4:28] += 40
        frames.append(logmel.astype(np.float16))
        lengths.append(length)
        told.append(
            Clip(
                corpus=("emodb", "ravdess")[index % 2],
                name=str(index),
                path=Path("nowhere"),
                speaker=str(index % 5),
                sex=None,
                label=label,
                native=label,
                licence="CC0 1.0",
            )
        )
    sizes = np.array(lengths, np.int64)
    return FeatureSet(
        tuple(told),
        np.concatenate(frames),
        np.cumsum([0, *sizes[:-1]]),
        sizes,
        np.stack([np.full(clips, 5), sizes - 5], axis=1),
    )


@pytest.fixture
def separable_clips() -> FeatureSet:
    return separable(90)


@pytest.fixture(scope="session")
def white_and_pink() -> NoiseBank:
    return NoiseBank(coloured_noise(FrontEnd(), seconds=5, seed=0))

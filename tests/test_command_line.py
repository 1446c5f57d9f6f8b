"""`python -m pixelcnn_edu`: what each command writes, and what is refused in one line."""

import dataclasses
import json
import re
from pathlib import Path

from pixelcnn_edu import (
    __main__,
    _device,
    data,
    evaluation,
    export,
    models,
    presets,
    pretrained,
)

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(capsys, *argv):
    """Return what the command line says about arguments that it refuses."""
    with pytest.raises(SystemExit) as ended:
        __main__.main([str(one) for one in argv])
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


# --------------------------------------------------------------------------- train


@pytest.fixture
def train(monkeypatch):
    """A function that trains the preset "tiny", on digits of a file."""
    tiny = presets.Preset("a test", 8, 1, 1, 64, 1e-3)
    monkeypatch.setitem(presets.PRESETS, "tiny", tiny)
    new = np.random.default_rng(0).integers(0, 256, (64, 28, 28), dtype="uint8")
    bundled_test = np.round(data.load_mnist()[1][0][:10, ..., 0] * 255).astype("uint8")
    np.savez(
        "mnist.npz",
        x_train=np.concatenate([new, bundled_test]),
        y_train=np.zeros(74, "uint8"),
        x_test=new[:32],
        y_test=np.zeros(32, "uint8"),
    )

    def run(*more):
        command = ["train", "--preset", "tiny", "--data", Path("mnist.npz").absolute()]
        command += ["--out", "run", "--verbose", 0, *more]
        __main__.main([str(one) for one in command])

    return run


def test_train_writes_weights_and_a_card_and_the_same_command_goes_on(train, capsys):
    train()
    told = capsys.readouterr().out
    assert "epoch 1 of 1" in told and "0 minutes left" in told
    assert "nats per image" in told
    card = pretrained.card("tiny", "run")
    assert (card["training_images"], card["validation_images"]) == (64, 32)
    assert card["precision"] == _device.fastest_precision()
    model = pretrained.load("tiny", "run")
    assert card["weights"] == models.live_weights(model)
    (_, _), (gray, _) = data.load_mnist("mnist.npz")
    nats = evaluation.nats_per_image(model, data.binarize(gray, seed=0)).mean()
    assert card["nats_per_image"] == pytest.approx(nats, abs=0.01)
    assert str(Path.cwd()) not in json.dumps(card)
    train()
    assert "epoch" not in capsys.readouterr().out
    again = pretrained.load("tiny", "run")
    pairs = zip(again.get_weights(), model.get_weights(), strict=True)
    assert all(np.array_equal(*pair) for pair in pairs)
    with pytest.raises(SystemExit):
        train("--seed", 1)
    assert "seed" in capsys.readouterr().err.splitlines()[-1]
    assert pretrained.card("tiny", "run") == card


@pytest.mark.parametrize(
    ("flags", "precision"),
    [("fma avx2 avx512_bf16", "mixed_bfloat16"), ("fma avx2", "float32")],
)
def test_bfloat16_is_for_processors_that_have_it(monkeypatch, flags, precision):
    monkeypatch.setattr(_device.tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(_device.Path, "exists", lambda *_: True)
    monkeypatch.setattr(_device.Path, "read_text", lambda *_: f"flags: {flags}")
    assert _device.fastest_precision() == precision


# ---------------------------------------------------------------- draw and export


def test_draw_writes_the_same_picture_for_the_same_seed_and_another_for_another(
    capsys,
):
    models.pixelcnn((6, 6, 1), filters=4, depth=1).save("mine.keras")
    same = ["draw", "--model", "mine.keras", "--count", "4", "--seed"]
    for seed, name in ((3, "one"), (3, "two"), (4, "three")):
        __main__.main([*same, f"{seed}", "--out", f"{name}.png"])
        assert capsys.readouterr().out == f"4 images drawn; written to {name}.png\n"
    one, two, three = (
        Path(f"{name}.png").read_bytes() for name in ["one", "two", "three"]
    )
    assert one == two != three and one.startswith(b"\x89PNG")


def test_draw_tells_the_model_its_labels(monkeypatch):
    given = []

    def generate(model, count, *, labels, **_):
        given.append(labels)
        return np.zeros((count, 28, 28, 1), "float32")

    monkeypatch.setattr(__main__.generation, "generate", generate)
    same = ["draw", "--model", "conditional", "--count", "2", "--out", "a.png"]
    for labels in (["3"], ["3", "4"]):
        __main__.main([*same, "--labels", *labels])
    assert given == [3, [3, 4]]


def test_export_writes_what_export_page_writes(capsys):
    __main__.main(
        ["export", "--model", "levels_4", "--out", "a.html", "--title", "<t>"]
    )
    assert re.fullmatch(r"\d\.\d MB written to a\.html\n", capsys.readouterr().out)
    export.page(pretrained.load("levels_4"), "b.html", title="<t>")
    one, two = (Path(name).stat().st_size for name in ("a.html", "b.html"))
    assert abs(one - two) < 200  # Keras numbers the names of layers anew
    assert "<h1>&lt;t&gt;</h1>" in Path("a.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["draw"], "required: --out"),
        (["draw", "--out", "a.png", "--model", "tea"], "coffee, colored"),
        (["draw", "--out", "a.png", "--count", "0"], "count"),
        (["draw", "--out", "a.png", "--count", "two"], "--count"),
        (["draw", "--out", "a.png", "--temperature", "-1"], "temperature"),
        (["draw", "--out", "a.png", "--model", "levels_4", "--labels", "1"], "labels"),
        (["export", "--model", "levels_256_mixture", "--out", "a.html"], "Mixture"),
        (["train", "--preset", "tea", "--out", "run"], "invalid choice"),
        (["train", "--preset", "minutes", "--out", "run", "--seed", "-1"], "seed"),
        (
            ["train", "--preset", "minutes", "--out", "run", "--rank", "1"],
            "--processes",
        ),
    ],
)
def test_what_a_command_cannot_do_is_refused_in_one_line(capsys, argv, words):
    assert words in refused(capsys, *argv)
    assert not list(Path.cwd().iterdir())


# --------------------------------------------------------------------------- check


def test_check_prints_versions_memory_cores_and_speed(monkeypatch, capsys):
    small = dataclasses.replace(presets.PRESETS["coffee"], filters=4, depth=1)
    monkeypatch.setitem(presets.PRESETS, "coffee", small)
    monkeypatch.setattr(pretrained, "load", lambda name: small.model())
    __main__.main(["check"])
    python, versions, memory, cores, step, digit = capsys.readouterr().out.splitlines()
    assert python.startswith("Python 3.") and "Keras 3." in versions
    assert re.match(r"memory: [\d.]+ GB free", memory)
    assert re.fullmatch(r"processor cores: \d+", cores)
    seconds = float(re.match(r"one training step: ([\d.]+) s \(", step)[1])
    minutes = float(re.search(r"in about (\d+) minutes$", step)[1])
    assert minutes == pytest.approx(seconds * 49_000 / 64 * 7 / 60, abs=1)
    assert float(re.fullmatch(r"one digit of 16: ([\d.]+) s", digit)[1]) > 0

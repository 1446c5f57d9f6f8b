"""The benchmarks measure what they say: their contenders run, and draw the same images."""

import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

from pixelcnn_edu import generation, models

import keras
import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
LOOPS = ["tutorial's loop", "whole passes, compiled"]
WITH_TENSORFLOW = ["tensorflow", "keras", "pixelcnn_edu"]
TORCH_PYTHON = os.environ.get("TORCH_PYTHON", sys.executable)  # may be elsewhere
needs_torch = pytest.mark.skipif(
    TORCH_PYTHON == sys.executable and not importlib.util.find_spec("torch"),
    reason="PyTorch is not here; TORCH_PYTHON names a Python that has it",
)


def load(name, monkeypatch):
    """A script as a module; it may import its neighbors, as it does when it is run."""
    monkeypatch.syspath_prepend(FOLDER)
    # a contender changes it in its own process
    monkeypatch.setattr(generation, "SOONER_BY_ROUNDS", 0, raising=False)
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small():
    """A network like ``coffee``, 5 × 5, with 100 images that it drew, and their p."""
    model = models.pixelcnn(
        (5, 5, 1), filters=4, depth=2, activation="relu", position=True
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    with pytest.MonkeyPatch.context() as patch:
        uniforms = load("generation", patch).some_uniforms(100, 5)
    images = generation.generate(model, 100, uniforms=uniforms, method="naive")
    assert 0 < images.mean() < 1
    p = keras.ops.sigmoid(model.predict_on_batch(images))
    return model, images, np.asarray(p)


# A test below has a process measure the compiled loop on the middle row.
@pytest.mark.parametrize(
    ("name", "whole"),
    [*((name, True) for name in [*LOOPS, "fixed point", "cached"]), (LOOPS[0], False)],
)
def test_all_contenders_draw_the_same_images(name, whole, small, monkeypatch):
    script = load("generation", monkeypatch)
    assert name in script.CONTENDERS
    result = script.measure_one(name, *small, whole)
    passes = 25 if whole else 5
    assert (result["differ"], result["compared"]) == (0, 100 * passes)
    assert result["passes"] == (passes if name in LOOPS else None)
    assert result["largest_gap"] is None
    assert result["cold_seconds"] > 0 and result["warm_seconds"] > 0


def test_a_value_that_differs_is_counted_and_its_distance_told(small, monkeypatch):
    script = load("generation", monkeypatch)
    model, images, p = small
    wrong = images.copy()
    wrong[1, 2, 3] = 1 - wrong[1, 2, 3]
    u = script.some_uniforms(100, 5)
    result = script.measure_one("cached", model, wrong, p)
    assert result["differ"] == 1
    assert result["largest_gap"] == pytest.approx(abs(u - p)[1, 2, 3, 0])


def test_a_row_of_generation_holds_medians_and_the_most_that_differ(monkeypatch):
    script = load("generation", monkeypatch)
    seconds = {"cached": iter([2, 1, 9]), "fixed point": iter([8, 4, 5])}
    monkeypatch.setattr(script, "CONTENDERS", seconds)
    tiny = models.pixelcnn(filters=2, depth=1)
    monkeypatch.setattr(script.pretrained, "load", {"coffee": tiny}.get)

    def measured(name, path, count, whole):
        one = next(seconds[name])
        return {"cold_seconds": 10 * one, "warm_seconds": one, "differ": one}

    monkeypatch.setattr(script, "measure_in_child", measured)
    cached, fixed_point = script.measure_contenders([1], 3, quick=True)
    assert (cached["warm_seconds"], cached["cold_seconds"]) == (2, 20)
    assert cached["differ"] == 9
    assert cached["warm_over_cached"] == 1
    assert fixed_point["warm_over_cached"] == fixed_point["cold_over_cached"] == 5 / 2


def run_child(name, *, turns, blocked=(), python=sys.executable):
    """Run a contender of ``training`` in a process where importing ``blocked`` fails."""
    code = f"""
import sys
sys.path.insert(0, {str(FOLDER)!r})
sys.modules |= dict.fromkeys({blocked!r})
import training
training.DEPTH, training.IMAGES = 1, 128
training.main(["--child", {name!r}, "4", "64"])
"""
    return subprocess.run(
        [python, "-c", code], input="\n" * turns, capture_output=True, text=True
    )


@pytest.mark.parametrize("name", ["package", "tutorial"])
def test_a_contender_trains_in_turns_and_ends_with_them(name, monkeypatch, capsys):
    script = load("training", monkeypatch)
    monkeypatch.setattr(script, "DEPTH", 1)
    monkeypatch.setattr(script, "IMAGES", 128)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n" * 2))
    with pytest.raises(SystemExit) as end:
        script.main(["--child", name, "4", "64"])
    assert not end.value.code
    told = capsys.readouterr().out.splitlines()
    turns = [line.split() for line in told if line[:4] == "turn"]
    assert len(turns) == 2
    assert all(float(seconds) > 0 for _, seconds, *_ in turns)


def test_pytorch_needs_neither_tensorflow_nor_what_imports_it():
    done = run_child("pytorch, cropped", turns=0, blocked=[*WITH_TENSORFLOW, "torch"])
    assert "import of torch halted" in done.stderr.splitlines()[-1], done.stderr


@needs_torch
def test_pytorch_s_network_is_the_package_s_cropped_or_not(tmp_path):
    model = models.pixelcnn(filters=4, depth=1, activation="relu")
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    images = rng.random((2, 28, 28, 1), dtype="float32")
    weights = [
        w.transpose(3, 2, 0, 1) if w.ndim > 1 else w for w in model.get_weights()
    ]
    np.savez(tmp_path / "given.npz", images.transpose(0, 3, 1, 2), *weights)
    code = f"""
import os, sys
import numpy as np
import torch
os.chdir({str(tmp_path)!r})
sys.path.insert(0, {str(FOLDER)!r})
import training
training.DEPTH = 1
images, *weights = map(torch.from_numpy, np.load("given.npz").values())
logits = []
with torch.no_grad():
    for cropped in (False, True):
        network = training.pytorch_network(4, cropped)
        for parameter, weight in zip(network.parameters(), weights, strict=True):
            parameter.copy_(weight)
        logits.append(network(images))
    network[0].mask[0, 0, 3, 3] = 1  # a planted bug: each pixel sees itself
    logits.append(network(images))
np.save("logits.npy", torch.stack(logits).numpy())
"""
    subprocess.run([TORCH_PYTHON, "-c", code], check=True)
    whole, cropped, planted = np.load(tmp_path / "logits.npy").transpose(0, 1, 3, 4, 2)
    expected = model.predict_on_batch(images)
    np.testing.assert_allclose(whole, expected, atol=1e-4)
    np.testing.assert_allclose(cropped, whole, atol=1e-5)
    assert abs(planted - expected).max() > 0.01


def dying_python(folder, before):
    """A program that a contender is run with, and that dies."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{before}\necho a planted death >&2\nexit 7\n", "utf-8")
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize("turns", [0, 1])
def test_a_contender_that_dies_tells_its_exit_code_and_stderr(
    turns, tmp_path, monkeypatch
):
    one_turn = "read line; echo turn 1 1 1"
    python = dying_python(tmp_path, one_turn if turns else "")
    script = load("training", monkeypatch)
    contender = script.Contender("package", 4, 1024, python)
    if turns:
        contender.take_turn()
    contender.process.wait()
    with pytest.raises(RuntimeError, match=r"(?s)'package'.*code 7.*a planted death"):
        contender.take_turn()
    contender.end()


def test_a_row_holds_medians_without_the_first_two_turns(monkeypatch):
    script = load("training", monkeypatch)
    contender = object.__new__(script.Contender)
    contender.about = {"contender": "any"}
    contender.turns = [[9, 1, 50], [9, 1, 99], [1, 1, 100], [4, 2, 101], [2, 1.5, 103]]
    row = contender.row()
    assert row["images_per_second"] == script.IMAGES / 2
    assert (row["parallel"], row["peak_mb"], row["grown_mb"]) == (1.5, 103, 3)

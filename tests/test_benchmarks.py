"""The benchmarks measure what they say: their contenders run, and draw the same images."""

import importlib.util
from pathlib import Path

from pixelcnn_edu import generation, models

import keras
import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
BLOCK = [(8, 4), (5 * 4, 4), (4, 8)]  # of 8 filters: 1×1, five live taps of 3×3, 1×1


def load(name, monkeypatch):
    """A script as a module; it may import its neighbors, as it does when it is run."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_products_counts_live_taps_only(monkeypatch):
    script = load("generation", monkeypatch)
    model = models.pixelcnn(filters=8, depth=2)
    expected = [(24, 8), *BLOCK, *BLOCK, (8, 8), (8, 8), (8, 1)]
    assert script.products(model) == expected


def test_dilation_adds_no_product(monkeypatch):
    script = load("generation", monkeypatch)
    near, far = (
        models.gated_pixelcnn(filters=4, depth=2, dilations=dilations)
        for dilations in ((1,), (1, 2))
    )
    assert script.products(near) == script.products(far)


def test_the_tutorial_s_loop_draws_the_same_images(monkeypatch):
    script = load("generation", monkeypatch)
    keras.utils.set_random_seed(0)
    tutorial = script.tutorial_network(5)
    network = models.pixelcnn((5, 5, 1), filters=script.FILTERS, depth=script.DEPTH)
    network.set_weights(tutorial.get_weights())
    uniforms = np.random.default_rng(0).random((3, 5, 5, 1), dtype="float32")
    drawn = script.tutorial_loop(tutorial, uniforms)
    np.testing.assert_array_equal(
        drawn, generation.generate(network, 3, uniforms=uniforms)
    )
    assert 0 < drawn.mean() < 1


@pytest.mark.parametrize("name", ["package", "tutorial", "pytorch", "matrix product"])
def test_a_contender_trains_in_turns(name, monkeypatch):
    if name == "pytorch" and not importlib.util.find_spec("torch"):
        pytest.skip("PyTorch, which nothing but this benchmark needs, is not installed")
    contender = load("training", monkeypatch).Contender(name, filters=4, batch=1024)
    try:
        contender.take_turn()
        contender.take_turn()
    finally:
        contender.end()
    assert all(seconds > 0 for seconds, *_ in contender.turns)
    assert len(contender.turns) == 2


def test_a_contender_that_fails_is_named(monkeypatch):
    odd = 3  # filters, which a residual block refuses
    contender = load("training", monkeypatch).Contender("package", odd, 1024)
    with pytest.raises(RuntimeError, match="'filters': 3"):
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

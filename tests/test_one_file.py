"""The network in one file: equal to the package's, and complete without the package."""

import ast
import os
import subprocess
import sys
from pathlib import Path

from pixelcnn_edu import causality, generation, masks, models, one_file

import keras
import numpy as np
import pytest

FILE = Path(one_file.__file__)


def network():
    """The one file's network, with random weights."""
    keras.utils.set_random_seed(0)
    small = one_file.pixelcnn((10, 10, 1), filters=8, depth=2)
    rng = np.random.default_rng(0)
    small.set_weights([rng.normal(0, 0.4, w.shape) for w in small.get_weights()])
    return small


@pytest.fixture(scope="module")
def twins():
    """The one file's network and the package's, with the same weights."""
    small, arguments = network(), {"activation": "relu", "position": True}
    ours = models.pixelcnn((10, 10, 1), filters=8, depth=2, **arguments)
    ours.set_weights(small.get_weights())
    return small, ours


def test_it_is_at_most_200_lines_and_imports_keras_numpy_and_the_standard_library():
    text = FILE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    assert names <= {"keras", "numpy", *sys.stdlib_module_names}


def test_its_logits_are_the_package_s(twins):
    small, ours = twins
    images = one_file.binarize(np.full((16, 10, 10, 1), 0.5), seed=0)
    logits = [model.predict(images, verbose=0) for model in (small, ours)]
    assert np.abs(logits[0]).max() > 1
    np.testing.assert_allclose(*logits, rtol=0, atol=1e-5)
    nats = one_file.nats_per_image(images, logits[0])
    expected = -ours.likelihood.log_prob(logits[1], images)
    np.testing.assert_allclose(nats, expected, rtol=1e-6)


def test_it_draws_the_same_sixteen_images_from_the_same_numbers(twins):
    small, ours = twins
    uniforms = np.random.default_rng(0).random((16, 10, 10, 1), dtype="float32")
    drawn = one_file.sample(small, uniforms)
    assert 0.1 < drawn.mean() < 0.9
    expected = generation.generate(ours, 16, uniforms=uniforms)
    np.testing.assert_array_equal(drawn, expected)


def test_a_kernel_that_is_not_square_has_the_mask_of_the_package():
    for size in ((1, 3), (3, 1), (5, 3)):
        for kind in "AB":
            mask = one_file.causal_mask(size, kind)
            np.testing.assert_array_equal(mask, masks.causal_mask(size, kind))
        image = keras.Input((4, 5, 1))
        layer = one_file.MaskedConv2D(1, size, "A", kernel_initializer="ones")
        causality.assert_causal(keras.Model(image, layer(image)))


def test_it_is_causal_and_mask_b_in_the_first_layer_is_caught(monkeypatch):
    causality.assert_causal(network())
    with_type = one_file.causal_mask
    monkeypatch.setattr(one_file, "causal_mask", lambda size, _: with_type(size, "B"))
    with pytest.raises(AssertionError, match="own input value"):
        causality.assert_causal(network())


def test_masked_weights_get_no_gradient_and_a_saved_model_is_the_same(tmp_path):
    small = one_file.pixelcnn((6, 6, 1), filters=8, depth=1)
    before = [w.copy() for w in small.get_weights()]
    gray = np.random.default_rng(0).random((64, 6, 6, 1), dtype="float32")
    one_file.train(small, gray, epochs=1)
    mask = one_file.causal_mask((7, 7), "A")[..., 0, 0].astype(bool)
    moved = (small.get_weights()[0] != before[0]).any(axis=(2, 3))
    np.testing.assert_array_equal(moved, mask)
    small.save(tmp_path / "small.keras")
    loaded = keras.models.load_model(tmp_path / "small.keras")
    np.testing.assert_array_equal(loaded.predict(gray), small.predict(gray))


def test_every_image_is_trained_on_and_a_few_images_are_enough():
    images = np.arange(5 * 4, dtype="float32").reshape(5, 2, 2, 1) % 2
    for size in (2, 5, 32):
        batches = one_file.Batches(images, size)
        seen = np.concatenate([batches[i][0] for i in range(len(batches))])
        assert sorted(map(bytes, seen)) == sorted(map(bytes, images))
    model = one_file.pixelcnn((2, 2, 1), filters=2, depth=1)
    history = one_file.train(model, images, epochs=1)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("height", [2, 3])
def test_each_character_shows_two_pixels_and_the_last_row_may_have_no_partner(
    height, capsys
):
    columns = np.float32([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    images = columns[:, :height].T[None, ..., None]
    one_file.show(np.repeat(images, 5, axis=0))
    above = " ▄▀█"
    lines = [above, " ▀▀ "][: -(-height // 2)]
    assert capsys.readouterr().out.split("\n") == [
        *(line * 4 for line in lines),
        *lines,
        "",
    ]


def test_a_copy_in_an_empty_folder_trains_and_draws_without_the_package(tmp_path):
    text = FILE.read_text("utf-8")
    small = {"= pixelcnn()": "= pixelcnn(filters=4, depth=1)", "((16, 28,": "((4, 28,"}
    for was, now in small.items():  # a smaller network, and fewer digits
        assert text.count(was) == 1
        text = text.replace(was, now)
    (tmp_path / "one_file.py").write_text(text, "utf-8")
    (tmp_path / "pixelcnn_edu.py").write_text(
        "raise ImportError('not here')\n", "utf-8"
    )
    pixels = np.random.default_rng(0).integers(0, 256, (64, 28, 28), dtype="uint8")
    np.savez(tmp_path / "digits.npz", x_train=pixels, x_test=pixels[:16])
    done = subprocess.run(
        [sys.executable, "one_file.py", "digits.npz", "1"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert "nats per image on 16 test digits" in done.stdout
    assert len(done.stdout.splitlines()[-1]) == 4 * 28  # four digits side by side
    left = {"one_file.py", "pixelcnn_edu.py", "digits.npz", "one_file.keras"}
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == left
    assert "goes to one_file.keras" in one_file.__doc__


def test_it_replaces_no_network_of_an_earlier_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(one_file, "train", lambda *_: pytest.fail("trained"))
    (tmp_path / "one_file.keras").write_bytes(b"an earlier network")
    with pytest.raises(SystemExit, match="one_file.keras exists"):
        one_file.main("digits.npz", 1)
    (tmp_path / "one_file.keras").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SystemExit, match="the folder is read-only"):
        one_file.main("digits.npz", 1)


def test_digits_of_0_and_1_have_ink(tmp_path, monkeypatch):
    def stop(model, images, epochs):
        raise RuntimeError(f"the brightest pixel is {images.max()}")

    monkeypatch.setattr(one_file, "train", stop)
    for ink in (1, 255):
        pixels = np.zeros((64, 28, 28), "uint8")
        pixels[:, 5] = ink
        np.savez(tmp_path / "digits.npz", x_train=pixels, x_test=pixels)
        with pytest.raises(RuntimeError, match="pixel is 1.0"):
            one_file.main(tmp_path / "digits.npz", 1)


def test_test_digits_are_divided_by_what_training_digits_are_divided_by(
    tmp_path, monkeypatch
):
    """A gray of 120 was 120/255 in training, and 1.0 in the test."""

    def note(images, seed):
        seen.append(np.unique(images))
        raise RuntimeError("that is enough")

    def train(model, images, epochs):
        seen.append(np.unique(images))

    seen, gray = [], np.full((8, 28, 28), 120, "uint8")
    monkeypatch.setattr(one_file, "train", train)
    monkeypatch.setattr(one_file, "binarize", note)
    monkeypatch.setattr(keras.Model, "save", lambda self, path: None)
    bright = gray.copy()
    bright[0] = 240
    np.savez(tmp_path / "digits.npz", x_train=bright, x_test=gray)
    with pytest.raises(RuntimeError, match="enough"):
        one_file.main(tmp_path / "digits.npz", 1)
    assert [list(values) for values in seen] == [[0.5, 1], [0.5]]


def test_images_of_another_form_are_refused_before_training(tmp_path):
    for pixels in (np.zeros((64, 28, 28, 1), "uint8"), np.zeros((64, 28, 28))):
        np.savez(tmp_path / "digits.npz", x_train=pixels, x_test=pixels)
        with pytest.raises(SystemExit, match="Expected uint8"):
            one_file.main(tmp_path / "digits.npz", 1)

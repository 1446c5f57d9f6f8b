"""The bundled clothes: what they are, and that they are the ones that were built."""

import hashlib
import runpy
from pathlib import Path

from pixelcnn_edu import data

import numpy as np
import pytest

BUNDLED = data.BUNDLED.with_name("clothes.npz")
TOOL = Path(__file__).parents[1] / "tools" / "build_clothes.py"
SHA256 = "f2b1429c72554e4da0ea802edb940251ee5b0bbb37553fcbf2fb75acd70dc860"


def test_there_are_ten_of_each_kind_and_one_more_to_train_on():
    (x_train, y_train), (x_test, y_test) = data.load_mnist(BUNDLED)
    assert x_train.shape == (10, 28, 28, 1) and x_test.shape == (100, 28, 28, 1)
    assert list(y_train) == list(range(10))
    assert list(np.bincount(y_test)) == [10] * 10
    assert 0 <= x_test.min() < 0.01 and 0.9 < x_test.max() <= 1
    assert len(np.unique(x_test.reshape(100, -1), axis=0)) == 100


def test_the_file_is_the_one_that_was_built():
    assert hashlib.sha256(BUNDLED.read_bytes()).hexdigest() == SHA256


def test_their_license_lies_beside_them():
    text = BUNDLED.with_suffix(".txt").read_text("utf-8")
    assert "MIT" in text and "Copyright (c) 2017 Zalando SE" in text


@pytest.fixture
def built(tmp_path, monkeypatch):
    """The tool, which writes into a folder of this test, and a folder of images."""
    rng = np.random.default_rng(0)
    kinds = np.tile(np.arange(10, dtype="uint8"), 12)
    images = rng.integers(0, 256, (120, 28, 28), dtype="uint8")
    source = tmp_path / "source.npz"
    np.savez(source, x_train=images, y_train=kinds, x_test=images, y_test=kinds)
    main = runpy.run_path(str(TOOL))["main"]
    monkeypatch.setitem(main.__globals__, "OUT", tmp_path / "clothes.npz")
    main(source)
    return images, tmp_path / "clothes.npz", lambda: main(source)


def test_the_tool_keeps_the_first_of_each_kind_and_no_gray_changes(built, capsys):
    images, out, build_again = built
    (x_train, _), (x_test, y_test) = data.load_mnist(out)
    assert (np.round(x_train[..., 0] * 255) == images[:10]).all()
    first_of_kind_3 = x_test[y_test == 3][..., 0] * 255
    assert (np.round(first_of_kind_3) == images[3:103:10]).all()
    before = out.read_bytes()
    build_again()
    assert out.read_bytes() == before

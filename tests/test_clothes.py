"""The bundled clothes: what they are, and that they are the ones that were built."""

import hashlib

from pixelcnn_edu import data

import numpy as np

BUNDLED = data.BUNDLED.with_name("clothes.npz")
SHA256 = "f2b1429c72554e4da0ea802edb940251ee5b0bbb37553fcbf2fb75acd70dc860"


def test_there_are_ten_of_each_kind_and_one_more_to_train_on():
    (x_train, y_train), (x_test, y_test) = data.load_mnist(BUNDLED)
    assert x_train.shape == (10, 28, 28, 1) and x_test.shape == (100, 28, 28, 1)
    assert list(y_train) == list(range(10))
    assert list(np.bincount(y_test)) == [10] * 10
    assert 0 <= x_test.min() < 0.01 and 0.9 < x_test.max() <= 1
    assert len(np.unique(x_test.reshape(100, -1), axis=0)) == 100


def test_the_file_is_the_one_that_was_built_and_its_license_lies_beside_it():
    assert hashlib.sha256(BUNDLED.read_bytes()).hexdigest() == SHA256
    text = BUNDLED.with_suffix(".txt").read_text("utf-8")
    assert "MIT" in text and "Copyright (c) 2017 Zalando SE" in text

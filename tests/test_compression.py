"""Compression: what goes in comes out, at the size the probabilities promise."""

import functools
import math
import sys

from pixelcnn_edu import compression, evaluation, generation
from pixelcnn_edu.compression import (
    choose_values,
    code_length,
    compress,
    decompress,
    quantize,
)
from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, logits_function

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from test_evaluation import random_model, randomize

pytest.importorskip("constriction")

HEADER = 21
CASES = {
    "binary": ((5, 4, 1), Bernoulli(), {}),
    "color, in order": ((3, 4, 3), Categorical(4), {}),
    "color, mixture": ((3, 4, 3), DiscretizedLogisticMixture(2, 8), {}),
    "gated": ((5, 5, 1), Bernoulli(), {"builder": gated_pixelcnn}),
    "labels": ((4, 4, 1), Categorical(3), {"builder": gated_pixelcnn, "labels": 3}),
    "256 levels": ((3, 3, 1), DiscretizedLogisticMixture(2, 256), {}),
}


def model_of(case, seed=0):
    shape, likelihood, how = CASES[case]
    how = dict(how)
    classes = how.pop("labels", None)
    if classes:
        how["num_classes"] = classes
    return random_model(shape, likelihood, seed, **how)


@functools.cache
def shared(case):
    """A model that is the same in every test, so that its loops are compiled once."""
    return model_of(case)


def copy_of(model):
    """Return an equal model, of which nothing is compiled."""
    copy = ImageModel.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def labels_of(model, count):
    return np.arange(count) % model.num_classes if len(model.inputs) > 1 else None


def images_of(model, count, seed=0):
    """Half of them drawn from the model, half with every level alike."""
    half = -(-count // 2)
    how = {"labels": labels_of(model, half), "method": "fixed_point"}
    likely = generation.generate(model, half, seed=seed, **how)
    levels = model.likelihood.levels
    shape = (count // 2, *likely.shape[1:])
    any_ = np.random.default_rng(seed).integers(0, levels, shape)
    return np.concatenate([likely, (any_ / (levels - 1)).astype("float32")])


def trivial(shape=(3, 3, 1)):
    """One weight, and logits that depend on the pixel to the left."""
    image = keras.Input(shape)
    out = MaskedConv2D(1, (1, 3), "A")(image)
    model = ImageModel(image, out, likelihood=Bernoulli())
    model.set_weights([np.full(w.shape, 0.7) for w in model.get_weights()])
    return model


shared_trivial = functools.cache(trivial)


# ------------------------------------------------------------------ the round trip


@pytest.mark.parametrize(
    ("case", "method"),
    [*((case, "cached") for case in CASES), ("labels", "naive")],
)
def test_images_come_back_equal_at_the_size_the_probabilities_promise(case, method):
    model = shared(case)
    images = images_of(model, 7)
    how = {"labels": labels_of(model, 7)}
    data = compress(model, images, method=method, **how)
    again = decompress(model, data, **how)
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, images)
    bits = code_length(model, images, method=method, **how)
    assert bits.shape == (7,)
    # the range coder ends with up to two words of 32 bits
    assert bits.sum() <= 8 * (len(data) - HEADER) <= 1.001 * bits.sum() + 64
    # of images drawn from the model; elsewhere a count of 1 may stand for much less
    nats = evaluation.nats_per_image(model, images, **how)[:4]
    slack = 0.01 * math.prod(images.shape[1:])  # counts have 16 bits
    np.testing.assert_allclose(bits[:4], nats / math.log(2), rtol=0.01, atol=slack)


def test_more_images_than_a_slice_holds_and_a_single_one():
    model = shared_trivial()
    images = images_of(model, 300)
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)
    one = images[:1]
    np.testing.assert_array_equal(decompress(model, compress(model, one)), one)


def test_a_copy_of_the_model_decodes():
    model = shared("gated")
    images = images_of(model, 5)
    data = compress(model, images)
    np.testing.assert_array_equal(decompress(copy_of(model), data), images)


def test_one_label_for_all_is_a_label_for_each():
    model = shared("labels")
    images = images_of(model, 4)
    data = compress(model, images, labels=2)
    again = decompress(model, data, labels=np.full(4, 2))
    np.testing.assert_array_equal(again, images)


def test_a_model_that_leaves_its_size_open():
    image = keras.Input((None, None, 1))
    x = MaskedConv2D(4, 3, "A", activation="tanh")(image)
    model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    images = np.random.default_rng(0).integers(0, 2, (3, 6, 5, 1)).astype("float32")
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)
    with pytest.raises(ValueError, match="image_shape"):
        choose_values(model, 1, lambda counts: np.zeros(1, int))


def test_a_model_that_would_see_its_own_pixel_is_asked_without_it():
    image = keras.Input((4, 4, 1))
    model = ImageModel(image, MaskedConv2D(1, 3, "B")(image), likelihood=Bernoulli())
    randomize(model)
    images = np.random.default_rng(0).integers(0, 2, (3, 4, 4, 1)).astype("float32")
    for method in compression.METHODS:
        data = compress(model, images, method=method)
        np.testing.assert_array_equal(decompress(model, data), images)


def test_a_model_without_a_likelihood_and_a_layer_that_cannot_be_cached():
    image = keras.Input((4, 4, 1))
    x = MaskedConv2D(4, 3, "A")(image)
    x = layers.Lambda(lambda y: keras.ops.tanh(y), output_shape=(4, 4, 4))(x)
    model = keras.Model(image, MaskedConv2D(1, 1)(x))
    images = np.random.default_rng(0).integers(0, 2, (3, 4, 4, 1)).astype("float32")
    how = {"likelihood": Bernoulli()}
    with pytest.raises(ValueError, match="Lambda"):
        compress(model, images, **how)
    data = compress(model, images, method="naive", **how)
    np.testing.assert_array_equal(decompress(model, data, **how), images)
    with pytest.raises(ValueError, match="likelihood="):
        compress(model, images)


# ------------------------------------------------------------------ choose_values


@pytest.mark.parametrize("case", CASES)
def test_values_are_chosen_with_the_model_s_own_probabilities(case):
    model, count = shared(case), 5
    images, labels = images_of(model, count), labels_of(model, count)
    levels = model.likelihood.levels
    values = np.round(images * (levels - 1)).astype(int)
    values = np.moveaxis(values, 0, -1).reshape(-1, count)
    inputs = [images] if labels is None else [images, labels]
    logits = logits_function(model)(*inputs)
    p = np.asarray(model.likelihood.probabilities(logits, images))
    p = np.moveaxis(p, 0, -2).reshape(-1, count, levels)
    for method in compression.METHODS:
        asked = []

        def know(counts, asked=asked):
            asked.append(counts)
            return values[len(asked) - 1]

        again = choose_values(model, count, know, labels=labels, method=method)
        np.testing.assert_array_equal(again, images)
        # up to rounding: a full pass computes the same numbers in another order
        assert abs(np.array(asked) - quantize(p)).max() <= levels


def test_counts_sum_to_the_total_that_was_asked_for():
    sums = []

    def ask(counts):
        sums.append(counts.sum(axis=1).tolist())
        return np.zeros(2, int)

    choose_values(shared_trivial(), 2, ask, total=100)
    assert sums == [[100, 100]] * 9


def test_random_answers_draw_from_the_model():
    model, rng = shared("binary"), np.random.default_rng(0)

    def draw(counts):
        return (rng.random(len(counts)) >= counts[:, 0] / compression.TOTAL).astype(int)

    ink = choose_values(model, 2000, draw).mean(axis=(0, 3))
    drawn = generation.generate(model, 2000, seed=1, method="fixed_point").mean(
        axis=(0, 3)
    )
    assert abs(ink - drawn).max() < 5 * math.sqrt(2 * 0.25 / 2000)


def test_values_are_asked_for_in_order_where_pixels_do_not_wait_for_each_other():
    # no pixel depends on its own row, so nothing but the order itself forbids a race
    image = keras.Input((6, 40, 1))
    x = StackConv2D(8, 3, "vertical", "A")(image)
    model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    images = images_of(model, 30)
    for _ in range(3):
        np.testing.assert_array_equal(
            decompress(model, compress(model, images)), images
        )


@pytest.mark.parametrize(
    "answer",
    [
        lambda counts: np.zeros(3, int),
        lambda counts: np.full(len(counts), 2),
        lambda counts: np.full(len(counts), -1),
        lambda counts: np.zeros(len(counts)),
        lambda counts: None,
    ],
)
def test_an_answer_that_is_no_level_is_named(answer):
    for method in compression.METHODS:
        with pytest.raises(ValueError, match=r"integers of shape \(2,\), from 0 to 1"):
            choose_values(shared_trivial(), 2, answer, method=method)


def test_an_error_inside_choose_arrives_as_itself_and_leaves_the_model_usable():
    class Mine(Exception):
        pass

    def fail(counts):
        raise Mine

    model = trivial()
    for method in compression.METHODS:
        with pytest.raises(Mine):
            choose_values(model, 2, fail, method=method)
    images = images_of(model, 2)
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)


# ------------------------------------------------------------------ interruptions


# ------------------------------------------------------------------ quantize


@settings(max_examples=60)
@given(
    weights=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40),
    total=st.integers(40, 2**20),
)
def test_counts_are_at_least_one_sum_to_total_and_lie_close(weights, total):
    if sum(weights) < 1e-6:
        weights[0] = 1.0
    counts = quantize(weights, total)
    p = np.array(weights, float) / sum(map(float, weights))
    assert counts.min() >= 1 and counts.sum() == total
    k = len(weights)
    assert (counts >= np.floor(p * (total - k))).all()
    assert (abs(counts - p * total) <= k + 1).all()


def test_rows_are_turned_into_counts_one_by_one():
    p = np.random.default_rng(0).dirichlet(np.ones(5), (3, 4))
    counts = quantize(p, 100)
    assert counts.shape == p.shape and counts.dtype == np.int64
    for at in np.ndindex(3, 4):
        np.testing.assert_array_equal(counts[at], quantize(p[at], 100))


def test_the_largest_total_is_divided_exactly():
    counts = quantize([0.25, 0.75], 2**53)
    assert counts.sum() == 2**53 and abs(int(counts[0]) - 2**51) <= 1


@pytest.mark.parametrize(
    ("p", "total", "words"),
    [
        ([0.5, np.nan], 16, "finite"),
        ([0.5, -0.1], 16, "not negative"),
        ([0.0, 0.0], 16, "not all 0"),
        (0.5, 16, "probabilities"),
        ([0.5, 0.5, 0.5], 2, "total >= 3"),
        ([0.5, 0.5], 1.5, "total"),
        ([0.5, 0.5], 2**63, r"total <= 2\*\*53"),
    ],
)
def test_what_cannot_become_counts_is_named(p, total, words):
    with pytest.raises(ValueError, match=words):
        quantize(p, total)


# ------------------------------------------------------------------ what is wrong is named

# ------------------------------------------------------------------ what is wrong is named


def test_data_that_is_damaged_cut_or_something_else_is_named():
    model = shared_trivial()
    data = compress(model, images_of(model, 16))
    assert compression._HEADER.size == HEADER
    for place in (0, 4, HEADER - 1, HEADER + 1):
        damaged = bytearray(data)
        damaged[place] ^= 16
        with pytest.raises(ValueError, match="Expected .*Received"):
            decompress(model, bytes(damaged))
    for other in (data[:10], data[:-3], b"GIF89a", "text", None):
        with pytest.raises(ValueError, match="Expected data .*Received"):
            decompress(model, other)


def test_another_model_and_other_labels_are_named():
    model = shared("labels")
    images, labels = images_of(model, 12), labels_of(model, 12)
    data = compress(model, images, labels=labels)
    other = copy_of(model)
    randomize(other, 1)
    for wrong, classes in [(model, labels[::-1]), (other, labels)]:
        with pytest.raises(ValueError, match="Expected images of checksum"):
            decompress(wrong, data, labels=classes)
    with pytest.raises(ValueError, match="Expected labels"):
        decompress(model, data)
    with pytest.raises(ValueError, match="Expected data of the model's images"):
        decompress(shared_trivial(), data)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.zeros((2, 4, 4, 1))}, "images of shape"),
        ({"images": np.full((2, 3, 3, 1), 0.5)}, "levels"),
        ({"images": np.zeros((0, 3, 3, 1))}, "at least one image"),
        ({"labels": 1}, "no labels"),
        ({"method": "fixed_point"}, "method"),
        ({"likelihood": 3}, "likelihood"),
    ],
)
def test_bad_arguments_are_named(change, words):
    good = {"model": shared_trivial(), "images": np.zeros((2, 3, 3, 1))}
    for function in (compress, code_length):
        with pytest.raises(ValueError, match=words):
            function(**{**good, **change})


@pytest.mark.parametrize("count", [0, 1.5, None])
def test_a_count_that_is_none_is_named(count):
    with pytest.raises(ValueError, match="count"):
        choose_values(shared_trivial(), count, lambda counts: np.zeros(1, int))


def test_without_constriction_an_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match="pip install constriction.*Linux on ARM"):
        compress(shared_trivial(), np.zeros((2, 3, 3, 1)))
    # the probabilities need no coder
    assert code_length(shared_trivial(), np.zeros((2, 3, 3, 1))).shape == (2,)


# ------------------------------------------------------------------ planted bugs


def encode_with(monkeypatch, bug):
    """Let only the encoder run with a bug; return the model, the images and the data."""
    model = shared("binary")
    images = images_of(model, 16)
    with monkeypatch.context() as patch:
        bug(patch)
        data = compress(model, images)
    return model, images, data


def one_pixel_off(patch):
    """The encoder writes each value with the probabilities of the one before."""
    quantized, last = compression.quantize, []

    def late(p, total=compression.TOTAL):
        last.append(quantized(p, total))
        return last[max(0, len(last) - 2)]

    patch.setattr(compression, "quantize", late)


def in_another_order(patch):
    """The encoder goes through the images one by one, column by column."""
    original = compression._in_order

    def columns_first(images, levels):
        return original(np.swapaxes(images, 1, 2), levels)

    patch.setattr(compression, "_in_order", columns_first)


def one_count_more(patch):
    """One of the probabilities is 1/65,536 larger, at one value of one image."""
    quantized, calls = compression.quantize, []

    def nudged(p, total=compression.TOTAL):
        counts = quantized(p, total)
        calls.append(1)
        if len(calls) == 9:
            step = 1 if counts[3, 0] < counts[3, 1] else -1
            counts[3] += [step, -step]
        return counts

    patch.setattr(compression, "quantize", nudged)


@pytest.mark.parametrize("bug", [one_pixel_off, in_another_order, one_count_more])
def test_an_encoder_with_other_probabilities_is_caught(monkeypatch, bug):
    model, images, data = encode_with(monkeypatch, bug)
    with pytest.raises(ValueError, match="Expected images of checksum.*another way"):
        decompress(model, data)
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)

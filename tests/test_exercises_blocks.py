"""The checks of notebook 04: right answers accepted, classic mistakes named."""

from pixelcnn_edu.exercises import blocks as checks
from pixelcnn_edu.layers import MaskedConv2D, ResidualBlock
from pixelcnn_edu.models import pixelcnn

import keras
import numpy as np
import pytest


def block_weights(filters):
    half = filters // 2
    return 13 * half**2 + 8 * half


def by_building(filters):
    x = keras.Input((28, 28, filters))
    return keras.Model(x, ResidualBlock(filters)(x)).count_params()


@pytest.mark.parametrize("answer", [block_weights, by_building])
def test_a_right_count_of_weights_is_accepted(answer):
    assert checks.block_weights(answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda f: block_weights(f) - 2 * f, "2 · filters"),
        (lambda f: block_weights(f) - 4 * f, "Biases and slopes"),
        (lambda f: block_weights(f) - f // 2 - 2 * f, "the PReLUs their slopes"),
        (lambda f: block_weights(f) - f // 2, "h numbers are missing"),
        (lambda f: block_weights(f) - 4 * (f // 2) ** 2, "5 of 9"),
        (lambda f: block_weights(f) - 4 * (f // 2) ** 2 - 2 * f, "and no slopes"),
        (lambda f: f * f + 9 * f * f + f // 2 + 2 * f + 2 * f, "all of them"),
        (lambda f: block_weights(f) + 783 * 2 * f, "one slope per pixel"),
        (lambda f: block_weights(f) - 2 * f + 3, "single slope"),
        (lambda f: block_weights(f) + f, "2h + h + h"),
        (lambda f: 1, "another number"),
        (lambda f: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_wrong_count_of_weights_is_named(answer, words):
    verdict = checks.block_weights(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def build(
    x,
    *,
    activation=None,
    middle=None,
    end=None,
    half=None,
):
    """The right block, of which a test changes one part."""
    activation = activation or (lambda y: keras.layers.PReLU(shared_axes=[1, 2])(y))
    filters = x.shape[-1]
    half = half or filters // 2
    middle = middle or MaskedConv2D(half, 3, mask_type="B")
    y = keras.layers.Conv2D(half, 1)(activation(x))
    y = middle(activation(y))
    y = keras.layers.Conv2D(filters, 1)(activation(y))
    return end(x, y) if end else keras.layers.add([x, y])


def with_relu(x):
    return build(x, activation=keras.layers.ReLU())


def with_dense(x):
    y = keras.layers.Dense(x.shape[-1] // 2)(keras.layers.ReLU()(x))
    y = MaskedConv2D(x.shape[-1] // 2, 3)(keras.layers.ReLU()(y))
    return keras.layers.Dense(x.shape[-1])(keras.layers.ReLU()(y)) + x


@pytest.mark.parametrize(
    "answer", [build, lambda x: ResidualBlock(x.shape[-1])(x), with_relu, with_dense]
)
def test_a_right_block_is_accepted(answer):
    assert checks.residual_block(answer).passed, checks.residual_block(answer).text


def activated_input_added(x):
    x = keras.layers.PReLU(shared_axes=[1, 2])(x)
    y = keras.layers.Conv2D(x.shape[-1] // 2, 1)(x)
    y = keras.layers.PReLU(shared_axes=[1, 2])(y)
    y = MaskedConv2D(x.shape[-1] // 2, 3)(y)
    y = keras.layers.PReLU(shared_axes=[1, 2])(y)
    return keras.layers.add([x, keras.layers.Conv2D(x.shape[-1], 1)(y)])


def without_prelu(x, missing):
    """The right block without its PReLU number 0, 1 or 2."""
    count = iter(range(3))

    def activation(y):
        if next(count) == missing:
            return y
        return keras.layers.PReLU(shared_axes=[1, 2])(y)

    return build(x, activation=activation)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_prelu_is_named(missing):
    verdict = checks.residual_block(lambda x: without_prelu(x, missing))
    assert verdict.status == "wrong"
    assert "One PReLU stands before each" in verdict.text


def test_a_single_unshared_prelu_is_named():
    def answer(x):
        shared = iter([[1, 2], None, [1, 2]])
        return build(
            x, activation=lambda y: keras.layers.PReLU(shared_axes=next(shared))(y)
        )

    assert "one slope per pixel" in checks.residual_block(answer).text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: build(x, activation=lambda y: y), "Nothing bends"),
        (
            lambda x: build(x, end=lambda x, y: keras.layers.ReLU()(x + y)),
            "activation after the sum",
        ),
        (activated_input_added, "input after its activation"),
        (
            lambda x: build(x, end=lambda x, y: keras.layers.concatenate([x, y])),
            "concatenated, not added",
        ),
        (
            lambda x: build(x, middle=keras.layers.Conv2D(4, 3, padding="same")),
            "the 3×3 is unmasked",
        ),
        (
            lambda x: build(x, activation=lambda y: keras.layers.PReLU()(y)),
            "shared_axes",
        ),
        (lambda x: build(x, end=lambda x, y: y), "The input is not added"),
        (
            lambda x: build(x, end=lambda x, y: keras.layers.add([x, x, y])),
            "added twice",
        ),
        (lambda x: build(x, middle=MaskedConv2D(4, 3, "A")), "type A"),
        (lambda x: build(x, middle=keras.layers.Conv2D(4, 1)), "No neighbor"),
        (lambda x: build(x, middle=MaskedConv2D(4, 5)), "other pixels"),
        (
            lambda x: build(
                x,
                middle=keras.layers.Conv2D(4, 3, strides=3, padding="same"),
                end=lambda x, y: y,
            ),
            "Height and width",
        ),
        (lambda x: build(x, half=x.shape[-1]), "should halve them"),
        (
            lambda x: build(x, middle=MaskedConv2D(4, 3, use_bias=False)),
            "has no bias",
        ),
        (lambda x: build(x, end=lambda x, y: x), "back to all channels"),
        (lambda x: keras.layers.Conv2D(4, 1)(x), "number of channels"),
        (lambda x: keras.layers.add, "not a Keras tensor"),
        (lambda x: keras.layers.Conv2D(4, 1, 1)(3), "Your code raised"),
    ],
)
def test_a_wrong_block_is_named(answer, words):
    verdict = checks.residual_block(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def prelu_gradients(x, slope, upstream):
    grad_slope = (upstream * np.minimum(x, 0)).sum(axis=(0, 1, 2))
    return upstream * np.where(x > 0, 1, slope), grad_slope


def by_tape(x, slope, upstream):
    import tensorflow as tf

    x, slope = tf.constant(x), tf.constant(slope)
    with tf.GradientTape() as tape:
        tape.watch([x, slope])
        loss = tf.reduce_sum(upstream * (tf.nn.relu(x) - slope * tf.nn.relu(-x)))
    return tuple(tape.gradient(loss, [x, slope]))


@pytest.mark.parametrize("answer", [prelu_gradients, by_tape])
def test_right_gradients_are_accepted(answer):
    assert checks.prelu_gradients(answer).passed


def test_the_gradients_are_those_of_keras():
    import tensorflow as tf

    x, upstream = np.random.default_rng(0).normal(size=(2, 2, 3, 4, 5))
    layer = keras.layers.PReLU(shared_axes=[1, 2], dtype="float64")
    layer.build(x.shape)
    layer.set_weights([np.full((1, 1, 5), 0.25)])
    x_tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x_tensor)
        loss = tf.reduce_sum(layer(x_tensor) * upstream)
    by_keras = tape.gradient(loss, [x_tensor, layer.trainable_variables[0]])
    grad_x, grad_slope = prelu_gradients(x, np.full(5, 0.25), upstream)
    assert np.allclose(by_keras[0], grad_x)
    assert np.allclose(by_keras[1][0, 0], grad_slope)


def of_x(x, s, u):
    return prelu_gradients(x, s, u)[0]


def of_slope(x, s, u):
    return prelu_gradients(x, s, u)[1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda x, s, u: (np.where(x > 0, 1, s), of_slope(x, s, u)),
            "grad_x: upstream",
        ),
        (lambda x, s, u: (u * (x > 0), of_slope(x, s, u)), "ReLU's"),
        (lambda x, s, u: (u * np.where(x > 0, s, 1), of_slope(x, s, u)), "exchanged"),
        (
            lambda x, s, u: (u * np.where(x > 0, x, s * x), of_slope(x, s, u)),
            "not its derivative",
        ),
        (lambda x, s, u: (x, of_slope(x, s, u)), "grad_x is another"),
        (lambda x, s, u: (of_x(x, s, u), u * np.minimum(x, 0)), "per pixel"),
        (
            lambda x, s, u: (of_x(x, s, u), (u * np.minimum(x, 0)).sum(0)),
            "images only",
        ),
        (
            lambda x, s, u: (of_x(x, s, u), (u * np.minimum(x, 0)).mean((0, 1, 2))),
            "a mean",
        ),
        (
            lambda x, s, u: (of_x(x, s, u), np.minimum(x, 0).sum((0, 1, 2))),
            "grad_slope: upstream",
        ),
        (lambda x, s, u: (of_x(x, s, u), (u * x).sum((0, 1, 2))), "positive inputs"),
        (
            lambda x, s, u: (of_x(x, s, u), (u * (x < 0)).sum((0, 1, 2))),
            "min(0, x), not 1",
        ),
        (
            lambda x, s, u: (of_x(x, s, u), (u * np.minimum(x, 0)).sum()),
            "one number for all channels",
        ),
        (lambda x, s, u: of_x(x, s, u), "Two arrays"),
        (lambda x, s, u: x @ u, "Your code raised"),
    ],
)
def test_wrong_gradients_are_named(answer, words):
    verdict = checks.prelu_gradients(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize(
    "judge", [checks.block_weights, checks.residual_block, checks.prelu_gradients]
)
@pytest.mark.parametrize("blank", [..., lambda *args: ..., lambda *args: None])
def test_a_blank_is_not_yet(judge, blank):
    verdict = judge(blank)
    assert verdict.status == "not yet"
    assert "Not yet" in verdict.text


def test_half_of_the_gradients_is_not_yet():
    verdict = checks.prelu_gradients(lambda x, s, u: (of_x(x, s, u), ...))
    assert verdict.status == "not yet"


def test_the_numbers_of_the_seed_post():
    shared = pixelcnn(filters=128, depth=6).count_params()
    assert shared == 6400 + 6 * block_weights(128) + 2 * (128**2 + 128) + 384 + 129
    assert shared == 362_497
    slopes = 6 * (128 + 64 + 64) + 3 * 128
    assert slopes == 1_920
    assert slopes * 784 == 1_505_280
    assert shared + 783 * slopes == 1_865_857

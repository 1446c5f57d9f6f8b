"""Other right answers pass too, and the right ones agree with Keras and the package."""

from pixelcnn_edu import exercises
from pixelcnn_edu.layers import MaskedConv2D, ResidualBlock
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.models import pixelcnn

import keras
import numpy as np
import pytest

ALSO_RIGHT = []


def also_right(name):
    """Mark a function as another right answer of an exercise."""

    def mark(function):
        ALSO_RIGHT.append(
            pytest.param(name, function, id=f"{name}-{function.__name__}")
        )
        return function

    return mark


# Notebook 00


also_right("fair_coins")(lambda height, width: [-height * width * np.log(0.5)])
also_right("place")(lambda row, col, width: np.arange(999)[row * width + col])


@also_right("first_ink")
def by_loop(images):
    places = []
    for image in images:
        ink = np.flatnonzero(image)
        places.append(ink[0] if len(ink) else image.size)
    return places


# Notebook 01


@also_right("image_nats")
def nats_in_float32(p, x):
    total = np.float32(0)
    for chance, value in zip(p.ravel(), x.ravel(), strict=True):
        total -= np.log(np.float32(chance if value else 1 - chance))
    return total


@also_right("chain")
def chain_by_tables(joint, x):
    a, b, c = x
    pair = joint.sum(axis=2)
    single = pair.sum(axis=1)
    return np.array([single[a], pair[a, b] / single[a], joint[a, b, c] / pair[a, b]])


@also_right("draw_pixels")
def draw_by_steps(joint, u):
    pair = joint.sum(axis=2)
    x = np.zeros(3, bool)
    x[0] = u[0] < pair[1].sum()
    x[1] = u[1] < pair[int(x[0]), 1] / pair[int(x[0])].sum()
    pixel = joint[int(x[0]), int(x[1])]
    x[2] = u[2] < pixel[1] / pixel.sum()
    return x


# Notebook 02


also_right("live_taps")(lambda k, mask_type: causal_mask(k, mask_type).sum())


@also_right("column_mask")
def column_by_slices(size, mask_type):
    kh, kw = size
    mask = np.zeros(size)
    mask[:, : kw // 2] = 1
    mask[: kh // 2, kw // 2] = 1
    mask[kh // 2, kw // 2] = mask_type == "B"
    return mask


@also_right("column_mask")
def column_by_transposing_twice(size, mask_type):
    return causal_mask(size[::-1], mask_type).transpose(1, 0, 2, 3)


@also_right("order_mask")
def order_by_loops(order, row, col, size):
    half = size // 2
    mask = np.zeros((size, size), bool)
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            y, x = row + dy, col + dx
            if 0 <= y < order.shape[0] and 0 <= x < order.shape[1]:
                mask[dy + half, dx + half] = order[y, x] < order[row, col]
    return mask


@also_right("order_mask")
def order_by_padding(order, row, col, size):
    padded = np.pad(order, size // 2, constant_values=order.size)
    return (padded[row : row + size, col : col + size] < order[row, col]).tolist()


# Notebook 04


def weights_of_a_block(filters):
    return 13 * (filters // 2) ** 2 + 8 * (filters // 2)


@also_right("block_weights")
def weights_by_building(filters):
    x = keras.Input((28, 28, filters))
    return keras.Model(x, ResidualBlock(filters)(x)).count_params()


also_right("block_weights")(weights_of_a_block)


@also_right("residual_block")
def block_of_the_package(x):
    return ResidualBlock(x.shape[-1])(x)


@also_right("residual_block")
def block_with_relu_and_dense(x):
    y = keras.layers.Dense(x.shape[-1] // 2)(keras.layers.ReLU()(x))
    y = MaskedConv2D(x.shape[-1] // 2, 3)(keras.layers.ReLU()(y))
    return keras.layers.Dense(x.shape[-1])(keras.layers.ReLU()(y)) + x


@also_right("prelu_gradients")
def gradients_by_tape(x, slope, upstream):
    import tensorflow as tf

    x, slope = tf.constant(x), tf.constant(slope)
    with tf.GradientTape() as tape:
        tape.watch([x, slope])
        loss = tf.reduce_sum(upstream * (tf.nn.relu(x) - slope * tf.nn.relu(-x)))
    return tuple(tape.gradient(loss, [x, slope]))


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
    right = exercises.prelu_gradients.right(x, np.full(5, 0.25), upstream)
    assert np.allclose(by_keras[0], right[0])
    assert np.allclose(by_keras[1][0, 0], right[1])


def test_the_numbers_of_the_seed_post():
    shared = pixelcnn(filters=128, depth=6).count_params()
    assert shared == 6400 + 6 * weights_of_a_block(128) + 2 * (128**2 + 128) + 384 + 129
    assert shared == 362_497
    slopes = 6 * (128 + 64 + 64) + 3 * 128
    assert slopes == 1_920
    assert slopes * 784 == 1_505_280
    assert shared + 783 * slopes == 1_865_857


# The end


@pytest.mark.parametrize(("name", "answer"), ALSO_RIGHT)
def test_another_right_answer_passes(name, answer):
    verdict = getattr(exercises, name)(answer)
    assert verdict.passed, verdict.text

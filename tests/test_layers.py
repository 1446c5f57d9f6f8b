"""Layers: convolution against NumPy, zero gradients, errors.

`test_oracles` has their configs, sizes and precisions.
"""

from pixelcnn_edu.layers import (
    MaskedConv2D,
    OneHotLevels,
    PositionBias,
    activate,
    residual_block,
)
from pixelcnn_edu.masks import causal_mask

import keras
import numpy as np
import pytest
import tensorflow as tf


def convolve(images, kernel, bias):
    """The definition, in four loops."""
    kh, kw = kernel.shape[:2]
    padded = np.pad(images, ((0, 0), (kh // 2,) * 2, (kw // 2,) * 2, (0, 0)))
    out = np.zeros((*images.shape[:3], kernel.shape[-1]))
    for row in range(images.shape[1]):
        for col in range(images.shape[2]):
            patch = padded[:, row : row + kh, col : col + kw]
            out[:, row, col] = np.einsum("nhwi,hwio->no", patch, kernel) + bias
    return out


@pytest.mark.parametrize("mask_type", ["A", "B"])
@pytest.mark.parametrize("kernel_size", [1, 3, (3, 5), 7])
def test_masked_convolution_equals_the_definition(mask_type, kernel_size):
    rng = np.random.default_rng(0)
    images = rng.random((2, 6, 5, 2), dtype="float32")
    layer = MaskedConv2D(4, kernel_size, mask_type)
    layer.build(images.shape)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    kernel, bias = layer.get_weights()
    size = kernel.shape[:2]
    mask = causal_mask(size, mask_type, in_channels=2, out_channels=4)
    np.testing.assert_allclose(
        layer(images), convolve(images, kernel * mask, bias), atol=1e-4
    )
    assert layer.origin == (-(size[0] // 2), -(size[1] // 2))


def test_rows_below_the_center_are_not_read_at_all():
    images = np.zeros((1, 5, 4, 1), "float32")
    images[:, 3:] = np.nan  # 0 * NaN would be NaN
    for size in (3, 5, 7, (3, 1)):
        lost = np.isnan(MaskedConv2D(2, size)(images)).any(axis=(0, 2, 3))
        np.testing.assert_array_equal(lost, [False, False, False, True, True])


def test_masked_weights_get_exactly_zero_gradient():
    keras.utils.set_random_seed(0)
    layer = MaskedConv2D(4, 5, "A")
    images = np.random.default_rng(0).random((8, 9, 9, 3), dtype="float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(images) ** 2)
    gradient = tape.gradient(loss, layer.kernel).numpy()
    hidden = layer.mask == 0
    assert (gradient[hidden] == 0).all()
    assert (gradient[~hidden] != 0).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"strides": 2}, "strides=1"),
        ({"padding": "valid"}, "padding='same'"),
        ({"dilation_rate": 2}, "dilation_rate=1"),
        ({"groups": 2}, "groups=1"),
        ({"data_format": "channels_first"}, "channels_last"),
        ({"kernel_size": 2}, "odd"),
        ({"mask_type": "C"}, "'A' or 'B'"),
        ({"colors": 3}, "filters to be divisible by colors=3"),
        ({"filters": 0}, "filters"),
    ],
)
def test_bad_arguments_of_a_masked_convolution_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        MaskedConv2D(**{"filters": 4, "kernel_size": 3, **arguments})


def test_a_residual_block_whose_last_layer_is_zero_is_the_identity():
    inputs = keras.Input((5, 7, 8))
    model = keras.Model(inputs, residual_block(inputs, 8))
    last = model.layers[-2]
    last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    images = np.random.default_rng(0).normal(size=(2, 5, 7, 8)).astype("float32")
    np.testing.assert_array_equal(model(images), images)


def test_a_residual_block_has_the_counted_weights():
    inputs = keras.Input((28, 28, 128))
    model = keras.Model(inputs, residual_block(inputs, 128))
    slopes = 128 + 64 + 64
    convolutions = (128 * 64 + 64) + (9 * 64 * 64 + 64) + (64 * 128 + 128)
    assert model.count_params() == slopes + convolutions


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"filters": 7}, "even: a block works on half of them"),
        ({"filters": 6, "colors": 2}, "divisible by 4"),
        ({"filters": 6}, "filters=6 channels"),
        ({"kernel_size": 4}, "odd"),
        ({"dropout": 1}, "dropout"),
    ],
)
def test_bad_arguments_of_a_residual_block_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        residual_block(keras.Input((5, 5, 8)), **{"filters": 8, **arguments})


@pytest.mark.parametrize(
    "activation", ["softmax", "glu", "ink", keras.layers.Softmax()]
)
def test_an_activation_that_mixes_channels_or_is_unknown_is_refused(activation):
    with pytest.raises(ValueError, match="'prelu' or the name of a Keras activation"):
        activate(keras.Input((4, 4, 2)), activation)


def test_a_position_bias_is_added_and_has_a_fixed_size():
    inputs = np.random.default_rng(0).random((2, 3, 4, 2), dtype="float32")
    layer = PositionBias()
    np.testing.assert_array_equal(layer(inputs), inputs)
    bias = np.random.default_rng(1).random((3, 4, 2), dtype="float32")
    layer.set_weights([bias])
    np.testing.assert_array_equal(layer(inputs), inputs + bias)
    with pytest.raises(ValueError, match="expected shape=.None, 3, 4, 2."):
        layer(np.zeros((2, 1, 1, 2), "float32"))
    with pytest.raises(ValueError, match="fixed image size"):
        PositionBias()(keras.Input((None, 5, 4)))


@pytest.mark.parametrize("levels", [2, 4, 256])
def test_levels_become_one_hot_vectors_channel_by_channel(levels):
    steps = np.random.default_rng(0).integers(0, levels, (3, 4, 5, 3))
    images = (steps / np.float32(levels - 1)).astype("float32")
    vectors = np.asarray(OneHotLevels(levels)(images)).reshape(3, 4, 5, 3, levels)
    # k/(levels-1) is rounded, so a vector is one-hot to the last digits
    np.testing.assert_allclose(vectors, np.eye(levels)[steps], atol=levels * 1e-7)


def test_between_two_levels_a_value_belongs_to_both():
    (vector,) = np.asarray(OneHotLevels(3)(np.float32([[[[0.125]]]]))).reshape(1, 3)
    np.testing.assert_allclose(vector, [0.75, 0.25, 0])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_few_bits_light_up_one_level_alone(policy):
    levels = 1024  # in bfloat16, neighbors among so many levels are equal
    steps = np.arange(levels).reshape(1, 32, 32, 1)
    images = (steps / np.float32(levels - 1)).astype("float32")
    vectors = OneHotLevels(levels, dtype=policy)(images)
    vectors = np.asarray(keras.ops.cast(vectors, "float32"))
    np.testing.assert_allclose(vectors, np.eye(levels)[steps[..., 0]], atol=1e-3)


def test_a_graph_knows_the_channels_of_one_hot_vectors():
    levels = OneHotLevels(3)
    function = tf.function(lambda x: levels(x))
    graph = function.get_concrete_function(tf.TensorSpec((None, 5, 7, 2)))
    assert graph.output_shapes == (None, 5, 7, 6)


@pytest.mark.parametrize("levels", [1, 2.0, "4"])
def test_bad_levels_are_named(levels):
    with pytest.raises(ValueError, match="levels"):
        OneHotLevels(levels)

"""Layers: convolution against NumPy, zero gradients, configs, errors."""

from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import (
    MaskedConv2D,
    OneHotLevels,
    PositionBias,
    activate,
    masked,
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


@pytest.mark.parametrize("kind", [np.asarray, keras.ops.convert_to_tensor])
@pytest.mark.parametrize("turn", [np.flipud, np.ones_like, lambda mask: mask[:1]])
def test_a_mask_below_the_center_is_used_as_it_is(turn, kind):
    rng = np.random.default_rng(0)
    images = rng.random((2, 6, 5, 2), dtype="float32")
    layer = MaskedConv2D(4, (3, 5))
    layer.build(images.shape)
    kernel, mask = rng.normal(size=layer.kernel.shape), turn(layer.mask)
    layer.kernel.assign(kernel)
    layer.mask = kind(mask)
    np.testing.assert_allclose(
        layer(images), convolve(images, kernel * mask, 0), atol=1e-4
    )


def test_rows_below_the_center_are_not_read_at_all():
    images = np.zeros((1, 5, 4, 1), "float32")
    images[:, 3:] = np.nan  # 0 * NaN would be NaN
    for size in (3, 5, 7, (3, 1)):
        lost = np.isnan(MaskedConv2D(2, size)(images)).any(axis=(0, 2, 3))
        np.testing.assert_array_equal(lost, [False, False, False, True, True])


def test_masked_weights_get_exactly_zero_gradient_and_keep_their_value():
    keras.utils.set_random_seed(0)
    layer = MaskedConv2D(4, 5, "A")
    images = np.random.default_rng(0).random((8, 9, 9, 3), dtype="float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(images) ** 2)
    gradient = tape.gradient(loss, layer.kernel).numpy()
    hidden = layer.mask == 0
    assert (gradient[hidden] == 0).all()
    assert (gradient[~hidden] != 0).all()
    before = layer.kernel.numpy()
    keras.optimizers.SGD(0.1).apply_gradients([(tf.constant(gradient), layer.kernel)])
    np.testing.assert_array_equal(layer.kernel.numpy()[hidden], before[hidden])


def gradients(layer, seed=0):
    """Return a layer's output and the gradients of its input and its weights."""
    images = np.random.default_rng(seed).random((3, 6, 4, 6), dtype="float32")
    x = tf.Variable(images)
    with tf.GradientTape() as tape:
        out = layer(x)
        loss = tf.reduce_sum(tf.sin(5 * out))
    return [out, *tape.gradient(loss, [x, *layer.trainable_weights])]


def check_same(ours, theirs):
    """Check that two outputs are equal, and two lists of gradients but for rounding."""
    np.testing.assert_array_equal(ours[0], theirs[0])
    for gradient, expected in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)


def test_a_kernel_of_size_1_is_keras_s_own_1x1_convolution():
    ours = MaskedConv2D(6, 1, bias_initializer="normal", activation="tanh")
    theirs = keras.layers.Conv2D(6, 1, activation="tanh")
    for layer in (ours, theirs):
        layer.build((3, 6, 4, 6))
    theirs.set_weights(ours.get_weights())
    check_same(gradients(ours), gradients(theirs))


@pytest.mark.parametrize(
    "make",
    [
        lambda **how: MaskedConv2D(4, 3, **how),
        lambda **how: StackConv2D(4, 3, "vertical", **how),
    ],
)
def test_an_activation_may_be_taken_away_as_in_keras(make):
    layer, plain = make(activation="relu"), make()
    images = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype("float32")
    for each in (layer, plain):
        each.build(images.shape)
    plain.set_weights(layer.get_weights())
    layer.activation = None
    np.testing.assert_array_equal(layer(images), plain(images))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_masked_convolution_follows_the_dtype_policy(policy):
    layer = MaskedConv2D(4, 3, dtype=policy)
    images = np.ones((1, 5, 5, 1), "float32")
    expected = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(layer(images).dtype) == expected
    assert keras.backend.standardize_dtype(layer.kernel.dtype) == "float32"


@pytest.mark.parametrize(
    "layer",
    [
        MaskedConv2D(6, (3, 5), "A", colors=3, activation="relu", use_bias=False),
        MaskedConv2D(4, 7),
        MaskedConv2D(4, 1, use_bias=False),
        PositionBias(),
        OneHotLevels(5),
    ],
)
def test_configs_make_the_same_layer_again(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    name = type(layer).__name__
    assert keras.saving.get_registered_name(type(layer)) == f"pixelcnn_edu>{name}"


def test_masked_convolution_works_on_any_image_size_and_batch():
    model = keras.Sequential([keras.Input((None, None, 1)), MaskedConv2D(2, 7, "A")])
    for shape in [(1, 1, 1, 1), (3, 4, 9, 1), (2, 28, 28, 1)]:
        assert model(np.zeros(shape, "float32")).shape == (*shape[:3], 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"strides": 7}, "strides=1"),
        ({"strides": 2.0}, "strides=1.*strides=2.0"),
        ({"padding": 1.5}, "padding='same'.*padding=1.5"),
        ({"strides": (1, 2)}, "strides=1"),
        ({"padding": "valid"}, "padding='same'"),
        ({"dilation_rate": 2}, "dilation_rate=1"),
        ({"groups": 2}, "groups=1"),
        ({"data_format": "channels_first"}, "channels_last"),
        ({"kernel_size": 2}, "odd"),
        ({"mask_type": "C"}, "'A' or 'B'"),
        ({"colors": 3}, "filters to be divisible by colors=3"),
        ({"filters": 0}, "out_channels|filters"),
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
        ({"filters": 7}, "even"),
        ({"filters": -2}, "filters"),
        ({"filters": 8.0}, "filters"),
        ({"kernel_size": 4}, "odd"),
        ({"dropout": 1}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
    ],
)
def test_bad_arguments_of_a_residual_block_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        residual_block(keras.Input((5, 5, 8)), **{"filters": 8, **arguments})


def test_a_residual_block_refuses_another_number_of_channels():
    with pytest.raises(ValueError, match="filters=8 channels"):
        residual_block(keras.Input((5, 5, 6)), 8)


@pytest.mark.parametrize("size", [(None, None), (None, 5), (5, None)])
def test_a_position_bias_refuses_an_open_image_size(size):
    with pytest.raises(ValueError, match="fixed image size"):
        PositionBias()(keras.Input((*size, 4)))


def test_a_position_bias_refuses_another_image_size():
    layer = PositionBias()
    layer.build((None, 28, 28, 1))
    assert layer.compute_output_shape((None, 28, 28, 1)) == (None, 28, 28, 1)
    with pytest.raises(ValueError, match="expected shape=.None, 28, 28, 1."):
        layer(np.zeros((2, 1, 1, 1), "float32"))


@pytest.mark.parametrize("kind", [keras.layers.Softmax, keras.layers.LeakyReLU])
def test_an_activation_that_is_a_layer_is_refused(kind):
    with pytest.raises(ValueError, match="'prelu' or the name of a Keras activation"):
        activate(keras.Input((4, 4, 2)), kind())


@pytest.mark.parametrize("levels", [2, 4, 16, 256])
def test_levels_become_one_hot_vectors_channel_by_channel(levels):
    steps = np.random.default_rng(0).integers(0, levels, (3, 4, 5, 3))
    images = (steps / np.float32(levels - 1)).astype("float32")
    vectors = np.asarray(OneHotLevels(levels)(images)).reshape(3, 4, 5, 3, levels)
    # k/(levels-1) is rounded, so a vector is one-hot to the last digits
    np.testing.assert_allclose(vectors, np.eye(levels)[steps], atol=levels * 1e-7)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_few_bits_light_up_one_level_alone(policy):
    levels = 1024  # in bfloat16, neighbors among so many levels are equal
    steps = np.arange(levels).reshape(1, 32, 32, 1)
    images = (steps / np.float32(levels - 1)).astype("float32")
    vectors = OneHotLevels(levels, dtype=policy)(images)
    expected = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(vectors.dtype) == expected
    vectors = np.asarray(keras.ops.cast(vectors, "float32"))
    np.testing.assert_allclose(vectors, np.eye(levels)[steps[..., 0]], atol=1e-3)


def test_a_graph_knows_the_channels_of_one_hot_vectors():
    levels = OneHotLevels(3)
    function = tf.function(lambda x: levels(x))
    graph = function.get_concrete_function(tf.TensorSpec((None, 5, 7, 2)))
    assert graph.output_shapes == (None, 5, 7, 6)


def test_between_two_levels_a_value_belongs_to_both():
    (vector,) = np.asarray(OneHotLevels(3)(np.float32([[[[0.125]]]]))).reshape(1, 3)
    np.testing.assert_allclose(vector, [0.75, 0.25, 0])


def test_levels_of_a_color_stay_with_their_color():
    """Green's vector must not stand among red's, or the masks hide the wrong one."""
    base = np.full((1, 1, 1, 3), 0.1, "float32")
    for channel in range(3):
        other = base.copy()
        other[..., channel] = 0.9
        moved = OneHotLevels(4)(base) != OneHotLevels(4)(other)
        groups = np.asarray(moved).reshape(3, 4).any(axis=1)
        assert groups.tolist() == [c == channel for c in range(3)]


@pytest.mark.parametrize("levels", [1, 0, -1, 2.0, True, "4", None])
def test_bad_levels_are_named(levels):
    with pytest.raises(ValueError, match="levels"):
        OneHotLevels(levels)


def test_a_convolution_tells_what_it_reads_and_where():
    layer = MaskedConv2D(4, (3, 7), "A")
    layer.build((None, 5, 5, 2))
    assert layer.origin == (-1, -3)
    mask = causal_mask((3, 7), "A", in_channels=2, out_channels=4)
    np.testing.assert_array_equal(masked(layer.kernel, layer.mask), layer.kernel * mask)


def test_the_shape_of_one_hot_vectors_is_known_before_they_are_computed():
    layer = OneHotLevels(3)
    assert layer.compute_output_shape((None, 5, 7, 2)) == (None, 5, 7, 6)
    assert layer(keras.Input((5, 7, 2))).shape == (None, 5, 7, 6)


def test_a_position_bias_is_added():
    inputs = np.random.default_rng(0).random((2, 3, 4, 2), dtype="float32")
    layer = PositionBias()
    np.testing.assert_array_equal(layer(inputs), inputs)
    bias = np.random.default_rng(1).random((3, 4, 2), dtype="float32")
    layer.set_weights([bias])
    np.testing.assert_array_equal(layer(inputs), inputs + bias)


@pytest.mark.parametrize(
    ("filters", "colors", "told"),
    [
        (7, 1, "be even: a block works on half of them. "),
        (6, 2, "be divisible by 4: a block works on half of them. "),
    ],
)
def test_a_residual_block_says_how_many_channels_it_can_halve(filters, colors, told):
    x = keras.Input((5, 5, filters))
    with pytest.raises(ValueError, match=told):
        residual_block(x, filters, colors=colors)
    x = keras.Input((5, 5, 2 * colors))
    assert residual_block(x, 2 * colors, colors=colors).shape == x.shape

"""Every oracle over the whole space of small models: sizes, kernels, levels, builders.

A case is a random model of a random size with random weights.
"""

import dataclasses
import math

from pixelcnn_edu import causality, evaluation
from pixelcnn_edu.gated import Gate, StackConv2D
from pixelcnn_edu.layers import MaskedConv2D, OneHotLevels, PositionBias
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, logits_function, pixelcnn

import keras
import numpy as np
import pytest
import tensorflow as tf
from chi_squared import assert_images_fit
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_cache import compare
from test_evaluation import randomize
from test_planted_bugs import at_once


def likelihoods(most_levels, *, mixtures):
    levels = st.integers(2, most_levels)
    kinds = [st.just(Bernoulli()), st.builds(Categorical, levels)]
    if mixtures:
        kinds.append(st.builds(DiscretizedLogisticMixture, st.integers(1, 4), levels))
    return st.one_of(*kinds)


@dataclasses.dataclass
class Recipe:
    """What a random model is made of; Keras itself must not run inside a strategy."""

    builder: object
    shape: tuple
    arguments: dict
    seed: int

    def build(self):
        model = self.builder(self.shape, **self.arguments)
        randomize(model, self.seed)
        return model


@st.composite
def recipes(draw, *, most_levels=256, most_values=243, most_images=None, labels=True):
    """A model of either builder, or of loose layers with kernels of 1 to 7."""
    channels = draw(st.sampled_from([1, 2, 3]))
    height = draw(st.integers(1, min(9, most_values // channels)))
    width = draw(st.integers(1, min(9, most_values // channels // height)))
    shape = (height, width, channels)
    if most_images:  # as many levels as let them be counted out
        most_levels = min(256, int(most_images ** (1 / math.prod(shape)) + 1e-9))
    likelihood = draw(likelihoods(most_levels, mixtures=channels != 2))
    ordered = likelihood.orders_channels
    builder = draw(st.sampled_from([pixelcnn, gated_pixelcnn, loose_layers]))
    arguments = {
        "likelihood": likelihood,
        "colors": 1 if ordered else draw(st.sampled_from([1, channels])),
    }
    if builder is loose_layers:
        kernels = st.tuples(*[st.sampled_from([1, 3, 5, 7])] * 2)
        arguments["kernels"] = draw(st.lists(kernels, min_size=1, max_size=3))
        arguments["activation"] = draw(st.sampled_from(["tanh", "elu", "linear"]))
    else:
        arguments["one_hot"] = likelihood.levels <= 16 and draw(st.booleans())
        arguments["filters"] = 2 * channels * draw(st.integers(1, 2))
        arguments["depth"] = draw(st.integers(1, 2))
        arguments["position"] = draw(st.booleans())
        arguments["dropout"] = draw(st.sampled_from([0.0, 0.3]))
    if builder is pixelcnn:
        arguments["activation"] = draw(st.sampled_from(["prelu", "relu", "elu"]))
    if builder is gated_pixelcnn:
        arguments["skip"] = draw(st.booleans())
        arguments["dilations"] = draw(st.sampled_from([(1,), (2,), (1, 4), (3, 1, 2)]))
    if builder is gated_pixelcnn and labels and draw(st.booleans()):
        arguments["num_classes"] = 3
        arguments["label_map"] = draw(st.sampled_from([0, 2]))
    return Recipe(builder, shape, arguments, draw(st.integers(0, 10_000)))


def loose_layers(shape, *, kernels, activation, colors, likelihood):
    x = image = keras.Input(shape)
    for i, kernel in enumerate(kernels):
        more = {"colors": colors, "activation": activation}
        x = MaskedConv2D(2 * colors, kernel, "B" if i else "A", **more)(x)
    logits = MaskedConv2D(likelihood.logits_per_pixel(shape[-1]), 1, colors=colors)(x)
    return ImageModel(image, logits, likelihood=likelihood)


def random_images(model, count, seed=0):
    """Images on the model's levels, and labels if it takes them."""
    levels = model.likelihood.levels
    shape = (count, *model.inputs[0].shape[1:])
    steps = np.random.default_rng(seed).integers(0, levels, shape).astype("float32")
    labels = np.arange(count) % 3 if len(model.inputs) > 1 else None
    return steps / np.float32(levels - 1), labels


def called(model, images, labels):
    return logits_function(model)(images, *([] if labels is None else [labels]))


@settings(max_examples=12)
@given(recipes())
def test_no_output_changes_with_a_later_input(recipe):
    model = recipe.build()
    causality.assert_causal(model, trials=2)


@settings(max_examples=8)
@given(recipes(most_values=60))
def test_no_gradient_reaches_a_later_input(recipe):
    model = recipe.build()
    assert_no_gradient_reaches_a_later_input(model)


def assert_no_gradient_reaches_a_later_input(model):
    images, labels = random_images(model, 2)
    pixels, channels = math.prod(images.shape[1:3]), images.shape[-1]
    later = np.arange(pixels)[:, None] < np.arange(pixels) + (channels == 1)
    rng = np.random.default_rng(0)
    for i in range(len(images)):
        # a copy of the image for each pixel, whose logits are added up, so that one pass
        # has the gradients of all pixels; logits with random weights do not cancel
        x = tf.constant(images[i : i + 1].repeat(pixels, axis=0))
        inputs = (
            x if labels is None else [x, tf.constant(labels[i : i + 1].repeat(pixels))]
        )
        with tf.GradientTape() as tape:
            tape.watch(x)
            out = tf.reshape(model(inputs, training=False), (pixels, pixels, -1))
            of_pixel = tf.gather(out, np.arange(pixels), axis=1, batch_dims=1)
            loss = tf.reduce_sum(of_pixel * rng.uniform(1, 2, of_pixel.shape[-1:]))
        gradient = tape.gradient(loss, x).numpy().reshape(pixels, pixels, channels)
        assert (gradient[later] == 0).all()


def test_a_gradient_of_one_logit_to_its_own_pixel_is_caught():
    image = keras.Input((3, 3, 1))
    model = ImageModel(image, MaskedConv2D(4, 3, "B")(image), likelihood=Categorical(4))
    kernel, bias = (0 * weight for weight in model.get_weights())
    model.set_weights([kernel, bias])
    assert_no_gradient_reaches_a_later_input(model)
    kernel[1, 1, 0, 2] = 1e-6
    model.set_weights([kernel, bias])
    with pytest.raises(AssertionError):
        assert_no_gradient_reaches_a_later_input(model)


@settings(max_examples=6)
@given(
    st.integers(2, 9),
    st.integers(2, 9),
    st.sampled_from([3, 5, 7]),
    st.integers(1, 3),
    st.data(),
)
def test_a_nan_reaches_no_earlier_output_where_kernels_hold_live_taps_only(
    height, width, kernel, depth, data
):
    image = keras.Input((height, width, 1))
    v = StackConv2D(2, kernel, "vertical", "A")(image)
    h = StackConv2D(2, kernel, "horizontal", "A")(image)
    for _ in range(depth):
        h = keras.layers.add(
            [h, StackConv2D(2, 3, "horizontal")(h), keras.layers.Conv2D(2, 1)(v)]
        )
        v = StackConv2D(2, 3, "vertical")(v)
    model = keras.Model(image, h)
    at = data.draw(st.integers(0, height * width - 1))
    images = np.zeros((1, height, width, 1), "float32")
    images.reshape(-1)[at] = np.nan
    lost = np.isnan(np.asarray(model(images))).any(axis=-1).ravel()
    assert not lost[: at + 1].any()
    assert (at % width == width - 1) or lost[
        at + 1
    ]  # the pixel to the right hears of it


@settings(max_examples=8)
@given(recipes(most_values=27))
def test_the_left_neighbor_matters(recipe):
    model = recipe.build()
    height, width, channels = model.inputs[0].shape[1:]
    kernels = [
        layer.kernel_size
        for layer in model.layers
        if isinstance(layer, MaskedConv2D) and layer.mask_type == "A"
    ]
    if kernels and kernels[0][1] == 1:  # a first kernel that reads no neighbor
        return
    inside = np.arange(1, height * width) % width != 0
    matters = np.zeros(len(inside), bool)
    for seed in range(30):  # with some weights a ReLU is off for good
        matrix = causality.dependency_matrix(model, trials=4)
        pairs = matrix.reshape(height * width, channels, height * width, channels)
        matters |= np.diagonal(pairs.any(axis=(1, 3)), -1)
        if matters[inside].all():
            break
        randomize(model, seed)
    assert matters[inside].all()


def test_a_network_that_sees_the_rows_above_alone_is_caught():
    def rows_above(shape, likelihood):
        image = keras.Input(shape)
        logits = keras.layers.Conv2D(1, 1)(StackConv2D(4, 3, "vertical", "A")(image))
        return ImageModel(image, logits, likelihood=likelihood)

    oracle = test_the_left_neighbor_matters.hypothesis.inner_test
    with pytest.raises(AssertionError):
        oracle(Recipe(rows_above, (2, 3, 1), {"likelihood": Bernoulli()}, seed=0))


@settings(max_examples=12)
@given(recipes(most_values=12, most_images=4096))
def test_the_probabilities_of_all_images_sum_to_one(recipe):
    model = recipe.build()
    label = 1 if len(model.inputs) > 1 else None
    mixture = isinstance(model.likelihood, DiscretizedLogisticMixture)
    total = evaluation.total_probability(model, label=label)
    assert abs(total - 1) < (1e-4 if mixture else 1e-5)


@settings(max_examples=5)
@given(recipes(most_values=9, most_images=1024, labels=False))
def test_draws_follow_the_enumerated_probabilities(recipe):
    model = recipe.build()
    assert_images_fit(model, at_once(model, 20_000, seed=1))


@settings(max_examples=4)
@given(recipes(most_values=60, most_levels=32), st.integers(0, 1000))
def test_the_three_methods_draw_the_same_images(recipe, seed):
    """And the plain cache of `cache.pages`."""
    compare(recipe.build(), seed, count=3)


@settings(max_examples=8)
@given(recipes(most_values=81), st.integers(1, 7))
def test_nats_do_not_depend_on_batch_size_or_order(recipe, batch_size):
    model = recipe.build()
    images, labels = random_images(model, 7)
    nats = evaluation.nats_per_image(model, images, labels=labels)
    assert np.isfinite(nats).all()
    back = slice(None, None, -1)
    again = evaluation.nats_per_image(
        model,
        images[back],
        labels=None if labels is None else labels[back],
        batch_size=batch_size,
    )
    np.testing.assert_allclose(again[back], nats, rtol=1e-5, atol=1e-4)


@settings(max_examples=8)
@given(recipes())
def test_logits_of_zero_cost_log2_of_the_levels_in_bits(recipe):
    assume(not recipe.arguments["likelihood"].orders_channels)
    model = recipe.build()
    *kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([*(0 * k for k in kernel), 0 * bias])
    images, labels = random_images(model, 3)
    bits = evaluation.bits_per_dim(model, images, labels=labels)
    np.testing.assert_allclose(bits, math.log2(model.likelihood.levels), rtol=1e-5)


@settings(max_examples=5)
@given(recipes())
def test_a_saved_model_gives_the_same_logits_bit_for_bit(tmp_path_factory, recipe):
    model = recipe.build()
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    again = keras.models.load_model(path)
    images, labels = random_images(model, 3)
    np.testing.assert_array_equal(
        called(model, images, labels), called(again, images, labels)
    )
    assert again.likelihood == model.likelihood


LAYERS = {
    "A": lambda: MaskedConv2D(4, 3, "A", colors=2),
    "B": lambda: MaskedConv2D(4, (3, 7), activation="elu", use_bias=False),
    "vertical": lambda: StackConv2D(4, 5, "vertical", "A"),
    "horizontal": lambda: StackConv2D(4, 3, "horizontal", colors=2, dilation_rate=2),
    "gate": lambda: Gate(2),
    "position": PositionBias,
    "levels": lambda: OneHotLevels(3),
}


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_hold_at_every_precision_and_size(name, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layer = LAYERS[name]()
        again = type(layer).from_config(layer.get_config())
    finally:
        keras.config.set_dtype_policy(before)
    assert again.get_config() == layer.get_config()
    x = np.random.default_rng(0).normal(size=(3, 6, 5, 4)).astype("float32")
    expected = layer(x)
    assert keras.backend.standardize_dtype(expected.dtype) == layer.compute_dtype
    assert layer.compute_output_shape(x.shape) == expected.shape
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), expected)
    if name != "position":
        open_size = keras.Input((None, None, 4))
        model = keras.Model(open_size, layer(open_size))
        for batch, height, width in ((1, 1, 1), (2, 6, 5), (5, 2, 9)):
            y = model(np.zeros((batch, height, width, 4), "float32"))
            assert y.shape == (batch, height, width, expected.shape[-1])
    if layer.weights:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(x), "float32") ** 2)
        for gradient in tape.gradient(loss, layer.trainable_variables):
            assert np.isfinite(gradient).all()

"""Causality: nothing later is seen, everything that should be is, and the counts."""

from pixelcnn_edu import causality
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, pixelcnn

import keras
import numpy as np
import pytest
from test_evaluation import random_model


def stack(size, first, count, *, seed=0):
    """A first mask-A convolution and ``count`` 3×3 ones with mask B, linear."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((size, size, 1))
    x = MaskedConv2D(4, first, "A")(inputs)
    for _ in range(count):
        x = MaskedConv2D(4, 3, "B")(x)
    return keras.Model(inputs, x)


def test_a_model_that_draws_numbers_of_its_own_is_no_leak():
    class Noise(keras.layers.Layer):
        def call(self, x):
            return x * keras.random.normal(keras.ops.shape(x), seed=self.seed)

    image, noise = keras.Input((4, 4, 1)), Noise()
    noise.seed = keras.random.SeedGenerator(0)
    model = keras.Model(image, noise(MaskedConv2D(1, 3, "A")(image)))
    for check in (causality.assert_causal, causality.dependency_matrix):
        with pytest.raises(ValueError, match="random numbers"):
            check(model)


@pytest.mark.parametrize(
    "model_arguments",
    [
        {"image_shape": (5, 4, 1)},
        {"image_shape": (1, 1, 1)},
        {"image_shape": (3, 7, 1), "likelihood": Categorical(5)},
        {"image_shape": (5, 5, 1), "activation": "relu", "position": True},
    ],
    ids=str,
)
def test_models_are_causal_and_use_what_they_may(model_arguments):
    model = pixelcnn(**model_arguments, filters=8, depth=3)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        weights = [rng.permutation(w.ravel()) for w in model.get_weights()]
        pairs = zip(weights, model.weights, strict=True)
        model.set_weights([w.reshape(v.shape) for w, v in pairs])
        matrix = causality.dependency_matrix(model)
        assert not np.triu(matrix).any()
        height, width, _ = model_arguments["image_shape"]
        if width > 1:  # the left neighbor, except across the edge of the page
            left = np.diagonal(matrix, -1)
            inside = np.arange(1, height * width) % width != 0
            assert left[inside].all()
        causality.assert_causal(model)


def test_a_mixture_s_logits_see_no_channel_of_their_own_pixel():
    model = random_model((3, 3, 3), DiscretizedLogisticMixture(2, 4))
    matrix = causality.dependency_matrix(model)
    pixel = np.arange(27) // 3
    np.testing.assert_array_equal(matrix, pixel[:, None] > pixel)
    causality.assert_causal(model)

    image = keras.Input((3, 3, 3))  # the planted bug: masks of three colors
    x = MaskedConv2D(6, 3, "A", colors=3)(image)
    x = MaskedConv2D(20, 1, "B")(x)
    leaky = ImageModel(image, x, likelihood=DiscretizedLogisticMixture(2, 4))
    with pytest.raises(AssertionError, match="channel 0 sees its own input"):
        causality.assert_causal(leaky)


def test_a_likelihood_says_how_the_logits_of_a_plain_model_are_read():
    """Each color's third of the logits, or one mixture that depends on all of them."""
    image, mixture = keras.Input((3, 3, 3)), DiscretizedLogisticMixture(3, 4)

    def plain(colors):
        x = MaskedConv2D(6, 3, "A", colors=colors)(image)
        return keras.Model(image, MaskedConv2D(30, 1, "B", colors=colors)(x))

    causality.assert_causal(plain(1), likelihood=mixture)
    causality.assert_causal(plain(3))
    with pytest.raises(AssertionError, match="channel 0 sees its own input"):
        causality.assert_causal(plain(3), likelihood=mixture)


def test_gradient_and_perturbation_find_the_same_receptive_field():
    model = stack(7, 3, 2)
    matrix = causality.dependency_matrix(model)
    for row, col in [(0, 0), (3, 3), (6, 2), (5, 6)]:
        field = causality.receptive_field(model, row, col, images=8)
        np.testing.assert_array_equal(field.ravel(), matrix[row * 7 + col])


def test_a_model_with_labels_and_an_open_size_has_a_receptive_field():
    model, size = (
        gated_pixelcnn((None, None, 1), filters=2, depth=1, num_classes=3),
        (5, 5, 1),
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.6, w.shape) for w in model.get_weights()])
    causality.assert_causal(model, image_shape=size)
    matrix = causality.dependency_matrix(model, image_shape=size)
    for row, col in [(0, 0), (2, 3), (4, 4)]:
        field = causality.receptive_field(model, row, col, image_shape=size, images=16)
        np.testing.assert_array_equal(field.ravel(), matrix[row * 5 + col])


def test_the_blind_spot_on_11_by_11_leaves_50_of_60_pixels():
    for count in (4, 6):
        field = causality.receptive_field(stack(11, 3, count), 5, 5, images=8)
        assert field.sum() == 50


@pytest.mark.parametrize(
    ("first", "count", "seen"),
    [
        (3, 5, 69),
        (3, 10, 209),
        (3, 13, 328),
        (7, 5, 129),
        (7, 7, 192),
        (7, 10, 309),
        (7, 11, 351),
        (7, 12, 351),
    ],
)
def test_receptive_fields_are_the_published_counts(first, count, seen):
    field = causality.receptive_field(stack(28, first, count), 14, 14, images=8)
    assert field.sum() == seen


def test_bad_arguments_are_named():
    inputs = keras.Input((6, 6, 1))
    smaller = keras.Model(inputs, keras.layers.Conv2D(1, 3)(inputs))
    with pytest.raises(ValueError, match="output of shape"):
        causality.assert_causal(smaller)


@keras.saving.register_keras_serializable(package="tests")
class WholeNumbers(keras.layers.Layer):
    """Reads a pixel as an integer: only a value of exactly 1 differs from 0."""

    def call(self, inputs):
        return keras.ops.cast(keras.ops.cast(inputs, "int32"), "float32")


def test_a_leak_of_a_model_that_reads_integers_is_found():
    image = keras.Input((3, 3, 1))
    leaky = keras.layers.Conv2D(1, 3, padding="same")(WholeNumbers()(image))
    model = ImageModel(image, leaky, likelihood=Bernoulli())
    assert causality.dependency_matrix(model, trials=1).sum() == 49  # all neighbors
    with pytest.raises(AssertionError, match="sees its own input value"):
        causality.assert_causal(model, trials=1)
    masked = MaskedConv2D(1, 3, "A")(WholeNumbers()(image))
    causality.assert_causal(ImageModel(image, masked, likelihood=Bernoulli()))


def test_a_model_without_a_gradient_has_no_receptive_field():
    image = keras.Input((4, 4, 1))
    levels = keras.ops.cast(keras.ops.round(image[..., 0]), "int32")
    features = keras.layers.Embedding(2, 3)(levels)
    model = keras.Model(image, MaskedConv2D(1, 3, "A")(features))
    with pytest.raises(ValueError, match="gradient of the output.*dependency_matrix"):
        causality.receptive_field(model, 3, 3)
    assert causality.dependency_matrix(model)[15].any()


@pytest.mark.parametrize("branch", [keras.ops.round, WholeNumbers()])
@pytest.mark.parametrize("beside", [True, False])
def test_pixels_without_a_gradient_are_not_missed(branch, beside):
    """One branch of the network had a gradient, so what the other sees was missed."""
    keras.utils.set_random_seed(0)
    image = keras.Input((9, 9, 1))
    near, far = MaskedConv2D(4, 3, "A"), MaskedConv2D(4, 7, "A")
    x = far(branch(image)) + near(image) if beside else far(branch(image))
    model = ImageModel(image, MaskedConv2D(4, 1)(x), likelihood=Categorical(4))
    assert causality.dependency_matrix(model, trials=64)[4 * 9 + 4].sum() == 24
    with pytest.raises(ValueError, match="gradient of the output.*dependency_matrix"):
        causality.receptive_field(model, 4, 4, images=8)
    assert not causality.receptive_field(model, 0, 0, images=8).any()


def test_relus_that_are_off_between_the_levels_hide_no_pixel():
    """The gradients were those of noise: a trained network showed 45 of its 60 pixels."""
    image, kernel = keras.Input((5, 5, 1)), np.ones((3, 5, 1, 1))
    kernel[0, 0] = 0  # six taps are left, and all six must be ink
    x = MaskedConv2D(1, (3, 5), "A", activation="relu")(image)
    model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())
    one = np.ones(1)
    model.set_weights([kernel, -5.9 * one, np.ones((1, 1, 1, 1)), 0 * one])
    assert causality.receptive_field(model, 2, 2).sum() == 6

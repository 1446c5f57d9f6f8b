"""Causality: nothing later is seen, everything that should be is, and the counts."""

from pixelcnn_edu import causality, evaluation
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


@pytest.mark.parametrize("shape", [(), (1, 4, 4, 1)], ids=["per image", "per call"])
def test_a_model_that_draws_numbers_of_its_own_is_no_leak(shape):
    class Noise(keras.layers.Layer):
        def call(self, x):
            return x * keras.random.normal(shape or keras.ops.shape(x), seed=self.seed)

    image, noise = keras.Input((4, 4, 1)), Noise()
    noise.seed = keras.random.SeedGenerator(0)
    model = keras.Model(image, noise(MaskedConv2D(1, 3, "A")(image)))
    for check in (causality.assert_causal, causality.dependency_matrix):
        with pytest.raises(ValueError, match="random numbers"):
            check(model)


def test_a_model_that_draws_numbers_and_does_not_use_them_is_causal():
    class NoiseInTraining(keras.layers.Layer):
        def call(self, x, training=False):
            noise = keras.random.normal(keras.ops.shape(x), seed=self.seed)
            return x + noise if training else x

    image, noise = keras.Input((4, 4, 1)), NoiseInTraining()
    noise.seed = keras.random.SeedGenerator(0)
    causality.assert_causal(keras.Model(image, noise(MaskedConv2D(1, 3, "A")(image))))


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


class LevelsFirst(Categorical):
    """The planted bug: all channels of the first level, then those of the second."""

    def _by_channel(self, logits, values):
        shape = (*logits.shape[:-1], self.levels, values.shape[-1])
        return keras.ops.swapaxes(keras.ops.reshape(logits, shape), -1, -2)


def test_a_likelihood_that_lays_out_its_logits_in_another_order_is_refused():
    model = random_model((2, 2, 3), LevelsFirst(4))
    total = evaluation.total_probability(random_model((1, 1, 3), LevelsFirst(4)))
    assert abs(total - 1) > 0.01  # the masks order the wrong logits
    with pytest.raises(ValueError, match=r"laid out as \(C, K\)"):
        causality.assert_causal(model)
    causality.assert_causal(
        random_model((2, 2, 1), LevelsFirst(4))
    )  # one channel: right


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


def test_channels_follow_their_order():
    image = keras.Input((3, 3, 3))
    x = MaskedConv2D(6, 3, "A", colors=3)(image)
    right = MaskedConv2D(3, 1, "B", colors=3)(x)
    causality.assert_causal(ImageModel(image, right, likelihood=Bernoulli()))
    # an unmasked 1×1 hands red what blue's features know: green
    wrong = keras.layers.Conv2D(3, 1)(x)
    with pytest.raises(AssertionError, match="channel 0 sees"):
        causality.assert_causal(ImageModel(image, wrong, likelihood=Bernoulli()))


def test_gradient_and_perturbation_find_the_same_receptive_field():
    model = stack(7, 3, 2)
    matrix = causality.dependency_matrix(model)
    for row, col in [(0, 0), (3, 3), (6, 2), (5, 6)]:
        field = causality.receptive_field(model, row, col, images=8)
        np.testing.assert_array_equal(field.ravel(), matrix[row * 7 + col])


def conditions(kind):
    """A network with an open image size, and a second input that every output sees."""
    if kind == "labels":
        return gated_pixelcnn((None, None, 1), filters=2, depth=1, num_classes=3)
    image = keras.Input((None, None, 1))
    other = keras.Input((2,) if kind == "a vector" else (), name="other")
    x = MaskedConv2D(2, 3, "A")(image)
    shift = keras.layers.Dense(2)(keras.layers.Reshape((1, 1, -1))(other))
    return keras.Model([image, other], MaskedConv2D(1, 3)(keras.layers.add([x, shift])))


@pytest.mark.parametrize("kind", ["labels", "a number", "a vector"])
def test_a_model_with_a_second_input_has_a_receptive_field(kind):
    model, size = conditions(kind), (5, 5, 1)
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


class Batches(keras.layers.Layer):
    """Notes how many images each pass has."""

    seen = ()

    def call(self, inputs):
        self.seen += (inputs.shape[0],)
        return inputs


def test_a_receptive_field_takes_gradients_of_a_few_images_at_a_time():
    """A gradient keeps all feature maps, and TensorFlow keeps the memory."""
    image, note = keras.Input((4, 4, 1)), Batches()
    model = keras.Model(image, MaskedConv2D(1, 3, "A")(note(image)))
    note.seen = ()
    whole = causality.receptive_field(model, 2, 2)
    assert sum(note.seen) == 3 * 64 and max(note.seen) <= 8
    note.seen = ()
    np.testing.assert_array_equal(
        causality.receptive_field(model, 2, 2, images=9), whole
    )
    assert note.seen == (8, 1, 8, 8, 1, 1)


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


@pytest.mark.parametrize("power", [0.25, 0.5])
def test_a_model_with_an_infinite_gradient_has_no_receptive_field(power):
    def root(x):
        return keras.ops.relu(x) ** power

    image = keras.Input((5, 5, 1))
    x = MaskedConv2D(4, 3, "A", activation=root)(image)
    model = keras.Model(image, MaskedConv2D(1, 3)(x))
    causality.assert_causal(model)
    with pytest.raises(ValueError, match="infinite or NaN.*dependency_matrix"):
        causality.receptive_field(model, 2, 2)


def test_a_model_without_a_gradient_has_no_receptive_field():
    image = keras.Input((4, 4, 1))
    levels = keras.ops.cast(keras.ops.round(image[..., 0]), "int32")
    features = keras.layers.Embedding(2, 3)(levels)
    model = keras.Model(image, MaskedConv2D(1, 3, "A")(features))
    with pytest.raises(ValueError, match="gradient of the output.*dependency_matrix"):
        causality.receptive_field(model, 3, 3)
    assert causality.dependency_matrix(model)[15].any()


def levels(x):
    """Level 0 to 3 as four channels, as a layer of a user may look it up."""
    return keras.ops.one_hot(keras.ops.cast(x[..., 0] * 3 + 0.5, "int32"), 4)


@pytest.mark.parametrize(
    "branch", [levels, keras.ops.round, keras.ops.sign, WholeNumbers()]
)
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


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_receptive_field_in_float16_is_refused(depth):
    """Also if the layer lies in a model in the model."""
    inputs = keras.Input((3, 3, 1))
    small = keras.initializers.Constant(1e-9)  # its gradient is 0 in float16
    layer = MaskedConv2D(1, 3, "A", dtype="mixed_float16", kernel_initializer=small)
    model = keras.Model(inputs, layer(inputs))
    for _ in range(depth):
        model = keras.Model(inputs, model(inputs))
    with pytest.raises(
        ValueError, match="float32 or bfloat16.*Received: 'masked.* in float16"
    ):
        causality.receptive_field(model, 1, 1)


def test_relus_that_are_off_between_the_levels_hide_no_pixel():
    """The gradients were those of noise: a trained network showed 45 of its 60 pixels."""
    image, kernel = keras.Input((5, 5, 1)), np.ones((3, 5, 1, 1))
    kernel[0, 0] = 0  # six taps are left, and all six must be ink
    x = MaskedConv2D(1, (3, 5), "A", activation="relu")(image)
    model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())
    one = np.ones(1)
    model.set_weights([kernel, -5.9 * one, np.ones((1, 1, 1, 1)), 0 * one])
    assert causality.receptive_field(model, 2, 2).sum() == 6

"""Every oracle is shown to catch the bug it is for.

Each bug below is planted in a small model or sampler, and each oracle that must notice is
named beside it. The same oracles pass on the right model.
"""

import functools

from pixelcnn_edu import causality, data, evaluation, generation, training
from pixelcnn_edu.gated import Gate, StackConv2D, gated_block
from pixelcnn_edu.layers import MaskedConv2D, OneHotLevels, residual_block
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel

import keras
import numpy as np
import pytest
from chi_squared import assert_images_fit, smallest_bias
from keras import ops
from test_evaluation import random_model, randomize

SHAPE = (3, 3, 1)


class WrongMask(keras.layers.Conv2D):
    """A masked convolution as one may write it, with a mask that is wrong."""

    def __init__(self, filters, kernel_size, mask_type="B"):
        super().__init__(filters, kernel_size, padding="same")
        self.mask = self.wrong(causal_mask(kernel_size, mask_type))

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel * self.mask)


class TransposedMask(WrongMask):
    """The mask on the wrong axes: columns are taken for rows."""

    def wrong(self, mask):
        return mask.transpose(1, 0, 2, 3)


class NoMask(WrongMask):
    """The mask forgotten."""

    def wrong(self, mask):
        return np.ones_like(mask)


class OffByOne(WrongMask):
    """The row of the center is shown one pixel too far."""

    def wrong(self, mask):
        mask[mask.shape[0] // 2, mask.shape[1] // 2 + 1] = 1
        return mask


class NotMoved(StackConv2D):
    """A dilated kernel that begins where one without dilation does."""

    @property
    def origin(self):
        step = self.dilation_rate[0]
        return tuple(offset // step for offset in super().origin)


class LevelsFirst(OneHotLevels):
    """The one-hot vectors of a pixel's channels interleaved: no group of its own each."""

    def call(self, inputs):
        hats = ops.reshape(super().call(inputs), (-1, 1, 2, 2, self.levels))
        return ops.reshape(ops.swapaxes(hats, -1, -2), (-1, 1, 2, 2 * self.levels))


def network(first, later, likelihood=None, *, wrap_first=False):
    """A small PixelCNN out of the given layers, with large random weights."""
    keras.utils.set_random_seed(0)
    likelihood = likelihood or Bernoulli()
    image = keras.Input(SHAPE)
    x = first(image)
    if wrap_first:  # a residual round the first layer
        x = keras.layers.add([x, image])
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.add([x, later(x)])
    x = keras.layers.Activation("relu")(x)
    logits = keras.layers.Conv2D(likelihood.logits_per_pixel(1), 1)(x)
    model = ImageModel(image, logits, likelihood=likelihood)
    randomize(model)
    return model


def gated(bug=None, dilated=None):
    """Two stacks, joined as one of the published mistakes has it."""
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    first = "B" if bug == "shift" else "A"
    v = StackConv2D(8, 3, "vertical", first)(image)
    h = StackConv2D(8, 3, "horizontal", "A")(image)
    h = Gate()(keras.layers.add([h, keras.layers.Conv2D(8, 1)(v)]))
    v = Gate()(v)
    if bug == "residual":
        h = keras.layers.add([h, image])
    if bug == "horizontal":  # the vertical stack reads the other one
        v = keras.layers.add([v, h])
    if dilated:
        v = Gate()(dilated(8, 3, "vertical", dilation_rate=2)(v))
        h = Gate()(dilated(8, 3, "horizontal", dilation_rate=2)(h))
    v, h = gated_block(v, h, 4)
    model = ImageModel(image, keras.layers.Conv2D(1, 1)(h), likelihood=Bernoulli())
    randomize(model)
    return model


def colored(*, mixed=False, first="A", one_hot=None):
    """Two pixels of two channels, the second after the first in each pixel."""
    keras.utils.set_random_seed(0)
    image = keras.Input((1, 2, 2))
    x = image if one_hot is None else one_hot(2)(image)
    x = MaskedConv2D(8, 3, first, colors=2, activation="relu")(x)
    last = keras.layers.Conv2D(4, 1) if mixed else MaskedConv2D(4, 1, colors=2)
    model = ImageModel(image, last(x), likelihood=Categorical(2))
    randomize(model)
    return model


def interleaved():
    """Channels ordered as thirds, logits read as if they alternated."""
    model = colored()
    order = keras.layers.Lambda(lambda x: ops.take(x, np.array([0, 2, 1, 3]), axis=-1))
    return ImageModel(model.input, order(model.output), likelihood=model.likelihood)


MODELS = {
    "right": lambda: network(MaskedConv2D(8, 3, "A"), MaskedConv2D(8, 3, "B")),
    "A and B swapped": lambda: network(
        MaskedConv2D(8, 3, "B"), MaskedConv2D(8, 3, "A")
    ),
    "B first": lambda: network(MaskedConv2D(8, 3, "B"), MaskedConv2D(8, 3, "B")),
    "mask transposed": lambda: network(
        TransposedMask(8, 3, "A"), MaskedConv2D(8, 3, "B")
    ),
    "mask forgotten": lambda: network(MaskedConv2D(8, 3, "A"), NoMask(8, 3, "B")),
    "mask off by one": lambda: network(MaskedConv2D(8, 3, "A"), OffByOne(8, 3, "B")),
    "residual round the first layer": lambda: network(
        MaskedConv2D(8, 3, "A"), MaskedConv2D(8, 3, "B"), wrap_first=True
    ),
    "right, gated": gated,
    "gated, shift forgotten": lambda: gated("shift"),
    "gated, vertical reads horizontal": lambda: gated("horizontal"),
    "gated, residual round the first layer": lambda: gated("residual"),
    "right, gated, dilated": lambda: gated(dilated=StackConv2D),
    "gated, dilated kernels not moved": lambda: gated(dilated=NotMoved),
    "right, colored": colored,
    "right, colored, one-hot": lambda: colored(one_hot=OneHotLevels),
    "colored, one-hot vectors interleaved": lambda: colored(one_hot=LevelsFirst),
    "colored, B first": lambda: colored(first="B"),
    "colored, unmasked 1×1 across the groups": lambda: colored(mixed=True),
    "colored, logits in the wrong layout": interleaved,
}
RIGHT = [name for name in MODELS if name.startswith("right")]
LEAKS = [name for name in MODELS if name not in RIGHT]


@functools.cache
def shared(name):
    """A model that no test changes."""
    return MODELS[name]()


def is_causal(model):
    causality.assert_causal(model)


def is_lower_triangular(model):
    assert not np.triu(causality.dependency_matrix(model)).any()


def sums_to_one(model):
    assert abs(evaluation.total_probability(model) - 1) < 1e-5


def at_once(model, count, seed):
    """All images in one slice, which needs no compiled loop."""
    shape = model.inputs[0].shape[1:]
    u = np.random.default_rng(seed).random((count, *shape), dtype="float32")
    nothing = np.zeros(u.shape, "float32"), np.zeros(shape[:2], bool)
    return generation.naive(model, model.likelihood, u, *nothing, 1.0)


def sampler_follows_likelihood(model, draw=at_once, *, count=20_000):
    assert_images_fit(model, draw(model, count, seed=0))


ORACLES = [is_causal, is_lower_triangular, sums_to_one]


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("oracle", [*ORACLES, sampler_follows_likelihood])
def test_oracles_pass_the_right_networks(oracle, name):
    oracle(shared(name))


@pytest.mark.parametrize("bug", LEAKS)
@pytest.mark.parametrize("oracle", ORACLES)
def test_oracles_catch_a_leak(oracle, bug):
    with pytest.raises(AssertionError):
        oracle(shared(bug))


def test_a_leak_of_one_in_a_million_is_caught():
    image = keras.Input(SHAPE)
    x = MaskedConv2D(1, 3, "B", kernel_initializer="zeros")(image)
    model = keras.Model(image, x)
    kernel, bias = model.get_weights()
    kernel[1, 1] = 1e-6
    model.set_weights([kernel, bias])
    with pytest.raises(AssertionError, match="its own input value"):
        causality.assert_causal(model)


def test_a_leak_through_a_relu_that_is_off_at_zero_is_caught():
    image = keras.Input(SHAPE)
    x = keras.layers.Conv2D(1, 1, kernel_initializer="ones")(image)
    model = keras.Model(image, keras.layers.Activation("relu")(x))
    model.layers[1].bias.assign([-0.6])  # off at a zero image
    with pytest.raises(AssertionError, match="its own input value"):
        causality.assert_causal(model)


def test_the_leak_is_named():
    image = keras.Input((4, 4, 1))
    later = keras.layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros")
    model = keras.Model(image, later(image))
    kernel, bias = model.get_weights()
    kernel[2, 1] = 1  # the pixel below
    model.set_weights([kernel, bias])
    words = (
        "output at row 0, column 0, channel 0 sees the later input at row 1, column 0"
    )
    with pytest.raises(AssertionError, match=words):
        causality.assert_causal(model)
    assert causality.first_leak(model) == ((0, 0, 0), (1, 0, 0))


def test_a_leak_through_two_later_pixels_together_is_named():
    image = keras.Input((1, 4, 1))
    both = keras.layers.ZeroPadding2D(((0, 0), (0, 2)))(image)
    both = keras.layers.Activation("relu")(both[:, :, 1:-1] + both[:, :, 2:] - 1.5)
    matrix = np.triu(np.ones((4, 4), bool), 1) & ~np.triu(np.ones((4, 4), bool), 3)
    for seed in range(20):
        leak = causality.first_leak(keras.Model(image, both), seed=seed)
        output, source = (place[1] for place in leak)
        assert matrix[output, source]


def test_training_on_a_leak_is_too_good_to_be_true():
    digits = data.load_mnist()[0][0][:256, 4:24:2, 4:24:2]
    losses = {}
    for mask_type in "AB":
        keras.utils.set_random_seed(0)
        image = keras.Input((10, 10, 1))
        x = MaskedConv2D(8, 3, mask_type)(image)
        model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())
        history = training.fit(
            model, digits, epochs=6, batch_size=16, learning_rate=0.03, verbose=0
        )
        losses[mask_type] = history.history["loss"][-1]
    assert losses["B"] < losses["A"] / 2


class WrongSide(Bernoulli):
    """Ink where u is above p."""

    def _sample(self, logits, uniforms, temperature):
        return 1 - super()._sample(logits, uniforms, temperature)


class WrongLayout(Categorical):
    """Logits are read as (levels, channels) when drawing."""

    def _sample(self, logits, uniforms, temperature):
        swapped = ops.reshape(logits, (*logits.shape[:-1], self.levels, -1))
        swapped = ops.reshape(ops.swapaxes(swapped, -1, -2), logits.shape)
        return super()._sample(swapped, uniforms, temperature)


class NeverTheLast(Categorical):
    """The highest level is never drawn."""

    def _sample(self, logits, uniforms, temperature):
        highest = 1 - 1 / (self.levels - 1)
        return ops.minimum(super()._sample(logits, uniforms, temperature), highest)


def one_pass(model, count, seed):
    """All pixels drawn at once from an empty picture."""
    uniforms = np.random.default_rng(seed).random((count, *SHAPE), dtype="float32")
    logits = model(np.zeros((count, *SHAPE), "float32"))
    return np.asarray(model.likelihood.sample(logits, uniforms))


def same_uniforms_for_every_pixel(model, count, seed):
    """One uniform number per image instead of one per pixel."""
    u = np.random.default_rng(seed).random((count, 1, 1, 1), dtype="float32")
    uniforms = np.broadcast_to(u, (count, *SHAPE)).copy()
    return generation.generate(model, count, uniforms=uniforms)


@pytest.mark.parametrize("draw", [one_pass, same_uniforms_for_every_pixel])
def test_the_sampler_s_oracle_catches_a_wrong_loop(draw):
    model = shared("right")
    sampler_follows_likelihood(model, generation.generate)
    with pytest.raises(AssertionError):
        sampler_follows_likelihood(model, draw)


def test_the_sampler_s_oracle_catches_ink_on_the_wrong_side():
    model = MODELS["right"]()
    model.likelihood = WrongSide()
    with pytest.raises(AssertionError):
        sampler_follows_likelihood(model)


class Biased(Bernoulli):
    """Ink a little too often."""

    def _sample(self, logits, uniforms, temperature):
        return super()._sample(logits, uniforms - smallest_bias(100_000), temperature)


def test_the_sampler_s_oracle_catches_a_coin_of_the_smallest_bias():
    image = keras.Input((1, 1, 1))
    logits = MaskedConv2D(1, 3, "A")(image)  # 0: no pixel comes before
    model = ImageModel(image, logits, likelihood=Bernoulli())
    sampler_follows_likelihood(model, count=100_000)
    model.likelihood = Biased()
    with pytest.raises(AssertionError, match="χ²"):
        sampler_follows_likelihood(model, count=100_000)


@pytest.mark.parametrize("wrong", [WrongLayout, NeverTheLast])
def test_the_sampler_s_oracle_catches_a_wrong_draw_of_levels(wrong):
    right = random_model((1, 2, 2), Categorical(3))
    sampler_follows_likelihood(right)
    right.likelihood = wrong(3)
    with pytest.raises(AssertionError):
        sampler_follows_likelihood(right)


class EndsLikeTheMiddle(DiscretizedLogisticMixture):
    """The outermost levels get their bin alone, not all that lies beyond it."""

    def _log_levels(self, x, means, log_scales):
        half = 1 / (self.levels - 1)
        upper, lower = (
            ops.sigmoid((x + end - means) * ops.exp(-log_scales))
            for end in (half, -half)
        )
        return ops.log(upper - lower)


class Unrounded(DiscretizedLogisticMixture):
    """As the paper's code draws, here of one component: cut to [-1, 1], not rounded."""

    def _sample(self, logits, uniforms, temperature):
        _, mean, log_scale = ops.split(logits, 3, axis=-1)
        x = mean + ops.exp(log_scale) * (ops.log(uniforms) - ops.log(1 - uniforms))
        return (ops.clip(x, -1, 1) + 1) / 2


def test_the_sum_catches_a_mixture_whose_ends_are_treated_like_its_middle():
    model = random_model((1, 3, 1), DiscretizedLogisticMixture(2, 4))
    sums_to_one(model)
    model.likelihood = EndsLikeTheMiddle(2, 4)
    with pytest.raises(AssertionError):
        sums_to_one(model)


def test_the_sampler_s_oracle_catches_a_mixture_that_is_not_rounded():
    model = random_model((1, 3, 1), DiscretizedLogisticMixture(1, 3))
    sampler_follows_likelihood(model)
    model.likelihood = Unrounded(1, 3)
    with pytest.raises(AssertionError):
        sampler_follows_likelihood(model)


class ForgetsPaper(Bernoulli):
    """Counts log p for ink alone."""

    def _log_prob_of_pixels(self, logits, images):
        return images[..., 0] * super()._log_prob_of_pixels(logits, images)


class TwiceTheLogits(Bernoulli):
    """Scores other probabilities than it draws from."""

    def _log_prob_of_pixels(self, logits, images):
        return super()._log_prob_of_pixels(2 * logits, images)


def test_the_sum_catches_a_forgotten_term():
    model = MODELS["right"]()
    model.likelihood = ForgetsPaper()
    with pytest.raises(AssertionError):
        sums_to_one(model)


def test_only_the_sampler_s_oracle_catches_a_likelihood_of_another_distribution():
    model = MODELS["right"]()
    model.likelihood = TwiceTheLogits()
    sums_to_one(model)  # a distribution it is, but not the one that is drawn from
    with pytest.raises(AssertionError):
        sampler_follows_likelihood(model)


def test_a_block_as_first_layer_leaks():
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 2))
    with pytest.raises(AssertionError):
        causality.assert_causal(keras.Model(image, residual_block(image, 2)))

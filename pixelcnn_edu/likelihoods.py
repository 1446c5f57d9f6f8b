"""Likelihoods: what the logits of a network say about a pixel.

A likelihood turns logits into log-probabilities, for training and evaluation, and into
random values, for generation. Both use the same distribution. `NegativeLogLikelihood` is
the log-probability as a Keras loss. Taught by notebook 06. `mixture` has one more
likelihood.

Images have L levels. Their values are k/(L-1), with k = 0 … L-1.
"""

import math

from pixelcnn_edu._checks import check_levels, check_temperature
from pixelcnn_edu.layers import register

import keras
import numpy as np
from keras import ops

LARGEST = float(np.finfo("float32").max)
BELOW_ONE = float(np.nextafter(np.float32(1), np.float32(0)))


class Likelihood:
    """The base class of all likelihoods.

    A density of real numbers (a Gaussian, say) is not possible here: give each level a
    probability, as `mixture` does. A subclass has the attribute ``levels`` and these
    methods. Their arguments are float32, and their shapes fit each other:

    - ``logits_per_pixel(channels)``: the number of logits that the network computes for
      one pixel;
    - ``_log_prob_of_pixels(logits, images)``, see `log_prob_of_pixels`;
    - ``_sample(logits, uniforms, temperature)``, see `sample`: a function of its arguments
      alone, without random numbers other than ``uniforms``;
    - ``_probabilities(logits, images)``, see `probabilities`: for figures and for
      `compression`. Training and generation do not need this method.

    The methods are compiled, so write them with `keras.ops`. The shape of ``logits`` is
    (…, logits_per_pixel(C)), and ``_log_prob_of_pixels`` returns (N, H, W). The temperature
    may be a tensor: test it with `is_zero`. `draw_levels` draws from log-probabilities.

    Without ``orders_channels``, the logits of one pixel are laid out as (C, K): first the K
    logits of the first channel, then those of the second. The masks for colors rely on this
    order.

    The attributes of a likelihood are the arguments of its ``__init__``, and no others:
    numbers, strings, and lists of these, as a file keeps them. Compute anything else, such
    as a table, in a method. Two likelihoods are equal if their class and attributes are.
    `load_model` finds a class of your own if you register it, as the example in
    CONTRIBUTING.md does.
    """

    #: True if the likelihood itself orders the channels of a pixel: red first, then green
    #: given red, then blue given both. If so, no logit may depend on a channel of its own
    #: pixel.
    orders_channels = False

    #: How many distributions over the levels are computed for each value: above 1 in a
    #: mixture. `generation` bounds its memory by this number.
    components = 1

    def log_prob(self, logits, images):
        """Return the log-probability of each image.

        Args:
            logits: (N, H, W, logits_per_pixel(C)), the network's output for ``images``.
            images: (N, H, W, C), values k/(levels-1). The result is NaN for an image with
                a value outside [0, 1].

        Returns:
            (N,) in nats, float32: the sum over all pixels and channels.
        """
        return ops.sum(self.log_prob_of_pixels(logits, images), axis=(1, 2))

    def log_prob_of_pixels(self, logits, images):
        """Return the log-probability of each pixel, given the pixels before it.

        The arguments are those of `log_prob`. The result is (N, H, W), in nats.
        """
        logits, images = self._float32(logits, images, "images")
        log_p = self._log_prob_of_pixels(logits, images)
        # Keras's own `fit` checks no images; pixels from 0 to 255, say, must not pass
        off = 1e-3 / (self.levels - 1)  # `check_images` accepts the same rounding error
        inside = ops.all(ops.abs(images - 0.5) <= 0.5 + off, axis=-1)
        return ops.where(inside, log_p, np.float32(np.nan))

    def sample(self, logits, uniforms, temperature=1.0):
        """Draw the values of pixels, with one uniform number for each value.

        Args:
            logits: (…, logits_per_pixel(C)).
            uniforms: (…, C), each in [0, 1).
            temperature: divides the log-probabilities of the levels. (For a softmax this
                is the same as dividing the logits.) Below 1, likely values become more
                likely; above 1, less. With 0 each value is its most likely level. (These
                values together are not the most likely image, because each choice
                ignores its effect on later pixels.)

        Returns:
            (…, C), float32, values k/(levels-1); NaN where a logit of the pixel is NaN.

        Raises:
            ValueError: if the shapes do not fit, or the temperature is negative.
        """
        # In a compiled loop the temperature is a tensor, which was checked as a number.
        if not ops.is_tensor(temperature):
            temperature = check_temperature(temperature)
        logits, uniforms = self._float32(logits, uniforms, "uniforms")
        # float32 rounds a number just below 1 to 1, but uniform numbers are below 1
        uniforms = ops.minimum(uniforms, BELOW_ONE)
        values = self._sample(logits, uniforms, temperature)
        undefined = ops.any(ops.isnan(logits), axis=-1, keepdims=True)
        return ops.where(undefined, np.float32(np.nan), values)

    def probabilities(self, logits, images):
        """Return the probability of each level of each value, given the values before it.

        Args:
            logits: (…, logits_per_pixel(C)).
            images: (…, C). Only a likelihood with ``orders_channels`` reads them: the
                earlier channels of the same pixel.

        Returns:
            (…, C, levels), float32; the sum over the last axis is 1.
        """
        logits, images = self._float32(logits, images, "images")
        return self._probabilities(logits, images)

    def _probabilities(self, logits, images):
        raise NotImplementedError(
            f"Expected {type(self).__name__} to have the method _probabilities(logits, "
            "images), which returns the probability of each level."
        )

    def _float32(self, logits, values, name):
        """Return both arguments in float32, if their shapes fit each other."""
        logits = ops.cast(logits, "float32")
        values = ops.cast(values, "float32")
        expected = (*values.shape[:-1], self.logits_per_pixel(values.shape[-1]))
        same = len(logits.shape) == len(expected) and all(
            a is None or b is None or a == b
            for a, b in zip(logits.shape, expected, strict=True)
        )
        if not same:
            raise ValueError(
                f"Expected logits of shape {expected} for {name} of shape "
                f"{tuple(values.shape)} under {self}. Received: {tuple(logits.shape)}"
            )
        return logits, values

    def get_config(self):
        return dict(vars(self))  # the arguments: `__init__` stores them by their names

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash(repr(self))


def check_likelihood(likelihood) -> Likelihood:
    """Return ``likelihood``, or raise a ValueError if it is not a `Likelihood`."""
    if not isinstance(likelihood, Likelihood):
        raise ValueError(
            "Expected likelihood to be a Likelihood, such as Bernoulli(). "
            f"Received: {likelihood!r}"
        )
    return likelihood


def is_zero(temperature) -> bool:
    """Return whether the temperature is the number 0. (A tensor is always above 0.)"""
    return not ops.is_tensor(temperature) and bool(temperature == 0)


def draw_levels(log_p, uniforms, temperature):
    """Draw values from log-probabilities, by inverting the cumulative distribution.

    The value is the lowest level whose cumulative probability exceeds the uniform number.
    A level of probability 0 is never drawn.

    Args:
        log_p: (…, C, L), up to a constant for each value.
        uniforms: (…, C), each in [0, 1).
        temperature: as for `Likelihood.sample`.

    Returns:
        (…, C), float32, values k/(L-1); NaN where a log-probability is NaN.
    """
    levels = log_p.shape[-1]
    if is_zero(temperature):
        level = ops.argmax(log_p, axis=-1)
    else:
        # the largest becomes 0, which stays finite over any temperature
        below_largest = log_p - ops.max(log_p, axis=-1, keepdims=True)
        p = ops.softmax(below_largest / temperature, axis=-1)
        cumulative = _cumulative(p)  # the last one is 1, up to rounding
        passed = cumulative[..., :-1] <= uniforms[..., None] * cumulative[..., -1:]
        level = ops.sum(ops.cast(passed, "int32"), axis=-1, keepdims=True)
        # Rounding can place the uniform number in a level of probability 0, because
        # compiled cumulative sums are not always increasing. Then the next level above is
        # drawn, or the highest, of those with p > 0.
        every = np.arange(levels, dtype="int32")
        above = ops.where((p > 0) & (every >= level), every, levels)
        highest = ops.max(ops.where(p > 0, every, 0), axis=-1)
        level = ops.minimum(ops.min(above, axis=-1), highest)
    # a table, because a compiler may compute k/(L-1) with another rounding error
    values = np.arange(levels, dtype="float32") / np.float32(levels - 1)
    undefined = ops.any(ops.isnan(log_p), axis=-1)
    return ops.where(undefined, np.float32(np.nan), ops.take(values, level))


def _cumulative(p):
    """Return the cumulative sums of p, in blocks: a long sum in float32 loses digits."""
    *rest, levels = ops.shape(p)
    size = math.isqrt(levels - 1) + 1
    p = ops.pad(p, [*[(0, 0)] * len(rest), (0, size**2 - levels)])
    blocks = ops.cumsum(ops.reshape(p, (*rest, size, size)), axis=-1)
    before = ops.cumsum(blocks[..., :-1, -1:], axis=-2)
    blocks += ops.pad(before, [*[(0, 0)] * len(rest), (1, 0), (0, 0)])
    return ops.reshape(blocks, (*rest, size**2))[..., :levels]


@register
class Bernoulli(Likelihood):
    """Two levels: a pixel is ink (1) with probability sigmoid(logit).

    The log-probability is linear in the images. So gray values in [0, 1] are accepted as
    soft targets: they give the mean over all binary images with these probabilities.

    Example:
        >>> import numpy as np
        >>> x = np.zeros((1, 28, 28, 1), "float32")
        >>> nats = -Bernoulli().log_prob(np.zeros_like(x), x)  # every pixel a fair coin
        >>> round(float(nats[0]), 1)  # 784 ln 2
        543.4
    """

    levels = 2

    def logits_per_pixel(self, channels: int) -> int:
        return channels

    def _log_prob_of_pixels(self, logits, images):
        # log sigmoid(l) for ink and log sigmoid(-l) for paper, in one stable expression
        logits = ops.clip(logits, -LARGEST, LARGEST)  # 0 times infinity is NaN
        return ops.sum(images * logits - ops.softplus(logits), axis=-1)

    def _probabilities(self, logits, images):
        return ops.stack([ops.sigmoid(-logits), ops.sigmoid(logits)], axis=-1)

    def _sample(self, logits, uniforms, temperature):
        if is_zero(temperature):
            return ops.cast(logits > 0, "float32")
        return ops.cast(uniforms < ops.sigmoid(logits / temperature), "float32")


@register
class Categorical(Likelihood):
    """Any number of levels: one probability per level, a softmax over K logits.

    The logits of one pixel are laid out as (C, K): the K numbers of the first channel,
    then those of the second, and so on. `draw_levels` draws the values.

    Args:
        levels: K, at least 2.

    Example:
        >>> import numpy as np
        >>> pixel = Categorical(4).sample(np.log([[.1, .2, .3, .4]]), np.array([[.5]]))
        >>> round(float(pixel[0, 0]) * 3)  # .1 + .2 <= .5 < .1 + .2 + .3: level 2
        2
    """

    def __init__(self, levels):
        self.levels = check_levels(levels)

    def logits_per_pixel(self, channels: int) -> int:
        return channels * self.levels

    def _by_channel(self, logits, values):
        channels = values.shape[-1]
        leading = ops.shape(logits)[:-1]
        logits = ops.minimum(logits, LARGEST)  # infinity minus infinity is NaN
        return ops.reshape(logits, (*leading, channels, self.levels))

    def _log_prob_of_pixels(self, logits, images):
        log_p = ops.log_softmax(self._by_channel(logits, images), axis=-1)
        level = ops.round(images * (self.levels - 1))
        is_level = level[..., None] == np.arange(self.levels, dtype="float32")
        # no product with a one-hot vector: 0 times the logarithm of 0 is NaN
        return ops.sum(ops.where(is_level, log_p, 0.0), axis=(-2, -1))

    def _probabilities(self, logits, images):
        return ops.softmax(self._by_channel(logits, images), axis=-1)

    def _sample(self, logits, uniforms, temperature):
        return draw_levels(self._by_channel(logits, uniforms), uniforms, temperature)


@register
class NegativeLogLikelihood(keras.losses.Loss):
    """Loss of a model whose logits belong to a likelihood: mean nats per image.

    Args:
        likelihood: a `Likelihood`, such as ``Bernoulli()``. The loss is NaN if an image
            has a value outside [0, 1].

    Returns:
        ``-likelihood.log_prob(logits, images)``, averaged over the batch.
    """

    def __init__(self, likelihood, name="negative_log_likelihood", **kwargs):
        super().__init__(name=name, **kwargs)
        self.likelihood = check_likelihood(likelihood)

    def call(self, y_true, y_pred):
        return -self.likelihood.log_prob(y_pred, y_true)

    def get_config(self):
        likelihood = keras.saving.serialize_keras_object(self.likelihood)
        return {**super().get_config(), "likelihood": likelihood}

    @classmethod
    def from_config(cls, config):
        likelihood = keras.saving.deserialize_keras_object(config["likelihood"])
        return cls(**{**config, "likelihood": likelihood})

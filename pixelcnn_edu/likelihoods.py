"""Likelihoods: what a network's logits say about a pixel.

Each class turns the same logits into a log-probability, for training and evaluation,
and into a draw, for generation; so the two cannot drift apart. `NegativeLogLikelihood`
is the same log-probability as a Keras loss. Taught by notebooks 06 and 14.

Images have L levels and hold the values k/(L-1), k = 0 … L-1.
"""

from pixelcnn_edu._checks import check_levels, check_positive_int, check_temperature

import keras
import numpy as np
from keras import ops

register = keras.saving.register_keras_serializable(package="pixelcnn_edu")


class Likelihood:
    """What all likelihoods share; not used on its own.

    A likelihood has ``levels``, and says with ``logits_per_pixel(channels)`` how many
    numbers the network must put out per pixel. Its attributes are the arguments of its
    ``__init__``: so it is saved, and compared with others.
    """

    #: whether it orders the channels of a pixel itself, so that a network must not
    orders_channels = False

    def log_prob(self, logits, images):
        """Return the log-probability of each image.

        Args:
            logits: (N, H, W, logits_per_pixel(C)), the network's output for ``images``.
            images: (N, H, W, C), values k/(levels-1).

        Returns:
            (N,) in nats, float32: the sum over all pixels and channels.
        """
        return ops.sum(self.log_prob_of_pixels(logits, images), axis=(1, 2))

    def log_prob_of_pixels(self, logits, images):
        """Return the log-probability of each pixel, given those before it.

        Arguments as for `log_prob`; returns (N, H, W) in nats, its terms.
        """
        logits, images = self._checked(logits, images, "images")
        return self._log_prob_of_pixels(logits, images)

    def sample(self, logits, uniforms, temperature=1.0):
        """Draw the values of pixels, one uniform number for each.

        Args:
            logits: (…, logits_per_pixel(C)).
            uniforms: (…, C), each in [0, 1).
            temperature: divides the log-probabilities of the levels (for a softmax, the
                same as its logits). Below 1 the draws become safer, above 1 wilder; 0
                takes each pixel's most likely value. (That is not the most likely image:
                each choice ignores what it does to later pixels.)

        Returns:
            (…, C), float32, values k/(levels-1).
        """
        if not ops.is_tensor(temperature):  # else checked before it became a tensor
            temperature = check_temperature(temperature)
        logits, uniforms = self._checked(logits, uniforms, "uniforms")
        if isinstance(temperature, float) and not temperature:
            return self._most_likely(logits, uniforms)
        return self._tempered_sample(logits, uniforms, temperature)

    def probabilities(self, logits, images):
        """Return the probability of each level of each value, given what comes before.

        Args:
            logits: (…, logits_per_pixel(C)).
            images: (…, C). Only a likelihood that orders the channels of a pixel itself
                looks at them: at earlier channels of the same pixel.

        Returns:
            (…, C, levels), float32; sums to 1 over the last axis.
        """
        logits, images = self._checked(logits, images, "images")
        return self._probabilities(logits, images)

    def _tempered_sample(self, logits, uniforms, temperature):
        return self._sample(logits / temperature, uniforms)

    def _checked(self, logits, values, name):
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
        return dict(vars(self))  # the arguments, which `__init__` keeps by their names

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


@register
class Bernoulli(Likelihood):
    """Two levels: a pixel is ink (1) with probability sigmoid(logit).

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
        return ops.sum(images * logits - ops.softplus(logits), axis=-1)

    def _probabilities(self, logits, images):
        return ops.stack([ops.sigmoid(-logits), ops.sigmoid(logits)], axis=-1)

    def _sample(self, logits, uniforms):
        return ops.cast(uniforms < ops.sigmoid(logits), "float32")

    def _most_likely(self, logits, uniforms):
        return ops.cast(logits > 0, "float32")


@register
class Categorical(Likelihood):
    """Any number of levels: one probability per level, a softmax over K logits.

    The logits of one pixel are laid out as (C, K): the K numbers of the first channel,
    then those of the second, and so on. A draw inverts the cumulative distribution: the
    lowest level whose cumulative probability exceeds the uniform number.

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
        return ops.reshape(logits, (*leading, channels, self.levels))

    def _log_prob_of_pixels(self, logits, images):
        log_p = ops.log_softmax(self._by_channel(logits, images), axis=-1)
        level = ops.cast(ops.round(images * (self.levels - 1)), "int32")
        return ops.sum(log_p * ops.one_hot(level, self.levels), axis=(-2, -1))

    def _probabilities(self, logits, images):
        return ops.softmax(self._by_channel(logits, images), axis=-1)

    def _sample(self, logits, uniforms):
        return _invert(self._probabilities(logits, uniforms), uniforms)

    def _most_likely(self, logits, uniforms):
        level = ops.argmax(self._by_channel(logits, uniforms), axis=-1)
        return _value(level, self.levels)


@register
class LogisticMixture(Likelihood):
    """Any number of levels, as a mixture of logistic distributions (PixelCNN++).

    Paper: arXiv 1701.05517, equation 2. Levels that lie close are close in probability,
    and the number of logits does not grow with the number of levels: 3 per component
    (weight, mean, log scale) for one channel, 10 for three. With three channels, all
    of a component, the means of green and blue move with the values before them, by three
    coefficients; so the network itself must see no channel of its own pixel.

    What differs here: a draw inverts the exact cumulative distribution over the levels.
    The paper's code draws from the continuous mixture without rounding, which is not the
    likelihood that it trains.

    Logits of a pixel: weights (M), means (C, M), log scales (C, M), coefficients (3, M).

    Args:
        components: M, at least 1.
        levels: L, at least 2.

    Example:
        >>> import numpy as np
        >>> mixture = LogisticMixture(5, 256)
        >>> mixture.logits_per_pixel(1), mixture.logits_per_pixel(3)
        (15, 50)
        >>> p = mixture.probabilities(np.zeros((1, 15)), np.zeros((1, 1)))
        >>> p.shape, round(float(p.numpy().sum()), 4)
        (TensorShape([1, 1, 256]), 1.0)
    """

    orders_channels = True
    _log_scale_range = (-7.0, 7.0)

    def __init__(self, components, levels):
        self.components = check_positive_int("components", components)
        self.levels = check_levels(levels)

    def logits_per_pixel(self, channels: int) -> int:
        if channels not in (1, 3):
            raise ValueError(
                f"Expected 1 or 3 channels for a LogisticMixture. Received: {channels}"
            )
        return self.components * (3 if channels == 1 else 10)

    def _parts(self, logits, channels):
        """Split logits into log weights (…, M), and means, log scales (…, C, M), …"""
        leading, m = ops.shape(logits)[:-1], self.components
        log_weights = ops.log_softmax(logits[..., :m], axis=-1)
        rest = ops.reshape(logits[..., m:], (*leading, -1, m))
        means, log_scales = (
            rest[..., :channels, :],
            rest[..., channels : 2 * channels, :],
        )
        log_scales = ops.clip(log_scales, *self._log_scale_range)
        return log_weights, means, log_scales, ops.tanh(rest[..., 2 * channels :, :])

    def _channel_means(self, means, coefficients, x):
        """Return the mean of each channel (…, C, M), moved by the channels before it."""
        if x.shape[-1] == 1:
            return means
        red, green = x[..., 0, None], x[..., 1, None]
        c = coefficients
        moved = [
            means[..., 0, :],
            means[..., 1, :] + c[..., 0, :] * red,
            means[..., 2, :] + c[..., 1, :] * red + c[..., 2, :] * green,
        ]
        return ops.stack(moved, axis=-2)

    def _log_levels(self, x, means, log_scales):
        """Return log P(level) per component; x in [-1, 1], broadcast to the means.

        With a, b the ends of the level's bin in units of the scale,
        log(σ(a) - σ(b)) = log σ(a) + log σ(-b) + log(1 - exp(b - a)), which keeps its
        digits in both tails. The outermost bins reach to infinity.
        """
        half = 1 / (self.levels - 1)
        inverse = ops.exp(-log_scales)
        upper, lower = (x + half - means) * inverse, (x - half - means) * inverse
        log_below, log_above = -ops.softplus(-upper), -ops.softplus(lower)
        inside = log_below + log_above + ops.log(-ops.expm1(-2 * half * inverse))
        outermost = ops.where(x > 0, log_above, log_below)
        return ops.where(ops.abs(x) > 1 - half, outermost, inside)

    def _log_prob_of_pixels(self, logits, images):
        x = 2 * images - 1
        log_weights, means, log_scales, c = self._parts(logits, images.shape[-1])
        means = self._channel_means(means, c, x)
        per_channel = self._log_levels(x[..., None], means, log_scales)
        # the channels of a component belong together: sum them before the components
        return ops.logsumexp(log_weights + ops.sum(per_channel, axis=-2), axis=-1)

    def _log_probabilities(self, logits, images):
        """Return log p of each level (…, C, L), given earlier channels of the pixel."""
        x = 2 * images - 1
        log_weights, means, log_scales, c = self._parts(logits, images.shape[-1])
        means = self._channel_means(means, c, x)
        grid = ops.linspace(-1.0, 1.0, self.levels)[:, None]
        table = self._log_levels(grid, means[..., None, :], log_scales[..., None, :])
        # each channel that is known tells the components apart for the next
        seen = self._log_levels(x[..., None], means, log_scales)
        before = ops.cumsum(seen, axis=-2) - seen
        log_weights = ops.log_softmax(log_weights[..., None, :] + before, axis=-1)
        return ops.logsumexp(log_weights[..., None, :] + table, axis=-1)

    def _probabilities(self, logits, images):
        return ops.softmax(self._log_probabilities(logits, images), axis=-1)

    def _by_turns(self, logits, channels, choose):
        """Fill in the channels of a pixel one after the other."""
        values = ops.zeros((*ops.shape(logits)[:-1], channels))
        for channel in range(channels):
            chosen = choose(self._log_probabilities(logits, values))
            values = ops.where(np.arange(channels) == channel, chosen, values)
        return values

    def _tempered_sample(self, logits, uniforms, temperature):
        def choose(log_p):
            return _invert(ops.softmax(log_p / temperature, axis=-1), uniforms)

        return self._by_turns(logits, uniforms.shape[-1], choose)

    def _most_likely(self, logits, uniforms):
        def choose(log_p):
            return _value(ops.argmax(log_p, axis=-1), self.levels)

        return self._by_turns(logits, uniforms.shape[-1], choose)


def _invert(p, uniforms):
    """Return the lowest value whose cumulative probability exceeds the uniform number."""
    # the last cumulative probability is 1 but for rounding, so it is left out
    passed = ops.cumsum(p, axis=-1)[..., :-1] <= uniforms[..., None]
    return _value(ops.sum(ops.cast(passed, "int32"), axis=-1), p.shape[-1])


def _value(level, levels):
    """Return k/(levels-1) for level k."""
    # a table, since a compiler may divide in another way, and round to another number
    return ops.take(np.arange(levels, dtype="float32") / np.float32(levels - 1), level)


@register
class NegativeLogLikelihood(keras.losses.Loss):
    """Loss of a model whose logits belong to a likelihood: mean nats per image.

    Args:
        likelihood: a likelihood of this module.

    Returns:
        ``-likelihood.log_prob(logits, images)``, averaged over the batch.
    """

    def __init__(self, likelihood, name="negative_log_likelihood", **kwargs):
        super().__init__(name=name, **kwargs)
        if not isinstance(likelihood, Likelihood):
            raise ValueError(
                "Expected likelihood to be one of pixelcnn_edu.likelihoods. "
                f"Received: {likelihood!r}"
            )
        self.likelihood = likelihood

    def call(self, y_true, y_pred):
        return -self.likelihood.log_prob(y_pred, y_true)

    def get_config(self):
        likelihood = keras.saving.serialize_keras_object(self.likelihood)
        return {**super().get_config(), "likelihood": likelihood}

    @classmethod
    def from_config(cls, config):
        likelihood = keras.saving.deserialize_keras_object(config["likelihood"])
        return cls(**{**config, "likelihood": likelihood})

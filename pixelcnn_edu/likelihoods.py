"""Likelihoods: what a network's logits say about a pixel.

Each class turns the same logits into a log-probability, for training and evaluation,
and into a draw, for generation; so the two cannot drift apart. `NegativeLogLikelihood`
is the same log-probability as a Keras loss. Taught by notebook 06.

Images have L levels and hold the values k/(L-1), k = 0 … L-1.
"""

from pixelcnn_edu.masks import check_positive_int

import keras
from keras import ops

register = keras.saving.register_keras_serializable(package="pixelcnn_edu")


class Likelihood:
    """What `Bernoulli` and `Categorical` share; not used on its own.

    A likelihood has ``levels``, and says with ``logits_per_pixel(channels)`` how many
    numbers the network must put out per pixel.
    """

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
            temperature: divides the logits. Below 1 the draws become safer, above 1
                wilder; 0 takes each pixel's most likely value. (That is not the most
                likely image: each choice ignores what it does to later pixels.)

        Returns:
            (…, C), float32, values k/(levels-1).
        """
        fixed = not ops.is_tensor(temperature)  # else checked by who made the tensor
        if fixed and temperature < 0:
            raise ValueError(f"Expected temperature >= 0. Received: {temperature!r}")
        logits, uniforms = self._checked(logits, uniforms, "uniforms")
        if fixed and temperature == 0:
            return self._most_likely(logits, uniforms)
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
        return {}

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
        if check_positive_int("levels", levels) < 2:
            raise ValueError(f"Expected levels >= 2. Received: {levels!r}")
        self.levels = int(levels)

    def get_config(self):
        return {"levels": self.levels}

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

    def _sample(self, logits, uniforms):
        p = ops.softmax(self._by_channel(logits, uniforms), axis=-1)
        # the last cumulative probability is 1 but for rounding, so it is left out
        passed = ops.cumsum(p, axis=-1)[..., :-1] <= uniforms[..., None]
        level = ops.sum(ops.cast(passed, "float32"), axis=-1)
        return level / (self.levels - 1)

    def _most_likely(self, logits, uniforms):
        level = ops.argmax(self._by_channel(logits, uniforms), axis=-1)
        return ops.cast(level, "float32") / (self.levels - 1)


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
        likelihood = keras.saving.deserialize_keras_object(config.pop("likelihood"))
        return cls(likelihood, **config)

"""A mixture of logistic distributions over any number of levels (PixelCNN++).

Taught by notebook 17.
"""

from pixelcnn_edu._checks import check_levels, check_positive_int
from pixelcnn_edu.layers import register
from pixelcnn_edu.likelihoods import LARGEST, Likelihood, draw_levels

import numpy as np
from keras import ops


@register
class DiscretizedLogisticMixture(Likelihood):
    """Any number of levels, as a mixture of logistic distributions.

    Paper: arXiv 1701.05517, equation 2. Neighboring levels get similar probabilities, and
    the number of logits does not grow with the number of levels: 3 per component (weight,
    mean, log scale) for one channel, 10 for three. With three channels, the mean of green
    is linear in red, and the mean of blue is linear in red and green. The coefficients
    are 3 of the 10 logits of a component. So the network itself must not see any channel
    of its own pixel.

    The paper's code draws from the continuous mixture and does not round. Here
    `draw_levels` draws from the probabilities of the levels, those that are trained. Log
    scales are clipped to [-7, 7] (the paper's code has the lower limit).

    Logits of a pixel: weights (M), means (C, M), log scales (C, M) and, with three channels
    only, coefficients (3, M).

    Args:
        components: M, at least 1.
        levels: L, at least 2.

    Example:
        >>> import numpy as np
        >>> mixture = DiscretizedLogisticMixture(5, 256)
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
                "Expected 1 or 3 channels for a DiscretizedLogisticMixture. "
                f"Received: {channels}"
            )
        return self.components * (3 if channels == 1 else 10)

    def _parts(self, logits, x):
        """Split the logits into what the mixture needs.

        Args:
            logits: (…, logits_per_pixel(C)).
            x: (…, C) in [-1, 1], the values that the means depend on.

        Returns:
            log weights (…, M), means (…, C, M) and log scales (…, C, M).
        """
        m, channels = self.components, x.shape[-1]
        # infinity minus infinity is NaN
        weights = ops.minimum(logits[..., :m], LARGEST)
        log_weights = ops.log_softmax(weights, axis=-1)
        rest = ops.reshape(logits[..., m:], (*ops.shape(logits)[:-1], -1, m))
        means = rest[..., :channels, :]
        log_scales = rest[..., channels : 2 * channels, :]
        log_scales = ops.clip(log_scales, *self._log_scale_range)
        if channels == 3:
            c = ops.tanh(rest[..., 6:, :])
            red, green = x[..., 0, None], x[..., 1, None]
            linear = [
                means[..., 0, :],
                means[..., 1, :] + c[..., 0, :] * red,
                means[..., 2, :] + c[..., 1, :] * red + c[..., 2, :] * green,
            ]
            means = ops.stack(linear, axis=-2)
        return log_weights, means, log_scales

    def _log_levels(self, x, means, log_scales):
        """Return log P(level) per component; x in [-1, 1], broadcast to the means.

        Let a and b be the upper and lower end of the level's bin, minus the mean, divided
        by the scale. Then log(σ(a) - σ(b)) = log σ(a) + log σ(-b) + log(1 - exp(b - a)),
        which is accurate in both tails. The lowest bin reaches to -∞, the highest to +∞.
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
        log_weights, means, log_scales = self._parts(logits, x)
        per_channel = self._log_levels(x[..., None], means, log_scales)
        # the channels share one component: sum over channels first, then over components
        return ops.logsumexp(log_weights + ops.sum(per_channel, axis=-2), axis=-1)

    def _log_probabilities(self, logits, images):
        """Return log p of each level (…, C, L), given earlier channels of the pixel."""
        x = 2 * images - 1
        log_weights, means, log_scales = self._parts(logits, x)
        grid = ops.linspace(-1.0, 1.0, self.levels)[:, None]
        table = self._log_levels(grid, means[..., None, :], log_scales[..., None, :])
        # Bayes' rule: each earlier channel changes the weights of the components
        seen = self._log_levels(x[..., None], means, log_scales)
        earlier = ops.concatenate(  # shifted by one: without the channel itself
            [ops.zeros_like(seen[..., :1, :]), seen[..., :-1, :]], axis=-2
        )
        before = ops.cumsum(earlier, axis=-2)
        log_weights = ops.log_softmax(log_weights[..., None, :] + before, axis=-1)
        return ops.logsumexp(log_weights[..., None, :] + table, axis=-1)

    def _probabilities(self, logits, images):
        return ops.softmax(self._log_probabilities(logits, images), axis=-1)

    def _sample(self, logits, uniforms, temperature):
        values = ops.zeros_like(uniforms)
        channels = uniforms.shape[-1]
        for channel in range(channels):  # each channel needs the values of those before
            log_p = self._log_probabilities(logits, values)
            drawn = draw_levels(log_p, uniforms, temperature)
            values = ops.where(np.arange(channels) == channel, drawn, values)
        return values

"""A mixture of logistic distributions, and its probabilities of the levels."""

from pixelcnn_edu import plots
from pixelcnn_edu._checks import is_int, plain
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.widgets._base import Explorer

import numpy as np

LEVELS = (2, 4, 8, 16, 32, 64, 128, 256)
MOST_COMPONENTS = 4
_RANGES = {"mean": (-1.5, 1.5), "log scale": (-7.0, 1.0), "weight": (0.0, 1.0)}
_STEPS = (0.05, 0.1, 0.05)  # of the sliders


def bars(components, levels):
    """Return the probabilities of the levels, and the share beyond the outermost borders.

    The mixture is `mixture.DiscretizedLogisticMixture`.

    Args:
        components: (mean, log scale, weight) of each. Weights count relative to each
            other; if all are 0, they count alike.
        levels: L.

    Returns:
        p (L,) and the share of the density that lies beyond the outermost borders. It is
        a part of the probabilities of the first level and of the last one.

    Example:
        >>> p, beyond = bars([(0.0, -1.0, 1.0)], 4)
        >>> p.round(3), round(beyond, 3)
        (array([0.14, 0.36, 0.36, 0.14], dtype=float32), 0.052)
    """
    means, log_scales, weights = np.array(components, "float64").T
    if not weights.any():
        weights = np.ones_like(weights)
    weights = weights / weights.sum()
    log_weights = np.log(np.maximum(weights, 1e-9))
    logits = np.concatenate([log_weights, means, log_scales]).astype("float32")
    mixture = DiscretizedLogisticMixture(len(components), levels)
    p = mixture.probabilities(logits[None], np.zeros((1, 1), "float32"))
    border = 1 + 1 / (mixture.levels - 1)
    ends = (np.array([[-border], [border]]) - means) / np.exp(log_scales)
    below, above = 0.5 + 0.5 * np.tanh(ends * [[0.5], [-0.5]])
    return np.asarray(p)[0, 0], float(weights @ (below + above))


class MixtureExplorer(Explorer):
    """Bars of a discretized mixture of logistics under its continuous density.

    Each component has a slider for its mean and its log scale, in the units of x, which
    goes from -1 at level 0 to 1 at the last level, and one for its weight. The bars are
    the probabilities of the levels. The curve is the density times the width of a bin.
    If a bin is narrow compared with the scale, its bar ends on the curve. The two
    outermost bars (orange) also contain the density beyond their borders.

    Args:
        components: (mean, log scale, weight) of each, 1 to 4 of them. The sliders have
            steps of 0.05, 0.1 and 0.05, to which these numbers are rounded.
        levels: 2, 4, 8, … or 256, where the slider starts.

    Attributes:
        components: the rounded numbers, a list of triples.

    Raises:
        ValueError: if an argument is out of its range.
    """

    size = (9, 3.9)

    def __init__(self, components=((-0.5, -1.5, 0.5), (0.6, -2.5, 0.5)), *, levels=16):
        levels = plain(levels)
        if not is_int(levels) or levels not in LEVELS:
            raise ValueError(
                f"Expected levels to be one of {LEVELS}. Received: {levels}"
            )
        lows = [low for low, _ in _RANGES.values()]
        steps = [
            np.round(np.subtract(_checked(values), lows) / _STEPS).astype(int)
            for values in _listed(components)
        ]
        self.components = [tuple((lows + own * _STEPS).tolist()) for own in steps]
        settings = {
            "mixture": ".".join(map(str, np.concatenate(steps))),
            "mixtureLevels": levels,
        }
        about = "a mixture of logistics, cut into levels"
        super().__init__("mixture", None, about=about, **settings)

    def draw(self, figure):
        """Draw the probabilities of the levels as bars."""
        p, beyond = bars(self.components, self.settings["mixtureLevels"])
        x = np.linspace(-1, 1, len(p))
        ax = figure.add_axes((0.09, 0.17, 0.89, 0.7))
        ax.bar(x, p, width=x[1] - x[0], color=plots.SEEN)
        ax.set(xlabel="x: level 0 at −1, the last level at 1")
        ax.set(ylabel="probability of a level")
        ax.set_title(f"{len(p)} levels; beyond the borders {100 * beyond:.1f} %")


def _listed(components):
    if not isinstance(components, list | tuple) or not (
        1 <= len(components) <= MOST_COMPONENTS
    ):
        raise ValueError(
            f"Expected components to be 1 to {MOST_COMPONENTS} triples (mean, log scale, "
            f"weight). Received: {components!r}"
        )
    return components


def _checked(values):
    numbers = isinstance(values, list | tuple) and len(values) == 3
    numbers = numbers and all(
        isinstance(v, int | float | np.number) and not isinstance(v, bool)
        for v in values
    )
    if not numbers or not all(
        low <= value <= high
        for value, (low, high) in zip(values, _RANGES.values(), strict=True)
    ):
        ranges = ", ".join(f"{n} {low} to {high}" for n, (low, high) in _RANGES.items())
        raise ValueError(
            f"Expected components to be triples of numbers: {ranges}. "
            f"Received: {values!r}"
        )
    return [float(value) for value in values]

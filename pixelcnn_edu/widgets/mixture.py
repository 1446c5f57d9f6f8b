"""A mixture of logistic distributions, and its probabilities of the levels."""

from pixelcnn_edu import plots
from pixelcnn_edu._checks import plain
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.widgets._base import Explorer

import ipywidgets
import numpy as np

LEVELS = (2, 4, 8, 16, 32, 64, 128, 256)
MOST_COMPONENTS = 4
_RANGES = {"mean": (-1.5, 1.5), "log scale": (-7.0, 1.0), "weight": (0.0, 1.0)}
_STEPS = {"mean": 0.05, "log scale": 0.1, "weight": 0.05}
_DARK = "#D55E00"


class MixtureExplorer(Explorer):
    """Bars of a discretized mixture of logistics under its continuous density.

    Each component has a slider for its mean and its log scale, in the units of x, which
    goes from -1 at level 0 to 1 at the last level, and one for its weight. The bars are
    the probabilities of the levels, by `mixture.DiscretizedLogisticMixture`. The curve
    is the density times the width of a bin. If a bin is narrow compared with the scale,
    its bar ends on the curve. The two outermost bars (orange) also contain the density
    beyond their borders.

    Args:
        components: (mean, log scale, weight) of each, 1 to 4 of them.
        levels: 2, 4, 8, … or 256, where the selector starts.

    Attributes:
        sliders: for each component a dict of its three sliders.
        levels: the selector.
        p: (levels,), the probabilities on show.
        outside: share of the density that lies beyond the outermost borders.

    Raises:
        ValueError: if an argument is out of its range.
    """

    size = (9, 3.9)

    def __init__(self, components=((-0.5, -1.5, 0.5), (0.6, -2.5, 0.5)), *, levels=16):
        super().__init__()
        levels = plain(levels)
        if levels not in LEVELS or isinstance(levels, bool):
            raise ValueError(
                f"Expected levels to be one of {LEVELS}. Received: {levels}"
            )
        self.sliders = [_sliders(*_checked(values)) for values in _listed(components)]
        self.levels = ipywidgets.SelectionSlider(
            options=LEVELS, value=levels, description="levels", continuous_update=False
        )
        self.levels.style.description_width = "70px"
        columns = []
        for number, group in enumerate(self.sliders, 1):
            title = ipywidgets.HTML(f"<b>component {number}</b>")
            columns.append(ipywidgets.VBox([title, *group.values()]))
            for slider in group.values():
                slider.observe(self.refresh, "value")
        self.levels.observe(self.refresh, "value")
        row = ipywidgets.HBox(columns, layout={"flex_flow": "row wrap"})
        self.start(row, self.levels, about="a mixture of logistics, cut into levels")

    def logits(self):
        """Return the sliders as logits, float32 (3M,): weights, means, log scales.

        Weights count relative to each other; if all are 0, they count alike.
        """
        values = {
            name: np.array([group[name].value for group in self.sliders])
            for name in _RANGES
        }
        weights = values["weight"] if values["weight"].any() else np.ones(1)
        log_weights = np.log(np.maximum(weights, 1e-9)) + 0 * values["mean"]
        parts = log_weights, values["mean"], values["log scale"]
        return np.concatenate(parts).astype("float32")

    def sentence(self) -> str:
        """Levels, sum, and the outermost bars, such as 16 levels, Σ P = 1.0000: …"""
        return (
            f"{len(self.p)} levels, Σ P = {self.p.sum():.4f}: P(0) = {self.p[0]:.3f}, "
            f"P({len(self.p) - 1}) = {self.p[-1]:.3f}; "
            f"beyond the borders {100 * self.outside:.1f} %"
        )

    def draw(self, figure):
        logits, levels = self.logits(), self.levels.value
        mixture = DiscretizedLogisticMixture(len(self.sliders), levels)
        p = mixture.probabilities(logits[None], np.zeros((1, 1), "float32"))
        self.p = np.asarray(p)[0, 0]
        weights, means, scales = _parts(logits)
        half = 1 / (levels - 1)
        below = _sigmoid((np.array([[-1 - half], [1 + half]]) - means) / scales)
        self.outside = float(weights @ (below[0] + 1 - below[1]))

        ax = figure.add_axes((0.09, 0.17, 0.89, 0.7))
        borders = np.linspace(-1 - half, 1 + half, levels + 1)
        ax.stairs(self.p, borders, fill=True, color=plots.SEEN, alpha=0.75)
        for end in (0, -1):
            pair = borders[:2] if end == 0 else borders[-2:]
            ax.stairs(self.p[[end]], pair, fill=True, color=_DARK)
        # a component may be far narrower than the page: more points where it is high
        near = means + scales * np.linspace(-8, 8, 161)[:, None]
        x = np.unique(np.concatenate([np.linspace(-1.6, 1.6, 641), near.ravel()]))
        z = (x[:, None] - means) / (2 * scales)
        density = (weights / (4 * scales * np.cosh(np.minimum(abs(z), 300)) ** 2)).sum(
            1
        )
        ax.plot(x, density * 2 * half, color="black", linewidth=1.5)
        top = 1.15 * max(self.p.max(), 0.02)
        ax.set(xlim=(-1.6, 1.6), ylim=(0, top), ylabel="probability of a level")
        ax.set_xlabel(
            "x: level 0 at −1, the last level at 1; line: density × bin width"
        )
        figure.text(0.5, 0.94, self.sentence(), size=14, ha="center", va="center")


def _sliders(*values):
    group = {}
    for (name, (low, high)), value in zip(_RANGES.items(), values, strict=True):
        slider = ipywidgets.FloatSlider(
            value, min=low, max=high, step=_STEPS[name], description=name
        )
        slider.layout.width = "280px"
        slider.style.description_width = "70px"
        group[name] = slider
    return group


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


def _parts(logits):
    """Weights that sum to 1, means and scales, each (M,)."""
    log_weights, means, log_scales = logits.astype("float64").reshape(3, -1)
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum(), means, np.exp(log_scales)


def _sigmoid(z):
    return 0.5 + 0.5 * np.tanh(z / 2)

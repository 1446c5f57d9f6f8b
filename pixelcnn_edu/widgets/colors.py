"""Which colors of its own pixel a color can see: groups, masks, layout. Notebook 12."""

from pixelcnn_edu import plots
from pixelcnn_edu._checks import check_one_of
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.widgets._base import Explorer, buttons, row_of

import numpy as np
from matplotlib.patches import Rectangle

NAMES, LETTERS = ("red", "green", "blue"), "RGB"
HUES = ("#D55E00", "#009E73", "#0072B2")  # color-blind readers can distinguish them
THIRDS, TURNS = "RRGGBB", "RGBRGB"  # to which group each of six channels belongs
COLORS_FIRST, LEVELS_FIRST = "(3, 2)", "(2, 3)"  # how six logits are read


def paths(*, first="A", groups=THIRDS, masked=True, reading=COLORS_FIRST):
    """Return the connections inside one pixel, from its three values to six logits.

    The network is small: a first layer from the three values to six features, and a 1×1
    convolution of type B to six logits, two levels for each color.

    Args:
        first: mask type of the first layer, ``"A"`` or ``"B"``.
        groups: ``"RRGGBB"`` or ``"RGBRGB"``: the color of each of the six features and
            logits, for the masks.
        masked: whether the 1×1 convolution has a mask.
        reading: ``"(3, 2)"`` takes the first two logits for red; ``"(2, 3)"`` takes the
            first three for level 0 of red, green and blue.

    Returns:
        boolean (3, 6) from values to features, (6, 6) from features to logits, and
        (6, 3) from logits to the color that reads them.

    Raises:
        ValueError: if an argument is none of these.

    Example:
        >>> values, features, reads = paths(reading="(2, 3)")
        >>> (values @ features @ reads).T.astype(int)  # [to, from]: red knows itself
        array([[1, 0, 0],
               [1, 1, 0],
               [1, 1, 0]])
    """
    check_one_of("groups", groups, (THIRDS, TURNS))
    check_one_of("reading", reading, (COLORS_FIRST, LEVELS_FIRST))
    shape = {"out_channels": 6, "colors": 3}
    to_features = causal_mask(1, first, in_channels=3, **shape)[0, 0]
    to_logits = causal_mask(1, "B", in_channels=6, **shape)[0, 0]
    if groups == TURNS:  # the same masks, their channels in another order
        order = [THIRDS.index(letter) + i // 3 for i, letter in enumerate(TURNS)]
        to_features, to_logits = to_features[:, order], to_logits[order][:, order]
    if not masked:
        to_logits = np.ones_like(to_logits)
    place = np.arange(6)
    color = place // 2 if reading == COLORS_FIRST else place % 3
    reads = color[:, None] == np.arange(3)
    return to_features > 0, to_logits > 0, reads


class ColorExplorer(Explorer):
    """What red, green or blue knows of its own pixel, by masks, groups and layout.

    The values of the pixel are connected to features, and the features to logits.
    Frames mark the logits of the chosen color, and lines show everything that reaches
    them. A value that the color must not know is a leak.

    Example:
        >>> explorer = ColorExplorer()
        >>> explorer.summary
        'green knows red of its own pixel'
        >>> explorer.reading.value = "(2, 3)"
        >>> explorer.summary
        'green knows red and green of its own pixel: a leak'
    """

    size = (9, 4.4)

    def __init__(self):
        super().__init__()
        self.first = buttons("first layer", ["A", "B"])
        self.groups = buttons("groups", [THIRDS, TURNS])
        self.masked = buttons("1×1 layer", [("masked", True), ("plain", False)])
        self.reading = buttons("logits read as", [COLORS_FIRST, LEVELS_FIRST])
        self.color = buttons("asks", list(zip(NAMES, range(3), strict=True)), value=1)
        rows = (self.first, self.masked), (self.groups, self.reading), (self.color,)
        for control in (control for row in rows for control in row):
            control.observe(self.refresh, "value")
        self.start(
            *(row_of(*row) for row in rows),
            about="what a color knows of its own pixel.",
        )

    @property
    def parts(self):
        """The connections for the current values of the controls, see `paths`."""
        return paths(
            first=self.first.value,
            groups=self.groups.value,
            masked=self.masked.value,
            reading=self.reading.value,
        )

    @property
    def knows(self):
        """Boolean (3, 3): [color that asks, color of the same pixel]."""
        values, features, reads = self.parts
        return (values @ features @ reads).T

    @property
    def summary(self):
        """What the chosen color knows, as a sentence."""
        asks = self.color.value
        known = [NAMES[c] for c in np.flatnonzero(self.knows[asks])]
        what = ", ".join(known[:-1]) + " and " * (len(known) > 1) + "".join(known[-1:])
        leak = ": a leak" * bool(self.knows[asks, asks:].any())
        return f"{NAMES[asks]} knows {what or 'nothing'} of its own pixel{leak}"

    def draw(self, figure):
        figure.text(0.02, 0.92, self.summary, size=15, weight="bold")
        self._draw_paths(figure.add_axes((0.02, 0.02, 0.6, 0.86)))
        self._draw_table(figure.add_axes((0.7, 0.14, 0.29, 0.56)))

    def _draw_paths(self, ax):
        values, features, reads = self.parts
        asks = self.color.value
        wanted = reads[:, asks]  # logits
        used = features[:, wanted].any(axis=1)  # features
        x, places = (0, 3, 6), (np.array([0.5, 2.5, 4.5]), np.arange(6), np.arange(6))
        for source, to in np.argwhere(features):
            lit = wanted[to] and values[:, source].any()
            self._line(ax, x[1:], (source, to), lit, leak=False)
        for source, to in np.argwhere(values):
            height = places[0][source], to
            self._line(ax, x[:2], height, used[to], leak=source >= asks)
        for c in range(3):
            must_not = c >= asks
            leak = must_not and self.knows[asks, c]
            _node(ax, x[0], places[0][c], LETTERS[c], HUES[c], leak, size=0.7)
        for i, letter in enumerate(self.groups.value):
            hue = HUES[LETTERS.index(letter)]
            _node(ax, x[1], i, letter, hue, False)
            _node(ax, x[2], i, letter, hue, False)
            color = int(np.flatnonzero(reads[i])[0])
            level = i % 2 if self.reading.value == COLORS_FIRST else i // 3
            style = {"weight": "bold"} if wanted[i] else {"color": "#888888"}
            text = f"{NAMES[color]}, level {level}"
            ax.text(x[2] + 0.5, i, text, va="center", size=11.5, **style)
            if wanted[i]:
                frame = Rectangle((x[2] - 0.36, i - 0.42), 3.6, 0.84, fill=False)
                frame.set(edgecolor="black", linewidth=1.8)
                ax.add_patch(frame)
        for at, text in zip(x, ("values", "features", "logits"), strict=True):
            ax.text(at, -1, text, ha="center", va="center", size=12)
        ax.text(x[2] + 1.6, -1, "read as", ha="center", va="center", size=12)
        ax.set(xlim=(-0.75, 9.4), ylim=(5.7, -1.5))
        ax.set_axis_off()

    @staticmethod
    def _line(ax, x, height, lit, leak):
        style = {"color": "#DDDDDD", "linewidth": 1, "zorder": 1, "antialiased": False}
        if lit:
            style = {"color": "#333333", "linewidth": 2, "zorder": 2}
        if lit and leak:
            style = {"color": plots.TARGET, "linewidth": 3, "zorder": 3}
            style |= {"linestyle": (0, (3, 1))}
        ax.plot(x, height, **style)

    def _draw_table(self, ax):
        knows = self.knows
        for to, source in np.ndindex(3, 3):
            leak = knows[to, source] and source >= to
            cell = Rectangle((source, to), 1, 1, edgecolor="white", linewidth=2)
            cell.set_facecolor(
                plots.TARGET if leak else plots.SEEN if knows[to, source] else "#F2F2F2"
            )
            ax.add_patch(cell)
            text = "leak" if leak else "1" if knows[to, source] else "0"
            ink = "white" if knows[to, source] else "#555555"
            ax.text(source + 0.5, to + 0.5, text, ha="center", va="center", color=ink)
        row = Rectangle((0, self.color.value), 3, 1, fill=False, zorder=3)
        row.set(edgecolor="black", linewidth=1.8)
        ax.add_patch(row)
        ax.set(xlim=(-0.05, 3.05), ylim=(3.05, -0.05), aspect="equal")
        ticks = {"ticks": (0.5, 1.5, 2.5), "labels": LETTERS}
        ax.set_xticks(**ticks)
        ax.set_yticks(**ticks)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(xlabel="knows, of its own pixel", ylabel="the color that asks")


def _node(ax, x, y, letter, hue, leak, size=0.6):
    box = Rectangle((x - size / 2, y - size / 2), size, size, facecolor=hue, zorder=4)
    box.set(edgecolor=plots.TARGET if leak else "white", linewidth=3 if leak else 1)
    ax.add_patch(box)
    ax.text(
        x, y, letter, ha="center", va="center", color="white", weight="bold", zorder=5
    )

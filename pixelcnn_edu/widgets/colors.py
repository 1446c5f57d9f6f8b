"""Which colors of its own pixel a color can see: groups, masks, layout. Notebook 15."""

from pixelcnn_edu._checks import check_one_of
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.widgets._base import Explorer

import numpy as np

LETTERS = "RGB"
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
    """

    size = (9, 4.4)

    def __init__(self):
        about = "what a color knows of its own pixel."
        choices = {"firstB": 0, "plain": 0, "turns": 0, "levelsFirst": 0, "asks": 1}
        super().__init__("colors", None, about=about, **choices)

    def draw(self, figure):
        """Draw the connections of a right network; those to green's logits are dark."""
        to_features, to_logits, reads = paths()
        wanted = reads[:, LETTERS.index("G")]
        used = to_logits[:, wanted].any(axis=1)
        known = to_features.any(axis=0)
        ax = figure.add_axes((0.02, 0.02, 0.96, 0.88))
        for value, feature in np.argwhere(to_features):
            _line(ax, (0, 3), (2 * value + 0.5, feature), used[feature])
        for feature, logit in np.argwhere(to_logits):
            _line(ax, (3, 6), (feature, logit), known[feature] and wanted[logit])
        columns = {"values": "RGB", "features": THIRDS, "logits": THIRDS}
        for x, (name, letters) in zip((0, 3, 6), columns.items(), strict=True):
            ax.text(x, -1, name, ha="center", va="center")
            for i, letter in enumerate(letters):
                y = i if len(letters) == 6 else 2 * i + 0.5
                box = {"facecolor": HUES[LETTERS.index(letter)], "edgecolor": "white"}
                where = {"ha": "center", "va": "center", "color": "white"}
                ax.text(x, y, letter, bbox=box, **where)
        ax.set(xlim=(-1, 7), ylim=(5.7, -1.5), title="green knows red of its own pixel")
        ax.set_axis_off()


def _line(ax, x, y, dark):
    ax.plot(x, y, color="#333333" if dark else "#DDDDDD", zorder=1 + bool(dark))

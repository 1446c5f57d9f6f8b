"""Which pixels a stack of masked convolutions sees, layer by layer. Notebooks 03, 05."""

import functools
import itertools

from pixelcnn_edu import plots
from pixelcnn_edu._checks import (
    check_bool,
    check_int,
    check_kernel_size,
    check_positive_int,
    is_int,
    plain,
)
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.widgets._base import Explorer, buttons, row_of

import ipywidgets
import numpy as np
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

BLIND, UNREACHED, YELLOW = "#D55E00", "#00224E", "#FEE838"  # the last two: cividis's
DEEPEST = 20  # further layers that the slider offers


def seen(page, pixel, *, first=7, further=0, gated=False) -> np.ndarray:
    """Find which pixels an output can see, without a network: offsets add up.

    The search starts at the output and goes back to the image. At each layer, a set of
    pixels is replaced by all pixels that these read. Only pixels on the page count,
    because a feature outside the page is zero.

    With ``gated=True`` there are two stacks, as in arXiv 1606.05328. The first layer of
    the vertical stack reads the rows above. Its later layers also read their own row
    (of features). The horizontal stack reads to the left, and each of its layers adds
    the vertical features at its own position. The output belongs to the horizontal
    stack.

    Args:
        page: (height, width).
        pixel: (row, col) of the output.
        first: kernel size of the first layer, which does not read the pixel itself.
        further: how many 3×3 layers follow.
        gated: two stacks instead of one.

    Returns:
        boolean (height, width), True where the pixel is seen.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> [int(seen((28, 28), (14, 14), further=n).sum()) for n in (0, 1, 5, 11, 12)]
        [24, 39, 129, 351, 351]
    """
    further = check_int("further", further, at_least=0)
    fields = by_depth(page, pixel, first=first, gated=gated)
    return next(itertools.islice(fields, further, None))


def by_depth(page, pixel, *, first=7, gated=False):
    """Yield what `seen` finds with 0, 1, 2, … further layers, without end."""
    first = check_positive_int("first", first)
    check_kernel_size(first)
    page = _check_page(page)
    gated = check_bool("gated", gated)
    place = [plain(at) for at in pixel]
    whole = len(place) == 2 and all(map(is_int, place))
    if not whole or not all(
        0 <= at < size for at, size in zip(place, page, strict=True)
    ):
        raise ValueError(
            f"Expected pixel to be (row, col), integers inside the page {page}. "
            f"Received: {pixel}"
        )
    pixel = tuple(place)
    vertical, horizontal = np.zeros((2, *page), bool)
    horizontal[pixel] = True
    while not gated:
        yield _read_by(horizontal, _mask(first, "A"))
        horizontal = _read_by(horizontal, _mask(3, "B"))
    while gated:
        both = vertical | horizontal
        above = _read_by(both, _rows_above(first, own_row=False))
        yield above | _read_by(horizontal, _to_the_left(first, "A"))
        vertical = _read_by(both, _rows_above(3, own_row=True))
        horizontal = _read_by(horizontal, _to_the_left(3, "B"))


def _read_by(pixels, mask):
    """Return all pixels under a live weight of a mask centered on one of ``pixels``."""
    (height, width), half = pixels.shape, len(mask) // 2
    around = np.pad(pixels, half)
    read = np.zeros_like(pixels)
    for i, j in np.argwhere(mask):
        # the pixel at (row, col) is read by the pixel at the opposite offset
        top, left = 2 * half - i, 2 * half - j
        read |= around[top : top + height, left : left + width]
    return read


@functools.cache
def _mask(kernel_size, mask_type):
    return causal_mask(kernel_size, mask_type)[:, :, 0, 0]


@functools.cache
def _rows_above(kernel_size, own_row):
    mask = np.zeros((kernel_size, kernel_size))
    mask[: kernel_size // 2 + own_row] = 1
    return mask


@functools.cache
def _to_the_left(kernel_size, mask_type):
    mask = _mask(kernel_size, mask_type).copy()
    mask[: kernel_size // 2] = 0
    return mask


def _check_page(page):
    return tuple(
        check_positive_int(name, size)
        for name, size in zip(("height", "width"), page, strict=True)
    )


class ReceptiveFieldExplorer(Explorer):
    """How far the middle pixel of a page sees: first layer, depth, plain or gated.

    Yellow pixels are seen. Dark blue pixels need more layers. Hatched orange pixels are
    never seen, at any depth. The curve shows the number of seen pixels against the
    depth.

    Args:
        height, width: of the page, in pixels.

    Example:
        >>> explorer = ReceptiveFieldExplorer(11, 11)
        >>> explorer.further.value = 4
        >>> explorer.summary
        '57 of 60 earlier pixels seen, 0 not yet, 3 never'
        >>> explorer.first.value = 3
        >>> explorer.summary
        '50 of 60 earlier pixels seen, 0 not yet, 10 never'
    """

    size = (9, 4.6)

    def __init__(self, height=28, width=28):
        height, width = _check_page((height, width))
        super().__init__()
        self.page = height, width
        self.pixel = height // 2, width // 2
        self._fields = {}  # by kind of network: a list, by depth
        self.earlier = np.arange(height * width).reshape(
            self.page
        ) < np.ravel_multi_index(self.pixel, self.page)
        self.first = buttons("first layer", [("3×3", 3), ("7×7", 7)], value=7)
        self.gated = buttons("stacks", [("plain", False), ("gated", True)])
        self.further = ipywidgets.IntSlider(
            value=10, max=DEEPEST, description="3×3 layers after it"
        )
        self.further.style.description_width = "initial"
        self.further.layout.width = "420px"
        for control in (self.first, self.gated, self.further):
            control.observe(self.refresh, "value")
        self.start(
            row_of(self.first, self.gated),
            self.further,
            about="which earlier pixels the middle of the page sees, by depth.",
        )

    def field(self, further):
        """Boolean (H, W): what the pixel sees with ``further`` more layers."""
        kind = {"first": self.first.value, "gated": self.gated.value}
        key = tuple(kind.values())
        if key not in self._fields:
            # no path on the page needs more steps than height + width
            count = max(DEEPEST, sum(self.page)) + 1
            fields = by_depth(self.page, self.pixel, **kind)
            self._fields[key] = list(itertools.islice(fields, count))
        return self._fields[key][further]

    @property
    def blind(self):
        """Boolean (H, W): the earlier pixels that are not seen at any depth."""
        return self.earlier & ~self.field(-1)

    @property
    def summary(self):
        """The counts as a sentence."""
        field, total = self.field(self.further.value), self.earlier.sum()
        text = f"{field.sum()} of {total} earlier pixels seen"
        never = self.blind.sum()
        not_yet = total - field.sum() - never
        return text + (
            f", {not_yet} not yet, {never} never" if not_yet or never else ""
        )

    def draw(self, figure):
        row, col = self.pixel
        field, blind = self.field(self.further.value), self.blind
        ax = figure.add_axes((0.01, 0.02, 0.45, 0.85))
        plots.receptive_field(field, row, col, title="", ax=ax)
        ax.spines[:].set_visible(True)
        later = np.zeros((*self.page, 4))
        later[~self.earlier] = (0.87, 0.87, 0.87, 1)
        later[row, col] = 0
        ax.imshow(later)
        hatched = {"facecolor": BLIND, "edgecolor": "white", "linewidth": 0}
        squares = [
            Path.unit_rectangle().transformed(Affine2D().translate(c - 0.5, r - 0.5))
            for r, c in np.argwhere(blind)
        ]
        if squares:  # as one path: much quicker than a hatch for each
            path = Path.make_compound_path(*squares)
            ax.add_patch(PathPatch(path, hatch="////", **hatched))
        figure.text(0.02, 0.92, self.summary, size=15, weight="bold")
        self._draw_counts(figure.add_axes((0.6, 0.14, 0.38, 0.42)))
        key = {
            f"the pixel ({row}, {col}) that asks": {"color": plots.TARGET},
            "earlier, seen": {"color": YELLOW},
            "earlier, not reached yet": {"color": UNREACHED},
            "earlier, never seen: the blind spot": {"hatch": "////", **hatched},
            "later: must not be seen": {"color": "#DEDEDE"},
        }
        for at, (label, style) in enumerate(key.items()):  # quicker than a legend
            y = 0.84 - 0.055 * at
            figure.add_artist(Rectangle((0.51, y), 0.035, 0.028, **style))
            figure.text(0.56, y, label, size=11.5)

    def _draw_counts(self, ax):
        counts = [self.field(n).sum() for n in range(DEEPEST + 1)]
        here = self.further.value
        ax.plot(range(DEEPEST + 1), counts, ".-", color=plots.SEEN, linewidth=1.5)
        ax.plot(here, counts[here], "o", color=plots.TARGET, markersize=10)
        total = self.earlier.sum()
        ax.axhline(total, color="gray", linestyle="--", linewidth=1.5)
        ax.text(0, total * 1.03, f"{total} come before it", size=11, va="bottom")
        ax.set(xlabel="3×3 layers after the first", ylabel="pixels seen")
        ax.set(
            xlim=(-0.7, DEEPEST + 0.7), ylim=(0, total * 1.2), xticks=range(0, 21, 5)
        )

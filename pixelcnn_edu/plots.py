"""Figures of the series. Importing this module sets the series' matplotlib style.

A function with ``ax=None`` draws on the ``ax`` that it gets, or on a new one, and returns
it.
Digits are drawn as ink on paper: 1 is black.

Each function gives its drawing a sentence with `describe`. In IPython a figure is shown as
HTML with these sentences, titles and names of axes as its alternative text,
``<img alt="…">``, which notebooks prefer. (A page drops the metadata of a PNG output.)
"""

import html
import math
import sys
import weakref
from pathlib import Path

from pixelcnn_edu._checks import check_positive_int

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path as Line
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

plt.style.use(Path(__file__).parent / "pixelcnn_edu.mplstyle")

_SENTENCES = weakref.WeakKeyDictionary()  # of axes
SEEN, HIDDEN, TARGET = "#0072B2", "#F2F2F2", "#D00000"
EDGE = "white"  # between TARGET and what is dark: there it has too little contrast
FRAME = "#808080"  # around an image
PALE, DARK = "#EAF3F8", "#444444"  # boxes and arrows
INK_ON = {SEEN: "white", HIDDEN: "#555555", PALE: "black"}  # text, by its face


def describe(ax, sentence: str):
    """Set what the alternative text of a figure says of one ax; return the ax.

    The sentence replaces an earlier one. What is drawn later is not told.
    """
    _SENTENCES[ax] = sentence
    return ax


def alt_text(figure) -> str:
    """Return the alternative text of a figure. It is never empty.

    For each ax it has the title, the sentence of `describe`, and the names of the axes.
    Without a sentence it has the labels of the legend.

    Example:
        >>> figure, ax = plt.subplots()
        >>> _ = ax.set(title="Training", xlabel="epoch")
        >>> alt_text(describe(ax, "The loss falls from 120 to 90").figure)
        'Training. The loss falls from 120 to 90. Horizontal axis: epoch'
    """
    parts = [figure.get_suptitle()]
    for ax in figure.axes:
        parts += _words_of(ax) if ax.get_visible() else []
    parts = [" ".join(part.split()).rstrip(".") for part in parts]
    return ". ".join(filter(None, parts)) or "A figure without words"


def _words_of(ax):
    if ax.get_label() == "<colorbar>":
        return [f"Color bar: {ax.get_ylabel() or ax.get_xlabel()}"]
    words = [ax.get_title(), _SENTENCES.get(ax, "")]
    names = ("Horizontal", ax.get_xlabel()), ("Vertical", ax.get_ylabel())
    words += [f"{side} axis: {name}" for side, name in names if name and ax.axison]
    labels = ax.get_legend_handles_labels()[1]
    if labels and ax not in _SENTENCES:
        words.append(f"Legend: {', '.join(labels)}")
    return words


def alt_image(png: str, words: str, **size) -> str:
    """Return a PNG in base64 as an HTML element with an alternative text.

    JupyterLab shows the first line in place of an output that is hidden: here three dots.
    """
    size = "".join(f' {side}="{length}"' for side, length in size.items())
    src = f"data:image/png;base64,{png}"
    return f' \n<img alt="{html.escape(words)}" src="{src}"{size}>'


def show_in_ipython():
    """Let IPython, if this is IPython, show each figure as HTML, too."""
    ipython = sys.modules.get("IPython")
    if shell := ipython and ipython.get_ipython():
        # Not the formatter of "text/html": the inline backend removes what is set there.
        formatter = shell.display_formatter.mimebundle_formatter
        formatter.for_type(Figure, _as_html)


def _as_html(figure):
    from IPython import get_ipython
    from IPython.core.pylabtools import print_figure

    try:  # as IPython's settings say: its size, for a screen of high resolution
        draw = get_ipython().display_formatter.formatters["image/png"].lookup(figure)
        png = draw(figure)
    except KeyError:
        png = print_figure(figure, base64=True)
    if not png:
        return {}
    png, size = png if isinstance(png, tuple) else (png, {})
    return {"text/html": alt_image(png, alt_text(figure), **size)}


show_in_ipython()


def number(value) -> str:
    """Return whole numbers whole, others to two digits, which most machines find too.

    A number is whole if at most 1/100,000 of it, and at most 1/1,000, is missing. A number
    between -1e-12 and 1e-12 is given as 0: a rounding error.

    Example:
        >>> [number(x) for x in (784, 511.99999, 4.99997, 0.0234, 123.4, 108420.4)]
        ['784', '512', '5', '0.023', '120', '110,000']
    """
    value = float(value)
    missing = abs(value - round(value))
    if missing <= max(min(1e-5 * abs(value), 1e-3), 1e-12):
        return f"{round(value):,}"
    value = float(f"{value:.2g}")
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}"


def _curve(label, x, y) -> str:
    """Return in words where a curve begins and ends, and its extremes."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    if not points:
        return f"{label}: no points"
    (first, begin), (last, end) = points[0], points[-1]
    begin, end = number(begin), number(end)
    words = f"{label}: from {begin} at {number(first)} to {end} at {number(last)}"
    heights = [height for _, height in points]
    for word, value in (("lowest", min(heights)), ("highest", max(heights))):
        words += "" if number(value) in (begin, end) else f", {word} {number(value)}"
    return words


def image_grid(images, *, columns=8, labels=None, ax=None):
    """Draw a batch of images as one picture, row by row.

    Args:
        images: (N, H, W, C) in [0, 1]; C is 1 (ink on paper) or 3 (RGB).
        columns: images per row.
        labels: N short strings, written above the images.
        ax: where to draw; by default a figure with about an inch for each image, at most 9
            inches wide. If the grid has more pixels in a row than the figure has dots,
            some pixels cannot be seen: make a larger figure, and pass its ax.
    """
    images = np.asarray(images, "float32")
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"Expected images of shape (N, H, W, 1 or 3). Received: {images.shape}"
        )
    if not images.size:
        raise ValueError(
            f"Expected at least one image. Received: images {images.shape}"
        )
    low, high = np.nanmin(images), np.nanmax(images)
    if low < 0 or high > 1:
        hint = " Divide by 255." if high > 1 else ""
        raise ValueError(
            f"Expected images in [0, 1]. Received: values from {low:g} to {high:g}.{hint}"
        )
    count, height, width, channels = images.shape
    if labels is not None and len(labels) != count:
        raise ValueError(
            f"Expected labels for {count} images. Received: {len(labels)} labels"
        )
    columns = min(check_positive_int("columns", columns), count)
    rows = -(-count // columns)
    size, top, gap = _grid_size(count, height, width, columns, labels is not None)
    page = np.ones((*size, channels), "float32")
    if channels == 1:
        page[:] = 0
    ax = _axes(
        ax, figsize=(min(9, columns * 1.1), rows * (1.1 if labels is None else 1.3))
    )
    for i, image in enumerate(images):
        y = i // columns * (height + top) + top
        x = i % columns * (width + gap)
        page[y : y + height, x : x + width] = image
        frame = _Frame((x - 0.5, y - 0.5), width, height, fill=False)
        frame.set(edgecolor=FRAME, clip_on=False)
        ax.add_patch(frame)
        if labels is not None:
            ax.text(
                x + width / 2 - 0.5,
                y - 0.7,
                labels[i],
                ha="center",
                va="bottom",
                size=10,
            )
    pixels(ax, page[..., 0] if channels == 1 else page)
    ax.set_axis_off()
    words = f"{count} image{'s' * (count > 1)} of {height}×{width} pixels"
    words += f", {rows} row{'s' * (rows > 1)} of {columns}" if count > 1 else ""
    told = "" if labels is None else f": {', '.join(filter(None, map(str, labels)))}"
    return describe(ax, words + told)


class _Frame(Rectangle):
    """A frame of an image, thinner if pixels are small, so that no pixel is covered."""

    def draw(self, renderer):
        (left, _), (right, _) = self.axes.transData.transform([(0, 0), (1, 0)])
        side = (right - left) * 72 / self.figure.dpi  # of a pixel, in points
        self.set_linewidth(0.8 if side > 1.5 else side / 4)
        super().draw(renderer)


def _grid_size(count, height, width, columns, labeled=False):
    """Return the size of `image_grid` in pixels, and its gaps above and beside images.

    An image alone has no gaps, so it is as large as a heatmap beside it.
    """
    alone = count == 1 and not labeled
    gap = 0 if alone else max(1, height // 14)
    top = max(gap, height // 4) if labeled else gap
    rows, end = -(-count // columns), 0 if alone else 1
    return (rows * (height + top) + end, columns * (width + gap) + end), top, gap


def heatmap(values, *, label, vmin=0, vmax=1, cmap="cividis", ax=None):
    """Draw one number per pixel, with a color bar.

    Args:
        values: (H, W).
        label: what the numbers mean, with their unit.
        vmin, vmax: ends of the color scale.
        cmap: a matplotlib color map.
        ax: where to draw.
    """
    ax = _axes(ax, figsize=(4.6, 3.8))
    picture = pixels(ax, values, cmap=cmap, vmin=vmin, vmax=vmax)
    ax.set_axis_off()
    ax.figure.colorbar(picture, ax=ax, label=label, shrink=0.85)
    height, width = np.shape(values)
    shown = np.asarray(values)[np.isfinite(values)]
    words = f"Map of {height}×{width} pixels"
    if shown.size:
        words += f" from {number(shown.min())} to {number(shown.max())}"
    return describe(ax, words)


def mask(kernel_mask, *, title=None, ax=None):
    """Draw the mask of a kernel: 1 for a live weight, 0 for a masked one.

    A red frame marks the center.

    Args:
        kernel_mask: (kh, kw) of zeros and ones, or (kh, kw, 1, 1).
        title: above the drawing.
        ax: where to draw.
    """
    kernel_mask = np.asarray(kernel_mask)
    kernel_mask = kernel_mask.reshape(kernel_mask.shape[:2])
    height, width = kernel_mask.shape
    ax = _axes(ax, figsize=(0.5 * width + 0.6, 0.5 * height + 0.9))
    for (row, col), value in np.ndenumerate(kernel_mask):
        cell = Rectangle((col, row), 1, 1, edgecolor="white", linewidth=2)
        face = SEEN if value else HIDDEN
        cell.set_facecolor(face)
        ax.add_patch(cell)
        ink, text = INK_ON[face], f"{value:g}"
        ax.text(col + 0.5, row + 0.5, text, ha="center", va="center", color=ink)
    frame(ax, width // 2, height // 2)
    ax.set(xlim=(-0.1, width + 0.1), ylim=(height + 0.1, -0.1), aspect="equal")
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    rows = "; ".join(" ".join(f"{value:g}" for value in row) for row in kernel_mask)
    return describe(ax, f"Mask of {height}×{width}, row by row: {rows}")


def receptive_field(field, row, col, *, title=None, ax=None):
    """Draw which pixels an output sees. The output's own pixel is red.

    Args:
        field: boolean (H, W), as from `causality.receptive_field`.
        row, col: the output's pixel.
        title: above the drawing; if None, the number of pixels that are seen.
        ax: where to draw.
    """
    ax = _axes(ax, figsize=(3.6, 3.8))
    pixels(ax, np.asarray(field, float), cmap="cividis")
    target = Rectangle(
        (col - 0.5, row - 0.5), 1, 1, facecolor=TARGET, edgecolor=EDGE, linewidth=1.5
    )
    ax.add_patch(target)
    ax.set(xticks=[], yticks=[])
    seen = int(np.sum(field))
    ax.set_title(title if title is not None else f"{seen} pixels seen")
    words = f"{seen} of {np.size(field)} pixels seen"
    if seen:
        (top, bottom), (left, right) = (_ends(places) for places in np.nonzero(field))
        words += f", rows {top} to {bottom}, columns {left} to {right}"
    return describe(ax, f"{words}; target at row {row}, column {col}")


def dependency(matrix, *, title=None, ax=None):
    """Draw a dependency matrix: yellow where an input (column) changes an output (row).

    A red line marks the diagonal. Leaks, on or above the diagonal, are drawn over the line.
    A large matrix is drawn in blocks. A block is yellow if one of its entries is.

    Args:
        matrix: boolean (outputs, inputs), as from `causality.dependency_matrix`.
        title: above the drawing.
        ax: where to draw.
    """
    ax = _axes(ax, figsize=(4.2, 4.2))
    size = len(matrix)
    ends = [-0.5, size - 0.5]
    ax.set(xlim=ends, ylim=ends[::-1], aspect="equal")
    ax.add_image(_Blocks(ax, matrix, [*ends, *ends[::-1]], zorder=0))
    leaks = np.ma.masked_equal(np.triu(matrix), 0)
    ax.add_image(_Blocks(ax, leaks, [*ends, *ends[::-1]], zorder=3))
    ax.plot(ends, ends, color=TARGET, linewidth=1, path_effects=with_edge(1))
    for axis, name in ((ax.xaxis, "input"), (ax.yaxis, "output")):
        axis.set_major_locator(MaxNLocator(5, integer=True))
        axis.set_label_text(f"{name} (place in reading order)")
    if title:
        ax.set_title(title)
    changed = np.asarray(matrix, bool)
    below, above = np.tril(changed, -1).sum(), np.triu(changed, 1).sum()
    on = changed.sum() - below - above
    words = f"Dependencies of {size} outputs: {below} on earlier inputs"
    return describe(ax, f"{words}, {on} on their own, {above} on later ones")


class _Blocks(AxesImage):
    """A square matrix. If it has more rows than the axes have dots, blocks of entries."""

    def __init__(self, ax, matrix, extent, **how):
        fixed = {"cmap": "cividis", "interpolation": "nearest", "origin": "upper"}
        super().__init__(ax, extent=extent, **fixed)
        self.set(
            data=np.ma.asarray(matrix, float), clim=(0, 1), clip_path=ax.patch, **how
        )
        self._matrix = self.get_array()

    def draw(self, renderer):
        box = self.axes.get_window_extent()
        size, dots = len(self._matrix), 0.9 * min(box.width, box.height)
        count = min(size, max(1, int(dots)))
        part, first = self._matrix.filled(0), np.arange(count) * size // count
        for axis in (0, 1):
            part = np.maximum.reduceat(part, first, axis)
        is_masked = np.ma.is_masked(self._matrix)
        self.set_data(np.ma.masked_equal(part, 0) if is_masked else part)
        super().draw(renderer)


def curves(series, *, xlabel="epoch", ylabel="nats per image", ax=None):
    """Draw labeled curves on one pair of axes, against 1, 2, 3, …

    Args:
        series: dict from label to (N,) values, or to a pair (x, values) of (N,).
        xlabel, ylabel: what the axes show, with units.
        ax: where to draw.
    """
    ax = _axes(ax)
    told = []
    for label, values in series.items():
        pair = np.ndim(next(iter(values), 0)) == 1
        x, y = values if pair else (range(1, len(values) + 1), values)
        ax.plot(x, y, marker="o", label=label)
        told.append(_curve(label, x, y))
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.3)
    ax.legend()
    return describe(ax, f"Line chart. {'; '.join(told)}")


_STAGES = (
    ("image", "28 × 28 × 1", "01"),
    ("masked convolution", "7 × 7, type A", "02, 03"),
    ("residual block", "with 3 × 3, type B", "04"),
    ("more blocks", "depth × block", "05"),
    ("two 1 × 1, type B", "wrapping up", "06"),
    ("logits", "one per pixel", "06"),
    ("probabilities", "train: compare", "07, 08"),
    ("new pixels", "generate: draw", "09"),
)


def architecture(*, ax=None):
    """Draw PixelCNN from image to new pixels, with the notebook that explains each part.

    Args:
        ax: where to draw.
    """
    ax = _axes(ax, figsize=(9, 3.6))
    for i, (name, detail, notebooks) in enumerate(_STAGES):
        x, y = i % 4 * 2.5, -(i // 4) * 1.9
        ink = _box(ax, x, y)
        ax.text(x + 0.95, y + 0.62, name, ha="center", va="center", color=ink, size=11)
        ax.text(x + 0.95, y + 0.24, detail, ha="center", va="center", color=ink, size=9)
        ax.text(x + 0.95, y - 0.24, notebooks, ha="center", va="center", size=10)
        if i % 4:
            _arrow(ax, (x - 0.5, y + 0.45), (x - 0.1, y + 0.45))
    _arrow(ax, (8.45, -0.4), (8.45, -0.6), (0.95, -0.6), (0.95, -0.9))
    ax.set(xlim=(-0.2, 9.6), ylim=(-2.4, 1.15), aspect="equal")
    ax.set_axis_off()
    boxes = [
        f"{name} ({detail}; notebook {number})" for name, detail, number in _STAGES
    ]
    words = f"{len(boxes)} boxes, each with an arrow to the next: {', '.join(boxes)}"
    return describe(ax, words)


def residual_block(*, ax=None):
    """Draw the block 2h → h → 2h, with the line that carries its input to the sum.

    Args:
        ax: where to draw.
    """
    ax = _axes(ax, figsize=(9, 1.9))
    steps = ("PReLU", "1×1", "PReLU", "3×3\nmask B", "PReLU", "1×1")
    channels = (f"{n} channels" for n in ("2h", "h", "h", "2h"))
    for i, name in enumerate(steps):
        x = 1.5 * i
        ink = _box(ax, x, 0, width=0.9)
        ax.text(x + 0.45, 0.45, name, ha="center", va="center", color=ink, size=11)
        _arrow(ax, (x - 0.5, 0.45), (x - 0.1, 0.45))
    for x, words in zip((-0.6, 2.7, 5.7, 8.7), channels, strict=True):
        ax.text(x, -0.3, words, ha="center", va="center", size=10)
    ax.text(-0.75, 0.45, "x", ha="center", va="center", size=13)
    _arrow(ax, (8.5, 0.45), (8.95, 0.45))
    ax.text(9.15, 0.45, "+", ha="center", va="center", size=18)
    _arrow(ax, (-0.45, 0.5), (-0.45, 1.4), (9.15, 1.4), (9.15, 0.7))
    _arrow(ax, (9.35, 0.45), (9.8, 0.45))
    ax.text(10.1, 0.45, "out", ha="center", va="center", size=13)
    ax.set(xlim=(-1.4, 10.5), ylim=(-0.5, 1.6), aspect="equal")
    ax.set_axis_off()
    chain = ", ".join(steps).replace("\n", " ")
    words = f"The input x, of 2h channels, goes through {chain}. The first 1×1 makes h"
    words += " channels, the last one 2h. A line around all of them carries x to a sum"
    return describe(ax, f"{words} with the result, the output of the block")


def pixels(ax, page, *, cmap="gray_r", vmin=0, vmax=1, **more):
    """Show one number, or one color, per pixel; row 0 above, in any matplotlib style."""
    how = {"cmap": cmap, "vmin": vmin, "vmax": vmax, **more}
    shown = ax.imshow(page, origin="upper", interpolation="nearest", **how)
    width, height = _room(ax)
    if len(page) > height or len(page[0]) > width:
        shown.set_interpolation("antialiased")  # "nearest" would leave out lines
    describe(ax, f"A picture of {len(page)}×{len(page[0])} pixels")
    return shown


def _room(ax):
    """Width and height of axes in pixels, less 30 % for titles and labels to come."""
    place = ax.get_window_extent()
    return 0.7 * place.width, 0.7 * place.height


def frame(ax, left, top):
    """Draw a red frame around the cell of size 1 at (left, top)."""
    cell = Rectangle((left, top), 1, 1, fill=False)
    cell.set(edgecolor=TARGET, linewidth=3, zorder=3, path_effects=with_edge(3))
    ax.add_patch(cell)


def with_edge(width):
    """Return the path effects of a line of a width: a white edge on both sides."""
    return [withStroke(linewidth=width + 2, foreground=EDGE)]


def _box(ax, x, y, width=1.9):
    """Draw a box with round corners, and return the color of text on its face."""
    box = FancyBboxPatch((x, y), width, 0.9, boxstyle="round,pad=0.08")
    box.set(facecolor=PALE, edgecolor=SEEN, linewidth=1.5)
    ax.add_patch(box)
    return INK_ON[PALE]


def _arrow(ax, *corners):
    """Draw straight lines from corner to corner, with a head at the last one."""
    arrow = FancyArrowPatch(path=Line(corners), arrowstyle="-|>", mutation_scale=14)
    arrow.set(facecolor=DARK, edgecolor=DARK, joinstyle="miter")
    ax.add_patch(arrow)


def _ends(places):
    return places.min(), places.max()


def _axes(ax, **figure):
    return plt.subplots(**figure)[1] if ax is None else ax

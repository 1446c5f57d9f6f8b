"""Figures of the series. Importing this module sets the series' matplotlib style.

Each function draws on the ``ax`` that it gets, or on a new one, and returns it.
Digits are drawn as ink on paper: 1 is black.
"""

from pathlib import Path

from pixelcnn_edu._checks import check_notebook, check_positive_int

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

plt.style.use(Path(__file__).parent / "pixelcnn_edu.mplstyle")

SEEN, HIDDEN, TARGET = "#0072B2", "#F2F2F2", "#D00000"


def image_grid(images, *, columns=8, labels=None, ax=None):
    """Draw a batch of images as one picture, row by row.

    Args:
        images: (N, H, W, C) in [0, 1]; C is 1 (ink on paper) or 3 (RGB).
        columns: images per row.
        labels: N short strings, written above the images.
        ax: where to draw.
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
    gap = max(1, height // 14)
    top = gap if labels is None else max(gap, height // 4)
    size = (rows * (height + top) + 1, columns * (width + gap) + 1, channels)
    page = np.ones(size, "float32")
    if channels == 1:
        page[:] = 0
    ax = _axes(
        ax, figsize=(min(9, columns * 1.1), rows * (1.1 if labels is None else 1.3))
    )
    for i, image in enumerate(images):
        y = i // columns * (height + top) + top
        x = i % columns * (width + gap)
        page[y : y + height, x : x + width] = image
        frame = Rectangle((x - 0.5, y - 0.5), width, height, fill=False)
        frame.set(edgecolor="#BBBBBB", linewidth=0.8)
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
    ax.imshow(page[..., 0] if channels == 1 else page, vmin=0, vmax=1)
    ax.set_axis_off()
    return ax


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
    picture = ax.imshow(values, cmap=cmap, vmin=vmin, vmax=vmax)
    ax.set_axis_off()
    ax.figure.colorbar(picture, ax=ax, label=label, shrink=0.85)
    return ax


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
        cell.set_facecolor(SEEN if value else HIDDEN)
        ax.add_patch(cell)
        color = "white" if value else "#555555"
        text = f"{value:g}"
        ax.text(col + 0.5, row + 0.5, text, ha="center", va="center", color=color)
    center = Rectangle((width // 2, height // 2), 1, 1, fill=False)
    center.set(edgecolor=TARGET, linewidth=3, zorder=3)
    ax.add_patch(center)
    ax.set(xlim=(-0.1, width + 0.1), ylim=(height + 0.1, -0.1), aspect="equal")
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    return ax


def receptive_field(field, row, col, *, title=None, ax=None):
    """Draw which pixels an output sees. The output's own pixel is red.

    Args:
        field: boolean (H, W), as from `causality.receptive_field`.
        row, col: the output's pixel.
        title: above the drawing; if None, the number of pixels that are seen.
        ax: where to draw.
    """
    ax = _axes(ax, figsize=(3.6, 3.8))
    ax.imshow(np.asarray(field, float), cmap="cividis", vmin=0, vmax=1)
    ax.add_patch(Rectangle((col - 0.5, row - 0.5), 1, 1, color=TARGET))
    ax.set(xticks=[], yticks=[])
    seen = int(np.sum(field))
    ax.set_title(title if title is not None else f"{seen} pixels seen")
    return ax


def dependency(matrix, *, title=None, ax=None):
    """Draw a dependency matrix: yellow where an input (column) changes an output (row).

    Args:
        matrix: boolean (outputs, inputs), as from `causality.dependency_matrix`.
        title: above the drawing.
        ax: where to draw.
    """
    ax = _axes(ax, figsize=(4.2, 4.2))
    size = len(matrix)
    ax.imshow(np.asarray(matrix, float), cmap="cividis", vmin=0, vmax=1)
    ax.plot([-0.5, size - 0.5], [-0.5, size - 0.5], color=TARGET, linewidth=1)
    ax.set(xlabel="input (place in reading order)", ylabel="output (place in order)")
    if title:
        ax.set_title(title)
    return ax


def curves(series, *, xlabel="epoch", ylabel="nats per image", ax=None):
    """Draw labeled curves on one pair of axes, against 1, 2, 3, …

    Args:
        series: dict from label to (N,) values, or to a tuple of two (N,): (x, values).
        xlabel, ylabel: what the axes show, with units.
        ax: where to draw.
    """
    ax = _axes(ax)
    for label, values in series.items():
        pair = isinstance(values, tuple) and np.ndim(values[0]) == 1
        x, y = values if pair else (range(1, len(values) + 1), values)
        ax.plot(x, y, marker="o", label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


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


def architecture(*, here=None, ax=None):
    """Draw PixelCNN from image to new pixels, with the notebook that explains each part.

    Args:
        here: a notebook's number, such as ``"04"``; its boxes are filled.
        ax: where to draw.
    """
    here = None if here is None else check_notebook("here", here)
    ax = _axes(ax, figsize=(9, 3.6))
    for i, (name, detail, notebooks) in enumerate(_STAGES):
        x, y = i % 4 * 2.5, -(i // 4) * 1.7
        filled = here is not None and here in notebooks
        box = FancyBboxPatch((x, y), 1.9, 0.9, boxstyle="round,pad=0.08")
        box.set(facecolor=SEEN if filled else "#EAF3F8", edgecolor=SEEN, linewidth=1.5)
        ax.add_patch(box)
        ink = "white" if filled else "black"
        ax.text(x + 0.95, y + 0.62, name, ha="center", va="center", color=ink, size=11)
        ax.text(x + 0.95, y + 0.24, detail, ha="center", va="center", color=ink, size=9)
        ax.text(x + 0.95, y - 0.24, notebooks, ha="center", va="center", size=10)
        if i % 4:
            ax.add_patch(_arrow((x - 0.5, y + 0.45), (x - 0.1, y + 0.45)))
    ax.add_patch(
        _arrow((8.45, -0.45), (0.95, -0.65), "angle,angleA=-90,angleB=0,rad=4")
    )
    ax.set(xlim=(-0.2, 9.6), ylim=(-2.2, 1.15), aspect="equal")
    ax.set_axis_off()
    return ax


def _arrow(start, end, style="arc3"):
    return FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>",
        mutation_scale=14,
        color="#444444",
        connectionstyle=style,
    )


def _axes(ax, **figure):
    return plt.subplots(**figure)[1] if ax is None else ax

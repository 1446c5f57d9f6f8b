"""A model that runs one pixel at a time: the fast form of the cache.

``generate(method="cached")`` uses this module. Paper: arXiv 1704.06001 (keep the features
of earlier pixels instead of computing them again). Taught by notebook 10.

`pages` has the same idea in its simplest form. This module is faster, because

- it keeps only what a later pixel reads: for each tensor the last finished rows, and a
  window to the left in the current row;
- it splits each kernel in two (`split_kernel`). The part for finished rows runs as one
  convolution when a row begins; the part for the current row is a matrix product at each
  pixel;
- the loop over all pixels is compiled into one function (by `compiled_loop`).

A network is still written once, as a Keras model of whole images. `graph` reads its graph,
and the same layers, with the same weights, run here (a convolution by its kernel, in
parts). Read the classes `graph.Tensor` and `compiled_loop.PixelLoop` first.

The loop takes and writes one pixel at a time, so rows and columns come first here:

| array | shape |
|---|---|
| images, uniform numbers | (H, W, N, C) |
| a *strip*: w pixels of one row; one pixel is a strip of width 1 | (w, N, channels) |
| finished rows, with zeros on both sides | (rows, sides + W + sides, N, channels) |
| a window: the pixels to the left, flat for one matrix product | (N, left · channels) |
"""

import dataclasses
import functools

from pixelcnn_edu.cache.graph import (
    PER_IMAGE,
    PER_PIXEL,
    PER_ROW,
    entry,
    kernel_of,
    weight_by_pixel,
    with_weight,
)

import numpy as np
from keras import ops


def runs_of_a_pixel(graph):
    """Return the channels of each run of the network, and whether one more run follows.

    The network runs once for each channel if the logits read their own pixel, else once for
    the pixel. In the last run the last channel (or all, if they are drawn at once) is not
    drawn yet. If a feature depends on it, the network runs once more. (If the feature is
    not kept, no pixel needs this run, but a web page of `pixelcnn_edu.export` shows it.)

    - gray: the runs are [[0]]. No feature depends on the pixel's own value (-1): no extra
      run.
    - gray with ``one_hot=True``: the one-hot tensor depends on channel 0: an extra run.
    - three colors with ``colors=3``: the runs are [[0], [1], [2]]. There is an extra run
      only if a feature depends on channel 2. With ``colors=1`` the logits do not read
      their own pixel, and the runs are [[0, 1, 2]].

    Args:
        graph: what `graph.read` returns.
    """
    channels = range(graph.inputs[0].channels)
    by_channel = graph.output.last_own_channel >= 0
    groups = [[channel] for channel in channels] if by_channel else [[*channels]]
    first_of_last_run = groups[-1][0]
    return groups, any(t.last_own_channel >= first_of_last_run for t in graph.made)


@dataclasses.dataclass(frozen=True)
class _Drawing:
    """What stays the same while images are drawn.

    Attributes:
        loop: the `PixelLoop` (`compiled_loop`).
        numbers: (H, W, N, C), what ``choose`` reads for each value: here uniform numbers.
        given: (H, W, N, C).
        known: boolean (H, W).
        setting: one number for ``choose``: here the temperature.
        fixed: {tensor: (H or 1, W or 1, N, channels)}, of the graph's ``label_maps``.
        kernels: {tensor: what `split_kernel` returns}, for each convolution.
    """

    loop: object
    numbers: object
    given: object
    known: object
    setting: object
    fixed: dict
    kernels: dict


@dataclasses.dataclass(frozen=True)
class _Row:
    """What is known when a row begins.

    Attributes:
        index: the row's index.
        strips: {tensor: strip}, of tensors that do not depend on this row of the image; of
            width 1 if all pixels share it.
        sums_above: {a convolution's tensor: strip}, its sum over the rows that are known
            when a row begins (of a `PER_ROW` source the current row, too); None for no such
            sum.
    """

    index: object
    strips: dict
    sums_above: dict


def draw_images(loop, is_built_in, numbers, given, known, setting, *labels):
    """Draw images, row by row: (H, W, N, C).

    Args:
        loop, numbers, given, known, setting: as in `_Drawing`.
        is_built_in: whether ``setting`` is a part of the compiled code, see `PixelLoop`.
        labels: of the images.
    """
    height, width, count, _ = numbers.shape
    graph = loop.graph
    of_label = graph.of_label(labels)
    drawing = _Drawing(
        loop,
        numbers,
        given,
        known,
        loop.built_in_setting if is_built_in else setting,
        fixed={
            tensor: ops.transpose(of_label[tensor], (1, 2, 0, 3))
            for tensor in graph.label_maps
        },
        kernels={
            t: split_kernel(t)
            for t in graph.made
            if t.is_convolution and t.when != PER_IMAGE
        },
    )
    finished = {
        t: ops.zeros(
            (t.kept_rows, width + 2 * t.kept_sides, count, t.channels), t.dtype
        )
        for t in graph.tensors
        if t.kept_rows
    }
    body = functools.partial(_draw_row, drawing)
    _, images = _repeat(height, body, finished, ops.zeros_like(given))
    return images


def _draw_row(drawing, index, finished, images):
    """Draw one row. ``finished`` has the last rows of each tensor: {tensor: rows}."""
    width, count = drawing.numbers.shape[1:3]
    row = _begin_row(drawing, index, finished)
    by_pixel = [t for t in drawing.loop.graph.tensors if t.when == PER_PIXEL]
    windows = {
        t: ops.zeros((count, t.kept_left * t.channels), t.dtype)
        for t in by_pixel
        if t.kept_left
    }
    image = drawing.loop.graph.inputs[0]
    strips = {  # what later rows read, and the image
        t: ops.zeros((width, count, t.channels), t.dtype)
        for t in by_pixel
        if t.kept_rows or t is image
    }
    body = functools.partial(_draw_pixel, drawing, row)
    _, strips = _repeat(width, body, windows, strips)
    finished = {  # add the new row, forget the oldest one
        t: ops.concatenate([rows, padded(t, {**row.strips, **strips})])[1:]
        for t, rows in finished.items()
    }
    images = ops.slice_update(images, (index, 0, 0, 0), strips[image][None])
    return finished, images


def _begin_row(drawing, index, finished):
    """Compute all that does not depend on this row of the image; return a `_Row`."""
    width = drawing.numbers.shape[1]
    strips = {t: entry(value, index) for t, value in drawing.fixed.items()}
    sums = {}
    for tensor in drawing.loop.graph.tensors:
        if tensor in drawing.kernels:
            rows = _known_rows(tensor, finished, strips)
            sums[tensor] = sum_above(tensor, drawing.kernels[tensor], rows, width)
            if tensor.when == PER_ROW:
                strips[tensor] = finish(tensor.layer, sums[tensor])
        elif tensor.when == PER_ROW:
            strips[tensor] = _run_pixelwise(tensor, strips, index)
    return _Row(index, strips, sums)


def _known_rows(convolution, finished, strips):
    """Return the rows of its source that are known when a row begins; None for none."""
    (source,) = convolution.sources
    rows = finished.get(source)
    if source.when == PER_ROW:
        this_row = padded(source, strips)
        rows = this_row if rows is None else ops.concatenate([rows, this_row])
    return rows


def _draw_pixel(drawing, row, col, windows, strips):
    """Draw one pixel.

    Args:
        windows: {tensor: (N, left · channels)}, the features to the left of the pixel.
        strips: {tensor: strip}, the features of the current row, which later rows read,
            and the image.
    """
    loop, image = drawing.loop, drawing.loop.graph.inputs[0]
    numbers, given = drawing.numbers[row.index, col], drawing.given[row.index, col]
    values = ops.zeros_like(given)
    for channels in loop.channel_groups:
        here = _run_pixel(drawing, row, col, values, windows)
        logits = ops.cast(here[loop.graph.output][0], "float32")
        chosen = loop.choose(logits, numbers, drawing.setting, channels, values)
        chosen = ops.where(drawing.known[row.index, col], given, chosen)
        # compiled code cannot raise an error: `PixelLoop` finds the NaN afterwards
        not_a_number = ops.any(ops.isnan(logits), axis=-1, keepdims=True)
        chosen = ops.where(not_a_number, np.float32("nan"), chosen)
        is_drawn_now = np.isin(np.arange(image.channels), channels)
        values = ops.where(is_drawn_now, chosen, values)
    if loop.one_more:
        here = _run_pixel(drawing, row, col, values, windows)
    here[image] = values[None]
    windows = {  # add this pixel, forget the leftmost one
        t: ops.concatenate([window, here[t][0]], -1)[:, t.channels :]
        for t, window in windows.items()
    }
    strips = {
        t: ops.slice_update(strip, (col, 0, 0), here[t]) for t, strip in strips.items()
    }
    return windows, strips


def _run_pixel(drawing, row, col, values, windows):
    """Return {tensor: its value at one pixel}, from the values drawn so far."""
    here = {t: _of_pixel(strip, col) for t, strip in row.strips.items()}
    here[drawing.loop.graph.inputs[0]] = values[None]
    for tensor in drawing.loop.graph.tensors:
        if tensor.when != PER_PIXEL or not tensor.layer:
            continue
        if tensor in drawing.kernels:
            total = sum_current_row(tensor, drawing.kernels[tensor], windows, here)
            if row.sums_above[tensor] is not None:
                total = total + _of_pixel(row.sums_above[tensor], col)
            here[tensor] = finish(tensor.layer, total)
        else:
            here[tensor] = _run_pixelwise(tensor, here, row.index, col)
    return here


def _repeat(steps, body, *state):
    """Run ``state = body(i, *state)`` for i = 0 … steps - 1, and return the state."""

    def step(i, *state):
        return i + 1, *body(i, *state)

    return ops.while_loop(lambda i, *_: i < steps, step, (0, *state))[1:]


def _run_pixelwise(tensor, strips, row, col=None):
    """Run a layer that treats each pixel by itself on strips.

    The layer gets a strip as one image of height w and width N. To such a layer it makes no
    difference which axis is which.
    """
    weight = weight_by_pixel(tensor.layer)
    if weight is None:
        return tensor.call([strips[source][None] for source in tensor.sources])[0]
    x = ops.cast(strips[tensor.sources[0]], tensor.dtype)
    weight = entry(ops.cast(weight, x.dtype), row)[:, None]  # (W or 1, 1, C), a strip
    if col is not None:
        weight = _of_pixel(weight, col)
    return with_weight(tensor.layer, x, weight)


def padded(tensor, strips):
    """Return a tensor's finished row with zeros on both sides: (1, W + …, N, C)."""
    sides = (tensor.kept_sides, tensor.kept_sides)
    return ops.pad(strips[tensor], (sides, (0, 0), (0, 0)))[None]


def _of_pixel(strip, col):
    """Return one pixel of a strip, as a strip of width 1."""
    return entry(strip, col)[None]


# ------------------------------------------------- a convolution in two parts


def split_kernel(tensor):
    """Split a convolution's kernel: a part for finished rows, and one for the current row.

    Example: a 3×3 kernel of type B begins one row up and one pixel to the left, so
    first_row = first_col = -1. Its first part is ``kernel[:1]``, the row above. Its second
    part is ``kernel[1, :2]``, the left tap and the center. The other taps come
    after the pixel, and are left out::

        x x x    first part
        x x ·    second part
        · · ·

    Returns:
        The first part, (kh, kw, in, out), or None; the second part, (kw, in, out), or
        None; and (first_row, first_col, step), where the kernel begins relative to the
        pixel, and the distance between two taps.
    """
    layer, (source,) = tensor.layer, tensor.sources
    kernel, (first_row, first_col), step = kernel_of(layer)
    kernel = ops.cast(kernel, tensor.dtype)
    rows_above, taps_left = -first_row // step, -first_col // step
    if source.when == PER_ROW:  # then the source's current row is finished too
        rows_above += 1
    rows_above = min(rows_above, kernel.shape[0])
    above, current = kernel[:rows_above], None
    if source.when == PER_PIXEL and rows_above < kernel.shape[0]:
        current = kernel[rows_above, : taps_left + 1]
    return (above if rows_above else None), current, (first_row, first_col, step)


def sum_above(tensor, parts, rows, width):
    """Sum a convolution over the rows that are known when a row begins: (W, N, F).

    None if the kernel has no part there.

    Args:
        tensor: the convolution's.
        parts: what `split_kernel` returns.
        rows: of the convolution's source, with zeros on both sides.
        width: of the image.
    """
    above, _, (first_row, first_col, step) = parts
    if above is None:
        return None
    (source,) = tensor.sources
    # `rows` reaches as far as the convolution that looks farthest. What lies before the
    # first tap of this kernel is skipped.
    top, left = source.kept_rows + first_row, source.kept_sides + first_col
    size = width + (above.shape[1] - 1) * step
    rows = rows[top : top + above.shape[0] * step : step, left : left + size]
    rows = ops.cast(ops.transpose(rows, (2, 0, 1, 3)), tensor.dtype)
    total = ops.conv(
        rows,
        above,
        padding="valid",
        data_format="channels_last",
        dilation_rate=(1, step),
    )
    return ops.transpose(total[:, 0], (1, 0, 2))  # (N, 1, W, F) → (W, N, F)


def sum_current_row(tensor, parts, windows, here):
    """Sum a convolution over the current row, up to its pixel: (1, N, F).

    Args:
        tensor: the convolution's.
        parts: what `split_kernel` returns.
        windows: {tensor: (N, left · channels)}, the features to the left of the pixel.
        here: {tensor: its value at the pixel}.
    """
    _, current, (_, first_col, step) = parts
    (source,) = tensor.sources
    read, taps_left = [], -first_col // step
    has_center = current.shape[0] > taps_left
    if taps_left:  # they read the window
        taps = min(current.shape[0], taps_left)
        window = ops.reshape(windows[source], (-1, source.kept_left, source.channels))
        first = source.kept_left + first_col
        window = window[:, first : first + taps * step : step]
        read.append(ops.reshape(window, (-1, taps * source.channels)))
    if has_center:  # it reads the pixel itself
        read.append(here[source][0])
    x = ops.cast(ops.concatenate(read, -1), tensor.dtype)
    count, matrix = x.shape[0], ops.reshape(current, (-1, current.shape[-1]))
    if count == 1:  # a second row of zeros: XLA on a CPU is slow at vector times matrix
        x = ops.pad(x, ((0, 1), (0, 0)))
    return ops.matmul(x, matrix)[None, :count]


def finish(layer, total):
    """Add a convolution's bias to a strip, and apply its activation."""
    if layer.use_bias:
        total = total + ops.cast(layer.bias, total.dtype)
    return layer.activation(total[None])[0]

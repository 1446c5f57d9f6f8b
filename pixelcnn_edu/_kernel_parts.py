"""A convolution in two parts: one for the finished rows, one for the current row.

`one_pixel` sums the first part over a whole row, when the row begins, and the second part
at each pixel. Its table says what the axes of the arrays are.
"""

from pixelcnn_edu.pixel_graph import PER_PIXEL, PER_ROW, kernel_of

from keras import ops


def split_kernel(tensor):
    """Split a convolution's kernel: a part for finished rows, and one for the current row.

    Example: a 3×3 kernel of type B begins one row up and one pixel to the left, so
    first_row = first_col = -1. Its first part is ``kernel[:1]``, the row above. Its second
    part is ``kernel[1, :2]``, the left tap and the center. All other taps are 0 and left
    out::

        x x x    first part
        x x ·    second part
        · · ·

    Returns:
        The first part, (kh, kw, in, out), or None; the second part, (kw, in, out), or
        None; and (first_row, first_col, step), where the kernel begins relative to the
        pixel, and the distance between two taps.
    """
    layer, (source,) = tensor.operation, tensor.sources
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

    0 if the kernel has no part there.

    Args:
        tensor: the convolution's.
        parts: what `split_kernel` returns.
        windows: {tensor: (N, left · channels)}, the features to the left of the pixel.
        here: {tensor: its value at the pixel}.
    """
    _, current, (_, first_col, step) = parts
    if current is None:
        return ops.zeros((), tensor.dtype)
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
    if layer.activation is None:
        return total
    return ops.cast(layer.activation(total[None])[0], total.dtype)

"""A model run one pixel at a time: what ``generate(method="cached")`` does.

Idea: arXiv 1704.06001 (keep each layer's past features instead of computing them again).
Taught by notebook 10.

A network is written once, as a Keras model of whole images. `pixel_graph` reads it, and
the same layers, with the same weights, are run here in reading order. A convolution is
split in two. What it reads in the rows above is computed once, for a whole row; what it
reads in its own row, to the left, waits in a small window.

What differs from the paper's code: nothing is written for a certain network, and the loop
over all pixels is compiled, by XLA, into one function.

A strip of w pixels of N images has the shape (w, N, channels): the images of one pixel
lie side by side, and a pixel is a strip of width 1.
"""

import functools
import threading

from pixelcnn_edu._cache import kept
from pixelcnn_edu._checks import (
    check_finite,
    check_logits,
    check_model,
    check_temperature,
)
from pixelcnn_edu.layers import PositionBias
from pixelcnn_edu.pixel_graph import IMAGE, PIXEL, ROW, Tensor, kernel_of, read_graph

import keras
import numpy as np
from keras import layers, ops


class OnePixelModel:
    """A functional model, run pixel by pixel in one compiled loop.

    Args:
        model: a functional Keras model from images (and labels) to logits, made of this
            package's layers and of Keras's pointwise ones.
        likelihood: what its logits mean.

    Raises:
        ValueError: a layer cannot be run one pixel at a time; it is named.

    Example:
        >>> from pixelcnn_edu.models import pixelcnn
        >>> model = pixelcnn((5, 4, 1), filters=4, depth=1)
        >>> u = np.full((2, 5, 4, 1), 0.5, "float32")
        >>> one_pixel = OnePixelModel(model, model.likelihood)
        >>> one_pixel.draw(u, 0 * u, np.zeros((5, 4), bool), 1.0).shape
        (2, 5, 4, 1)
    """

    def __init__(self, model, likelihood):
        if keras.config.backend() != "tensorflow":
            raise ValueError(
                "Expected TensorFlow as the backend of Keras for method='cached'. "
                f"Received: {keras.config.backend()}. Use method='fixed_point'."
            )
        self.likelihood = likelihood
        self.inputs, self.tensors, self.output = read_graph(model)
        channels = self.inputs[0].channels
        # one pass per channel, but only where the logits look at their own pixel
        self.passes = range(channels if self.output.own >= 0 else 1)
        # a tensor that sees more of its pixel than was drawn when the logits were read,
        # and is itself read later, is computed once more when the pixel is complete
        self.one_more = any(
            t.own >= len(self.passes) - 1
            for t in self.tensors
            if t.operation and (t.rows or t.left)
        )
        self._compiled, self._lock = {}, threading.Lock()

    def draw(self, uniforms, given, known, temperature, labels=None):
        """Draw images, value by value.

        Args:
            uniforms: (N, H, W, C) in [0, 1), one number per value.
            given: (N, H, W, C), the values of known pixels.
            known: boolean (H, W).
            temperature: as for `likelihoods.Likelihood.sample`.
            labels: (N,), for a model that takes them.

        Returns:
            float32 (N, H, W, C).

        Raises:
            ValueError: a logit is NaN.
        """
        import tensorflow as tf

        temperature = check_temperature(temperature)
        greedy = temperature == 0
        key = (uniforms.shape, greedy)
        by_pixel = [np.transpose(a, (1, 2, 0, 3)) for a in (uniforms, given)]
        inputs = [*by_pixel, known, np.float32(temperature)]
        inputs += [] if labels is None else [labels]
        inputs = [tf.constant(value) for value in inputs]
        with self._lock:  # of threads that begin together, one compiles
            if key not in self._compiled:
                function = functools.partial(self._draw, greedy)
                function = tf.function(function, jit_compile=True, autograph=False)
                self._compiled[key] = function.get_concrete_function(*inputs)
        drawn = check_logits(self._compiled[key](*inputs).numpy())
        return np.transpose(drawn, (2, 0, 1, 3))

    def _draw(self, greedy, uniforms, given, known, temperature, *labels):
        height, width, count, _ = uniforms.shape
        temperature = 0 if greedy else temperature
        image = self.inputs[0]
        constants = dict(zip(self.inputs[1:], labels, strict=True))
        for tensor in self.tensors:
            if tensor.known == IMAGE and tensor.operation:
                constants[tensor] = _call(tensor, constants)
        constants = {
            tensor: ops.transpose(value, (1, 2, 0, 3))
            for tensor, value in constants.items()
            if len(value.shape) == 4
        }
        kernels = {
            t: _split_kernel(t)
            for t in self.tensors
            if t.is_convolution and t.known != IMAGE
        }

        def begin_row(row, past):
            """Return what is known of a row, and each convolution's sum over the past."""
            strips = {t: value[_index(value, row)] for t, value in constants.items()}
            above = {}
            for tensor in self.tensors:
                if tensor in kernels:
                    above[tensor] = _sum_above(tensor, kernels, past, strips, width)
                    if tensor.known == ROW:
                        strips[tensor] = _finish(tensor.operation, above[tensor])
                elif tensor.known == ROW:
                    strips[tensor] = _pointwise(tensor, strips, row)
            return strips, above

        def run_pixel(row, col, values, windows, strips, above):
            """Return every tensor at one pixel, given the pixel's values so far."""
            here = {t: _of_col(strip, col) for t, strip in strips.items()}
            here[image] = values[None]
            for tensor in self.tensors:
                if tensor.known != PIXEL or not tensor.operation:
                    continue
                if tensor in kernels:
                    total = _sum_own_row(tensor, kernels, windows, here)
                    if above[tensor] is not None:
                        total = total + _of_col(above[tensor], col)
                    here[tensor] = _finish(tensor.operation, total)
                else:
                    here[tensor] = _pointwise(tensor, here, row, col)
            return here

        def draw_pixel(row, strips, above, col, windows, lines):
            u, kept = uniforms[row, col], given[row, col]
            values = ops.zeros_like(kept)
            run = functools.partial(run_pixel, row, col)
            for channel in self.passes:
                here = run(values, windows, strips, above)
                logits = ops.cast(here[self.output][0], "float32")
                drawn = self.likelihood.sample(logits, u, temperature)
                no_number = ops.any(ops.isnan(logits), axis=-1, keepdims=True)
                drawn = ops.where(no_number, np.float32("nan"), drawn)
                drawn = ops.where(known[row, col], kept, drawn)
                one_channel = np.arange(image.channels) == channel
                all_at_once = len(self.passes) == 1
                values = drawn if all_at_once else ops.where(one_channel, drawn, values)
            if self.one_more:
                here = run(values, windows, strips, above)
            here[image] = values[None]
            windows = {
                t: ops.concatenate([window, here[t][0]], -1)[:, t.channels :]
                for t, window in windows.items()
            }
            lines = {
                t: ops.slice_update(line, (col, 0, 0), here[t])
                for t, line in lines.items()
            }
            return col + 1, windows, lines

        def draw_row(row, past, images):
            strips, above = begin_row(row, past)
            of_pixels = [t for t in self.tensors if t.known == PIXEL]
            windows = {
                t: ops.zeros((count, t.left * t.channels), t.dtype)
                for t in of_pixels
                if t.left
            }
            lines = {
                t: ops.zeros((width, count, t.channels), t.dtype)
                for t in of_pixels
                if t.rows or t is image
            }
            body = functools.partial(draw_pixel, row, strips, above)
            _, _, lines = _loop(width, body, windows, lines)
            past = {
                t: ops.concatenate([rows, _padded(t, {**strips, **lines})])[1:]
                for t, rows in past.items()
            }
            images = ops.slice_update(images, (row, 0, 0, 0), lines[image][None])
            return row + 1, past, images

        past = {
            t: ops.zeros((t.rows, width + 2 * t.columns, count, t.channels), t.dtype)
            for t in self.tensors
            if t.rows
        }
        return _loop(height, draw_row, past, ops.zeros_like(given))[-1]


def one_pixel_model(model, likelihood, kind=OnePixelModel):
    """Return ``kind(model, likelihood)``: the model's one-pixel form.

    It is kept, and its compiled loops with it, until more of the model has changed than
    the values of its weights.

    Raises:
        ValueError: as for `OnePixelModel`, or the weights are not finite.
    """
    check_finite(check_model(model))
    build = functools.partial(kind, model, likelihood)
    return kept(model, kind, build, likelihood)


def _loop(steps, body, *state):
    """Run ``body(i, *state)`` for i = 0 … steps - 1; it returns i + 1 and the state."""
    return ops.while_loop(lambda i, *_: i < steps, body, (0, *state))


def _split_kernel(tensor):
    """Return a kernel's part for rows known when a row begins, and that for later."""
    layer, (source,) = tensor.operation, tensor.sources
    kernel, (top, left), step = kernel_of(layer)
    kernel = ops.cast(kernel, tensor.dtype)
    rows = min(-top // step + (source.known == ROW), kernel.shape[0])
    above, own = kernel[:rows], None
    if source.known == PIXEL and rows < kernel.shape[0]:
        own = kernel[rows, : 1 - left // step]
    return (above if rows else None), own, (top, left, step)


def _sum_above(tensor, kernels, past, strips, width):
    """Return what a convolution sums over rows known when a row begins: (W, N, F)."""
    above, _, (top, left, step) = kernels[tensor]
    if above is None:
        return None
    (source,) = tensor.sources
    rows = past.get(source)
    if source.known == ROW:
        here = _padded(source, strips)
        rows = here if rows is None else ops.concatenate([rows, here])
    row, col = source.rows + top, source.columns + left  # where the kernel begins
    size = width + (above.shape[1] - 1) * step
    rows = rows[row : row + above.shape[0] * step : step, col : col + size]
    rows = ops.cast(ops.transpose(rows, (2, 0, 1, 3)), tensor.dtype)
    total = ops.conv(
        rows,
        above,
        padding="valid",
        data_format="channels_last",
        dilation_rate=(1, step),
    )
    return ops.transpose(total[:, 0], (1, 0, 2))


def _sum_own_row(tensor, kernels, windows, here):
    """Return what a convolution sums over its own row, up to its pixel: (1, N, F)."""
    _, own, (_, left, step) = kernels[tensor]
    if own is None:
        return ops.zeros((), tensor.dtype)
    (source,) = tensor.sources
    parts = []
    if left:
        taps = min(own.shape[0], -left // step)
        window = ops.reshape(windows[source], (-1, source.left, source.channels))
        first = source.left + left
        read = window[:, first : first + taps * step : step]
        parts.append(ops.reshape(read, (-1, taps * source.channels)))
    if own.shape[0] == 1 - left // step:
        parts.append(here[source][0])
    x = ops.cast(ops.concatenate(parts, -1), tensor.dtype)
    count, own = x.shape[0], ops.reshape(own, (-1, own.shape[-1]))
    if count == 1:  # a second row of zeros: XLA on a CPU is slow at vector times matrix
        x = ops.pad(x, ((0, 1), (0, 0)))
    return ops.matmul(x, own)[None, :count]


def _finish(layer, total):
    """Add a convolution's bias and apply its activation."""
    if layer.use_bias:
        total = total + ops.cast(layer.bias, total.dtype)
    return total if layer.activation is None else layer.activation(total)


def _pointwise(tensor, strips, row, col=None):
    """Run a pointwise layer on strips; Keras sees one image of w × N pixels."""
    layer, x = tensor.operation, strips[tensor.sources[0]]
    if isinstance(layer, PositionBias | layers.PReLU):  # weights that differ by pixel
        position, x = isinstance(layer, PositionBias), ops.cast(x, tensor.dtype)
        weight = ops.convert_to_tensor(layer.bias if position else layer.alpha)
        weight = ops.cast(weight, x.dtype)[_index(weight, row), :, None]
        weight = weight if col is None else _of_col(weight, col)
        return x + weight if position else ops.relu(x) - weight * ops.relu(-x)
    return _call(tensor, {t: strips[t][None] for t in tensor.sources})[0]


def _call(tensor, values):
    """Call a tensor's operation on the values of its sources."""
    args, kwargs = keras.tree.map_structure(
        lambda value: values[value] if isinstance(value, Tensor) else value,
        (tensor.args, tensor.kwargs),
    )
    return tensor.operation(*args, **kwargs)


def _padded(tensor, strips):
    """Return a tensor's finished row with zeros at its sides: (1, W + …, N, C)."""
    sides = (tensor.columns, tensor.columns)
    return ops.pad(strips[tensor], (sides, (0, 0), (0, 0)))[None]


def _index(value, i):
    """Return ``i``, or 0 where there is one entry for all."""
    return i if value.shape[0] > 1 else 0


def _of_col(strip, col):
    """Return one pixel of a strip, as a strip of width 1."""
    return strip[_index(strip, col)][None]

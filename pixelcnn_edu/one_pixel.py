"""A model that runs one pixel at a time, in one compiled loop.

``generate(method="cached")`` uses this module. Paper: arXiv 1704.06001 (keep the features
of earlier pixels instead of computing them again). Taught by notebook 10.

`page_cache` has the same idea in its simplest form. This module is faster, because

- it keeps only what a later pixel reads: for each tensor the last finished rows, and a
  window to the left in the current row;
- it splits each kernel in two (`_kernel_parts`). The part for finished rows runs as one
  convolution when a row begins; the part for the current row is a matrix product at each
  pixel;
- the loop over all pixels is compiled into one function.

A network is still written once, as a Keras model of whole images. `pixel_graph` reads its
graph, and the same layers, with the same weights, run here. Read the class
`pixel_graph.Tensor` first.

The loop takes and writes one pixel at a time, so the axes of the page come first here:

| array | shape |
|---|---|
| images, uniform numbers | (H, W, N, C) |
| a *strip*: w pixels of one row; one pixel is a strip of width 1 | (w, N, channels) |
| finished rows, with zeros on both sides | (rows, sides + W + sides, N, channels) |
| a window: the pixels to the left, flat for one matrix product | (N, left · channels) |
"""

import copy
import dataclasses
import functools
import threading
import weakref

from pixelcnn_edu import _jax
from pixelcnn_edu._cache import kept, traced
from pixelcnn_edu._checks import NotByPixel
from pixelcnn_edu._kernel_parts import (
    finish,
    split_kernel,
    sum_above,
    sum_current_row,
)
from pixelcnn_edu._model_checks import check_finite, check_logits, check_model
from pixelcnn_edu._pixelwise import is_of_user
from pixelcnn_edu.pixel_graph import (
    PER_IMAGE,
    PER_PIXEL,
    PER_ROW,
    labels_as_read,
    read_graph,
    weight_by_pixel,
    with_weight,
)

import keras
import numpy as np
from keras import ops


class PixelLoop:
    """The loop over all pixels of a functional model, compiled for each shape of images.

    The loop chooses values from logits. Here it draws them: its *numbers* are the uniform
    numbers, and its *setting* is the temperature. `compression` has a subclass whose
    ``choose`` asks a coder instead.

    Args:
        model: a functional Keras model from images (and labels) to logits, made of this
            package's layers, of Keras's layers that treat each pixel by itself, and of
            layers whose class says ``runs_as``, see `layers`.
        likelihood: what the logits mean.

    Attributes:
        inputs, tensors, output: what `pixel_graph.read_graph` returns.
        runs: for each run of the network in a pixel, the channels that are drawn after it:
            all in one run, or one in each run.
        one_more: whether the network runs once more after the last channel.
        compiled: the compiled loops, {`key` of the loop: function}.
        asked: keys of loops that `generation` was asked for.
        may_begin_by_fixed_point: whether the fixed point may answer a first call. False
            where rounding is coarse, and for layers of a user's class: an error in such a
            layer must appear in the first call, not in the second.

    Raises:
        NotByPixel: a layer cannot run one pixel at a time. The message names the layer.

    Example:
        >>> from pixelcnn_edu.models import pixelcnn
        >>> model = pixelcnn((5, 4, 1), filters=4, depth=1)
        >>> u = np.full((2, 5, 4, 1), 0.5, "float32")
        >>> loop = PixelLoop(model, model.likelihood)
        >>> loop.draw(u, 0 * u, np.zeros((5, 4), bool), 1.0).shape
        (2, 5, 4, 1)
    """

    xla = True  #: compile with XLA; without XLA, `choose` may call Python
    #: If the argument ``setting`` of `draw` equals this value (temperature 0), a separate
    #: loop is compiled. There `choose` gets the Python number, not a tensor.
    constant = 0

    def __init__(self, model, likelihood):
        self.likelihood = likelihood
        self.inputs, self.tensors, self.output = read_graph(model)
        self._model = weakref.ref(model)  # `kept` must not keep the model alive
        channels = range(self.inputs[0].channels)
        # The network runs once per channel only if the logits read their own pixel.
        by_channel = self.output.last_own_channel >= 0
        self.runs = [[channel] for channel in channels] if by_channel else [[*channels]]
        # Some features depend on the value that was drawn last. If a later pixel reads
        # them, the network runs once more when all values of the pixel are known: with
        # ``one_hot=True``, say. After a first layer of type A no feature depends on the
        # last channel of its own pixel, and no extra run is needed.
        # With colors, say, the runs are [[0], [1], [2]], and the first channel of the last
        # run is 2.
        first_of_last_run = self.runs[-1][0]
        self.one_more = any(
            t.last_own_channel >= first_of_last_run
            for t in self.tensors
            if t.operation and (t.kept_rows or t.kept_left)
        )
        self.may_begin_by_fixed_point = all(
            _in_single_precision(t) and not (t.operation and is_of_user(t.operation))
            for t in self.tensors
        )
        self.compiled, self.asked, self._lock = {}, set(), threading.Lock()

    def choose(self, logits, numbers, setting, channels):
        """Return the values of a pixel, (N, C); only those of ``channels`` are used.

        This method is compiled. Here it draws from the likelihood.

        Args:
            logits: (N, logits_per_pixel(C)).
            numbers: (N, C), here uniform numbers.
            setting: here the temperature.
            channels: one of `runs`.
        """
        return self.likelihood.sample(logits, numbers, setting)

    def draw(self, numbers, given, known, setting, *labels) -> np.ndarray:
        """Choose the values of images, pixel by pixel.

        Args:
            numbers: (N, H, W, C), for `choose`.
            given: (N, H, W, C), the values of known pixels.
            known: boolean (H, W).
            setting: one number for `choose`.
            *labels: nothing, or one array (N,) for a model that takes labels.

        Returns:
            float32 (N, H, W, C).

        Raises:
            ValueError: a logit is NaN.
        """
        key = self.key(numbers.shape, setting)
        is_constant = setting == self.constant
        by_pixel = [np.transpose(values, (1, 2, 0, 3)) for values in (numbers, given)]
        setting = np.asarray(setting)
        if setting.dtype == "float64":
            setting = setting.astype("float32")
        inputs = [*by_pixel, known, setting, *labels]
        with self._lock:  # if several threads begin at the same time, one compiles
            if key not in self.compiled:
                function = functools.partial(_draw_images, self, is_constant)
                model = self._model()
                with traced(model):  # what layers write meanwhile is no change
                    self.compiled[key] = _compiled(model, function, inputs, self.xla)
        drawn = self.compiled[key](*inputs)
        check_logits(drawn)  # a NaN in an image marks a NaN logit, see `_draw_pixel`
        return np.transpose(drawn, (2, 0, 1, 3))

    def key(self, shape, setting):
        """Return the key in ``compiled`` of the loop for numbers of this shape."""
        return (*shape, setting == self.constant)


def pixel_loop(model, likelihood, *, kind=PixelLoop, advice="") -> PixelLoop:
    """Return the loop that draws from a model, an object of the class ``kind``.

    The object, with its compiled loops, is kept until the model changes. New values of
    weights are no change.

    Args:
        model, likelihood: as for `PixelLoop`.
        kind: `PixelLoop`, or a subclass.
        advice: follows the message of a `NotByPixel`.

    Raises:
        ValueError: the weights are not finite.
        NotByPixel: as for `PixelLoop`.
    """
    check_finite(check_model(model))
    try:
        # The loop has a likelihood of its own: each count is compiled later, when the
        # attributes of the user's likelihood may have changed.
        build = functools.partial(kind, model, copy.deepcopy(likelihood))
        return kept(model, kind, build, likelihood)
    except NotByPixel as error:
        raise NotByPixel(f"{error} {advice}".strip()) from None


def _in_single_precision(tensor):
    policy = getattr(tensor.operation, "dtype_policy", None)
    return tensor.dtype == "float32" and getattr(policy, "name", "float32") == "float32"


def _compiled(model, function, examples, xla):
    """Compile a function for arrays like the examples: NumPy arrays in, and one out.

    Only this function of the module calls a backend by name. All else is written with
    `keras.ops`.
    """
    if keras.config.backend() == "jax":
        function = _jax.compiled(model, function, *examples)
        return lambda *inputs: np.asarray(function(*inputs))
    import tensorflow as tf

    function = tf.function(function, jit_compile=xla, autograph=False)
    function = function.get_concrete_function(*map(tf.constant, examples))
    return lambda *inputs: function(*map(tf.constant, inputs)).numpy()


# ------------------------------------------------------------------ the two loops


@dataclasses.dataclass(frozen=True)
class _Run:
    """What stays the same while images are drawn.

    Attributes:
        loop: the `PixelLoop`.
        numbers, given: (H, W, N, C).
        known: boolean (H, W).
        setting: for ``choose``.
        fixed: {tensor: (H or 1, W or 1, N, channels)}, of tensors that depend on the label
            alone.
        kernels: {tensor: what `split_kernel` returns}, for each convolution.
    """

    loop: PixelLoop
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
        strips: {tensor: strip}, of tensors that do not depend on this row of the image.
        sums_above: {convolution: strip}, its sum over the finished rows; None for no such
            sum.
    """

    index: object
    strips: dict
    sums_above: dict


def _draw_images(loop, is_constant, numbers, given, known, setting, *labels):
    """Draw images, row by row: (H, W, N, C). The arrays are as in `_Run`."""
    height, width, count, _ = numbers.shape
    fixed = labels_as_read(loop.inputs, labels)
    for tensor in loop.tensors:
        if tensor.when == PER_IMAGE and tensor.operation:
            fixed[tensor] = tensor.call(fixed)
    run = _Run(
        loop,
        numbers,
        given,
        known,
        loop.constant if is_constant else setting,
        fixed={
            tensor: ops.transpose(value, (1, 2, 0, 3))
            for tensor, value in fixed.items()
            if len(value.shape) == 4
        },
        kernels={
            t: split_kernel(t)
            for t in loop.tensors
            if t.is_convolution and t.when != PER_IMAGE
        },
    )
    finished = {
        t: ops.zeros(
            (t.kept_rows, width + 2 * t.kept_sides, count, t.channels), t.dtype
        )
        for t in loop.tensors
        if t.kept_rows
    }
    body = functools.partial(_draw_row, run)
    _, images = _repeat(height, body, finished, ops.zeros_like(given))
    return images


def _draw_row(run, index, finished, images):
    """Draw one row. ``finished`` has the last rows of each tensor: {tensor: rows}."""
    width, count = run.numbers.shape[1:3]
    row = _begin_row(run, index, finished)
    by_pixel = [t for t in run.loop.tensors if t.when == PER_PIXEL]
    windows = {
        t: ops.zeros((count, t.kept_left * t.channels), t.dtype)
        for t in by_pixel
        if t.kept_left
    }
    image = run.loop.inputs[0]
    strips = {  # what later rows read, and the image
        t: ops.zeros((width, count, t.channels), t.dtype)
        for t in by_pixel
        if t.kept_rows or t is image
    }
    body = functools.partial(_draw_pixel, run, row)
    _, strips = _repeat(width, body, windows, strips)
    finished = {  # add the new row, forget the oldest one
        t: ops.concatenate([rows, _padded(t, {**row.strips, **strips})])[1:]
        for t, rows in finished.items()
    }
    images = ops.slice_update(images, (index, 0, 0, 0), strips[image][None])
    return finished, images


def _begin_row(run, index, finished):
    """Compute all that does not depend on this row of the image; return a `_Row`."""
    width = run.numbers.shape[1]
    strips = {t: value[_index(value, index)] for t, value in run.fixed.items()}
    sums = {}
    for tensor in run.loop.tensors:
        if tensor in run.kernels:
            rows = _known_rows(tensor, finished, strips)
            sums[tensor] = sum_above(tensor, run.kernels[tensor], rows, width)
            if tensor.when == PER_ROW:
                strips[tensor] = finish(tensor.operation, sums[tensor])
        elif tensor.when == PER_ROW:
            strips[tensor] = _run_pixelwise(tensor, strips, index)
    return _Row(index, strips, sums)


def _known_rows(convolution, finished, strips):
    """Return the rows of its source that are known when a row begins; None for none."""
    (source,) = convolution.sources
    rows = finished.get(source)
    if source.when == PER_ROW:
        here = _padded(source, strips)
        rows = here if rows is None else ops.concatenate([rows, here])
    return rows


def _draw_pixel(run, row, col, windows, strips):
    """Draw one pixel.

    Args:
        windows: {tensor: (N, left · channels)}, the features to the left of the pixel.
        strips: {tensor: strip}, the features of the current row, which later rows read,
            and the image.
    """
    loop, image = run.loop, run.loop.inputs[0]
    numbers, given = run.numbers[row.index, col], run.given[row.index, col]
    values = ops.zeros_like(given)
    for channels in loop.runs:
        here = _run_pixel(run, row, col, values, windows)
        logits = ops.cast(here[loop.output][0], "float32")
        chosen = loop.choose(logits, numbers, run.setting, channels)
        chosen = ops.where(run.known[row.index, col], given, chosen)
        # compiled code cannot raise an error: `draw` finds the NaN after the loop
        not_a_number = ops.any(ops.isnan(logits), axis=-1, keepdims=True)
        chosen = ops.where(not_a_number, np.float32("nan"), chosen)
        is_drawn_now = np.isin(np.arange(image.channels), channels)
        values = ops.where(is_drawn_now, chosen, values)
    if loop.one_more:
        here = _run_pixel(run, row, col, values, windows)
    here[image] = values[None]
    windows = {  # add this pixel, forget the leftmost one
        t: ops.concatenate([window, here[t][0]], -1)[:, t.channels :]
        for t, window in windows.items()
    }
    strips = {
        t: ops.slice_update(strip, (col, 0, 0), here[t]) for t, strip in strips.items()
    }
    return windows, strips


def _run_pixel(run, row, col, values, windows):
    """Return {tensor: its value at one pixel}, from the values drawn so far."""
    here = {t: _of_pixel(strip, col) for t, strip in row.strips.items()}
    here[run.loop.inputs[0]] = values[None]
    for tensor in run.loop.tensors:
        if tensor.when != PER_PIXEL or not tensor.operation:
            continue
        if tensor in run.kernels:
            total = sum_current_row(tensor, run.kernels[tensor], windows, here)
            if row.sums_above[tensor] is not None:
                total = total + _of_pixel(row.sums_above[tensor], col)
            here[tensor] = finish(tensor.operation, total)
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
    weight = weight_by_pixel(tensor.operation)
    if weight is None:
        return tensor.call({t: strips[t][None] for t in tensor.sources})[0]
    x = ops.cast(strips[tensor.sources[0]], tensor.dtype)
    weight = ops.cast(weight, x.dtype)[_index(weight, row), :, None]
    if col is not None:
        weight = _of_pixel(weight, col)
    return with_weight(tensor.operation, x, weight)


def _padded(tensor, strips):
    """Return a tensor's finished row with zeros on both sides: (1, W + …, N, C)."""
    sides = (tensor.kept_sides, tensor.kept_sides)
    return ops.pad(strips[tensor], (sides, (0, 0), (0, 0)))[None]


def _index(value, i):
    """Return ``i``, or 0 if one entry stands for all rows or all pixels."""
    return i if value.shape[0] > 1 else 0


def _of_pixel(strip, col):
    """Return one pixel of a strip, as a strip of width 1."""
    return strip[_index(strip, col)][None]

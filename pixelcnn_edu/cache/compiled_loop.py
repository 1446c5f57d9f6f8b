"""The object that compiles the loop of `loop`, and keeps what it has compiled."""

import copy
import functools
import threading

from pixelcnn_edu._checks import check_finite, check_logits, check_model
from pixelcnn_edu._compiled import compiled_by_jax, kept
from pixelcnn_edu.cache import graph
from pixelcnn_edu.cache.loop import draw_images, runs_of_a_pixel

import keras
import numpy as np

#: Compile with XLA. Without XLA the loop draws the same images, ten times slower, and is
#: compiled in half the time.
XLA = True


class PixelLoop:
    """The loop over all pixels of a functional model, compiled for each shape of images.

    The loop chooses values from logits. Here it draws them: its *numbers* are the uniform
    numbers, and its *setting* is the temperature. `coder` has a subclass whose ``choose``
    asks a coder instead.

    Args:
        model: a functional Keras model from images (and labels) to logits, made of the
            layers that `graph` has in its table.
        likelihood: what the logits mean.

    Attributes:
        graph: the `graph.Graph` of the model.
        weights: the variables of the model.
        channel_groups, one_more: what `loop.runs_of_a_pixel` returns.

    Raises:
        UnknownLayer: a layer cannot run one pixel at a time. The message names the layer.

    Example:
        >>> from pixelcnn_edu.models import pixelcnn
        >>> model = pixelcnn((5, 4, 1), filters=4, depth=1)
        >>> u = np.full((2, 5, 4, 1), 0.5, "float32")
        >>> loop = PixelLoop(model, model.likelihood)
        >>> loop.draw(u, 0 * u, np.zeros((5, 4), bool), 1.0).shape
        (2, 5, 4, 1)
    """

    #: A ``setting`` equal to this (temperature 0) becomes part of the compiled code, so
    #: that `choose` can use ``if``: it gets the Python number, not a tensor.
    built_in_setting = 0

    def __init__(self, model, likelihood):
        self.likelihood = copy.deepcopy(likelihood)
        self.graph = graph.read(check_finite(model))
        self.weights = model.weights
        self.channel_groups, self.one_more = runs_of_a_pixel(self.graph)
        self._compiled, self._asked, self._lock = {}, set(), threading.Lock()

    def choose(self, logits, numbers, setting, channels, values):
        """Return the values of a pixel, (N, C); only those of ``channels`` are used.

        This method is compiled. Here it draws from the likelihood.

        Args:
            logits: (N, logits_per_pixel(C)).
            numbers: (N, C), here uniform numbers.
            setting: here the temperature.
            channels: one of `channel_groups`.
            values: (N, C), the values of the pixel's earlier channels; 0 for the others.
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
            ValueError: a weight is not finite, or a logit is NaN.
        """
        is_built_in = setting == self.built_in_setting
        key = (*numbers.shape, is_built_in)
        arrays = [np.transpose(values, (1, 2, 0, 3)) for values in (numbers, given)]
        if isinstance(setting, float):
            setting = np.float32(setting)
        arrays += [known, np.asarray(setting), *labels]
        with self._lock:  # of threads that begin together, one compiles
            if key not in self._compiled:
                function = functools.partial(draw_images, self, is_built_in)
                self._compiled[key] = self._compile(function, arrays)
        drawn = self._compiled[key](*arrays)
        if np.isnan(drawn).any():  # the loop writes NaN where a logit is NaN
            check_finite(self)
            check_logits(drawn)
        return np.transpose(drawn, (2, 0, 1, 3))

    def note_call(self, *size) -> bool:
        """Note a call for a size; return whether it is the first one for this size."""
        is_first = size not in self._asked
        self._asked.add(size)
        return is_first

    def _compile(self, function, examples):
        """Compile a function for arrays like the examples: NumPy arrays in, one out."""
        if keras.config.backend() == "jax":
            function = compiled_by_jax(self.weights, function)
            return lambda *inputs: np.asarray(function(*inputs))
        import tensorflow as tf

        function = tf.function(function, jit_compile=self.uses_xla(), autograph=False)
        function = function.get_concrete_function(*map(tf.constant, examples))
        return lambda *inputs: function(*map(tf.constant, inputs)).numpy()

    def uses_xla(self) -> bool:
        """Return whether XLA compiles the loop."""
        return XLA


def pixel_loop(model, likelihood, kind=PixelLoop) -> PixelLoop:
    """Return the loop that draws from a model, kept with all that it has compiled.

    Args:
        model, likelihood: as for `PixelLoop`.
        kind: `PixelLoop`, or a subclass.

    Raises:
        UnknownLayer: as for `PixelLoop`.
    """
    check_model(model)
    key = kind, type(likelihood), repr(likelihood)
    return kept(model, key, functools.partial(kind, model, likelihood))

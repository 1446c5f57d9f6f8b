"""The object that compiles the loop of `one_pixel`, and keeps what it has compiled.

`kept` and `traced` (of `_cache`) only decide when to compile again.
"""

import copy
import functools
import threading
import weakref

from pixelcnn_edu import _jax
from pixelcnn_edu._cache import kept, traced
from pixelcnn_edu._checks import NotByPixel, check_finite, check_logits, check_model
from pixelcnn_edu.one_pixel import draw_images, runs_of_a_pixel
from pixelcnn_edu.pixel_graph import check_size, fixed_sizes, label_maps, read_graph

import keras
import numpy as np
from keras import ops

_ADVICE = (
    "method='cached' needs this. If pixelcnn_edu.causality.assert_causal(model) passes, "
    "use method='fixed_point', which runs any causal model."
)


class PixelLoop:
    """The loop over all pixels of a functional model, compiled for each shape of images.

    The loop chooses values from logits. Here it draws them: its *numbers* are the uniform
    numbers, and its *setting* is the temperature. `compression` has a subclass whose
    ``choose`` asks a coder instead.

    Args:
        model: a functional Keras model from images (and labels) to logits, made of this
            package's layers, of Keras's layers that treat each pixel by itself, and of
            layers whose class says ``runs_as``, see `pixel_graph`.
        likelihood: what the logits mean.

    Attributes:
        inputs, tensors, output: what `pixel_graph.read_graph` returns.
        label_maps, fixed_sizes: what the functions of these names in `pixel_graph` return.
        weights: the variables of the model.
        channel_groups, one_more: what `one_pixel.runs_of_a_pixel` returns.
        compiled: the compiled loops, {`key` of the loop: function}.
        asked: keys of loops that were asked for, see `_first_call`.

    Raises:
        ValueError: a weight is not finite.
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
    #: A ``setting`` equal to this (temperature 0) becomes part of the compiled code, so
    #: that `choose` can use ``if``: it gets the Python number, not a tensor.
    built_in_setting = 0

    def __init__(self, model, likelihood):
        self.likelihood = likelihood
        check_finite(model)
        self.inputs, self.tensors, self.output = read_graph(model)
        self.label_maps = label_maps(self.tensors, self.output)
        self.fixed_sizes = fixed_sizes(self.tensors, self.output)
        self.weights = model.weights
        self._model = weakref.ref(model)  # `kept` must not keep the model alive
        groups, self.one_more = runs_of_a_pixel(self.tensors, self.output)
        self.channel_groups = groups
        self.compiled, self.asked, self._lock = {}, set(), threading.Lock()

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
            ValueError: a weight is not finite, a logit is NaN, or weights for each pixel
                are for another image size.
        """
        check_size(self.fixed_sizes, numbers.shape[1:3])
        key = self.key(numbers.shape, setting)
        is_built_in = setting == self.built_in_setting
        arrays = [np.transpose(values, (1, 2, 0, 3)) for values in (numbers, given)]
        setting = np.asarray(setting)
        if setting.dtype == "float64":
            setting = setting.astype("float32")
        arrays += [known, setting, *labels]
        with self._lock:  # if several threads begin at the same time, one compiles
            if key not in self.compiled:
                function = functools.partial(self._draw, is_built_in)
                model = self._model()
                # some layers count their own calls: for `_cache` this is no change
                with traced(model):
                    self.compiled[key] = _compiled(model, function, arrays, self.xla)
        drawn = self.compiled[key](*arrays)
        if np.isnan(drawn).any():  # from a weight, see `_draw`, or else from a logit
            check_finite(self)
            check_logits(drawn)
        return np.transpose(drawn, (2, 0, 1, 3))

    def _draw(self, *arguments):
        """Return the images of `draw_images`; NaN if a weight is not finite.

        The compiled code looks at the weights, because Python would need milliseconds to
        read them all.
        """
        images = draw_images(self, *arguments)
        dtype = keras.backend.result_type("float32", *[w.dtype for w in self.weights])
        flat = [ops.reshape(ops.cast(w, dtype), (-1,)) for w in self.weights]
        is_finite = ops.all(ops.isfinite(ops.concatenate([*flat, np.zeros(1, dtype)])))
        return ops.where(is_finite, images, np.float32("nan"))

    def key(self, shape, setting):
        """Return the key in ``compiled`` of the loop for numbers of this shape."""
        return (*shape, setting == self.built_in_setting)


def pixel_loop(model, likelihood, *, kind=PixelLoop, advice=_ADVICE) -> PixelLoop:
    """Return the loop that draws from a model, an object of the class ``kind``.

    The object, with its compiled loops, is kept until the model changes, or until eight
    others of the same model follow. New values of weights are no change.

    Args:
        model, likelihood: as for `PixelLoop`.
        kind: `PixelLoop`, or a subclass.
        advice: follows the message of a `NotByPixel`.

    Raises:
        ValueError, NotByPixel: as for `PixelLoop`. (A kept loop looks at the weights when
            it draws.)
    """
    check_model(model)
    try:
        # The loop has a likelihood of its own: the loop for another number of images is
        # compiled later, when the user's likelihood may have changed.
        build = functools.partial(kind, model, copy.deepcopy(likelihood))
        return kept(model, kind, build, likelihood)
    except NotByPixel as error:
        raise NotByPixel(f"{error} {advice}") from None


def _compiled(model, function, examples, xla):
    """Compile a function for arrays like the examples: NumPy arrays in, and one out.

    In this file, this function alone calls a backend by name. `one_pixel` is written with
    `keras.ops`, which need no rewriting of Python's ``if`` and ``for`` (``autograph``).
    """
    if keras.config.backend() == "jax":
        function = _jax.compiled(model, function, *examples)
        return lambda *inputs: np.asarray(function(*inputs))
    import tensorflow as tf

    function = tf.function(function, jit_compile=xla, autograph=False)
    function = function.get_concrete_function(*map(tf.constant, examples))
    return lambda *inputs: function(*map(tf.constant, inputs)).numpy()

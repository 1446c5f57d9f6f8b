"""The pixel loop of `pixelcnn_edu.compression`, which asks a function for each value.

The loop of `compiled_loop` draws each value. This one computes the probabilities of a
value, and calls a Python function that returns the value, outside the compiled graph.
"""

import weakref

from pixelcnn_edu.cache.compiled_loop import PixelLoop
from pixelcnn_edu.cache.graph import UnknownLayer

import keras
import numpy as np
from keras import ops


class CodingLoop(PixelLoop):
    """A `PixelLoop` whose values a Python function chooses; for one thread at a time."""

    built_in_setting = None

    def __init__(self, model, likelihood):
        if keras.config.backend() != "tensorflow":
            raise UnknownLayer(
                "Expected TensorFlow as the backend of Keras, whose compiled loop can ask "
                f"a coder. Received: {keras.config.backend()}"
            )
        super().__init__(model, likelihood)
        self._answer = self._error = None

    def choose(self, logits, numbers, setting, channels, values):
        """Return the values of a pixel, (N, C), see `PixelLoop.choose`."""
        import tensorflow as tf

        loop = weakref.ref(self)  # TensorFlow keeps a numpy_function forever
        every = np.arange(numbers.shape[-1])
        for channel in channels:
            p = self.likelihood.probabilities(logits, values)[:, channel]
            answer = tf.numpy_function(lambda p: loop()._ask(p), [p], tf.float32)
            answer = ops.reshape(answer, (numbers.shape[0], 1))
            values = ops.where(every == channel, answer, values)
        return values

    def _ask(self, p):
        """Return the function's answer, float32 (N,).

        An error is stored, and raised after the graph has ended: TensorFlow would change
        its type.
        """
        try:
            if self._error is None:
                return self._answer(p)
        except BaseException as error:
            self._error = error
        return np.zeros(len(p), "float32")

    def run_once(self, shape, answer, *labels):
        """Return the chosen values, float32 (N, H, W, C), of images of this shape.

        Args:
            shape: (N, H, W, C).
            answer: a function from probabilities (N, levels) to values, float32 (N,). It
                is called for each value in reading order, channel after channel.
            labels: nothing, or one array (N,).
        """
        self._answer, self._error = answer, None
        nothing, known = np.zeros(shape, "float32"), np.zeros(shape[1:3], bool)
        images = self.draw(nothing, nothing, known, 0, *labels)
        if self._error is not None:
            raise self._error
        return images

    def uses_xla(self) -> bool:
        """Return False: XLA cannot call Python."""
        return False

"""The pixel loop of `compression`, which asks a Python function for each value.

The loop of `one_pixel` draws each value. This one computes the probabilities of a value,
and calls a function that returns the value: it stands outside the compiled graph.
"""

import itertools
import math
import weakref

from pixelcnn_edu._checks import NotByPixel
from pixelcnn_edu._pixel_loop import PixelLoop
from pixelcnn_edu._threads import asked_by_a_graph

import keras
import numpy as np
from keras import ops


class CodingLoop(PixelLoop):
    """A `PixelLoop` whose values are chosen by a Python function, outside the graph.

    Several threads may use it at the same time. Each call of `run_once` has a number; the
    graph passes the number on, and ``coders`` finds the function by its number.
    """

    xla = False  # XLA cannot call Python
    built_in_setting = None

    def __init__(self, model, likelihood):
        if keras.config.backend() != "tensorflow":
            raise NotByPixel(
                "Expected TensorFlow as the backend of Keras, whose compiled loop can ask "
                f"a coder. Received: {keras.config.backend()}."
            )
        super().__init__(model, likelihood)
        self.coders, self.counter = {}, itertools.count()

    def choose(self, logits, numbers, setting, channels, values):
        """Return the values of a pixel, (N, C), see `PixelLoop.choose`.

        The numbers are the places of the values in reading order. The setting is the
        number of the call of `run_once`.
        """
        import tensorflow as tf

        loop = weakref.ref(self)  # TensorFlow keeps a numpy_function for ever

        def ask(number, place, p):
            return loop().coders[int(number)].next_values(int(place), p)

        every = np.arange(numbers.shape[-1])
        for channel in channels:
            p = self.likelihood.probabilities(logits, values)[:, channel]
            inputs = setting, numbers[0, channel], p
            answer = tf.numpy_function(ask, inputs, tf.float32)
            answer = ops.reshape(answer, (numbers.shape[0], 1))
            values = ops.where(every == channel, answer, values)
        return values

    def run_once(self, shape, answer, *labels):
        """Return the chosen values, float32 (N, H, W, C), of images of this shape."""
        places = np.arange(math.prod(shape[1:]), dtype="int32").reshape(shape[1:])
        places = np.broadcast_to(places, shape)
        given, known = np.zeros(shape, "float32"), np.zeros(shape[1:3], bool)
        number = next(self.counter)
        coder = self.coders[number] = _Coder(answer)
        try:
            images = self.draw(places, given, known, np.int32(number), *labels)
        finally:
            del self.coders[number]
        if coder.error is not None:
            raise coder.error
        return images


class _Coder:
    """What answers in one run of a `CodingLoop`, and the place of the next value."""

    def __init__(self, answer):
        self.answer, self.place, self.error = answer, 0, None

    def next_values(self, place, p):
        """Return the value at a place of each image, float32 (N,).

        An error is stored, and raised after the graph has ended: TensorFlow would change
        its type.

        Args:
            place: in reading order. The graph must ask for one place after the other.
            p: (N, levels), the probabilities.
        """
        try:
            if self.error is None:
                if place != self.place:
                    raise RuntimeError(
                        f"Expected value {self.place}. Received: {place}"
                    )
                self.place += 1
                with asked_by_a_graph():
                    return self.answer(p)
        except BaseException as error:
            self.error = error
        return np.zeros(len(p), "float32")

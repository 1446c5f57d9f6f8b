"""What makes training on a CPU faster: a batch in two halves.

The two halves of a batch go through the network at the same time. Where one half leaves a
core idle, the other half takes it. The step stays the same up to rounding, unless the
network has dropout or another random layer: each half draws random numbers of its own.

Halves are used with TensorFlow on a CPU alone. A model reads `ON` when TensorFlow traces
its training step. So, to train in whole batches, write this before the first batch::

    _cpu.ON = False

``benchmarks/training.py --halves`` measures what the halves bring.
"""

from pixelcnn_edu._pixelwise import PIXELWISE, is_activation_of_keras
from pixelcnn_edu.machine import on_gpu

import keras
import tensorflow as tf

ON = True

# Layers of Keras that treat each image by itself: two halves train as the whole batch. All
# layers of this package do so too. A layer of a user may not: it may add to the loss.
_BY_IMAGE = PIXELWISE | {
    keras.layers.Conv2D,
    keras.layers.Embedding,
    keras.layers.InputLayer,
    keras.layers.Reshape,
}


def _is_used() -> bool:
    on_tensorflow = keras.config.backend() == "tensorflow"
    return ON and on_tensorflow and not on_gpu()


class TrainedInHalves(keras.Model):
    """A functional Keras model whose batches are trained in two halves.

    A network whose halves would not train as the whole batch is given the whole batch.
    (When a model is built from inputs and outputs, Keras puts its class Functional in the
    place of `keras.Model`. So ``super().call`` runs the graph.)
    """

    _in_halves = False

    def train_step(self, *arguments):
        """Train on one batch, as Keras does. (On JAX Keras passes the state too.)"""
        self._in_halves = self._may_be_halved()
        try:
            return super().train_step(*arguments)
        finally:
            self._in_halves = False

    def _may_be_halved(self):
        if tf.executing_eagerly() or not _is_used():
            return False
        for part in self._operations:  # operations of `keras.ops` too
            in_package = type(part).__module__.startswith("pixelcnn_edu.")
            by_image = type(part) in _BY_IMAGE or (
                in_package and not isinstance(part, keras.Model)
            )
            by_image = by_image and "call" not in vars(part)
            activation = getattr(part, "activation", None) or keras.activations.linear
            of_keras = is_activation_of_keras(activation)
            if not by_image or not of_keras or part.activity_regularizer:
                return False  # it may read the whole batch, or add to the loss twice
        return not self.non_trainable_weights

    def call(self, inputs, training=None, mask=None, **kwargs):
        of_graph = super().call
        if not self._in_halves:
            return of_graph(inputs, training, mask, **kwargs)
        count = tf.shape(keras.tree.flatten(inputs)[0])[0]
        half = (count + 1) // 2
        # of a batch of one image, both halves are that image: no half is empty
        rest = tf.minimum(half, count - 1)
        first = keras.tree.map_structure(lambda x: x[:half], inputs)
        second = keras.tree.map_structure(lambda x: x[rest:], inputs)
        both = [of_graph(part, training) for part in (first, second)]
        return keras.tree.map_structure(lambda *x: tf.concat(x, 0)[:count], *both)

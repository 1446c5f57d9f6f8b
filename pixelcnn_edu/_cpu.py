"""What makes training on a CPU faster. No result changes by more than rounding.

There are three tricks. They are used with TensorFlow on a CPU alone:

- ``"bias"``: the gradient of a bias is a sum of its own. In float32 TensorFlow merges it
  with the gradient of the kernel into one slow operation.
- ``"pointwise"``: the gradients of a 1×1 kernel are matrix products.
- ``"halves"``: a batch goes through the network in two halves at the same time. Where one
  half leaves a core idle, the other half takes it.

`ON` holds the names of the tricks in use. A model reads `ON` when Keras compiles it, so
switch a trick off before the first batch::

    _cpu.ON.discard("halves")

``benchmarks/training.py --tricks`` measures each trick.
"""

import keras
import tensorflow as tf
from keras import ops

ON = {"bias", "pointwise", "halves"}


def _used(trick) -> bool:
    on_tensorflow = keras.config.backend() == "tensorflow"
    return trick in ON and on_tensorflow and not tf.config.list_physical_devices("GPU")


def _in_float32(tensor) -> bool:
    # in bfloat16 the gradients of TensorFlow itself are as fast or faster
    return keras.backend.standardize_dtype(tensor.dtype) == "float32"


def convolve(inputs, kernel, dilation_rate=1):
    """Convolve as `keras.ops.conv` does, with stride 1 and without padding.

    Args:
        inputs: (N, H, W, channels).
        kernel: (kh, kw, channels, filters).
        dilation_rate: distance in pixels from one tap to the next.

    Returns:
        (N, H - (kh - 1) * dilation_rate, W - (kw - 1) * dilation_rate, filters).
    """
    if tuple(kernel.shape[:2]) == (1, 1) and _used("pointwise") and _in_float32(inputs):
        return _convolve_1x1(inputs, tf.convert_to_tensor(kernel))
    return ops.conv(
        inputs, kernel, data_format="channels_last", dilation_rate=dilation_rate
    )


def add_bias(outputs, bias):
    """Return ``outputs + bias``: (N, H, W, filters) and (filters,)."""
    if _used("bias") and _in_float32(outputs):
        return _add_bias(outputs, tf.convert_to_tensor(bias))
    return ops.add(outputs, ops.reshape(bias, (1, 1, 1, -1)))


@tf.custom_gradient
def _add_bias(outputs, bias):
    def gradient(upstream):
        # over images first: long rows, which the processor adds up fast
        return upstream, tf.reduce_sum(tf.reduce_sum(upstream, 0), (0, 1))

    return tf.nn.bias_add(outputs, bias), gradient


@tf.custom_gradient
def _convolve_1x1(inputs, kernel):
    def gradient(upstream):
        of_inputs = tf.reshape(inputs, (-1, inputs.shape[-1]))
        of_outputs = tf.reshape(upstream, (-1, upstream.shape[-1]))
        to_inputs = tf.matmul(of_outputs, kernel[0, 0], transpose_b=True)
        to_kernel = tf.matmul(of_inputs, of_outputs, transpose_a=True)
        return tf.reshape(to_inputs, tf.shape(inputs)), to_kernel[None, None]

    return tf.nn.conv2d(inputs, kernel, 1, "VALID"), gradient


# Layers of Keras that treat each image by itself: two halves train as the whole batch. All
# layers of this package do so too. A layer of a user may not: it may add to the loss.
_BY_IMAGE = {
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.Conv2D,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.Embedding,
    keras.layers.InputLayer,
    keras.layers.PReLU,
    keras.layers.Reshape,
}


class TrainedInHalves(keras.Model):
    """A functional Keras model whose batches are trained in two halves.

    A network whose halves would not train as the whole batch is given the whole batch.
    """

    _in_halves = False

    def train_step(self, data):
        """Train on one batch, as Keras does."""
        self._in_halves = self._may_be_halved()
        try:
            return super().train_step(data)
        finally:
            self._in_halves = False

    def _may_be_halved(self):
        if tf.executing_eagerly() or not _used("halves"):
            return False
        for part in self._operations:  # operations of `keras.ops` too
            in_package = type(part).__module__.startswith("pixelcnn_edu.")
            by_image = in_package or type(part) in _BY_IMAGE
            activation = getattr(part, "activation", None) or keras.activations.linear
            by_name = getattr(activation, "__module__", "").startswith("keras.")
            if not by_image or not by_name or part.activity_regularizer:
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

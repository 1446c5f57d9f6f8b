"""PixelCNN in one file: a network that draws images one pixel at a time.

    python one_file.py                 downloads MNIST, trains, draws sixteen digits
    python one_file.py digits.npz 8    trains on a file's digits, 8 epochs

Paper: van den Oord et al., "Pixel Recurrent Neural Networks", arXiv 1601.06759. This file
needs NumPy and Keras 3 with a backend. The notebooks of `pixelcnn_edu` explain its ideas.
The trained network goes to one_file.keras, or to another new file, in the current folder.

The idea: read an image like a page, row by row, each row from left to right. The
probability of the image is then a product,

    p(image) = Π p(pixel | the pixels before it),

and one network computes all its factors in one pass, if no output sees its own pixel or a
later one. Masks in the convolutions take care of that. Images are float32 (N, H, W, 1),
0 (paper) or 1 (ink); the output, of this shape, is the logit of p(ink).
"""

import os
import sys

import keras
import numpy as np
from keras import ops

# so that `keras.models.load_model` finds what is defined here
register = keras.saving.register_keras_serializable(package="one_file")

# ----------------------------------------------------------------------- the network


def causal_mask(kernel_size, mask_type):
    """Return the 0/1 mask of a kernel of size (odd, odd): what an output may depend on.

    Rows above the center and pixels to its left are visible. The center itself is hidden
    in type A, for the first layer, whose input is the image. It is visible in type B, for
    later layers: their inputs are features that depend on earlier pixels alone.
    """
    mask = np.zeros((*kernel_size, 1, 1), "float32")
    row, col = kernel_size[0] // 2, kernel_size[1] // 2
    mask[:row] = 1
    mask[row, :col] = 1
    mask[row, col] = {"A": 0, "B": 1}[mask_type]
    return mask


@register
class MaskedConv2D(keras.layers.Conv2D):
    """Convolution whose kernel is multiplied by a causal mask in every call.

    The stored kernel is not overwritten. A masked weight has gradient 0 and has no effect.
    """

    def __init__(self, filters, kernel_size, mask_type, **kwargs):
        kwargs["padding"] = "same"  # when a file is loaded, `kwargs` has a padding too
        super().__init__(filters, kernel_size, **kwargs)
        self.mask_type = mask_type

    def convolution_op(self, inputs, kernel):  # Keras's `call` runs this method
        mask = causal_mask(self.kernel_size, self.mask_type)
        return super().convolution_op(inputs, kernel * ops.cast(mask, kernel.dtype))

    def get_config(self):
        return {**super().get_config(), "mask_type": self.mask_type}


@register
class PositionBias(keras.layers.Layer):
    """Add one learned number per pixel and channel: the network learns where it is."""

    def build(self, input_shape):
        self.bias = self.add_weight(shape=input_shape[1:], initializer="zeros")

    def call(self, inputs):
        return inputs + self.bias


def residual_block(x, filters):
    """Return x plus f(x), three convolutions in a row; those of 1×1 need no mask."""
    y = keras.layers.Conv2D(filters // 2, 1)(ops.relu(x))
    y = MaskedConv2D(filters // 2, 3, "B")(ops.relu(y))
    y = keras.layers.Conv2D(filters, 1)(ops.relu(y))
    return x + y


def pixelcnn(image_shape=(28, 28, 1), filters=32, depth=4):
    """Build the network: ``depth`` residual blocks; ``filters`` is even."""
    keras.config.set_image_data_format("channels_last")
    image = keras.Input(image_shape)
    x = PositionBias()(MaskedConv2D(filters, 7, "A")(image))
    for _ in range(depth):
        x = residual_block(x, filters)
    for _ in range(2):  # as in the paper, table 1
        x = keras.layers.Conv2D(filters, 1)(ops.relu(x))
    return keras.Model(image, keras.layers.Conv2D(1, 1)(ops.relu(x)))


# ---------------------------------------------------------------------- the training


@register
def nats_per_image(images, logits):
    """Return -log p(image) of each image, (N,), in nats: the loss of maximum likelihood.

    With z for the logit, ink costs -log sigmoid(z) = softplus(-z) = softplus(z) - z, and
    paper costs -log sigmoid(-z) = softplus(z). Here softplus(z) is log(1 + e^z).
    """
    return ops.sum(ops.softplus(logits) - ops.multiply(images, logits), axis=(1, 2, 3))


def binarize(images, seed):
    """Make each pixel ink with probability equal to its gray value."""
    uniforms = np.random.default_rng(seed).random(images.shape, dtype="float32")
    return (uniforms < images).astype("float32")


class Batches(keras.utils.PyDataset):
    """Gray images in a new order each epoch, binarized anew. The targets are the inputs."""

    def __init__(self, images, batch_size=32):
        super().__init__()
        self.images, self.batch_size = images, batch_size
        self.rng = np.random.default_rng(0)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.images) // self.batch_size)  # rounded up

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size :][: self.batch_size]
        drawn = binarize(self.images[rows], self.rng.integers(2**32))
        return drawn, drawn.copy()  # TensorFlow may compute in the memory of either

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.images))


def train(model, images, epochs):
    """Train the model on gray images in [0, 1]; return Keras's History."""
    batches = Batches(images)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, epochs * len(batches))
    nadam = keras.optimizers.Nadam(rate, global_clipnorm=1.0)  # clips the gradient
    # on a CPU a small network trains faster without XLA, a compiler
    xla = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(optimizer=nadam, loss=nats_per_image, jit_compile=xla)
    return model.fit(batches, epochs=epochs, shuffle=False, verbose=2)  # shuffled above


# -------------------------------------------------------------------- the generation


def sample(model, uniforms):
    """Draw images, pixel by pixel in reading order.

    Each pixel has a random number in [0, 1), ``uniforms`` (N, H, W, 1). A pixel is ink
    if its number is below p(ink | the pixels before it). Returns images, (N, H, W, 1).
    """
    images = np.zeros_like(uniforms)
    for row, col in np.ndindex(uniforms.shape[1:3]):
        logits = model.predict_on_batch(images)[:, row, col]
        images[:, row, col] = uniforms[:, row, col] < 1 / (1 + np.exp(-logits))
    return images


def show(images):
    """Print images (N, H, W, 1), four side by side. A character is two pixels high."""
    for first in range(0, len(images), 4):
        page = np.concatenate(images[first : first + 4, ..., 0] > 0.5, axis=1)
        page = np.pad(page, [(0, len(page) % 2), (0, 0)])  # rows in pairs
        for above, below in zip(page[::2], page[1::2], strict=True):
            print("".join(" ▄▀█"[2 * a + b] for a, b in zip(above, below, strict=True)))


def main(path=None, epochs=8):
    """Train on digits, uint8 (N, 28, 28) as in Keras's mnist.npz; save; draw sixteen."""
    if os.path.exists("one_file.keras") or not os.access(".", os.W_OK):
        sys.exit("one_file.keras exists, or the folder is read-only: use another")
    if path is None:  # a name of its own: Keras would replace another mnist.npz
        (x_train, _), (x_test, _) = keras.datasets.mnist.load_data("one_file_mnist.npz")
    else:
        with np.load(path) as file:
            x_train, x_test = file["x_train"], file["x_test"]
    if x_train.dtype != "uint8" or x_train.ndim != 3:
        sys.exit(f"Expected uint8 (N, H, W). Received: {x_train.dtype} {x_train.shape}")
    highest = np.float32(max(x_train.max(), x_test.max()))  # 255, or 1 in some files
    keras.utils.set_random_seed(0)
    model = pixelcnn()
    train(model, x_train[..., None] / highest, int(epochs))
    names = ("new_" * n + "one_file.keras" for n in range(99))  # of runs in this folder
    saved = next(name for name in names if not os.path.exists(name))
    model.save(saved)
    test = binarize(x_test[..., None] / highest, seed=0)
    nats = ops.mean(nats_per_image(test, model.predict(test, verbose=0)))
    print(f"{saved}: {float(nats):.2f} nats per image on {len(test):,} test digits")
    show(sample(model, np.random.default_rng(0).random((16, 28, 28, 1), "float32")))


if __name__ == "__main__":
    main(*sys.argv[1:])

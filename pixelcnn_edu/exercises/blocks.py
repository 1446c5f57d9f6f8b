"""Exercises of notebook 04: weights of a block, the block itself, PReLU's gradients."""

from pixelcnn_edu.exercises._answers import first_wrong_part, pair
from pixelcnn_edu.exercises._block_judge import judge_block
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but
from pixelcnn_edu.layers import MaskedConv2D

import keras
import numpy as np


def _block_weights(filters, *, live=9, slopes=None):
    """How many numbers a residual block holds.

    PReLU with one slope per channel, 1×1 to ``filters // 2``, PReLU, 3×3 masked, PReLU,
    1×1 back to ``filters``; every convolution has biases. The result is a whole number.
    """
    half = filters // 2
    convolutions = 2 * filters * half + live * half * half
    slopes = filters + 2 * half if slopes is None else slopes
    return convolutions + 2 * half + filters + slopes


block_weights = Exercise(
    _block_weights,
    cases=[(128,), (2,), (32,), (48,)],
    describe="filters = {}",
    mistakes={
        "2 · filters numbers are missing: all biases, or all slopes of the PReLUs.": but(
            slopes=0
        ),
        "Only live weights are counted, 5 of 9: Keras stores the masked ones too.": but(
            live=5
        ),
        "That is one slope per pixel and channel of a 28×28 image: share them.": Mistake(
            lambda filters: _block_weights(filters, slopes=784 * 2 * filters), hint=2
        ),
        "That is a single slope for each PReLU; there is one per channel.": Mistake(
            but(slopes=3), hint=2
        ),
    },
    hints=(
        "The 3×3 convolution goes from half to half channels: 9 · half · half weights, "
        "and half biases. A mask makes weights 0; they are stored all the same.",
        "The three PReLUs see filters, half and half channels: one slope for each.",
    ),
    otherwise="The block holds another number of weights.",
    praise="13h² + 8h with h = filters / 2; one 3×3 on all channels would hold 36h² + 2h.",
)


def _prelu(x):
    return keras.layers.PReLU(shared_axes=[1, 2])(x)


def _residual_block(x, *, bend=_prelu, middle=MaskedConv2D, end=keras.layers.add):
    """The block of the paper, out of Keras layers.

    ``x`` is a Keras tensor (N, H, W, filters), ``filters`` even; so is the result. In
    between: 1×1 to half the channels, 3×3 of type B, 1×1 back, each after an
    activation; then the sum with ``x``.
    """
    filters = x.shape[-1]
    y = keras.layers.Conv2D(filters // 2, 1)(bend(x))
    y = middle(filters // 2, 3)(bend(y))
    y = keras.layers.Conv2D(filters, 1)(bend(y))
    return end([x, y])


residual_block = Exercise(
    _residual_block,
    judge=judge_block,
    mistakes={
        "Twice the channels: input and change were concatenated, not added.": but(
            end=keras.layers.concatenate
        ),
        "Negatives are lost: an activation stands after the sum, or it has changed x "
        "itself. Add the x that came in, as the block's last step.": Mistake(
            but(end=lambda parts: keras.ops.relu(keras.layers.add(parts))),
            lambda x: _residual_block(_prelu(x)),
        ),
        "It reads later pixels: a kernel larger than 1×1 is not masked as in type B. Use "
        "MaskedConv2D for the 3×3.": but(
            middle=lambda filters, size: keras.layers.Conv2D(
                filters, size, padding="same"
            )
        ),
        "The change does not see its own pixel: the 3×3 is of type A. Inside the network "
        "it is B.": Mistake(
            but(middle=lambda filters, size: MaskedConv2D(filters, size, "A")), hint=2
        ),
        "A PReLU has one slope per pixel: shared_axes=[1, 2] is missing.": but(
            bend=lambda x: keras.layers.PReLU()(x)
        ),
    },
    hints=(
        "Follow the drawing: three times activation and convolution (1×1, masked 3×3, "
        "1×1), then keras.layers.add([x, y]) with the x that came in.",
        "y = keras.layers.PReLU(shared_axes=[1, 2])(y); the middle is "
        'MaskedConv2D(filters // 2, 3, mask_type="B")(y).',
    ),
    praise="With its last convolution at zero the block is the identity, to the last bit.",
)


def _prelu_gradients(x, slope, upstream, *, grad_x=None, total=np.sum):
    """The gradients of PReLU with one slope per channel: (grad_x, grad_slope).

    PReLU is f(x) = max(0, x) + slope · min(0, x). ``x`` and ``upstream`` (the gradient
    of the loss with respect to f(x)) are float arrays (N, H, W, C), ``slope`` is (C,).
    The results are the gradients of the loss with respect to ``x``, (N, H, W, C), and
    to ``slope``, (C,).
    """
    by_x = (
        grad_x(x, slope, upstream) if grad_x else upstream * np.where(x > 0, 1, slope)
    )
    return by_x, total(upstream * np.minimum(x, 0), axis=(0, 1, 2))


def _inputs_of_prelu():
    rng = np.random.default_rng(0)
    for shape, lowest_slope in (
        ((2, 1, 2, 2), 0.1),
        ((1, 1, 1, 3), 0.1),
        ((3, 5, 2, 4), -1),
        ((2, 2, 2, 1), -3),
    ):
        x, upstream = rng.normal(size=(2, *shape))
        yield x, rng.uniform(lowest_slope, 0.9, shape[-1]), upstream


prelu_gradients = Exercise(
    _prelu_gradients,
    cases=_inputs_of_prelu,
    describe=lambda x, slope, upstream: f"x of shape {x.shape}",
    read=pair("Two arrays are asked for: (grad_x, grad_slope)."),
    mistakes={
        "grad_x: that is ReLU's; below zero PReLU passes on slope · upstream.": but(
            grad_x=lambda x, slope, upstream: upstream * (x > 0)
        ),
        "grad_slope: that is one gradient per pixel. The slope is shared, so its gradient "
        "is the sum over images and pixels.": Mistake(
            but(total=lambda terms, axis: terms), hint=2
        ),
        "grad_slope: summed over the images only. Rows and columns share the slope "
        "too.": Mistake(but(total=lambda terms, axis: terms.sum(0)), hint=2),
        "grad_slope: a mean, where the loss adds up: sum.": Mistake(
            but(total=np.mean), hint=2
        ),
    },
    hints=(
        "Where x > 0 the output is x itself: it passes the gradient on unchanged and "
        "does not depend on the slope. Where x < 0 the output is slope · x.",
        "grad_x = upstream * np.where(x > 0, 1, slope). One number `slope[c]` acts on "
        "every pixel of every image: sum upstream * np.minimum(x, 0) over axes 0, 1 and 2.",
    ),
    shape="Gradients are shaped as x and slope are.",
    otherwise=("grad_x is another one.", "grad_slope is another one."),
    praise="A shared slope gets a gradient from every pixel: with shared_axes=[1, 2] its "
    "gradient is the sum over the page, 784 terms for a digit.",
    atol=1e-4,
    show=first_wrong_part(1e-4),
)

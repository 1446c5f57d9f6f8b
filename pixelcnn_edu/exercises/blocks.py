"""Exercises of notebook 04: weights of a block, the block itself, PReLU's gradients."""

from pixelcnn_edu.exercises._answers import close, pair
from pixelcnn_edu.exercises._block_judge import FILTERS, judge_block
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but
from pixelcnn_edu.layers import MaskedConv2D

import keras
import numpy as np


def _block_weights(filters, *, live=9, biases=True, slopes=None):
    """How many numbers a residual block holds.

    PReLU with one slope per channel, 1×1 to ``filters // 2``, PReLU, 3×3 masked, PReLU,
    1×1 back to ``filters``; every convolution has biases. The result is a whole number.
    """
    half = filters // 2
    convolutions = 2 * filters * half + live * half * half
    slopes = filters + 2 * half if slopes is None else slopes
    return convolutions + biases * (2 * half + filters) + slopes


block_weights = Exercise(
    _block_weights,
    cases=[(128,), (2,), (32,), (48,)],
    describe="filters = {}",
    mistakes={
        "2 · filters numbers are missing: all biases, or all slopes of the PReLUs.": but(
            slopes=0
        ),
        "Biases and slopes are missing.": but(slopes=0, biases=False),
        "The 3×3 convolution is missing its biases, the PReLUs their slopes.": (
            lambda filters: _block_weights(filters, slopes=0) - filters // 2
        ),
        "h numbers are missing: the 3×3's biases, or slopes (2h + h + h).": Mistake(
            lambda filters: _block_weights(filters) - filters // 2, hint=2
        ),
        "Only live weights are counted, 5 of 9: Keras stores the masked ones too.": but(
            live=5
        ),
        "Only live weights are counted, and no slopes.": but(live=5, slopes=0),
        "The 3×3 convolution works on half the channels; this is on all of them.": (
            lambda filters: 10 * filters * filters + filters // 2 + 4 * filters
        ),
        "That is one slope per pixel and channel of a 28×28 image: share them.": Mistake(
            lambda filters: _block_weights(filters, slopes=784 * 2 * filters), hint=2
        ),
        "That is a single slope for each PReLU; there is one per channel.": Mistake(
            but(slopes=3), hint=2
        ),
        "Slopes: one per channel that *enters* each PReLU: 2h + h + h.": Mistake(
            lambda filters: _block_weights(filters, slopes=3 * filters), hint=2
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


def _relu(x):
    return keras.layers.ReLU()(x)


def _twice(x):
    return keras.layers.Rescaling(2.0)(x)


def _add(x, y):
    return keras.layers.add([x, y])


def _residual_block(
    x, *, bends=(_prelu,) * 3, middle=None, end=_add, filters=None, half=None, last=None
):
    """The block of the paper, out of Keras layers.

    ``x`` is a Keras tensor (N, H, W, filters), ``filters`` even; so is the result. In
    between: 1×1 to half the channels, 3×3 of type B, 1×1 back, each after an
    activation; then the sum with ``x``.
    """
    filters = filters or x.shape[-1]
    half = half or filters // 2
    middle = middle() if middle else MaskedConv2D(half, 3, mask_type="B")
    y = keras.layers.Conv2D(half, 1)(bends[0](x))
    y = middle(bends[1](y))
    y = keras.layers.Conv2D(filters, 1, activation=last)(bends[2](y))
    return end(x, y)


def _straight(x):
    return x


def _negatives_lost(x):
    return _residual_block(_prelu(x), bends=(_straight, _prelu, _prelu))


residual_block = Exercise(
    _residual_block,
    judge=judge_block,
    mistakes={
        "The result is not a Keras tensor. Call the layers on x, do not only make them.": (
            lambda x: keras.layers.Add()
        ),
        "Height and width have changed: stride 1, padding 'same'.": but(
            middle=lambda: keras.layers.Conv2D(4, 3, strides=3, padding="same"),
            end=lambda x, y: y,
        ),
        "Twice the channels: input and change were concatenated, not added.": but(
            end=lambda x, y: keras.layers.concatenate([x, y])
        ),
        "The number of channels has changed.": lambda x: keras.layers.Conv2D(4, 1)(x),
        "The last convolution should be a 1×1 back to all channels.": Mistake(
            lambda x: _prelu(x), but(end=lambda x, y: x)
        ),
        "The input is not added: without the sum nothing is left.": but(
            end=lambda x, y: y
        ),
        "The input is added twice.": but(end=lambda x, y: keras.layers.add([x, x, y])),
        "Negatives are lost: what is added is the input after its activation, not the "
        "input itself.": Mistake(
            _negatives_lost,
            lambda x: _residual_block(
                _relu(x), bends=(_straight, _prelu, _prelu), end=lambda x, y: x + y
            ),
        ),
        "Negatives are lost: there is an activation after the sum, or another step. The "
        "sum must be the block's last step.": but(
            end=lambda x, y: keras.layers.ReLU()(x + y)
        ),
        "What comes out is not the input.": Mistake(
            but(end=lambda x, y: _add(0.5 * x, y)),
            but(end=lambda x, y: keras.layers.Dropout(0.5)(_add(x, y))),
        ),
        "It reads later pixels: a kernel larger than 1×1 is not masked as in type B. Use "
        "MaskedConv2D for the 3×3.": but(
            middle=lambda: keras.layers.Conv2D(4, 3, padding="same")
        ),
        "The change does not see its own pixel: the 3×3 is of type A. Inside the network "
        "it is B.": Mistake(but(middle=lambda: MaskedConv2D(4, 3, "A")), hint=2),
        "No neighbor is read: the masked 3×3 is missing, or nothing of it reaches the "
        "sum.": but(middle=lambda: keras.layers.Conv2D(4, 1)),
        "It reads other pixels than a 3×3 of type B.": Mistake(
            but(middle=lambda: MaskedConv2D(4, 5)), hint=2
        ),
        "Nothing bends: without activations the three convolutions are one. Put a PReLU "
        "before each.": but(bends=(_straight,) * 3),
        "A PReLU has one slope per pixel: shared_axes=[1, 2] is missing.": Mistake(
            but(bends=(lambda x: keras.layers.PReLU()(x),) * 3),
            but(bends=(_prelu, lambda x: keras.layers.PReLU()(x), _prelu)),
        ),
        "One PReLU stands before each of the three convolutions.": Mistake(
            but(bends=(_straight, _prelu, _prelu)),
            but(bends=(_prelu, _straight, _prelu)),
            but(bends=(_prelu, _prelu, _straight)),
            but(bends=(_relu, _straight, _straight)),
            but(bends=(_relu, _relu, _straight)),
            but(bends=(_relu, _twice, _twice)),
        ),
        "An activation changes the output of the last 1×1. Add this output as it is, so "
        "that the block can make a feature smaller too.": Mistake(
            but(end=lambda x, y: _add(x, _relu(y))),
            but(end=lambda x, y: _add(x, keras.ops.tanh(y))),
            but(last="relu"),
        ),
        "Something else than the sum of x and the output of the last 1×1.": Mistake(
            but(end=lambda x, y: x - y),
            but(end=lambda x, y: _add(x, 0.5 * y)),
        ),
        "The middle works on all channels: the first 1×1 should halve them.": but(
            half=FILTERS
        ),
        "A convolution has no bias.": Mistake(
            but(middle=lambda: MaskedConv2D(4, 3, use_bias=False)), hint=2
        ),
        "The block has another number of weights.": Mistake(but(half=3)),
        "Numbers of channels are built in: the block is wrong for an x with another number "
        "of channels. Take them from x: filters = x.shape[-1].": Mistake(
            but(half=FILTERS // 2),
            but(filters=FILTERS),
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


def _prelu_gradients(x, slope, upstream, *, grad_x=None, terms=None, total=np.sum):
    """The gradients of PReLU with one slope per channel: (grad_x, grad_slope).

    PReLU is f(x) = max(0, x) + slope · min(0, x). ``x`` and ``upstream`` (the gradient
    of the loss with respect to f(x)) are float arrays (N, H, W, C), ``slope`` is (C,).
    The results are the gradients of the loss with respect to ``x``, (N, H, W, C), and
    to ``slope``, (C,).
    """
    right = upstream * np.where(x > 0, 1, slope)
    terms = terms(x, upstream) if terms else upstream * np.minimum(x, 0)
    return grad_x(x, slope, upstream) if grad_x else right, total(terms, (0, 1, 2))


def _inputs_of_prelu():
    rng = np.random.default_rng(0)
    for *shape, low, high in (
        (2, 3, 4, 2, 0.1, 0.9),
        (1, 1, 1, 3, 0.1, 0.9),
        (3, 5, 2, 4, -1, 2),
        (2, 2, 2, 1, -3, -1),
    ):
        x, upstream = rng.normal(size=(2, *shape))
        yield x, rng.uniform(low, high, shape[-1]), upstream


def _first_wrong_gradient(expected, actual, x, slope, upstream):
    case = f"x of shape {x.shape}"
    if not close(actual[0], expected[0], 1e-4):
        if actual[0].shape != x.shape:
            return {"case": case, "expected": x.shape, "actual": actual[0].shape}
        wrong = ~np.isclose(actual[0], expected[0], rtol=0, atol=1e-4)
        at = tuple(map(int, np.argwhere(wrong)[0][:3]))
        case += f"; x of image {at[0]}, pixel {at[1:]}: {np.round(x[at], 3).tolist()}"
        return {"case": case, "expected": expected[0][at], "actual": actual[0][at]}
    given = actual[1]
    if given.ndim > 1:
        given = f"an array of shape {given.shape}"
    return {"case": case, "expected": expected[1], "actual": given}


prelu_gradients = Exercise(
    _prelu_gradients,
    cases=_inputs_of_prelu,
    describe=lambda x, slope, upstream: f"x of shape {x.shape}",
    read=pair("Two arrays are asked for: (grad_x, grad_slope)."),
    mistakes={
        "Two arrays are asked for: (grad_x, grad_slope).": Mistake(
            lambda x, slope, upstream: upstream * np.where(x > 0, 1, slope), hint=0
        ),
        "grad_x: upstream is missing; by the chain rule it is a factor.": but(
            grad_x=lambda x, s, u: np.where(x > 0, 1, s)
        ),
        "grad_x: that is ReLU's; below zero PReLU passes on slope · upstream.": but(
            grad_x=lambda x, s, u: u * (x > 0)
        ),
        "grad_x: the two sides are exchanged.": but(
            grad_x=lambda x, s, u: u * np.where(x > 0, s, 1)
        ),
        "grad_x: that is the value of PReLU, times upstream, not its derivative.": but(
            grad_x=lambda x, s, u: u * np.where(x > 0, x, s * x)
        ),
        "grad_x: the sign of x decides. The sign of the output does not tell it if a slope "
        "is negative; the larger of x and slope · x does not if one is above 1.": Mistake(
            but(grad_x=lambda x, s, u: u * np.where(x > s * x, 1, s)),
            but(grad_x=lambda x, s, u: u * np.where((x > 0) | (s * x > 0), 1, s)),
        ),
        "grad_slope: that is one gradient per pixel. The slope is shared, so its gradient "
        "is the sum over images and pixels.": Mistake(
            but(total=lambda terms, axes: terms), hint=2
        ),
        "grad_slope: summed over the images only. Rows and columns share the slope "
        "too.": Mistake(but(total=lambda terms, axes: terms.sum(0)), hint=2),
        "grad_slope: a mean, where the loss adds up: sum.": Mistake(
            but(total=np.mean), hint=2
        ),
        "grad_slope: upstream is missing.": Mistake(
            but(terms=lambda x, u: np.minimum(x, 0)), hint=2
        ),
        "grad_slope: positive inputs do not pass through the slope.": Mistake(
            but(terms=lambda x, u: u * x), hint=2
        ),
        "grad_slope: the derivative by the slope is min(0, x), not 1.": Mistake(
            but(terms=lambda x, u: u * (x < 0)), hint=2
        ),
        "grad_slope: one number for all channels; each has a slope.": Mistake(
            but(total=lambda terms, axes: terms.sum()), hint=2
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
    show=_first_wrong_gradient,
)

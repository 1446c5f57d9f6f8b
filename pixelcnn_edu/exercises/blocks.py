"""Checks for notebook 04: weights of a block, the block itself, PReLU's gradients."""

from pixelcnn_edu.exercises._check import Blank, Wrong, called, check, close

import keras
import numpy as np


@check(
    "The 3×3 convolution goes from half to half channels: 9 · half · half weights, and "
    "half biases. A mask makes weights 0; they are stored all the same.",
    "The three PReLUs see filters, half and half channels: one slope for each.",
)
def block_weights(answer):
    """Judge ``block_weights(filters)``: how many numbers a residual block holds.

    PReLU with one slope per channel, 1×1 to ``filters // 2``, PReLU, 3×3 masked, PReLU,
    1×1 back to ``filters``; every convolution has biases. Returns a whole number.
    """
    for filters in (128, 2, 32, 48):
        half = filters // 2
        ones = 2 * filters * half
        biases = 2 * half + filters
        slopes = filters + 2 * half
        expected = ones + 9 * half * half + biases + slopes
        actual = np.asarray(called(answer, filters))
        if actual.shape == () and actual == expected:
            continue
        mistakes = {
            "2 · filters numbers are missing: all biases, or all slopes of the PReLUs.": (
                expected - slopes
            ),
            "Biases and slopes are missing.": expected - biases - slopes,
            "The 3×3 convolution is missing its biases, the PReLUs their slopes.": (
                expected - half - slopes
            ),
            "h numbers are missing: the 3×3's biases, or slopes (2h + h + h).": (
                expected - half
            ),
            "Only live weights are counted, 5 of 9: Keras stores the masked ones too.": (
                expected - 4 * half * half
            ),
            "Only live weights are counted, and no slopes.": (
                expected - 4 * half * half - slopes
            ),
            "The 3×3 convolution works on half the channels; this is on all of them.": (
                ones + 9 * filters * filters + half + 2 * filters + slopes
            ),
            "That is one slope per pixel and channel of a 28×28 image: share them.": (
                expected + 783 * slopes
            ),
            "That is a single slope for each PReLU; there is one per channel.": (
                expected - slopes + 3
            ),
            "Slopes: one per channel that *enters* each PReLU: 2h + h + h.": (
                expected - slopes + 3 * filters
            ),
        }
        diagnosis = "The block holds another number of weights."
        for words, wrong in mistakes.items():
            if actual.shape == () and actual == wrong:
                diagnosis = words
                break
        raise Wrong(
            diagnosis, case=f"filters = {filters}", expected=expected, actual=actual
        )
    return (
        "13h² + 8h with h = filters / 2; one 3×3 on all channels would hold 36h² + 2h."
    )


@check(
    "Follow the drawing: three times activation and convolution (1×1, masked 3×3, 1×1), "
    "then keras.layers.add([x, y]) with the x that came in.",
    "y = keras.layers.PReLU(shared_axes=[1, 2])(y); the middle is "
    'MaskedConv2D(filters // 2, 3, mask_type="B")(y).',
)
def residual_block(answer):
    """Judge ``residual_block(x)``: the block of the paper, out of Keras layers.

    ``x`` is a Keras tensor (N, H, W, filters), ``filters`` even; so is the result. In
    between: 1×1 to half the channels, 3×3 of type B, 1×1 back, each after an
    activation; then the sum with ``x``.
    """
    height, width, filters = 5, 7, 8
    x = keras.Input((height, width, filters))
    out = called(answer, x)
    _judge_shape(out, x)
    model = keras.Model(x, out)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    images = rng.normal(size=(4, height, width, filters)).astype("float32")

    _judge_sum(model, images)
    _judge_reach(model, images)
    _judge_bend(model, images)
    _judge_weights(model, height * width, filters)
    return (
        "With its last convolution at zero the block is the identity, to the last bit."
    )


def _judge_shape(out, x):
    shape = getattr(out, "shape", None)
    if not isinstance(out, keras.KerasTensor):
        raise Wrong(
            "The result is not a Keras tensor. Call the layers on x, do not only make "
            "them.",
            expected="a Keras tensor",
            actual=type(out).__name__,
        )
    words = {"expected": str(tuple(x.shape)), "actual": str(tuple(shape))}
    if len(shape) != 4 or shape[1:3] != x.shape[1:3]:
        raise Wrong("Height and width have changed: stride 1, padding 'same'.", **words)
    if shape[-1] == 2 * x.shape[-1]:
        raise Wrong(
            "Twice the channels: input and change were concatenated, not added.",
            **words,
        )
    if shape[-1] != x.shape[-1]:
        raise Wrong("The number of channels has changed.", **words)


def _judge_sum(model, images):
    """With the last 1×1 at zero nothing is added to the input: it must come out."""
    convolutions = [layer for layer in model.layers if hasattr(layer, "kernel")]
    if not convolutions or convolutions[-1].kernel.shape[-1] != images.shape[-1]:
        raise Wrong(
            "The last convolution should be a 1×1 back to all channels.",
            expected=f"{images.shape[-1]} filters",
            actual=f"{convolutions[-1].kernel.shape[-1]} filters"
            if convolutions
            else "no convolution",
        )
    last = convolutions[-1]
    kept = last.get_weights()
    last.set_weights([np.zeros_like(weight) for weight in kept])
    out = _run(model, images)
    last.set_weights(kept)
    if np.array_equal(out, images):
        return
    words = {
        "case": "the last convolution set to zero",
        "expected": images[0, 0, 0],
        "actual": out[0, 0, 0],
    }
    negative = images < 0
    if not out.any():
        raise Wrong("The input is not added: without the sum nothing is left.", **words)
    if close(out, 2 * images):
        raise Wrong("The input is added twice.", **words)
    if np.array_equal(out[~negative], images[~negative]):
        if isinstance(model.layers[-1], keras.layers.Add):
            raise Wrong(
                "Negatives are lost: what is added is the input after its activation, "
                "not the input itself.",
                **words,
            )
        raise Wrong(
            "Negatives are lost: there is an activation after the sum. The sum is the "
            "block's last step.",
            **words,
        )
    raise Wrong("What comes out is not the input.", **words)


def _judge_reach(model, images):
    """Which pixels the *change* y at the center reads: 3×3 of type B, all five."""
    row, col = 2, 3
    before = _run(model, images)[:, row, col]
    rng = np.random.default_rng(1)
    seen = np.zeros(images.shape[1:3], bool)
    for at in np.ndindex(seen.shape):
        pushed = images.copy()
        pushed[:, *at] = rng.normal(size=pushed[:, *at].shape)
        after = _run(model, pushed)[:, row, col]
        if at == (row, col):  # what the sum adds is taken off again, up to rounding
            change = (after - pushed[:, *at]) - (before - images[:, *at])
            seen[at] = (np.abs(change) > 1e-4).any()
        else:
            seen[at] = (after != before).any()
    expected = np.zeros_like(seen)
    expected[1, 2:5] = expected[2, 2:4] = True
    if np.array_equal(seen, expected):
        return
    words = {
        "case": f"what the output at ({row}, {col}) reads, 5 × 7 pixels",
        "expected": expected.astype(int),
        "actual": seen.astype(int),
    }
    order = np.arange(seen.size).reshape(seen.shape)
    if seen[order > order[row, col]].any():
        raise Wrong(
            "It reads later pixels: the 3×3 is unmasked. Use MaskedConv2D.", **words
        )
    if np.array_equal(seen, expected & (order < order[row, col])):
        raise Wrong(
            "The change does not see its own pixel: the 3×3 is of type A. Inside the "
            "network it is B.",
            **words,
        )
    if seen.sum() <= 1:
        raise Wrong("No neighbor is read: the masked 3×3 is missing.", **words)
    raise Wrong("It reads other pixels than a 3×3 of type B.", **words)


def _judge_bend(model, images):
    """Without an activation f(a) + f(-a) = 2 f(0), up to rounding."""
    twice, zero = _run(model, images) + _run(model, -images), _run(model, 0 * images)
    if close(twice, 2 * zero, 1e-4):
        raise Wrong(
            "Nothing bends: without activations the three convolutions are one. Put a "
            "PReLU before each."
        )


def _judge_weights(model, pixels, filters):
    half = filters // 2
    convolutions = 13 * half * half + 2 * half + filters
    slopes = filters + 2 * half
    actual = model.count_params()
    if actual in (convolutions, convolutions + slopes, convolutions + 3):
        return
    words = {
        "case": f"5 × 7 pixels, {filters} filters",
        "expected": f"{convolutions + slopes} weights with PReLU",
        "actual": actual,
    }
    prelus = [layer for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    if any(layer.count_params() >= pixels for layer in prelus):
        raise Wrong(
            "A PReLU has one slope per pixel: shared_axes=[1, 2] is missing.", **words
        )
    if prelus and len(prelus) != 3:
        raise Wrong(
            "One PReLU stands before each of the three convolutions.",
            case=words["case"],
            expected="3 PReLUs",
            actual=f"{len(prelus)}",
        )
    whole = 2 * filters**2 + 9 * filters**2 + 3 * filters
    if actual in (whole, whole + 3 * filters):
        raise Wrong(
            "The middle works on all channels: the first 1×1 should halve them.",
            **words,
        )
    if any(getattr(layer, "use_bias", True) is False for layer in model.layers):
        raise Wrong("A convolution has no bias.", **words)
    raise Wrong("The block has another number of weights.", **words)


def _run(model, images):
    return np.asarray(model(images, training=False))


@check(
    "Where x > 0 the output is x itself: it passes the slope on unchanged and does not "
    "depend on the PReLU's slope. Where x < 0 the output is slope · x.",
    "grad_x = upstream * np.where(x > 0, 1, slope). One number `slope[c]` acts on every "
    "pixel of every image: sum upstream * np.minimum(x, 0) over axes 0, 1 and 2.",
)
def prelu_gradients(answer):
    """Judge ``prelu_gradients(x, slope, upstream)`` → (grad_x, grad_slope).

    PReLU with one slope per channel, f(x) = max(0, x) + slope · min(0, x). ``x`` and
    ``upstream`` (the gradient of the loss with respect to f(x)) are float arrays
    (N, H, W, C), ``slope`` is (C,). The results are the gradients of the loss with
    respect to ``x``, (N, H, W, C), and to ``slope``, (C,).
    """
    rng = np.random.default_rng(0)
    for shape in ((2, 3, 4, 2), (1, 1, 1, 3), (3, 5, 2, 4)):
        x, upstream = rng.normal(size=(2, *shape))
        slope = rng.uniform(0.1, 0.9, shape[-1])
        result = called(answer, x.copy(), slope.copy(), upstream.copy())
        if isinstance(result, tuple | list) and any(part is ... for part in result):
            raise Blank
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Wrong("Two arrays are asked for: (grad_x, grad_slope).")
        grad_x, grad_slope = (np.asarray(part) for part in result)
        _judge_grad_x(grad_x, x, slope, upstream)
        _judge_grad_slope(grad_slope, x, upstream)
    return (
        "A shared slope hears from every pixel: with shared_axes=[1, 2] its gradient is "
        "a sum over the page, 784 terms for a digit."
    )


def _judge_grad_x(actual, x, slope, upstream):
    expected = upstream * np.where(x > 0, 1, slope)
    if close(actual, expected, 1e-4):
        return
    diagnosis = "grad_x is another one."
    mistakes = {
        "grad_x: upstream is missing; by the chain rule it multiplies the slope.": (
            np.where(x > 0, 1, slope)
        ),
        "grad_x: that is ReLU's; below zero PReLU passes on slope · upstream.": (
            upstream * (x > 0)
        ),
        "grad_x: the two sides are exchanged.": upstream * np.where(x > 0, slope, 1),
        "grad_x: that is the value of PReLU, times upstream, not its derivative.": (
            upstream * np.where(x > 0, x, slope * x)
        ),
    }
    for words, wrong in mistakes.items():
        if close(actual, wrong, 1e-4):
            diagnosis = words
            break
    raise Wrong(
        diagnosis,
        case=f"x of shape {x.shape}; first pixel {np.round(x[0, 0, 0], 3).tolist()}",
        expected=expected[0, 0, 0],
        actual=actual[0, 0, 0] if actual.shape == x.shape else str(actual.shape),
    )


def _judge_grad_slope(actual, x, upstream):
    terms = upstream * np.minimum(x, 0)
    expected = terms.sum(axis=(0, 1, 2))
    if close(actual, expected, 1e-4):
        return
    diagnosis = "grad_slope is another one."
    if actual.shape == x.shape and close(actual, terms, 1e-4):
        diagnosis = (
            "grad_slope: that is one gradient per pixel. The slope is shared, so "
            "its gradient is the sum over images and pixels."
        )
    elif actual.shape == x.shape[1:] and close(actual, terms.sum(axis=0), 1e-4):
        diagnosis = (
            "grad_slope: summed over the images only. Rows and columns share the "
            "slope too."
        )
    else:
        mistakes = {
            "grad_slope: a mean, where the loss adds up: sum.": terms.mean((0, 1, 2)),
            "grad_slope: upstream is missing.": np.minimum(x, 0).sum((0, 1, 2)),
            "grad_slope: positive inputs do not pass through the slope.": (
                (upstream * x).sum((0, 1, 2))
            ),
            "grad_slope: the derivative by the slope is min(0, x), not 1.": (
                (upstream * (x < 0)).sum((0, 1, 2))
            ),
            "grad_slope: one number for all channels; each has a slope.": terms.sum(),
        }
        for words, wrong in mistakes.items():
            if close(actual, wrong, 1e-4):
                diagnosis = words
                break
    raise Wrong(
        diagnosis,
        case=f"x of shape {x.shape}",
        expected=expected,
        actual=actual if actual.ndim <= 1 else f"an array of shape {actual.shape}",
    )

"""How the exercise `residual_block` of notebook 04 judges a block of Keras layers.

It looks at what the block computes and how many weights it has. It does not look for an
activation before each convolution, as long as there is one.
"""

from pixelcnn_edu.exercises._answers import Wrong, asking, close

import keras
import numpy as np

_HEIGHT, _WIDTH, _FILTERS = 5, 7, 8
_ROW, _COL = 2, 3  # the center of the page
_TOLERANCE = 1e-3  # of sums in float32


def judge_block(answer):
    """Raise `Wrong` with a diagnosis, or a few words of one, if this is no such block."""
    model = _built(answer, _FILTERS)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    images = rng.normal(size=(4, _HEIGHT, _WIDTH, _FILTERS)).astype("float32")
    _judge_sum(model, images)
    _judge_reach(model, images)
    twice_the_bias = 2 * _run(model, 0 * images)  # f(x) + f(-x), if f is linear
    if close(_run(model, images) + _run(model, -images), twice_the_bias, _TOLERANCE):
        raise Wrong(
            "Nothing bends: without activations the three convolutions are one. Put a "
            "PReLU before each."
        )
    for filters in (_FILTERS, _FILTERS // 2, 3 * _FILTERS):
        _judge_weights(_built(answer, filters), filters)


def _built(answer, filters):
    x = keras.Input((_HEIGHT, _WIDTH, filters))
    out = asking(answer)(x)
    if not isinstance(out, keras.KerasTensor):
        raise Wrong(
            "The result is not a Keras tensor. Call the layers on x, do not only make "
            "them.",
            actual=type(out).__name__,
        )
    words = {"expected": str(tuple(x.shape)), "actual": str(tuple(out.shape))}
    if out.shape == (*x.shape[:-1], 2 * filters):
        raise Wrong("concatenated, not added", **words)
    if out.shape != x.shape:
        raise Wrong("The result has another shape than x.", **words)
    return asking(keras.Model)(x, out)


def _run(model, images):
    return np.asarray(asking(model)(images))


def _layers(model):
    """All layers in their order, with those of the models inside."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer


def _judge_sum(model, images):
    """The output must be x and what the last 1×1 gives, here 0 and then -1."""
    convolutions = [layer for layer in _layers(model) if hasattr(layer, "kernel")]
    if not convolutions or convolutions[-1].kernel.shape[-1] != _FILTERS:
        raise Wrong(
            "No convolution back to all channels is found at the end. Call Keras's layers "
            "on x, one after another, without a layer class of your own."
        )
    last = convolutions[-1]
    kept = last.get_weights()
    outputs = []
    for bias in (0, -1):
        last.set_weights([0 * kept[0]] + [np.full_like(b, bias) for b in kept[1:]])
        outputs.append(_run(model, images))
    last.set_weights(kept)
    at_zero, at_minus_one = outputs
    words = {
        "case": "the last convolution set to zero",
        "expected": images[0, 0, 0],
        "actual": at_zero[0, 0, 0],
    }
    positive = images >= 0
    if not close(at_zero, images):
        if close(at_zero[positive], images[positive]):
            raise Wrong("Negatives are lost", **words)
        if not at_zero.any():
            raise Wrong(
                "The input is not added: without the sum nothing is left.", **words
            )
        raise Wrong("What comes out is not the input.", **words)
    if kept[1:] and not close(at_minus_one, images - 1):
        raise Wrong(
            "Something else than the sum of x and the output of the last 1×1, as it is.",
            case="the last convolution set to -1: kernel 0, bias -1",
            expected=images[0, 0, 0] - 1,
            actual=at_minus_one[0, 0, 0],
        )


def _judge_reach(model, images):
    """Which pixels the change, output - x, reads at the center: those of a 3×3 mask B."""

    def change(pages):
        return (_run(model, pages) - pages)[:, _ROW, _COL]

    before, seen = change(images), np.zeros((_HEIGHT, _WIDTH), int)
    rng = np.random.default_rng(1)
    for row, col in np.ndindex(seen.shape):
        pushed = images.copy()
        pushed[:, row, col] = rng.normal(size=pushed[:, row, col].shape)
        seen[row, col] = not close(change(pushed), before, _TOLERANCE)
    expected = np.zeros_like(seen)
    expected[_ROW - 1, _COL - 1 : _COL + 2] = expected[_ROW, _COL - 1 : _COL + 1] = 1
    if np.array_equal(seen, expected):
        return
    words = {
        "case": f"what the output at ({_ROW}, {_COL}) reads, {_HEIGHT} × {_WIDTH} pixels",
        "expected": expected,
        "actual": seen,
    }
    of_type_a = expected.copy()
    of_type_a[_ROW, _COL] = 0
    if seen[_ROW, _COL + 1 :].any() or seen[_ROW + 1 :].any():
        raise Wrong("It reads later pixels", **words)
    if np.array_equal(seen, of_type_a):
        raise Wrong("the 3×3 is of type A", **words)
    raise Wrong("It reads other pixels than a 3×3 of type B.", **words)


def _judge_weights(model, filters):
    half = filters // 2
    prelus = [each for each in _layers(model) if isinstance(each, keras.layers.PReLU)]
    slopes = sum(layer.count_params() for layer in prelus)
    words = {
        "case": f"{_HEIGHT} × {_WIDTH} pixels, {filters} filters",
        "expected": f"{13 * half**2 + 2 * half + filters} weights and the PReLUs' slopes",
        "actual": f"{model.count_params() - slopes} and {slopes}",
    }
    if any(layer.alpha.shape[:2] != (1, 1) for layer in prelus):
        raise Wrong("one slope per pixel", **words)
    if model.count_params() - slopes != 13 * half**2 + 2 * half + filters:
        raise Wrong(
            "The block has another number of weights: 1×1 to filters // 2 channels, 3×3, "
            "1×1 back, each with biases, and filters = x.shape[-1].",
            **words,
        )

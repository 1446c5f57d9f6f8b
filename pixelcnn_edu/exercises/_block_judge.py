"""How the exercise `residual_block` of notebook 04 judges a block of Keras layers."""

from pixelcnn_edu.exercises._answers import Raised, Wrong, asking, close
from pixelcnn_edu.machine import in_precision

import keras
import numpy as np

_HEIGHT, _WIDTH, FILTERS = 5, 7, 8


@in_precision("float32")  # many comparisons are exact
def judge_block(answer):
    """Raise `Wrong` with a few words of the diagnosis, if the answer is no such block."""
    x = keras.Input((_HEIGHT, _WIDTH, FILTERS))
    out = asking(answer)(x)
    _judge_shape(out, x)
    model = asking(keras.Model)(x, out)
    for layer in model.layers:
        if getattr(layer, "_layers", ()) and not isinstance(layer, keras.Model):
            raise Wrong(
                "A layer class of your own hides the layers inside. Call Keras's layers "
                "on the tensor, one after another."
            )
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    images = rng.normal(size=(4, _HEIGHT, _WIDTH, FILTERS)).astype("float32")
    _judge_sum(model, images)
    _judge_reach(model, images)
    # without an activation f(a) + f(-a) = 2 f(0), up to rounding
    if close(
        _run(model, images) + _run(model, -images), 2 * _run(model, 0 * images), 1e-4
    ):
        raise Wrong("Nothing bends")
    change = _judge_bends(model, images)
    _judge_weights(model, FILTERS)
    _judge_end(model, images)
    if change is not None and not close(images + change, _run(model, images), 1e-4):
        raise Wrong("Something else than the sum")
    for filters in (FILTERS // 2, 3 * FILTERS):
        other = keras.Input((_HEIGHT, _WIDTH, filters))
        try:
            out = asking(answer)(other)
            _judge_shape(out, other)
            _judge_weights(asking(keras.Model)(other, out), filters)
        except (Raised, Wrong) as error:
            raise Wrong(
                "Numbers of channels are built in",
                case=f"x of {other.shape}",
                raised=str(error) if isinstance(error, Raised) else None,
            ) from error


def _layers(model):
    """All layers in their order, with those of the models inside."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer


def _convolutions(model):
    return [layer for layer in _layers(model) if hasattr(layer, "kernel")]


def _is_linear(before, after):
    """Whether each pixel of ``after`` is a linear function of this pixel of ``before``."""
    if before.shape[:3] != after.shape[:3]:
        return False
    x = np.pad(before, [(0, 0)] * 3 + [(0, 1)], constant_values=1)
    x, y = (array.reshape(-1, array.shape[-1]) for array in (x, after))
    return close(x @ np.linalg.lstsq(x, y)[0], y, 1e-4)


def _judge_bends(model, images):
    """No convolution may read a linear function of what the one before has made.

    Returns the output of the last of three; None for another number of them.
    """
    before, straight, found, change = images, 0, _convolutions(model), None

    def noting(layer):
        def call(inputs, *args, **kwargs):
            nonlocal before, straight, change
            inputs = np.asarray(inputs)
            straight += _is_linear(before, inputs)
            change = outputs = type(layer).call(layer, inputs, *args, **kwargs)
            bent = layer.activation not in (None, keras.activations.linear)
            before = images[:0] if bent else np.asarray(outputs)
            return outputs

        return call

    if len(found) != 3:  # the number of weights is another one
        return None
    for layer in found:
        layer.call = noting(layer)
    try:
        _run(model, images)
    finally:
        for layer in found:
            del layer.call
    if straight:
        words = {"expected": "3 convolutions that read what an activation has changed"}
        raise Wrong("One PReLU stands before each", actual=f"{3 - straight}", **words)
    return np.asarray(change)


def _judge_shape(out, x):
    if not isinstance(out, keras.KerasTensor):
        kind = type(out).__name__
        raise Wrong("not a Keras tensor", expected="a Keras tensor", actual=kind)
    shape = out.shape
    words = {"expected": str(tuple(x.shape)), "actual": str(tuple(shape))}
    if len(shape) != 4 or shape[1:3] != x.shape[1:3]:
        raise Wrong("Height and width have changed", **words)
    if shape[-1] == 2 * x.shape[-1]:
        raise Wrong("concatenated, not added", **words)
    if shape[-1] != x.shape[-1]:
        raise Wrong("number of channels has changed", **words)


def _judge_sum(model, images):
    """With the last 1×1 at zero nothing is added to the input: it must come out."""
    convolutions = _convolutions(model)
    last = convolutions[-1] if convolutions else None
    filters = last.kernel.shape[-1] if last else 0
    if filters != FILTERS:
        actual = f"{filters} filters" if last else "no convolution"
        raise Wrong("1×1 back to all", expected=f"{FILTERS} filters", actual=actual)
    kept = last.get_weights()
    last.set_weights([np.zeros_like(weight) for weight in kept])
    out, case = _run(model, images), "the last convolution set to zero"
    if np.array_equal(out, images):  # a random layer acts in training alone
        out, case = _run(model, images, training=True), f"{case}, in training"
    last.set_weights(kept)
    if np.array_equal(out, images):
        return
    words = {
        "case": case,
        "expected": images[0, 0, 0],
        "actual": out[0, 0, 0],
    }
    if not out.any():
        raise Wrong("The input is not added", **words)
    if close(out, 2 * images):
        raise Wrong("The input is added twice", **words)
    if np.array_equal(out[images >= 0], images[images >= 0]):
        if type(model.operations[-1]).__name__ == "Add":  # of layers, or of `x + y`
            raise Wrong("the input after its activation", **words)
        raise Wrong("an activation after the sum", **words)
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
        raise Wrong("It reads later pixels", **words)
    if np.array_equal(seen, expected & (order < order[row, col])):
        raise Wrong("the 3×3 is of type A", **words)
    if seen.sum() <= 1:
        raise Wrong("No neighbor is read", **words)
    raise Wrong("It reads other pixels than a 3×3 of type B.", **words)


def _judge_weights(model, filters):
    half = filters // 2
    convolutions = 13 * half * half + 2 * half + filters
    slopes = filters + 2 * half
    actual = model.count_params()
    prelus = [each for each in _layers(model) if isinstance(each, keras.layers.PReLU)]
    case = f"{_HEIGHT} × {_WIDTH} pixels, {filters} filters"
    expected = f"{convolutions + slopes} weights with PReLU"
    words = {"case": case, "expected": expected, "actual": actual}
    if any(layer.alpha.shape[:2] != (1, 1) for layer in prelus):
        raise Wrong("one slope per pixel", **words)
    if actual == convolutions + sum(layer.count_params() for layer in prelus):
        return
    whole = 11 * filters**2 + 3 * filters
    if actual in (whole, whole + 3 * filters):
        raise Wrong("the first 1×1 should halve them", **words)
    if any(getattr(layer, "use_bias", True) is False for layer in _layers(model)):
        raise Wrong("A convolution has no bias.", **words)
    raise Wrong("The block has another number of weights.", **words)


def _judge_end(model, images):
    """The change is the output of the last 1×1 as it is: it grows with its weights."""
    last, factor = _convolutions(model)[-1], -2
    before = _run(model, images) - images
    kept = last.get_weights()
    last.set_weights([factor * weight for weight in kept])
    after = _run(model, images) - images
    last.set_weights(kept)
    if close(after, factor * before, 1e-4):
        return
    words = {
        "case": f"the last convolution times {factor}: the output minus x",
        "expected": factor * before[0, 0, 0],
        "actual": after[0, 0, 0],
    }
    raise Wrong("An activation changes", **words)


def _run(model, images, training=False):
    return np.asarray(asking(model)(images, training=training))

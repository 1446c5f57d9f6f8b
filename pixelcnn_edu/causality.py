"""Which outputs of a model depend on which inputs.

Values are ordered by row, then column, then channel. A model is causal if no output
depends on its own value or on a later one. If the likelihood itself orders the channels
of a pixel (`mixture.DiscretizedLogisticMixture`), no logit may depend on any channel of
its own pixel. Taught by notebooks 03 and 05; the tests use the same functions.

All comparisons are exact: a change of 1e-6 is a leak. The model is called as at inference
(``training=False``). In training a BatchNormalization layer reads later pixels, too, for
its mean and variance; this leak is not found. A weight that is 0 at first may hide a leak,
so check again after training. A model that takes labels gets label 0.

The functions that change inputs try two kinds of images, in turn. The first kind has values
on the likelihood's levels, so that a layer that reads pixels as integers shows what it
reads; each changed value gets another level. (If no likelihood is known, there are two
levels, 0 and 1.) The second kind has values drawn from [0, 1).
"""

import functools
import math

from pixelcnn_edu._checks import (
    check_finite,
    check_image_shape_of,
    check_int,
    check_logits,
    check_positive_int,
    check_seed,
)
from pixelcnn_edu._compiled import compiled_by_jax, logits_function
from pixelcnn_edu.likelihoods import check_likelihood

import keras
import numpy as np
from keras import ops

_ROWS_PER_PASS = 256
_IMAGES_PER_GRADIENT = 8  # a gradient keeps every feature map of each image


def dependency_matrix(
    model, *, image_shape=None, trials=4, seed=0, likelihood=None
) -> np.ndarray:
    """Find by perturbation which outputs change when one input does.

    In a few random images, each input value is replaced by another random value. The
    images are on the likelihood's levels and between them in turn, see above. An
    output with several logits has changed if one of its logits has changed.

    Args:
        model: a Keras model from (N, H, W, C) to (N, H, W, a multiple of C).
        image_shape: (H, W, C), for a model that leaves its size open.
        trials: how many random images; one image can hide a dependency (a ReLU may be
            off). With 1, only an image on the levels is tried.
        seed: of the random images.
        likelihood: for a model that carries none: how many levels a value has, and
            whether the likelihood orders the channels of a pixel.

    Returns:
        boolean (H·W·C, H·W·C): [output, input], True where the input changes the
        output. For a causal model only entries below the diagonal are True.

    Raises:
        ValueError: the shape of the output does not fit the shape of the input, or the
            model draws random numbers of its own.
    """
    shape, outputs, pairs = _experiment(model, image_shape, trials, seed, likelihood)
    size = math.prod(shape)
    matrix = np.zeros((size, size), bool)
    for base, other in pairs:
        base_out = outputs(base[None])
        for at in range(0, size, _ROWS_PER_PASS):
            inputs = np.arange(at, min(at + _ROWS_PER_PASS, size))
            changed = np.tile(base, (len(inputs), 1))
            changed[np.arange(len(inputs)), inputs] = other[inputs]
            moved = (outputs(changed) != base_out).any(axis=-1)
            matrix[:, inputs] |= moved.T
    return matrix


def receptive_field(model, row, col, *, image_shape=None, images=64, seed=0):
    """Find which pixels can change the output at (row, col), by gradient.

    The gradients of ``images`` random images are computed. A ReLU that is off for one
    image cannot hide a pixel then. Afterwards, in as many images, all pixels without a
    gradient are replaced at once: the output must stay the same. (A pixel that changes
    the output in very few images may still be missed.)

    Args:
        model: a Keras model from (N, H, W, C) to (N, H, W, anything), in float32 or
            bfloat16: in float16 small gradients become 0.
        row, col: the output pixel.
        image_shape: (H, W, C), for a model that leaves its size open.
        images: how many random images.
        seed: of the random images.

    Returns:
        boolean (H, W), True where the pixel can change the output.

    Raises:
        ValueError: (row, col) lies outside the image; a gradient is not finite; or a pixel
            without a gradient changes the output: the model rounds it, say.
    """
    shape = check_image_shape_of(model, image_shape)
    check_finite(model)
    images = check_positive_int("images", images)
    row, col = (
        check_int(name, at, at_least=0) for name, at in (("row", row), ("col", col))
    )
    if row >= shape[0] or col >= shape[1]:
        raise ValueError(
            f"Expected row, col inside an image of {shape[0]}×{shape[1]} pixels. "
            f"Received: {row}, {col}"
        )
    rng = np.random.default_rng(check_seed(seed))
    likelihood, seen = getattr(model, "likelihood", None), np.zeros(shape[:2], bool)
    gradient_of = _gradient(model, functools.partial(_sum_at, model, row, col))

    def look(pages):
        """Note where a gradient is, and return the logits."""
        # random sizes: gradients of several logits must not cancel
        sizes = rng.uniform(1, 2, model.outputs[0].shape[-1]).astype("float32")
        gradient, out = gradient_of(pages, sizes)
        if gradient is not None:
            if not np.isfinite(gradient).all():
                raise ValueError(
                    "Expected a model with finite gradients. Received: infinity or NaN. "
                    "causality.dependency_matrix needs no gradient."
                )
            seen[(np.asarray(gradient) != 0).any(axis=(0, -1))] = True
        return check_logits(np.asarray(out))

    def pairs():
        """Yield random images and their other values, a few at a time."""
        for at in range(0, images, _IMAGES_PER_GRADIENT):
            count = min(_IMAGES_PER_GRADIENT, images - at)
            few = _pairs(likelihood, math.prod(shape), count, rng)
            yield np.stack([*few], axis=1).reshape(2, count, *shape)

    for base, _ in pairs():
        look(base)
    while True:  # until no change of the other pixels changes the output
        known, same = seen.copy(), True
        for base, other in pairs():
            changed = np.where(known[..., None], base, other)
            same &= (look(base) == look(changed)).all()
        if same:
            return seen
        if (seen == known).all():
            raise ValueError(
                "Expected a model with a gradient of the output with respect to each pixel "
                "that changes it. Received: a model that rounds the image, say. "
                "causality.dependency_matrix needs no gradient."
            )


def _sum_at(model, row, col, x, sizes):
    """Return the sum of the logits at a pixel, each times a size, and the logits."""
    labels = [ops.convert_to_tensor(label) for label in _labels(model, len(x))]
    out = model([x, *labels] if labels else x, training=False)[:, row, col]
    return ops.sum(out * sizes), out


def _gradient(model, function):
    """Return a function: the gradient of ``function(x, …)[0]`` or None, and the rest."""
    if keras.config.backend() == "jax":
        import jax

        return compiled_by_jax(model.variables, jax.grad(function, has_aux=True))
    import tensorflow as tf

    def run(x, *more):
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value, rest = function(x, *more)
        return tape.gradient(value, x), rest

    return run


def first_leak(model, *, image_shape=None, trials=4, seed=0, likelihood=None):
    """Return the first pair (output, input) that breaks causality, or None.

    For each input j, all values from j on are replaced at once. Then no output up to j
    may change. This needs one pass per value and trial. Only if there is a leak, a
    search finds its single input.

    Args:
        model: a Keras model from (N, H, W, C) to (N, H, W, a multiple of C).
        image_shape, trials, seed, likelihood: as for `dependency_matrix`.

    Returns:
        None, or ((row, col, channel) of the output, (row, col, channel) of the input).
    """
    shape, outputs, pairs = _experiment(model, image_shape, trials, seed, likelihood)
    size, found = math.prod(shape), []
    for base, other in pairs:
        base_out = outputs(base[None])
        for at in range(0, size, _ROWS_PER_PASS):
            first = np.arange(at, min(at + _ROWS_PER_PASS, size))
            later = np.arange(size) >= first[:, None]
            moved = (outputs(np.where(later, other, base)) != base_out).any(axis=-1)
            leaks = np.argwhere(moved & (np.arange(size) <= first[:, None]))
            if len(leaks):
                output = leaks[:, 1].min()
                found.append((output, _input_behind(outputs, base, other, output)))
                break
    if not found:
        return None
    output, source = min(found)
    return tuple(
        tuple(int(i) for i in np.unravel_index(k, shape)) for k in (output, source)
    )


def assert_causal(
    model, *, image_shape=None, trials=4, seed=0, likelihood=None
) -> None:
    """Raise an AssertionError that names the leak, unless the model is causal.

    Args:
        model: any Keras model from (N, H, W, C) to (N, H, W, a multiple of C).
        image_shape, trials, seed, likelihood: as for `dependency_matrix`.

    Example:
        >>> from pixelcnn_edu import layers
        >>> import keras
        >>> image = keras.Input((5, 5, 1))
        >>> leaky = layers.MaskedConv2D(1, 3, mask_type="B")(image)
        >>> assert_causal(keras.Model(image, leaky))
        Traceback (most recent call last):
        AssertionError: The output at row 0, column 0, channel 0 sees its own input value.
        <BLANKLINE>
            @ . .
            . . .
            . . .
            o the output, x what it sees, @ both in one pixel; rows 0 to 2, columns 0 to 2
    """
    leak = first_leak(
        model, image_shape=image_shape, trials=trials, seed=seed, likelihood=likelihood
    )
    if leak is None:
        return
    output, source = leak
    words = "row {}, column {}, channel {}"
    what = "its own input value" if output == source else "the later input at "
    what += "" if output == source else words.format(*source)
    picture = _picture(check_image_shape_of(model, image_shape), output, source)
    raise AssertionError(
        f"The output at {words.format(*output)} sees {what}.\n\n{picture}"
    )


def _experiment(model, image_shape, trials, seed, likelihood):
    """Return (H, W, C), the function that `_outputs` makes, and `_pairs` of images."""
    shape = check_image_shape_of(model, image_shape)
    trials = check_positive_int("trials", trials)
    rng = np.random.default_rng(check_seed(seed))
    if likelihood is None:
        likelihood = getattr(model, "likelihood", None)
    else:
        check_likelihood(likelihood)
    pairs = _pairs(likelihood, math.prod(shape), trials, rng)
    return shape, _outputs(model, shape, likelihood), pairs


def _pairs(likelihood, size, trials, rng):
    """Yield random images and their other values, on the levels and between, in turn."""
    levels = getattr(likelihood, "levels", 2)
    for trial in range(trials):
        base, other = rng.random((2, size), dtype="float32")
        if trial % 2 == 0:
            base = np.floor(base * levels)
            step = 1 + np.floor(other * (levels - 1))  # never 0: another level
            other = (base + step) % levels
            base, other = np.array([base, other]) / np.float32(levels - 1)
        yield base, other


def _picture(shape, output, source) -> str:
    """Draw the part of the page that holds an output and an input that it must not see."""
    ends = np.array([output[:2], source[:2]])
    top, left = np.maximum(ends.min(axis=0) - 2, 0)
    bottom, right = np.minimum(ends.max(axis=0) + 3, shape[:2])
    page = np.full(shape[:2], ".")
    page[source[:2]] = "x"
    page[output[:2]] = "o" if output[:2] != source[:2] else "@"
    rows = [" ".join(row[left:right]) for row in page[top:bottom]]
    place = f"rows {top} to {bottom - 1}, columns {left} to {right - 1}"
    rows.append(f"o the output, x what it sees, @ both in one pixel; {place}")
    return "\n".join(f"    {row}" for row in rows)


def _input_behind(outputs, base, other, output):
    """Return the first input from ``output`` on that changes ``output`` by itself.

    If only several inputs together change it: the last j for which replacing all inputs
    from j on does.
    """
    every = np.arange(len(base))
    base_out = outputs(base[None])[0, output]

    def that_change_it(replaced_for):
        moved = []
        for at in range(output, len(base), _ROWS_PER_PASS):
            some = every[at : at + _ROWS_PER_PASS, None]
            changed = np.where(replaced_for(some), other, base)
            moved += [*(outputs(changed)[:, output] != base_out).any(axis=-1)]
        return output + np.flatnonzero(moved)

    alone = that_change_it(lambda some: every == some)
    return alone[0] if len(alone) else that_change_it(lambda some: every >= some)[-1]


def _labels(model, count):
    """Return zeros for all inputs of a model but its images."""
    return [np.zeros((count, *each.shape[1:]), each.dtype) for each in model.inputs[1:]]


def _outputs(model, shape, likelihood):
    """Return a function (n, H·W·C) → (n, H·W·C, logits per value)."""
    size, channels = int(np.prod(shape)), shape[-1]
    together = getattr(likelihood, "orders_channels", False)
    logits = logits_function(model)
    labels = _labels(model, _ROWS_PER_PASS)

    def outputs(values):
        # always the same batch size: one compilation, and equal rounding in every pass
        padded = np.zeros((_ROWS_PER_PASS, size), "float32")
        padded[: len(values)] = values
        out = np.asarray(logits(padded.reshape(-1, *shape), *labels))
        split = together or out.shape[-1] % channels == 0
        if out.ndim != 4 or out.shape[1:3] != shape[:2] or not split:
            raise ValueError(
                f"Expected an output of shape (N, {shape[0]}, {shape[1]}, a multiple of "
                f"{channels}). Received: {out.shape}"
            )
        if together:  # each channel of a pixel depends on all logits of the pixel
            out = np.repeat(out[:, :, :, None], channels, axis=3)
        return out[: len(values)].reshape(len(values), size, -1)

    pair = np.tile(np.random.default_rng(0).random(size), (2, 1))
    (one, same), again = outputs(pair), outputs(pair)
    if (one != same).any() or (one != again).any():
        raise ValueError(
            "Expected a model whose outputs depend on its inputs alone. Received: a model "
            "that gives different outputs for equal inputs. Does a layer draw random "
            "numbers at inference?"
        )
    return outputs

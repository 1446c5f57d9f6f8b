"""Generation: drawing images pixel by pixel.

Notebooks 09 to 11 teach this module. The formula is p(x) = Π p(xᵢ | x₁ … xᵢ₋₁). A *value*
xᵢ is one channel of one pixel. The network gives the probability of each level of xᵢ from
the earlier values, and a uniform number uᵢ in [0, 1) chooses the level: the lowest level
whose cumulative probability exceeds uᵢ. (`Bernoulli` counts from the other end: ink if
uᵢ < p(ink).) There are three methods, with the same arguments:

- `naive`: one pass of the whole network for each value, as the formula says.
- `fixed_point`: draw *all* values from the present picture, again and again, until
  nothing changes (arXiv 2002.03629). The first value depends on no other value, so it is
  right after one round. Then the second value reads a right first value, and so on: after
  t rounds at least the first t values are final. In practice some tens of rounds are
  enough for 784 pixels.
- `cached`: keep the features of earlier pixels, and compute only those of the next pixel
  (arXiv 1704.06001). `cache.pages` shows the idea; `cache.loop` is the fast form.
  (`generate` and `complete` answer their first small call for each size of a slice by
  `fixed_point`, because compiling takes longer.)

All three return the same images for the same uniform numbers, except for rounding: they sum
in a different order. So two methods may differ at a value whose uniform number lies within
1e-5 of a cumulative probability (1e-4 for a mixture; 1/T times as much at a temperature T
below 1). Then the later values of that image may differ, too. A model that computes in
half precision rounds more: by a few hundredths with a softmax, and with a mixture of many
levels so much that the methods draw visibly different images.
"""

import math
from collections.abc import Iterator

from pixelcnn_edu._checks import (
    check_bool,
    check_image_shape_of,
    check_known,
    check_labels,
    check_one_of,
    check_positive_int,
    check_seed,
    check_temperature,
    check_uniforms,
)
from pixelcnn_edu._compiled import logits_function
from pixelcnn_edu._drawing import (
    cores,
    in_slices,
    known_only,
    probabilities_of,
    slice_size,
    uniforms_of,
)
from pixelcnn_edu._particles import resample
from pixelcnn_edu.cache.compiled_loop import pixel_loop
from pixelcnn_edu.cache.graph import UnknownLayer
from pixelcnn_edu.models import likelihood_of

import numpy as np

METHODS = ("cached", "fixed_point", "naive")


#: Values times levels (sixteen MNIST images of two levels) up to which the fixed point
#: answers the first call of ``"cached"`` for a size. There the fixed point takes 1.1 s, and
#: compiling and drawing 2.1 s (``python benchmarks/generation.py``).
SOONER_BY_ROUNDS = 16 * 28 * 28 * 2


def naive(
    model, likelihood, uniforms, given, known, temperature, *labels
) -> np.ndarray:
    """Draw images by one pass of the whole network for each value.

    If the model is not causal, no error is raised, but its images do not follow the
    probabilities that `evaluation` computes. `pixelcnn_edu.causality.assert_causal` tells
    whether a model is causal.

    Args:
        model: a causal Keras model from images (and labels) to logits.
        likelihood: what the logits mean.
        uniforms: (N, H, W, C) in [0, 1), one number per value.
        given: (N, H, W, C), the values of the known pixels. (What stands at the
            others is not read.)
        known: boolean (H, W), True where a pixel is given.
        temperature: as for `generate`.
        labels: (N,), for a model that takes labels.

    Returns:
        float32 (N, H, W, C).

    Raises:
        ValueError: a weight is not finite, or a logit is NaN.
    """
    logits = logits_function(model)
    images = known_only(given, known)
    for row, col in np.argwhere(~known):
        for channel in range(images.shape[-1]):
            of_pixel = logits(images, *labels)[:, row, col]
            values = likelihood.sample(of_pixel, uniforms[:, row, col], temperature)
            images[:, row, col, channel] = values[:, channel]
    return images


def fixed_point(
    model, likelihood, uniforms, given, known, temperature, *labels
) -> np.ndarray:
    """Draw all values from the present picture, until the picture stays the same.

    Arguments and result as for `naive`.

    If the model is causal, each round makes at least one more value final, so the loop
    ends, and its result is the image of `naive`. A model that is **not** causal may settle
    too, see `naive`.

    Raises:
        ValueError: a weight is not finite, a logit is NaN, or the picture does not settle.
            If it does not settle within H·W·C + 1 rounds, the model is not causal, or it
            draws random numbers of its own.
    """
    logits = logits_function(model)
    images = known_only(given, known)
    for _ in range(given[0].size + 1):
        values = likelihood.sample(logits(images, *labels), uniforms, temperature)
        previous, images = images, np.where(known[:, :, None], images, values)
        if np.array_equal(previous, images):  # at the latest in the last round
            return images
    raise ValueError(
        "Expected a causal model. Received one whose images did not settle after "
        "H·W·C + 1 rounds (or a likelihood or layer that draws random "
        "numbers of its own); pixelcnn_edu.causality.assert_causal(model) names the leak."
    )


def cached(
    model, likelihood, uniforms, given, known, temperature, *labels
) -> np.ndarray:
    """Draw images by computing the features of one pixel at a time, in a compiled loop.

    Arguments and result as for `naive`. The first call for each shape of ``uniforms`` (and
    for temperature 0) compiles the loop, which takes some seconds. Compiled code sees new
    weights; after another change of an `ImageModel`, call ``model.compile()`` (of another
    Keras model, `models.forget`).

    Raises:
        UnknownLayer: a layer is not in the table of `cache.graph`; the message names it.
        ValueError: a logit is NaN, or a weight is not finite when the loop is built.
    """
    loop = pixel_loop(model, likelihood)
    return loop.draw(uniforms, given, known, float(temperature), *labels)


def generate(
    model,
    count=16,
    *,
    seed=None,
    temperature=1.0,
    labels=None,
    method="cached",
    image_shape=None,
    likelihood=None,
    uniforms=None,
    progress=True,
) -> np.ndarray:
    """Draw images from the model.

    Args:
        model: a causal Keras model from images (and labels) to logits.
        count: how many images. They are drawn in slices of bounded memory.
        seed: fixes the draw. Image i of a seed has the same uniform numbers, and so is
            the same, for every ``count``, except for rounding.
        temperature: divides the log-probabilities of the levels, see
            `likelihoods.Likelihood.sample`; 1 draws from the model itself, 0 takes each
            pixel's most likely value (which is not the most likely image).
        labels: a class for all images, or (count,), for a model that takes labels.
        method: ``"cached"``, ``"fixed_point"`` or ``"naive"``: the same images (in float32,
            up to rounding), only the time differs. ``"cached"`` needs a functional model
            of the layers in `cache.graph`; another model is drawn by the fixed point,
            which one printed line says. The fixed point also answers the first small call
            of ``"cached"`` for a size (see `SOONER_BY_ROUNDS`). The second call compiles.
        image_shape: (H, W, C), for a model that leaves its size open.
        likelihood: for a model that carries none.
        uniforms: (count, H, W, C) in [0, 1), instead of a seed.
        progress: show a bar if it takes more than a few seconds.

    Returns:
        float32 (count, H, W, C), values k/(levels-1).

    Raises:
        ValueError: if an argument is out of its range, or ``seed`` and ``uniforms`` are
            both given.
    """
    slices = generate_slices(
        model,
        count,
        seed=seed,
        temperature=temperature,
        labels=labels,
        method=method,
        image_shape=image_shape,
        likelihood=likelihood,
        uniforms=uniforms,
        progress=progress,
    )
    return np.concatenate(list(slices))


def generate_slices(
    model,
    count=16,
    *,
    seed=None,
    temperature=1.0,
    labels=None,
    method="cached",
    image_shape=None,
    likelihood=None,
    uniforms=None,
    progress=True,
) -> Iterator[np.ndarray]:
    """Draw the images of `generate` slice by slice: a million of them in bounded memory.

    Arguments and errors as for `generate`. The arguments are checked at once, and the
    images are drawn while the iterator is read.

    Returns:
        An iterator of float32 (n, H, W, C). Together they are the images of
        ``generate(model, count, …)`` with the same arguments. n is at most 128.

    Example:
        >>> from pixelcnn_edu.models import pixelcnn
        >>> slices = generate_slices(pixelcnn((5, 5, 1), filters=2, depth=1), 300, seed=0)
        >>> sum(len(images) for images in slices)
        300
    """
    count = check_positive_int("count", count)
    image_shape = check_image_shape_of(model, image_shape)
    if seed is not None and uniforms is not None:
        raise ValueError(
            "Expected seed or uniforms, not both: uniforms take the place of the numbers "
            f"of a seed. Received: seed={seed!r} and uniforms"
        )
    root = np.random.SeedSequence(check_seed(seed))
    if uniforms is not None:
        uniforms = check_uniforms(uniforms, (count, *image_shape))
    labels = check_labels(model, labels, count)

    def arrays(rows):
        own = (
            uniforms_of(root, rows, image_shape) if uniforms is None else uniforms[rows]
        )
        return own, np.zeros_like(own), *[label[rows] for label in labels]

    shape, known = (count, *image_shape), np.zeros(image_shape[:2], bool)
    return _draw(model, likelihood, arrays, shape, known, temperature, method, progress)


def complete(
    model,
    images,
    known,
    *,
    count=1,
    seed=None,
    temperature=1.0,
    particles=1,
    labels=None,
    method="cached",
    likelihood=None,
    return_ess=False,
    progress=True,
):
    """Draw the unknown pixels of images; the known ones stay as they are.

    With ``particles=1`` the known pixels are clamped. If they come first in reading order
    (the top of the image, say), that draws **exactly** from the conditional
    p(rest | known). For any other pattern it does **not**: pixels before a known one
    never look ahead to it.

    With ``particles=n`` importance sampling corrects this, **approximately**: a larger n is
    better. For each image n completions are drawn by clamping; each gets
    the weight Π p(known pixel | its past); and ``count`` of them are drawn, with
    replacement, in proportion to their weights. The effective sample size (Σw)²/Σw² says
    how many of the n really compete: n if all weights are equal, 1 if one of them has
    it all, and then the result is little better than clamping.

    Args:
        model: a causal Keras model from images (and labels) to logits.
        images: (N, H, W, C) on the likelihood's levels; unknown pixels are ignored, and
            may be anything: NaN, say.
        known: boolean (H, W), True where a pixel is given.
        count: completions per image.
        particles: completions drawn and weighted per image; with 1 none is weighted.
        labels: a class for all images, or (N,), for a model that takes labels.
        seed: fixes the draw, for the same ``count`` (or ``particles``). Do not complete
            images that `generate` has drawn with the same seed: the uniform numbers are the
            same too, so with ``count=1`` the completion of a given top is the same image
            again.
        temperature, method, likelihood, progress: as for `generate`. Particles need
            temperature 1, as their weights are the model's own probabilities.
        return_ess: return the effective sample sizes too. With ``particles=1`` nothing is
            weighted: then the number is ``count`` itself, and measures nothing.

    Returns:
        float32 (N, count, H, W, C); with ``return_ess`` a pair of that and (N,).

    Raises:
        ValueError: if an argument is out of its range.

    Warns:
        RuntimeWarning: for an image, fewer than 5 particles are effective (with fewer
            than 10 particles: fewer than half of them).
    """
    likelihood = likelihood_of(model, likelihood)
    shape = model.inputs[0].shape[1:]
    images, known = check_known(
        images, known, levels=likelihood.levels, image_shape=shape
    )
    count = check_positive_int("count", count)
    particles = check_positive_int("particles", particles)
    temperature = check_temperature(temperature)
    return_ess = check_bool("return_ess", return_ess)
    weighted = particles > 1
    if weighted and temperature != 1:
        raise ValueError(
            "Expected temperature=1 with particles, which are weighted by the model's "
            f"own probabilities. Received: {temperature!r}"
        )
    per_image = particles if weighted else count
    labels = check_labels(model, labels, len(images))
    labels = [np.repeat(label, per_image) for label in labels]
    root = np.random.SeedSequence(check_seed(seed))
    given = np.repeat(images, per_image, axis=0)

    def arrays(rows):
        uniforms = uniforms_of(root, rows, images.shape[1:])
        return uniforms, given[rows], *[label[rows] for label in labels]

    slices = _draw(
        model, likelihood, arrays, given.shape, known, temperature, method, progress
    )
    drawn = np.concatenate(list(slices))
    drawn = drawn.reshape(len(images), per_image, *images.shape[1:])
    ess = np.full(len(images), float(per_image))
    if weighted:
        drawn, ess = resample(model, likelihood, drawn, known, labels, count, root)
    return (drawn, ess) if return_ess else drawn


def _draw(model, likelihood, arrays, shape, known, temperature, method, progress):
    """Return an iterator over the images, in slices, drawn by the chosen method.

    Args:
        arrays: as for `in_slices`: a function from a slice to uniforms, given and labels.
        shape: (N, H, W, C) of all images.
    """
    check_one_of("method", method, METHODS)
    temperature = check_temperature(temperature)
    progress = check_bool("progress", progress)
    likelihood = likelihood_of(model, likelihood)
    by_method = {"naive": naive, "fixed_point": fixed_point}.get(method)
    if method == "cached":
        try:
            loop = pixel_loop(model, likelihood)
            small = math.prod(shape) * likelihood.levels <= SOONER_BY_ROUNDS
            size = slice_size(shape[0], cores()), *shape[1:], temperature == 0
            if small and loop.note_call(*size):
                by_method = fixed_point
        except UnknownLayer as error:
            print(f"Drawn by the fixed point. {error}.")
            by_method = fixed_point

    def draw(uniforms, given, *labels):
        arguments = uniforms, given, known, temperature, *labels
        if by_method is None:
            return loop.draw(*arguments)
        return by_method(model, likelihood, *arguments)

    # a round of the fixed point computes the probabilities of whole images
    whole = probabilities_of(likelihood, shape[1:])
    return in_slices(
        draw,
        arrays,
        shape[0],
        compiled=by_method is None,
        numbers=whole if by_method is fixed_point else 1,
        progress=progress,
    )

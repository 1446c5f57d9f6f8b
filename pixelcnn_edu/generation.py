"""Generation: drawing images pixel by pixel.

Taught by notebooks 09 and 10. Every method is driven by the same uniform numbers, one per
value of the image, so for the same seed all of them draw the same image:

- ``naive``: a pass of the whole network for each value, as the definition says.
- ``fixed_point``: draw *all* values from the present picture, again and again, until
  nothing changes. After t rounds at least the first t values are final (arXiv
  2002.03629), and in practice tens of rounds do for 784 pixels.
- ``cached``: keep the features of earlier pixels, and compute those of one pixel per
  value (arXiv 1704.06001), in one compiled loop. See `one_pixel`.

They compute the same numbers in another order. So their images can differ where rounding
decides: where a uniform number lies within 1e-5 of a cumulative probability, and within
a few thousandths for a model that computes in half precision.
"""

import concurrent.futures
import functools
import os
import sys
import warnings

from pixelcnn_edu._checks import (
    check_bool,
    check_images,
    check_labels,
    check_positive_int,
    check_seed,
    check_shape_of,
    check_temperature,
)
from pixelcnn_edu.models import likelihood_of, logits_function
from pixelcnn_edu.one_pixel import one_pixel_model

import numpy as np
import tqdm

METHODS = ("cached", "fixed_point", "naive")
_MOST_PER_SLICE = 128  # images; bounds the memory
_SECONDS_BEFORE_BAR = 3


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
            the same, for every ``count`` (up to rounding, as above).
        temperature: divides the logits; 1 draws from the model itself, 0 takes each
            pixel's most likely value (which is not the most likely image).
        labels: a class for all images, or (count,), for a model that takes labels.
        method: ``"cached"``, ``"fixed_point"`` or ``"naive"``: the same images, in
            another time. ``"cached"`` needs a functional model of this package's layers
            and Keras's pointwise ones.
        image_shape: (H, W, C), for a model that leaves its size open.
        likelihood: for a model that carries none.
        uniforms: (count, H, W, C) in [0, 1), instead of a seed.
        progress: show a bar if it takes more than a few seconds.

    Returns:
        float32 (count, H, W, C), values k/(levels-1).

    Raises:
        ValueError: if an argument is out of its range, or ``method="cached"`` meets a
            layer that it cannot run one pixel at a time.
    """
    count = check_positive_int("count", count)
    shape = check_shape_of(model, image_shape)
    seeds = _seeds(seed, count)
    uniforms = _uniforms(uniforms, seeds, shape)
    labels = check_labels(model, labels, count)
    nothing_known = np.zeros(shape[:2], bool)
    start = np.zeros((count, *shape), "float32")
    draw = _drawer(model, likelihood, temperature, method, progress)
    return draw(start, nothing_known, uniforms, labels)


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

    With ``particles=n`` that is mended by importance sampling, **approximately**, and the
    better the larger n. For each image n completions are drawn by clamping; each gets
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
        particles: completions drawn and weighted per image; 1 for none of that.
        labels: a class for all images, or (N,), for a model that takes labels.
        seed: fixes the draw, for the same ``count`` (or ``particles``).
        temperature, method, likelihood, progress: as for `generate`. Particles need
            temperature 1, as their weights are the model's own probabilities.
        return_ess: return the effective sample sizes too.

    Returns:
        float32 (N, count, H, W, C); with ``return_ess`` a pair of that and (N,).

    Raises:
        ValueError: if an argument is out of its range.

    Warns:
        RuntimeWarning: fewer than 5 particles, or half of them, are effective.
    """
    likelihood = likelihood_of(model, likelihood)
    images, known = np.asarray(images), np.asarray(known)
    if known.dtype == bool and known.shape == images.shape[1:3] and images.ndim == 4:
        blank = np.zeros((), images.dtype)
        images = np.where(known[:, :, None], images, blank)
    images = check_images(
        images, levels=likelihood.levels, image_shape=model.inputs[0].shape[1:]
    )
    if known.dtype != bool or known.shape != images.shape[1:3]:
        raise ValueError(
            f"Expected known to be boolean of shape {images.shape[1:3]}. "
            f"Received: {known.dtype} {known.shape}"
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
    seeds = _seeds(seed, len(images) * per_image)
    start = np.repeat(images, per_image, axis=0)
    draw = _drawer(model, likelihood, temperature, method, progress)
    drawn = draw(start, known, _uniforms(None, seeds, images.shape[1:]), labels)
    drawn = drawn.reshape(len(images), per_image, *images.shape[1:])
    ess = np.full(len(images), float(per_image))
    if weighted:
        drawn, ess = _resample(model, likelihood, drawn, known, labels, count, seeds)
    return (drawn, ess) if return_ess else drawn


def _resample(model, likelihood, drawn, known, labels, count, seeds):
    """Weigh (N, particles, H, W, C) by p(known | past), and draw ``count`` of each."""
    logits = logits_function(model)
    flat = drawn.reshape(-1, *drawn.shape[2:])
    log_weights = []
    for at in range(0, len(flat), _MOST_PER_SLICE):
        rows = slice(at, at + _MOST_PER_SLICE)
        out = logits(flat[rows], *[label[rows] for label in labels])
        log_p = np.asarray(likelihood.log_prob_of_pixels(out, flat[rows]), "float64")
        log_weights.append(log_p[:, known].sum(axis=1))
    log_weights = np.concatenate(log_weights).reshape(drawn.shape[:2])
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    ess = 1 / (weights**2).sum(axis=1)
    if ess.min() < min(5, weights.shape[1] / 2):
        warnings.warn(
            f"Only {ess.min():.1f} of {weights.shape[1]} particles are effective: few "
            "of them fit the known pixels. Completions repeat; try more particles.",
            RuntimeWarning,
            stacklevel=3,
        )
    chosen = []
    for i, cumulative in enumerate(weights.cumsum(axis=1)):
        # a stream of its own, apart from those that drew the particles
        own = np.random.SeedSequence(seeds[0].entropy, spawn_key=(i, 0))
        u = np.random.default_rng(own).random(count)
        chosen.append(drawn[i, np.searchsorted(cumulative[:-1], u, side="right")])
    return np.stack(chosen), ess


def _drawer(model, likelihood, temperature, method, progress):
    """Check what all slices share, and return what draws them one after the other."""
    if method not in METHODS:
        raise ValueError(
            f"Expected method to be one of {METHODS}. Received: {method!r}"
        )
    temperature = check_temperature(temperature)
    progress = check_bool("progress", progress)
    likelihood = likelihood_of(model, likelihood)
    if method == "cached":
        draw_slice = one_pixel_model(model, likelihood).draw
    else:
        draw_slice = functools.partial(
            {"naive": _naive, "fixed_point": _fixed_point}[method],
            logits_function(model),
            likelihood,
        )

    def draw(images, known, uniforms, labels):
        workers = _cores() if method == "cached" else 1
        size = _slice_size(len(images), workers, padded=method == "cached")

        def one_slice(at):
            rows = slice(at, at + size)
            parts = [images[rows], uniforms[rows], *[label[rows] for label in labels]]
            count = len(parts[0])
            if method == "cached" and count < size:  # a new size would compile anew
                parts = [
                    np.concatenate([p, p[:1].repeat(size - count, 0)]) for p in parts
                ]
            given, u, *rest = parts
            return draw_slice(u, given, known, temperature, *rest)[:count]

        starts = range(0, len(images), size)
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            run = pool.map if len(starts) > 1 and workers > 1 else map
            drawn = list(_with_bar(run(one_slice, starts), len(images), progress))
        return np.concatenate(drawn)

    return draw


def _with_bar(parts, count, progress):
    """Pass on slices; the bar's clock starts after the first one, which may compile.

    The bar belongs into a notebook's page, and elsewhere to stderr: stdout may be a file.
    """
    first = next(parts)
    yield first
    notebook = type(sys.stdout).__module__.startswith("ipykernel")
    file = sys.stdout if notebook else sys.stderr
    with tqdm.tqdm(
        total=count,
        initial=len(first),
        desc="drawing",
        delay=_SECONDS_BEFORE_BAR,
        leave=False,
        file=file,
        disable=not progress or file is None,
    ) as bar:
        for part in parts:
            yield part
            bar.update(len(part))


def _slice_size(count, workers, padded):
    """Images per slice: a power of two if slices are padded; all cores get some."""
    if not padded:
        return _MOST_PER_SLICE
    share = -(-count // workers) if count >= 4 * workers else count
    return min(_MOST_PER_SLICE, 1 << (share - 1).bit_length())


def _cores():
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2


def _draw_all(logits, likelihood, uniforms, given, known, temperature, *labels):
    """Return a function that draws every unknown value from the present picture."""

    def draw_all(images):
        values = likelihood.sample(logits(images, *labels), uniforms, temperature)
        return np.where(known[:, :, None], given, np.asarray(values))

    return draw_all


def _naive(logits, likelihood, uniforms, given, known, temperature, *labels):
    draw_all = _draw_all(
        logits, likelihood, uniforms, given, known, temperature, *labels
    )
    images = given.copy()
    for row, col in np.argwhere(~known):
        for channel in range(images.shape[-1]):
            images[:, row, col, channel] = draw_all(images)[:, row, col, channel]
    return images


def _fixed_point(logits, likelihood, uniforms, given, known, temperature, *labels):
    draw_all = _draw_all(
        logits, likelihood, uniforms, given, known, temperature, *labels
    )
    images = given
    # each round settles at least one more value, so the loop ends for a causal model
    for _ in range(images[0].size + 1):
        previous, images = images, draw_all(images)
        if np.array_equal(previous, images):
            return images
    raise ValueError(
        "Expected a causal model. Received one whose images did not settle after "
        "H·W·C + 1 rounds; pixelcnn_edu.causality.assert_causal(model) names the leak."
    )


def _seeds(seed, count):
    """One seed per image, so that image i does not depend on the count."""
    return np.random.SeedSequence(check_seed(seed)).spawn(count)


def _uniforms(uniforms, seeds, shape):
    if uniforms is None:
        rngs = (np.random.default_rng(seed) for seed in seeds)
        return np.stack([rng.random(shape, dtype="float32") for rng in rngs])
    uniforms = np.asarray(uniforms)
    expected = (len(seeds), *shape)
    fits = np.issubdtype(uniforms.dtype, np.number) and uniforms.shape == expected
    single = uniforms.astype("float32") if fits else None  # may round up to 1
    if not fits or not ((0 <= single) & (single < 1)).all():
        raise ValueError(
            f"Expected uniforms in [0, 1) of shape {expected}. "
            f"Received: {uniforms.dtype} {uniforms.shape}"
        )
    return single

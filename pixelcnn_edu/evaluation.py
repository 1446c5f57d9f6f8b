"""Exact evaluation: nats, bits per dimension, and sums over all images.

A PixelCNN gives every image an exact probability. Taught by notebooks 01, 06 and 18.

    nats per image = -log p(x)          bits per dimension = nats / (H·W·C · ln 2)
"""

import itertools
import math
from collections.abc import Iterator

from pixelcnn_edu._checks import (
    check_image_shape,
    check_image_shape_of,
    check_images,
    check_labels,
    check_levels,
    check_positive_int,
)
from pixelcnn_edu._logits import logits_function
from pixelcnn_edu.models import likelihood_of

import numpy as np

MOST_IMAGES = 2**16


def nats_per_image(
    model, images, *, labels=None, likelihood=None, batch_size=256
) -> np.ndarray:
    """Return -log p(x) of each image under the model; lower is better.

    Args:
        model: a Keras model from images (and labels) to logits.
        images: (N, H, W, C) on the likelihood's levels; or an iterator of such arrays,
            from `generation.generate_slices` for example, which is scored array by array.
        labels: a class for all images, or (N,), for a model that takes labels; the
            result is then -log p(x | label).
        likelihood: for a model that carries none.
        batch_size: images per pass; changes the time, and the result only by rounding.

    Returns:
        float64 (N,), nats: the sum over all pixels and channels.

    Raises:
        ValueError: images of another shape or off the levels; no likelihood known; a
            log-probability that is NaN.
    """
    likelihood = likelihood_of(model, likelihood)
    if isinstance(images, Iterator):
        arguments = {"likelihood": likelihood, "batch_size": batch_size}
        return _of_each(nats_per_image, model, images, labels, arguments)
    images = check_images(
        images, levels=likelihood.levels, image_shape=model.inputs[0].shape[1:]
    )
    batch_size = check_positive_int("batch_size", batch_size)
    labels = check_labels(model, labels, len(images))
    logits = logits_function(model)
    nats = []
    for at in range(0, len(images), batch_size):
        batch, *more = (values[at : at + batch_size] for values in (images, *labels))
        log_prob = likelihood.log_prob(logits(batch, *more), batch)
        nats.append(-np.asarray(log_prob, "float64"))
    nats = np.concatenate(nats)
    if np.isnan(nats).any():
        raise ValueError(
            "Expected a model whose logits give a probability to each image. "
            "Received: NaN, though no logit is NaN. Is one of them infinite?"
        )
    return nats


def _of_each(score, model, parts, labels, arguments):
    """Score arrays of images one after another; (N,) labels belong to all of them."""
    found, done, each = [], 0, np.ndim(labels) > 0
    for images in parts:
        some = labels[done : done + len(images)] if each else labels
        found.append(score(model, images, labels=some, **arguments))
        done += len(images)
    if not found or (each and len(labels) != done):
        count = f" and {len(labels)} labels" if each else ""
        raise ValueError(
            "Expected an iterator over at least one array of images, and as many labels as "
            f"images. Received: {done} images{count}"
        )
    return np.concatenate(found)


def bits_per_dim(model, images, *, labels=None, **arguments) -> np.ndarray:
    """Return bits per pixel and channel: nats / (H·W·C · ln 2).

    Arguments, shapes and errors as for `nats_per_image`.
    """
    if isinstance(images, Iterator):
        return _of_each(bits_per_dim, model, images, labels, arguments)
    nats = nats_per_image(model, images, labels=labels, **arguments)
    return nats / (math.prod(np.shape(images)[1:]) * math.log(2))


def mean_and_standard_error(values) -> tuple[float, float]:
    """Return the mean of ``values`` and its standard error, s/√N.

    Args:
        values: (N,), N at least 2; any unit.

    Raises:
        ValueError: fewer than two values, or another shape; a value that is no real
            number, is NaN, is infinite, or is hidden by NumPy's mask.

    Example:
        >>> mean_and_standard_error([1.0, 3.0])
        (2.0, 1.0)
    """
    try:
        values = np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"Expected values of shape (N,). Received: {error}") from None
    if values.dtype.kind not in "iuf" or values.ndim != 1 or len(values) < 2:
        raise ValueError(
            "Expected values of shape (N,), N >= 2, to be real numbers. "
            f"Received: {values.dtype} {values.shape}"
        )
    values = values.astype("float64")
    if not np.isfinite(values).all():
        odd = np.flatnonzero(~np.isfinite(values))
        raise ValueError(
            f"Expected values to be finite. Received: {values[odd[0]]} at index {odd[0]}"
        )
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def all_images(image_shape, levels=2) -> np.ndarray:
    """Return every image of a tiny domain (a set of all possible images), in order.

    Args:
        image_shape: (H, W, C).
        levels: how many values each pixel and channel can have.

    Returns:
        float32 (levels ** (H·W·C), H, W, C); the last pixel changes fastest.

    Raises:
        ValueError: the domain holds more than 65,536 images.

    Example:
        >>> all_images((1, 2, 1)).reshape(4, 2)
        array([[0., 0.],
               [0., 1.],
               [1., 0.],
               [1., 1.]], dtype=float32)
    """
    levels = check_levels(levels)
    image_shape = check_image_shape(image_shape)
    dims = math.prod(check_positive_int("image_shape", size) for size in image_shape)
    if dims * math.log(levels) > math.log(MOST_IMAGES) + 1e-9:
        raise ValueError(
            f"Expected a domain of at most {MOST_IMAGES:,} images. Received: {levels}"
            f" levels to the power of {dims} values."
        )
    values = list(itertools.product(range(levels), repeat=dims))
    return (np.array(values, "float32") / (levels - 1)).reshape(-1, *image_shape)


def total_probability(model, image_shape=None, *, label=None, likelihood=None) -> float:
    """Return Σ p(x) over all images of a tiny domain. The sum of a causal model is 1.

    Args:
        model: a Keras model from images (and labels) to logits.
        image_shape: (H, W, C); the model's own if None.
        label: the class of all images, for a model that takes labels.
        likelihood: for a model that carries none.

    Raises:
        ValueError: the domain holds more than 65,536 images; a size that is open, or that
            does not fit the model.
    """
    likelihood = likelihood_of(model, likelihood)
    images = all_images(check_image_shape_of(model, image_shape), likelihood.levels)
    nats = nats_per_image(model, images, labels=label, likelihood=likelihood)
    return float(np.exp(-nats).sum())

"""Generation: drawing images pixel by pixel.

Taught by notebook 09. Every method is driven by the same uniform numbers, one per value
of the image, so for the same seed all of them draw the same image:

- ``naive``: a pass of the whole network for each value, as the definition says.
- ``fixed_point``: draw *all* values from the present picture, again and again, until
  nothing changes. After t rounds at least the first t values are final (arXiv
  2002.03629), and in practice tens of rounds do for 784 pixels.
"""

from pixelcnn_edu.data import check_images
from pixelcnn_edu.masks import check_positive_int
from pixelcnn_edu.models import likelihood_of, logits_function

import numpy as np

METHODS = ("naive", "fixed_point")


def generate(
    model,
    count=16,
    *,
    seed=None,
    temperature=1.0,
    method="fixed_point",
    image_shape=None,
    likelihood=None,
    uniforms=None,
) -> np.ndarray:
    """Draw images from the model.

    Args:
        model: a causal Keras model from images to logits.
        count: how many images.
        seed: fixes the draw. Image i of a seed is the same for every ``count``.
        temperature: divides the logits; 1 draws from the model itself, 0 takes each
            pixel's most likely value (which is not the most likely image).
        method: ``"naive"`` or ``"fixed_point"``; the same images, in another time.
        image_shape: (H, W, C), for a model that leaves its size open.
        likelihood: for a model that carries none.
        uniforms: (count, H, W, C) in [0, 1), instead of a seed.

    Returns:
        float32 (count, H, W, C), values k/(levels-1).

    Raises:
        ValueError: if an argument is out of its range.
    """
    check_positive_int("count", count)
    shape = _image_shape(model, image_shape)
    uniforms = _uniforms(uniforms, seed, count, shape)
    nothing_known = np.zeros(shape[:2], bool)
    start = np.zeros((count, *shape), "float32")
    return _draw(model, start, nothing_known, uniforms, temperature, method, likelihood)


def complete(
    model,
    images,
    known,
    *,
    count=1,
    seed=None,
    temperature=1.0,
    method="fixed_point",
    likelihood=None,
) -> np.ndarray:
    """Draw the unknown pixels of images; the known ones stay as they are.

    Known pixels are clamped. If they come first in reading order (the top of the image,
    say), this draws exactly from the conditional p(rest | known). For any other pattern
    it does **not**: pixels before a known one never look ahead to it.

    Args:
        model: a causal Keras model from images to logits.
        images: (N, H, W, C) on the likelihood's levels; unknown pixels are ignored.
        known: boolean (H, W), True where a pixel is given.
        count: completions per image.
        seed, temperature, method, likelihood: as for `generate`.

    Returns:
        float32 (N, count, H, W, C).

    Raises:
        ValueError: if an argument is out of its range.
    """
    likelihood = likelihood_of(model, likelihood)
    images = check_images(
        images, levels=likelihood.levels, image_shape=model.input_shape[1:]
    )
    known = np.asarray(known)
    if known.dtype != bool or known.shape != images.shape[1:3]:
        raise ValueError(
            f"Expected known to be boolean of shape {images.shape[1:3]}. "
            f"Received: {known.dtype} {known.shape}"
        )
    check_positive_int("count", count)
    uniforms = _uniforms(None, seed, len(images) * count, images.shape[1:])
    start = np.repeat(images, count, axis=0) * known[:, :, None]
    drawn = _draw(model, start, known, uniforms, temperature, method, likelihood)
    return drawn.reshape(len(images), count, *images.shape[1:])


def _draw(model, images, known, uniforms, temperature, method, likelihood):
    if method not in METHODS:
        raise ValueError(
            f"Expected method to be one of {METHODS}. Received: {method!r}"
        )
    if not isinstance(temperature, int | float) or not 0 <= temperature < np.inf:
        raise ValueError(f"Expected temperature >= 0. Received: {temperature!r}")
    likelihood = likelihood_of(model, likelihood)
    logits = logits_function(model)

    def draw_all(images):
        values = likelihood.sample(logits(images), uniforms, temperature)
        return np.where(known[:, :, None], images, np.asarray(values))

    return (_naive if method == "naive" else _fixed_point)(draw_all, images, known)


def _naive(draw_all, images, known):
    images = images.copy()
    for row, col in np.argwhere(~known):
        for channel in range(images.shape[-1]):
            images[:, row, col, channel] = draw_all(images)[:, row, col, channel]
    return images


def _fixed_point(draw_all, images, known):
    # each round settles at least one more value, so the loop ends for a causal model
    for _ in range(images[0].size + 1):
        previous, images = images, draw_all(images)
        if np.array_equal(previous, images):
            return images
    raise ValueError(
        "Expected a causal model. Received one whose images did not settle after "
        "H·W·C + 1 rounds; pixelcnn_edu.causality.assert_causal(model) names the leak."
    )


def _image_shape(model, image_shape):
    own = model.input_shape[1:]
    shape = own if image_shape is None else tuple(image_shape)
    fits = len(shape) == len(own) == 3 and all(
        b is None or a == b for a, b in zip(shape, own, strict=True)
    )
    if None in shape or not fits:
        raise ValueError(
            f"Expected image_shape (H, W, C) that fits the model's input {own}. "
            f"Received: {image_shape}"
        )
    return shape


def _uniforms(uniforms, seed, count, shape):
    """One generator per image, so that image i does not depend on the count."""
    if uniforms is None:
        seeds = np.random.SeedSequence(seed).spawn(count)
        rngs = (np.random.default_rng(child) for child in seeds)
        return np.stack([rng.random(shape, dtype="float32") for rng in rngs])
    uniforms = np.asarray(uniforms, "float32")
    if (
        uniforms.shape != (count, *shape)
        or not ((0 <= uniforms) & (uniforms < 1)).all()
    ):
        raise ValueError(
            f"Expected uniforms in [0, 1) of shape {(count, *shape)}. "
            f"Received: shape {uniforms.shape}"
        )
    return uniforms

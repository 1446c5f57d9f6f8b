"""Flip one pixel of a drawn digit, and see how all later pixels change."""

from pixelcnn_edu import generation, plots
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape, check_page_seed

import numpy as np
from matplotlib.colors import to_rgb

ALMOST_ONE = np.nextafter(np.float32(1), np.float32(0))
UNCHANGED, GAINED, LOST = "#404040", plots.TARGET, "#f5b8b8"


def flip_bits(logits, image) -> np.ndarray:
    """Return the cost of the *other* value of each pixel.

    Args:
        logits: (H, W, 1), of a `Bernoulli` model for ``image``.
        image: (H, W, 1) of 0 and 1.

    Returns:
        (H, W): -log2 p(1 - pixel | the pixels before it), in bits.

    Example:
        >>> flip_bits(np.log(np.full((1, 2, 1), 3.0)), np.array([[[1], [0]]])).round(2)
        array([[2.  , 0.42]])
    """
    towards = np.where(np.asarray(image) > 0, -1.0, 1.0)  # the flip is to ink: +1
    logits = np.asarray(logits, "float64")
    return (np.logaddexp(0, -towards * logits) / np.log(2))[..., 0]


def draw_forks(model, image, uniforms, pixels):
    """For each of ``pixels``, flip it and draw all later pixels of the image again.

    Such a new image is a fork. It uses the uniform numbers of ``image``, with one
    change: the number of the flipped pixel becomes 0 (this gives ink) or almost 1
    (paper). So the earlier pixels stay. Each later pixel is drawn again by u < p(ink |
    all before it), with the same u and a new p.

    Args:
        model: a `Bernoulli` model.
        image: (H, W, 1), as drawn with ``uniforms``.
        uniforms: (H, W, 1) in [0, 1).
        pixels: n pairs (row, col).

    Returns:
        float32 (n, H, W, 1). If p(ink) is exactly 0 or 1 in float32, no uniform number
        gives the other value, and nothing changes.
    """
    u = np.repeat(uniforms[None], len(pixels), axis=0)
    for numbers, (row, col) in zip(u, pixels, strict=True):
        numbers[row, col] = flipping_number(image, row, col)
    return generation.generate(model, len(u), uniforms=u, progress=False)


def flipping_number(image, row, col):
    """Return the uniform number that flips the pixel at (row, col)."""
    return np.float32(0) if image[row, col, 0] == 0 else ALMOST_ONE


def later_changes(old, new, row, col):
    """Count the pixels after (row, col) in which images (…, H, W, 1) differ."""
    place = row * old.shape[-2] + col
    changed = (old != new).reshape(*new.shape[:-3], -1)
    return changed[..., place + 1 :].sum(axis=-1)


def first_of_seed(model, seed):
    """Return the image of ``generate(model, 1, seed=seed)``, and its uniform numbers."""
    shape = (1, *bernoulli_image_shape(model), 1)
    stream = np.random.SeedSequence(check_page_seed(seed)).spawn(1)[0]
    uniforms = np.random.default_rng(stream).random(shape, dtype="float32")
    drawn = generation.generate(model, 1, uniforms=uniforms, progress=False)
    return drawn[0], uniforms[0]


def draw_flipped(model, seed, pixels):
    """Draw the digit of a seed, and flip pixels one after another.

    After each flip all later pixels are drawn again, as `draw_forks` does.

    Args:
        model: a `Bernoulli` model.
        seed: of the digit: ``generation.generate(model, 1, seed=seed)``.
        pixels: pairs (row, col).

    Returns:
        float32 (H, W, 1).
    """
    image, uniforms = first_of_seed(model, seed)
    for row, col in pixels:
        (new,) = draw_forks(model, image, uniforms, [(row, col)])
        uniforms[row, col] = flipping_number(image, row, col)
        image = new
    return image


def difference(old, new):
    """Return (H, W, 3): ink of both images gray, new ink red, lost ink pale red."""
    page = np.ones((*old.shape[:2], 3))
    for where, color in [
        ((old == 1) & (new == 1), UNCHANGED),
        ((old == 0) & (new == 1), GAINED),
        ((old == 1) & (new == 0), LOST),
    ]:
        page[where[..., 0]] = to_rgb(color)
    return page


class Fork(Explorer):
    """Click a pixel of a drawn digit: it is flipped, and all later pixels drawn again.

    The rule: pixel k is ink if u_k < p(ink | pixels before k). A flip changes only u_k,
    to 0 or to almost 1. All other uniform numbers stay. So no earlier pixel can change,
    and the flip causes every later difference (red for new ink, pale red for lost ink).
    Below the picture is the cost of the flip, -log2 p(flipped value | pixels before it),
    and the 16 flips of this digit that change most.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        seed: of the first digit: ``generation.generate(model, 1, seed=seed)``.

    Raises:
        ValueError: if ``model`` or ``seed`` is not of that kind, or the model cannot run
            in a page.
    """

    size = (9, 4.2)

    def __init__(self, model, *, seed=0):
        bernoulli_image_shape(model)
        seed = check_page_seed(seed)
        about = "a drawn digit, and the same digit after the likeliest flip of a pixel"
        super().__init__("fork", model, about=about, seed=seed, flip="")

    def draw(self, figure):
        """Draw the digit, and what its likeliest flip changes."""
        old, uniforms = first_of_seed(self.model, self.settings["seed"])
        bits = flip_bits(logits_function(self.model)(old[None])[0], old)
        row, col = divmod(int(bits.argmin()), old.shape[1])
        (new,) = draw_forks(self.model, old, uniforms, [(row, col)])
        count = int(later_changes(old, new, row, col))
        labels = ["drawn", f"({row}, {col}) flipped: {count} later pixels change"]
        pages = [difference(old, old), difference(old, new)]
        ax = figure.add_axes((0, 0, 1, 0.95))
        plots.image_grid(pages, labels=labels, ax=ax)

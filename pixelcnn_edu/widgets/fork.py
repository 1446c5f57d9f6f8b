"""Flip one pixel of a drawn digit, and see how all later pixels change. Notebook 10."""

from pixelcnn_edu import generation, plots
from pixelcnn_edu.widgets._base import Explorer, bits, check_page_seed, ink_shape

import numpy as np
from matplotlib.colors import to_rgb

ALMOST_ONE = np.nextafter(np.float32(1), np.float32(0))
UNCHANGED, GAINED, LOST = "#404040", plots.TARGET, "#2F8FCB"


def draw_forks(model, image, uniforms, pixels):
    """For each of ``pixels``, flip it and draw all later pixels of the image again.

    Such a new image is a fork. It uses the uniform numbers of ``image``, with one
    change: the number of the flipped pixel becomes 0 (this gives ink) or almost 1
    (paper). So the earlier pixels stay. Each later pixel is drawn again by u < p(ink |
    all before it), with the same u and a new p.

    Args:
        model: a `Bernoulli` model.
        image, uniforms: (H, W, 1); the image is the one that the numbers draw.
        pixels: n pairs (row, col).

    Returns:
        float32 (n, H, W, 1). Where the network is certain, a flip changes nothing.
    """
    u = np.repeat(uniforms[None], len(pixels), axis=0)
    for numbers, (row, col) in zip(u, pixels, strict=True):
        numbers[row, col] = flipping_number(image, row, col)
    return generation.generate(model, len(u), uniforms=u, progress=False)


def flipping_number(image, row, col):
    """Return the uniform number that flips the pixel at (row, col)."""
    return np.float32(0) if image[row, col, 0] == 0 else ALMOST_ONE


def first_of_seed(model, seed):
    """Return the image of ``generate(model, 1, seed=seed)``, and its uniform numbers."""
    shape = (1, *ink_shape(model), 1)
    stream = np.random.SeedSequence(check_page_seed(seed)).spawn(1)[0]
    uniforms = np.random.default_rng(stream).random(shape, dtype="float32")
    drawn = generation.generate(model, 1, uniforms=uniforms, progress=False)
    return drawn[0], uniforms[0]


def draw_flipped(model, seed, pixels):
    """Draw the digit of a seed, flip pixels (row, col) one after another, as `draw_forks`.

    The seed is that of ``generation.generate(model, 1, seed=seed)``. The result is
    float32 (H, W, 1).
    """
    image, uniforms = first_of_seed(model, seed)
    for row, col in pixels:
        (new,) = draw_forks(model, image, uniforms, [(row, col)])
        uniforms[row, col] = flipping_number(image, row, col)
        image = new
    return image


def difference(old, new):
    """Return (H, W, 3): ink of both images gray, new ink red, lost ink blue."""
    colors = np.array([to_rgb(name) for name in ("white", GAINED, LOST, UNCHANGED)])
    return colors[(2 * old + new)[..., 0].astype(int)]


class Fork(Explorer):
    """Click a pixel of a drawn digit: it is flipped, and all later pixels drawn again.

    The rule: pixel k is ink if u_k < p(ink | pixels before k). A flip changes only u_k,
    to 0 or to almost 1. All other uniform numbers stay. So no earlier pixel can change,
    and the flip causes every later difference (red for new ink, blue for lost ink).
    Below the picture is the cost of the flip, -log2 p(flipped value | pixels before it).
    Below that are up to 16 likely flips. At most 64 flips with a probability above 5 % are
    compared; those that change most, and are at least 3 pixels apart, are shown.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        seed: of the first digit: ``generation.generate(model, 1, seed=seed)``.
    """

    size = (9, 4.2)

    def __init__(self, model, *, seed=0):
        ink_shape(model)
        seed = check_page_seed(seed)
        about = "a drawn digit, and the same digit after the likeliest flip of a pixel"
        super().__init__("fork", model, about=about, seed=seed, flip="")

    def draw(self, figure):
        """Draw the digit, and what its likeliest flip changes."""
        old, uniforms = first_of_seed(self.model, self.settings["seed"])
        cost = bits(self.model, old[None], 1 - old[None])[0]
        row, col = divmod(int(cost.argmin()), old.shape[1])
        (new,) = draw_forks(self.model, old, uniforms, [(row, col)])
        changed = old != new
        changed[row, col] = False  # the flip itself is no later pixel
        count = changed.sum()
        labels = ["drawn", f"({row}, {col}) flipped: {count} later pixels change"]
        pages = [difference(old, old), difference(old, new)]
        ax = figure.add_axes((0, 0, 1, 0.95))
        plots.image_grid(pages, labels=labels, ax=ax)

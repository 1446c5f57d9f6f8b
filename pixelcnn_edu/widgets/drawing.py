"""Digits drawn anew: finished, forked, between two labels, at any temperature."""

from pixelcnn_edu import evaluation, generation, plots
from pixelcnn_edu._checks import check_images, check_labels
from pixelcnn_edu.labels import with_labels
from pixelcnn_edu.widgets._base import (
    Explorer,
    bits,
    check_on_slider,
    check_page_seed,
    first_of_seed,
    ink_shape,
)

import numpy as np
from matplotlib.colors import to_rgb

ALMOST_ONE = np.nextafter(np.float32(1), np.float32(0))
MORPHED, SIXTEEN = 8, 16  # digits on show
UNCHANGED, GAINED, LOST = "#404040", plots.TARGET, "#2F8FCB"


class FinishMyDigit(Explorer):
    """Draw the top of a digit on a pad; after each stroke, 16 completions appear.

    If the bottom is given instead, no earlier pixel can look ahead to it. Clamping ignores
    it and only pastes it in. Particles correct this: many tops are drawn, and each gets a
    weight that says how well it leads to the bottom. A sentence says how many of them are
    effective. (If the top is given, all weights are equal.) The reader chooses 1 particle
    (clamping), 16, 64 or 256. The completions and the effective sample size are those of
    `generation.complete`, and the bits of the given pixels are a median over the
    completions.

    Args:
        model: a `Bernoulli` model for images (H, W, 1), with at least two rows.
        digits: (N, H, W, 1) of 0 and 1, for the button "a test digit". The pad starts
            with the first.
        seed: of the completions, so that only the drawing changes them.
    """

    size = (4.8, 4.8)

    def __init__(self, model, digits, *, seed=0):
        shape = (*ink_shape(model), 1)
        if shape[0] < 2:
            raise ValueError(
                "Expected model to take images of at least 2 rows, one given and one "
                f"drawn. Received: images {shape}"
            )
        self.digits = check_images(digits, name="digits", levels=2, image_shape=shape)
        about = "16 ways in which the network goes on with the top of a digit (blue)"
        first = {"given": f"0.{shape[0] // 2}", "particles": 1}
        first["future"] = check_page_seed(seed)
        super().__init__("finish", model, about=about, images=self.digits, **first)

    def draw(self, figure):
        """Draw 16 completions of the top of the first digit."""
        known = np.zeros(self.digits.shape[1:3], bool)
        known[: len(known) // 2] = True
        how = {"count": 16, "seed": self.settings["future"], "progress": False}
        (futures,) = generation.complete(self.model, self.digits[:1], known, **how)
        pages = np.repeat(1 - futures, 3, axis=-1)
        pages[(futures[..., 0] == 1) & known] = to_rgb(plots.SEEN)
        plots.image_grid(pages, columns=4, ax=figure.add_axes((0, 0, 1, 1)))


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


class Morph(Explorer):
    """Eight digits drawn by a network that is told a mixture of two labels.

    The slider moves the label vector from one label to the other. The uniform numbers
    stay, so the label causes every change. Above each digit is the label that the
    network itself gives it, of these two (Bayes' rule, equal prior).

    Args:
        model: a `Bernoulli` model for images (H, W, 1) that takes labels.
        first, second: the two labels.
        share: 0 to 1 in steps of 0.05, how much of the second label at first.
        seed: of the uniform numbers, as for ``generation.generate``.
    """

    size = (9, 1.9)

    def __init__(self, model, *, first=4, second=9, share=0.5, seed=0):
        ink_shape(model, labels=True)
        first = int(check_labels(model, first, 1, name="first")[0][0])
        second = int(check_labels(model, second, 1, name="second")[0][0])
        share = check_on_slider("share", share, "[0, 1]")
        seed = check_page_seed(seed)
        with_labels(model, np.eye(model.num_classes))  # raises if it cannot mix labels
        settings = {"from": first, "to": second, "share": share, "morph": seed}
        about = "eight digits drawn with a label vector between two labels"
        super().__init__("morph", model, about=about, **settings)

    def draw(self, figure):
        """Draw the eight digits, and how the network reads them."""
        first, second, share, seed = self.settings.values()
        how = {"seed": seed, "labels": 0, "progress": False}
        mixture = np.zeros((1, self.model.num_classes))
        mixture[0, first] += 1 - share
        mixture[0, second] += share
        mixed = with_labels(self.model, mixture)
        images = generation.generate(mixed, MORPHED, **how)
        p = posterior(self.model, images, first, second)
        ax = figure.add_axes((0.01, 0.02, 0.98, 0.72))
        plots.image_grid(images, labels=readings(p, first, second), ax=ax)
        told = f"told {1 - share:.2f} of {first} and {share:.2f} of {second}"
        figure.text(0.5, 0.92, told, size=15, ha="center", va="center")


def readings(p, first, second) -> list[str]:
    """What each digit is read as: the likelier of the two labels, and how surely."""
    return [f"{second}: {x:.0%}" if x >= 0.5 else f"{first}: {1 - x:.0%}" for x in p]


def posterior(model, images, first, second) -> np.ndarray:
    """Return p(second label | image), float64 (N,), if only two labels are possible.

    By Bayes' rule with an equal prior this is p(image | second) divided by
    p(image | first) + p(image | second). ``images`` are those of `nats_per_image`.
    """
    nats = (evaluation.nats_per_image(model, images, labels=k) for k in (first, second))
    ahead = np.subtract(*nats)  # log p(x | second) - log p(x | first)
    return 1 / (1 + np.exp(-np.clip(ahead, -700, 700)))


class TemperatureAndSeed(Explorer):
    """Sixteen images at a temperature, drawn again when a slider moves.

    Beside them is the cost of each image in nats under the model itself (temperature 1).

    Args:
        model: an `ImageModel` that runs in a page, see `export.network`. A model that
            takes labels gets label 0 at first.
        temperature: 0 to 2 in steps of 0.05, where the slider starts.
        seed: the images are those of ``generation.generate(model, 16, seed=seed,
            temperature=temperature)``.
    """

    size = (9, 4.5)

    def __init__(self, model, *, temperature=0.6, seed=0):
        heat = check_on_slider("temperature", temperature, "[0, 2]")
        first = {"temperature": heat, "sixteen": check_page_seed(seed), "label": 0}
        about = "16 images at one temperature, and their nats at temperature 1"
        super().__init__("temperature", model, about=about, **first)

    def draw(self, figure):
        """Draw the images, and what each one costs."""
        temperature, seed = self.settings["temperature"], self.settings["sixteen"]
        images, nats = drawn(self.model, temperature, seed)
        left = figure.add_axes((0.01, 0.02, 0.42, 0.84))
        plots.image_grid(images, columns=4, ax=left)
        ax = figure.add_axes((0.5, 0.2, 0.46, 0.6))
        ax.plot(nats, range(SIXTEEN, 0, -1), "o", color=plots.SEEN)
        ax.axvline(nats.mean(), color=plots.TARGET, linewidth=3)
        ax.set(xlim=(0, None), ylim=(0, SIXTEEN + 1), yticks=[])
        ax.set_xlabel("nats per image at T = 1; red: their mean")
        ax.set_ylabel("one dot per image")
        ax.spines["left"].set_visible(False)
        binary = images.shape[-1] == 1 and self.model.likelihood.levels == 2
        ink = f"{100 * images.mean():.1f} % ink. " if binary else ""
        least = "" if temperature else "Every pixel takes its most probable value.\n"
        cost = (
            f"Measured at temperature 1, they cost {nats.mean():.0f} nats on average."
        )
        text = f"T = {temperature:.2f}: {ink}{least}{cost}"
        figure.text(0.5, 0.93, text, size=15, ha="center", va="center")


def drawn(model, temperature, seed):
    """Return the images (16, H, W, C) of a seed, and their nats (16,) at temperature 1."""
    told = {"labels": 0} if len(model.inputs) > 1 else {}
    images = generation.generate(
        model, SIXTEEN, seed=seed, temperature=temperature, progress=False, **told
    )
    return images, evaluation.nats_per_image(model, images, **told)

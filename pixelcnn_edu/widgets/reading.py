"""One digit in reading order: drawn, touched, read, or guessed pixel by pixel."""

from pixelcnn_edu import export, plots
from pixelcnn_edu._checks import check_images
from pixelcnn_edu.widgets._base import (
    Explorer,
    bits,
    check_page_seed,
    first_of_seed,
    ink_shape,
    show_page,
    up_to,
)

import numpy as np

RULES = {"questions": 20, "among": 160}  # of the game
FRAMES = 8  # of a digit that draws itself
LATER = 0.3  # the gray of a pixel that the reader has not guessed yet
MOST_BITS = 5.0  # end of the color scale


class TouchableDigit(Explorer):
    """A digit that draws itself, pixel by pixel. A touched pixel flips. Notebook 00.

    All later pixels are then drawn again, with the same uniform numbers. `Fork` compares
    the two digits.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        seed: of the first digit: ``generation.generate(model, 1, seed=seed)``.
    """

    size = (9, 1.3)

    def __init__(self, model, *, seed=0):
        ink_shape(model)
        seed = check_page_seed(seed)
        about = "a digit while it is drawn, in eight steps"
        super().__init__("touch", model, about=about, touch=seed, touched="")

    def draw(self, figure):
        """Draw the digit at eight moments."""
        image, _ = first_of_seed(self.model, self.settings["touch"])
        moments = np.linspace(image.size / FRAMES, image.size, FRAMES)
        pages = np.stack([up_to(image, at) for at in moments])[..., None]
        plots.image_grid(pages, columns=FRAMES, ax=figure.add_axes((0, 0, 1, 1)))


class BeatTheNetwork(Explorer):
    """You and a network bet on the same pixels of a real digit. Notebook 01.

    You see all pixels before the next one. You choose p(ink), press *reveal*, and pay
    −log₂ of the probability that you gave to the true value. The network pays by the
    same rule, and so does a coin, which always says one half.

    The game sorts the pixels by the entropy of p(ink | earlier pixels), takes the 160 most
    uncertain ones, and asks for 20 of them at equal steps. (If it asked for the 20 most
    uncertain ones, nobody could beat the coin: over 200 test digits the network *coffee*
    would pay 19.7 bits. It pays 13.6.)

    Args:
        model: a `Bernoulli` model for images (H, W, 1), for example from `pretrained.load`.
        digits: (N, H, W, 1), or one digit (H, W, 1), of zeros and ones.
    """

    size = (4.4, 4.8)

    def __init__(self, model, digits):
        shape = (*ink_shape(model), 1)
        digits = np.asarray(digits)
        digits = digits[None] if digits.ndim == 3 else digits
        self.digits = check_images(digits, name="digits", levels=2, image_shape=shape)
        about = "you, a network and a coin bet on the next pixel."
        super().__init__("guess", model, about=about, images=self.digits, **RULES)

    def draw(self, figure):
        """Draw the first digit as it is before the first question."""
        p_ink = 2 ** -bits(self.model, self.digits[:1], 1)[0]
        first, *others = uncertain_pixels(p_ink, **self.settings)
        ax = figure.add_axes((0.02, 0.02, 0.96, 0.88))
        show_page(ax, up_to(self.digits[0], first, LATER), first)
        ax.spines[:].set_color("black")
        title = f"Question 1 of {1 + len(others)}: is the framed pixel ink?"
        figure.text(0.02, 0.93, title, size=12, weight="bold")


def uncertain_pixels(p_ink, questions, among) -> np.ndarray:
    """Return the places of the pixels to ask for, in reading order, of p(ink) (H, W).

    Example:
        >>> uncertain_pixels(np.array([[0.1, 0.4, 0.5, 0.8]]), questions=2, among=3)
        array([1, 2])
    """
    # the entropy falls with the distance from one half
    by_entropy = np.argsort(np.abs(p_ink.ravel() - 0.5), kind="stable")[:among]
    count = min(questions, len(by_entropy))
    return np.sort(by_entropy[np.arange(count) * len(by_entropy) // count])


class GenerationStepper(Explorer):
    """The image so far, and the draw of the next pixel. Notebook 09.

    It starts at the pixel of which the network is least sure. A slider draws more or fewer
    pixels, and a button goes to the next pixel with p(ink) from 0.1 to 0.9.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        seed: the image is ``generation.generate(model, 1, seed=seed)``.
    """

    def __init__(self, model, *, seed=0):
        self.shape = ink_shape(model)
        seed = check_page_seed(seed)
        about = "an image while it is drawn, and the draw of its next pixel"
        super().__init__("stepper", model, about=about, step="", stepped=seed)

    def draw(self, figure):
        """Draw the image up to the pixel of which the network is least sure."""
        image, p, u = steps(self.model, self.settings["stepped"])
        at = int(abs(p - 0.5).argmin())
        left = figure.add_axes((0.02, 0.02, 0.38, 0.86))
        show_page(left, up_to(image.reshape(self.shape), at), at)
        left.set_title("next: row {}, column {}".format(*divmod(at, self.shape[1])))
        right = figure.add_axes((0.5, 0.38, 0.46, 0.26))
        right.barh(0, p[at], color=plots.SEEN)
        right.barh(0, 1 - p[at], left=p[at], color="#E4E4E4")
        edge = plots.with_edge(4)
        right.axvline(u[at], color=plots.TARGET, linewidth=4, path_effects=edge)
        right.set(xlim=(0, 1), yticks=[])
        right.set_xlabel("uniform number, 0 to 1: ink left of p")
        digits = 2 if abs(u[at] - p[at]) > 0.01 else 5
        relation, value = ("<", "ink") if image[at] else ("≥", "paper")
        right.set_title(
            f"u = {u[at]:.{digits}f} {relation} p = {p[at]:.{digits}f}: {value}"
        )


def steps(model, seed):
    """Return what decides each pixel of the image ``generate(model, 1, seed=seed)``.

    One pass of the network over the *finished* image computes all H·W probabilities.
    This is correct because p of a pixel depends on earlier pixels only.

    Returns:
        The image, p(ink) and the uniform number u, each (H·W,): ink if u < p.
    """
    image, uniforms = first_of_seed(model, seed)
    p_ink = 2 ** -bits(model, image[None], 1)
    return image.ravel(), p_ink.ravel(), uniforms.ravel()


class BitReader(Explorer):
    """An image up to the next pixel, and the bits that the next pixel costs. Notebook 18.

    It starts at the pixel of the first image that costs most. A slider reads more or fewer
    pixels, and a button goes to the next pixel of more than 1 bit.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        images: (N, H, W, 1) of 0 and 1, up to 100 of them.
    """

    size = (9, 3.1)

    def __init__(self, model, images):
        shape, most = (*ink_shape(model), 1), export.MOST_IMAGES
        images = check_images(images, levels=2, image_shape=shape, at_most=most)
        self.first = np.array(images[:1])
        about = "what each pixel of a digit costs, in reading order"
        super().__init__("bits", model, about=about, images=images)

    def draw(self, figure):
        """Draw the first image up to its dearest pixel, the bits, and their sum."""
        cost = bits(self.model, self.first, self.first)[0]
        at, paid = int(cost.argmax()), np.append(0, cost.cumsum())
        left, middle = (figure.add_axes((x, 0.03, 0.29, 0.84)) for x in (0.01, 0.32))
        show_page(left, up_to(self.first[0], at), at)
        show_page(middle, cost, at, cmap="cividis", vmax=MOST_BITS)
        left.set_title("what it has seen", size=14)
        middle.set_title("bits: blue 0, yellow 5 or more", size=14)
        ax = figure.add_axes((0.71, 0.21, 0.27, 0.66))
        ax.plot(paid)
        ax.set(xlabel="pixels read", ylabel="bits paid")
        ax.set_title(f"{paid[at]:.1f} of {paid[-1]:.1f} bits", size=14)

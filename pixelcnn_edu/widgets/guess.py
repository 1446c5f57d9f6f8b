"""A game: give the next pixel a probability, and pay in bits. Notebook 01."""

from pixelcnn_edu import plots
from pixelcnn_edu._checks import check_images, check_positive_int
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape

import numpy as np

LATER = 0.3  # the gray of pixels not read yet; paper is 0, ink is 1


class BeatTheNetwork(Explorer):
    """You and a network bet on the same pixels of a real digit, in reading order.

    You see all pixels before the next one. You choose p(ink), press *reveal*, and pay
    −log₂ of the probability that you gave to the true value. The network pays by the
    same rule, and so does a coin, which always says one half.

    The game asks for pixels of which the network is unsure. It sorts the pixels by the
    entropy of p(ink | earlier pixels), takes the ``among`` most uncertain ones, and
    asks for ``questions`` of them at equal steps. With ``among=questions`` it asks for
    the most uncertain pixels only, and nobody can beat the coin there: over 200 test
    digits the network *coffee* then pays 19.7 bits for 20 questions. With the default
    it pays 13.6.

    Args:
        model: a `Bernoulli` model for images (H, W, 1), for example from `pretrained.load`.
        digits: (N, H, W, 1), or one digit (H, W, 1), of zeros and ones.
        questions: pixels asked for each digit.
        among: the questions come from this many most uncertain pixels.

    Raises:
        ValueError: if an argument is out of its range, or the model cannot run in a page.
    """

    size = (4.4, 4.8)

    def __init__(self, model, digits, *, questions=20, among=160):
        shape = (*bernoulli_image_shape(model), 1)
        digits = np.asarray(digits)
        digits = digits[None] if digits.ndim == 3 else digits
        self.digits = check_images(digits, name="digits", levels=2, image_shape=shape)
        questions = check_positive_int("questions", questions)
        among = check_positive_int("among", among)
        if among < questions:
            raise ValueError(
                f"Expected among to be at least questions={questions}. Received: {among}"
            )
        super().__init__(
            "guess",
            model,
            about="you, a network and a coin bet on the next pixel.",
            images=self.digits,
            questions=questions,
            among=among,
        )

    def draw(self, figure):
        """Draw the first digit as it is before the first question."""
        logits = logits_function(self.model)(self.digits[:1])[0, ..., 0]
        p_ink = 1 / (1 + np.exp(-logits.astype("float64")))
        count = self.settings["questions"]
        first, *others = uncertain_pixels(p_ink, count, self.settings["among"])
        digit = self.digits[0].ravel()
        shown = np.where(np.arange(digit.size) < first, digit, LATER)
        ax = figure.add_axes((0.02, 0.02, 0.96, 0.88))
        ax.imshow(shown.reshape(p_ink.shape), vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
        row, col = divmod(int(first), p_ink.shape[1])
        plots.frame(ax, col - 0.5, row - 0.5)
        title = f"Question 1 of {1 + len(others)}: is the framed pixel ink?"
        figure.text(0.02, 0.93, title, size=12, weight="bold")


def uncertain_pixels(p_ink, questions, among) -> np.ndarray:
    """Return the places of the pixels to ask for, in reading order.

    Args:
        p_ink: (H, W), the probability of ink of each pixel.
        questions, among: as for `BeatTheNetwork`.

    Example:
        >>> uncertain_pixels(np.array([[0.1, 0.4, 0.5, 0.8]]), 2, 3)
        array([1, 2])
    """
    # the entropy falls with the distance from one half
    by_entropy = np.argsort(np.abs(p_ink.ravel() - 0.5), kind="stable")[:among]
    count = min(questions, len(by_entropy))
    return np.sort(by_entropy[np.arange(count) * len(by_entropy) // count])

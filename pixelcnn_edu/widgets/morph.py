"""Digits between two labels: what a network draws for a mixture. Notebook 16."""

from pixelcnn_edu import evaluation, generation, plots
from pixelcnn_edu._checks import check_labels
from pixelcnn_edu.labels import with_labels
from pixelcnn_edu.widgets._base import (
    Explorer,
    check_on_slider,
    check_page_seed,
    ink_shape,
)

import numpy as np

COUNT = 8


def posterior(model, images, first, second) -> np.ndarray:
    """Return p(second label | image), float64 (N,), if only two labels are possible.

    By Bayes' rule with an equal prior this is p(image | second) divided by
    p(image | first) + p(image | second). ``images`` are those of `nats_per_image`.
    """
    nats = (evaluation.nats_per_image(model, images, labels=k) for k in (first, second))
    ahead = np.subtract(*nats)  # log p(x | second) - log p(x | first)
    return 1 / (1 + np.exp(-np.clip(ahead, -700, 700)))


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
        images = generation.generate(mixed, COUNT, **how)
        p = posterior(self.model, images, first, second)
        ax = figure.add_axes((0.01, 0.02, 0.98, 0.72))
        plots.image_grid(images, labels=readings(p, first, second), ax=ax)
        told = f"told {1 - share:.2f} of {first} and {share:.2f} of {second}"
        figure.text(0.5, 0.92, told, size=15, ha="center", va="center")


def readings(p, first, second) -> list[str]:
    """What each digit is read as: the likelier of the two labels, and how surely."""
    return [f"{second}: {x:.0%}" if x >= 0.5 else f"{first}: {1 - x:.0%}" for x in p]

"""Draw half a digit, and the network completes it in 16 ways. Notebook 11."""

from pixelcnn_edu import generation, plots
from pixelcnn_edu._checks import check_images
from pixelcnn_edu.widgets._base import Explorer, check_page_seed, ink_shape

import numpy as np
from matplotlib.colors import to_rgb


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

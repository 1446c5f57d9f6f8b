"""A digit that draws itself, and that can be touched. Notebook 00."""

from pixelcnn_edu import plots
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape, check_page_seed
from pixelcnn_edu.widgets.fork import first_of_seed

import numpy as np

NOT_YET = 0.25  # the gray of a pixel that is not drawn
FRAMES = 8


class TouchableDigit(Explorer):
    """A digit that draws itself, pixel by pixel. A touched pixel flips.

    All later pixels are then drawn again, with the same uniform numbers. `Fork` compares
    the two digits.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        seed: of the first digit: ``generation.generate(model, 1, seed=seed)``.

    Raises:
        ValueError: if ``model`` or ``seed`` is not of that kind, or the model cannot run
            in a page.
    """

    size = (9, 1.3)

    def __init__(self, model, *, seed=0):
        bernoulli_image_shape(model)
        seed = check_page_seed(seed)
        about = "a digit while it is drawn, in eight steps"
        super().__init__("touch", model, about=about, touch=seed, touched="")

    def draw(self, figure):
        """Draw the digit at eight moments."""
        image, _ = first_of_seed(self.model, self.settings["touch"])
        place = np.arange(image.size).reshape(image.shape)
        moments = np.linspace(image.size / FRAMES, image.size, FRAMES)
        pages = np.stack([np.where(place < at, image, NOT_YET) for at in moments])
        plots.image_grid(pages, columns=FRAMES, ax=figure.add_axes((0, 0, 1, 1)))

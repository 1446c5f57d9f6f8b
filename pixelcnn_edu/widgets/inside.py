"""Look inside a network: what a pixel depends on, and how its probability is made."""

from pixelcnn_edu import causality, generation, plots
from pixelcnn_edu._checks import check_model
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets._base import Explorer, check_page_seed

import numpy as np
from matplotlib.colors import to_rgb

FIELD_IMAGES = 8  # random images whose gradients find the receptive field


class Inside(Explorer):
    """Click a pixel of a drawn image to see how the network computes its probability.

    The explorer shows the earlier pixels that the pixel's logits depend on (its receptive
    field); the features of any layer; and, for the last convolution, the products of
    features and weights, which sum to the logit with the bias.

    Args:
        model: an `ImageModel` that runs in a page, see `export.network`. A model that
            takes labels gets label 0 at first.
        seed: of the first image: ``generation.generate(model, 1, seed=seed)``.

    Raises:
        ValueError: if ``model`` or ``seed`` is not of that kind.
    """

    def __init__(self, model, seed=0):
        check_model(model)
        seed = check_page_seed(seed)
        about = "a drawn image, the receptive field of a pixel, and its probabilities"
        first = {"look": seed, "pixel": "", "layer": "", "lookclass": 0}
        super().__init__("inside", model, about=about, **first)

    def draw(self, figure):
        """Draw the pixel that costs most: its receptive field and its probabilities."""
        image, p, row, col = costliest_pixel(self.model, self.settings["look"])
        field = causality.receptive_field(self.model, row, col, images=FIELD_IMAGES)
        gray = np.repeat(1 - image[..., :1], 3, axis=-1)
        page = image.copy() if image.shape[-1] == 3 else gray
        page[field] = 0.6 * page[field] + 0.4 * np.array(to_rgb(plots.SEEN))
        page[row, col] = to_rgb(plots.TARGET)
        plots.image_grid([page], ax=figure.add_axes((0, 0.02, 0.42, 0.86)))
        figure.text(0.02, 0.93, f"row {row}, column {col} depends on the blue pixels")
        ax = figure.add_axes((0.52, 0.16, 0.45, 0.7))
        ax.bar(range(len(p)), p, color=plots.TARGET)
        of_red = " of red" * (image.shape[-1] == 3)
        ax.set(xlabel="level", title=f"probability of each level{of_red}")
        ax.locator_params(axis="x", integer=True)


def costliest_pixel(model, seed):
    """Return the image of a seed, and the pixel in it that costs most.

    Returns:
        The image (H, W, C), the probabilities of the levels of the pixel's first channel,
        its row, and its column.
    """
    check_model(model)
    labels = [np.zeros(1, "int32")] * (len(model.inputs) - 1)
    told = {"labels": 0} if labels else {}
    images = generation.generate(model, 1, seed=seed, progress=False, **told)
    logits = logits_function(model)(images, *labels)
    cost = -np.asarray(model.likelihood.log_prob_of_pixels(logits, images))[0]
    row, col = (int(i) for i in np.unravel_index(cost.argmax(), cost.shape))
    p = np.asarray(model.likelihood.probabilities(logits, images))[0, row, col, 0]
    return images[0], p, row, col

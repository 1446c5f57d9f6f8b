"""Reading an image pixel by pixel, with what each pixel costs: notebook 18."""

from pixelcnn_edu import export
from pixelcnn_edu._checks import check_images
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape
from pixelcnn_edu.widgets.stepper import draw_up_to, frame_next

import numpy as np

MOST_BITS = 5.0  # end of the color scale


def bits_of_pixels(model, images) -> np.ndarray:
    """Return what each pixel costs: -log2 p(pixel | the pixels before it).

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        images: (N, H, W, 1) of 0 and 1.

    Returns:
        float64 (N, H, W), in bits.
    """
    logits = logits_function(model)(images).astype("float64")
    return ((np.logaddexp(0, logits) - images * logits) / np.log(2))[..., 0]


class BitReader(Explorer):
    """An image up to the next pixel, and the bits that the next pixel costs.

    It starts at the pixel of the first image that costs most. A slider reads more or fewer
    pixels, and a button goes to the next pixel of more than 1 bit.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        images: (N, H, W, 1) of 0 and 1, up to 100 of them.

    Raises:
        ValueError: a model or images of another kind, or the model cannot run in a page.
    """

    size = (9, 3.6)

    def __init__(self, model, images):
        self.shape = bernoulli_image_shape(model)
        shape, most = (*self.shape, 1), export.MOST_IMAGES
        images = check_images(images, levels=2, image_shape=shape, at_most=most)
        self.first = np.array(images[:1])
        about = "what each pixel of a digit costs, in reading order"
        super().__init__("bits", model, about=about, images=images)

    def draw(self, figure):
        """Draw the first image up to its dearest pixel, the bits, and their sum."""
        image, bits = self.first.ravel(), bits_of_pixels(self.model, self.first)[0]
        at, paid = int(bits.argmax()), np.append(0, bits.cumsum())
        page, cost = (figure.add_axes((x, 0.04, 0.29, 0.72)) for x in (0.01, 0.32))
        draw_up_to(page, image, at, self.shape)
        cost.imshow(bits, cmap="cividis", vmin=0, vmax=MOST_BITS)
        frame_next(cost, at, self.shape)
        page.set_title("what it has seen", size=14)
        cost.set_title("bits: blue 0, yellow 5 or more", size=14)
        ax = figure.add_axes((0.71, 0.19, 0.27, 0.57))
        ax.plot(paid)
        ax.set(xlabel="pixels read", ylabel="bits paid")
        ax.set_title(f"{paid[at]:.1f} of {paid[-1]:.1f} bits", size=14)

"""Drawing one image, pixel by pixel: the loop of notebook 09 in single steps."""

from pixelcnn_edu import plots
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape, check_page_seed
from pixelcnn_edu.widgets.fork import first_of_seed

import numpy as np

NOT_YET = 0.25  # the gray of a pixel that is not drawn


def steps(model, seed):
    """Return what decides each pixel of the image ``generate(model, 1, seed=seed)``.

    One pass of the network over the *finished* image computes all H·W probabilities.
    This is correct because p of a pixel depends on earlier pixels only.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        seed: of the image.

    Returns:
        The image (0 or 1), p(ink), and the uniform number that decides, each (H·W,) in
        reading order: a pixel is ink if u < p.
    """
    image, uniforms = first_of_seed(model, seed)
    logits = logits_function(model)(image[None])[0].astype("float64")
    return image.ravel(), 1 / (1 + np.exp(-logits)).ravel(), uniforms.ravel()


class GenerationStepper(Explorer):
    """The image so far, and the draw of the next pixel.

    It starts at the pixel of which the network is least sure. A slider draws more or fewer
    pixels, and a button goes to the next pixel with p(ink) from 0.1 to 0.9.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        seed: the image is ``generation.generate(model, 1, seed=seed)``.

    Raises:
        ValueError: if ``model`` or ``seed`` is not of that kind, or the model cannot run
            in a page.
    """

    def __init__(self, model, *, seed=0):
        self.shape = bernoulli_image_shape(model)
        seed = check_page_seed(seed)
        about = "an image while it is drawn, and the draw of its next pixel"
        super().__init__("stepper", model, about=about, step="", stepped=seed)

    def draw(self, figure):
        """Draw the image up to the pixel of which the network is least sure."""
        image, p, u = steps(self.model, self.settings["stepped"])
        at = int(abs(p - 0.5).argmin())
        left = figure.add_axes((0.02, 0.02, 0.38, 0.86))
        draw_up_to(left, image, at, self.shape)
        left.set_title("next: row {}, column {}".format(*divmod(at, self.shape[1])))
        right = figure.add_axes((0.5, 0.38, 0.46, 0.26))
        right.barh(0, p[at], color=plots.SEEN)
        right.barh(0, 1 - p[at], left=p[at], color="#E4E4E4")
        edge = plots.with_edge(4)
        right.axvline(u[at], color=plots.TARGET, linewidth=4, path_effects=edge)
        right.set(xlim=(0, 1), yticks=[])
        right.set_xlabel("uniform number, 0 to 1: ink left of p")
        value = "< p = {:.2f}: ink" if image[at] else "≥ p = {:.2f}: paper"
        right.set_title(f"u = {u[at]:.2f} {value.format(p[at])}")


def draw_up_to(ax, image, at, shape):
    """Draw the first ``at`` pixels of an image, and a frame around the next one."""
    page = np.where(np.arange(len(image)) < at, image, NOT_YET)
    ax.imshow(page.reshape(shape), vmin=0, vmax=1)
    frame_next(ax, at, shape)


def frame_next(ax, at, shape):
    """Draw a frame around pixel ``at``."""
    row, col = divmod(at, shape[1])
    plots.frame(ax, col - 0.5, row - 0.5)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=plots.FRAME)

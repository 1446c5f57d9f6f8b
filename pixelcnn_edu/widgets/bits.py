"""Reading an image pixel by pixel, with what each pixel costs: notebook 15."""

from pixelcnn_edu import models, plots
from pixelcnn_edu._checks import check_images
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape
from pixelcnn_edu.widgets.stepper import NOT_YET

import ipywidgets
import numpy as np
from matplotlib.patches import Rectangle

DEAR = 1.0  # bits: the other value had a probability above 1/2
MOST_BITS = 5.0  # end of the color scale


class BitReader(Explorer):
    """An image up to the next pixel, and the bits that the next pixel costs.

    One pass of the network over all images computes all costs. So no later step needs
    the network.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        images: (N, H, W, 1) of 0 and 1, up to 100 of them.

    Attributes:
        digit, read: the sliders; ``read`` says how many pixels are read already.
        dear: the button that jumps to the next pixel of more than 1 bit.
        images, p, bits: (N, H·W) in reading order: ink (0 or 1), p(ink), and the cost.

    Raises:
        ValueError: a model or images of another kind.
    """

    size = (9, 3.6)

    def __init__(self, model, images):
        super().__init__()
        self.shape = bernoulli_image_shape(model)
        images = check_images(images, levels=2, image_shape=(*self.shape, 1))
        if len(images) > 100:
            raise ValueError(f"Expected up to 100 images. Received: {len(images)}")
        logits = np.asarray(models.logits_function(model)(images), "float64")
        cost = np.logaddexp(0, logits) - images * logits
        self.images, self.p, self.bits = (
            values.reshape(len(images), -1)
            for values in (images, 1 / (1 + np.exp(-logits)), cost / np.log(2))
        )
        wide = ipywidgets.Layout(width="450px")
        self.digit = ipywidgets.IntSlider(0, 0, len(images) - 1, description="digit")
        first = int(self.bits[0].argmax())
        last = self.bits.shape[1]
        self.read = ipywidgets.IntSlider(
            first, 0, last, description="read", layout=wide
        )
        self.dear = ipywidgets.Button(description="next pixel above 1 bit")
        self.dear.layout.width = "auto"
        self.dear.on_click(self._next_dear)
        self.read.observe(self.refresh, "value")
        self.digit.observe(self.refresh, "value")
        self.start(
            ipywidgets.HBox([self.read, self.dear]),
            self.digit,
            about="what each pixel of a digit costs, in reading order",
        )

    def _next_dear(self, _button):
        later = np.flatnonzero(self.bits[self.digit.value] > DEAR)
        later = later[later > self.read.value]
        self.read.value = int(later[0]) if len(later) else self.read.max

    def sentence(self) -> str:
        """Return the value of the next pixel and its cost, in words."""
        at, digit = self.read.value, self.digit.value
        if at == self.read.max:
            return "all pixels are read"
        row, col = divmod(at, self.shape[1])
        value = "ink" if self.images[digit, at] else "paper"
        p, bits = self.p[digit, at], self.bits[digit, at]
        return (
            f"row {row}, column {col}: p(ink) = {p:.3f}; it is {value}: {bits:.2f} bits"
        )

    def draw(self, figure):
        figure.text(0.5, 0.985, self.sentence(), size=16, ha="center", va="top")
        at, digit = self.read.value, self.digit.value
        read = np.arange(self.read.max) < at
        known = np.where(read, self.images[digit], NOT_YET)
        page = figure.add_axes((0.01, 0.04, 0.29, 0.72))
        page.imshow(known.reshape(self.shape), vmin=0, vmax=1)
        page.set_title("what it has seen", size=14)
        cost = figure.add_axes((0.32, 0.04, 0.29, 0.72))
        bits = np.minimum(self.bits[digit], MOST_BITS).reshape(self.shape)
        cost.imshow(bits, cmap="cividis", vmin=0, vmax=MOST_BITS)
        cost.set_title("bits: blue 0, yellow 5 or more", size=14)
        for ax in (page, cost):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color="#BBBBBB")
            if at < self.read.max:
                row, col = divmod(at, self.shape[1])
                frame = Rectangle((col - 0.5, row - 0.5), 1, 1, fill=False)
                frame.set(edgecolor=plots.TARGET, linewidth=3)
                ax.add_patch(frame)
        self._draw_sum(figure.add_axes((0.71, 0.19, 0.27, 0.57)))

    def _draw_sum(self, ax):
        """Draw the bits paid before each pixel, and the current position."""
        at, bits = self.read.value, self.bits[self.digit.value]
        paid = np.concatenate([[0], bits.cumsum()])
        ax.plot(paid)
        ax.plot(at, paid[at], "o", color=plots.TARGET, markersize=9)
        ax.set(xlabel="pixels read", ylabel="bits paid")
        ax.set_title(f"{paid[at]:.1f} of {paid[-1]:.1f} bits", size=14)
        ax.grid(alpha=0.3)

"""Drawing one image, pixel by pixel: the loop of notebook 09 in single steps."""

import itertools

from pixelcnn_edu import generation, models, plots
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape, seed_slider

import ipywidgets
import numpy as np
from matplotlib.patches import Rectangle

DOUBTFUL = 0.1, 0.9  # p(ink) between these
NOT_YET = 0.25  # the gray of a pixel that is not drawn


class GenerationStepper(Explorer):
    """The image so far, and the draw of the next pixel.

    One pass of the network over the *finished* image computes all H·W probabilities.
    This is correct because p of a pixel depends on earlier pixels only. All ten images
    are drawn when the explorer is made. So no later step needs the network.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        seed: 0 to 9; the image is ``generation.generate(model, 1, seed=seed)``.

    Attributes:
        drawn, seed: the sliders; ``drawn`` says how many pixels are drawn already.
        doubtful: the button that jumps to the next pixel with p(ink) from 0.1 to 0.9.
        images, p, u: (10, H·W) by seed, in reading order: ink (0 or 1), p(ink), and the
            uniform number that decides.
    """

    def __init__(self, model, *, seed=0):
        super().__init__()
        self.shape = bernoulli_image_shape(model)
        self.seed = seed_slider(seed)
        self.images, self.p, self.u = self._ten_images(model)
        doubts = abs(self.p[self.seed.value] - 0.5)
        first = int(doubts.argmin())  # the pixel of which the network is least sure
        last = self.p.shape[1]
        wide = ipywidgets.Layout(width="450px")
        self.drawn = ipywidgets.IntSlider(
            first, 0, last, description="drawn", layout=wide
        )
        self.play = ipywidgets.Play(
            value=first, min=0, max=last, step=4, interval=200, show_repeat=False
        )
        self._link = ipywidgets.jslink((self.play, "value"), (self.drawn, "value"))
        self.doubtful = ipywidgets.Button(description="next doubtful pixel")
        self.doubtful.on_click(self._next_doubtful)
        self.drawn.observe(self.refresh, "value")
        self.seed.observe(self.refresh, "value")
        self.start(
            ipywidgets.HBox([self.drawn, self.play, self.doubtful]),
            self.seed,
            about="an image while it is drawn, and the draw of its next pixel",
        )

    def _ten_images(self, model):
        # the uniform numbers of the first image of generate() with this seed
        streams = [np.random.SeedSequence(seed).spawn(1)[0] for seed in range(10)]
        rngs = [np.random.default_rng(stream) for stream in streams]
        uniforms = np.stack([rng.random((*self.shape, 1), "float32") for rng in rngs])
        # ten images once: for "cached" the compilation takes longer than the drawing
        images = generation.generate(
            model, 10, uniforms=uniforms, method="fixed_point", progress=False
        )
        logits = models.logits_function(model)(images).astype("float64")
        p = 1 / (1 + np.exp(-logits))
        return [values.reshape(10, -1) for values in (images, p, uniforms)]

    def _next_doubtful(self, _button):
        p, (low, high) = self.p[self.seed.value], DOUBTFUL
        later = np.flatnonzero((low < p) & (p < high))
        later = later[later > self.drawn.value]
        self.drawn.value = int(later[0]) if len(later) else len(p)

    def sentence(self) -> str:
        """What happens at the next pixel, such as u = 0.31 < p = 0.62: ink."""
        at, seed = self.drawn.value, self.seed.value
        if at == self.p.shape[1]:
            ink, p = self.images[seed], self.p[seed]
            nats = -np.log(np.where(ink == 1, p, 1 - p)).sum()
            return f"finished, at a cost of {nats:.0f} nats"
        p, u = self.p[seed, at], self.u[seed, at]
        digits = 2 if abs(u - p) > 0.01 else 5
        relation, value = ("<", "ink") if self.images[seed, at] else ("≥", "paper")
        return f"u = {u:.{digits}f} {relation} p = {p:.{digits}f}: {value}"

    def draw(self, figure):
        left = figure.add_axes((0.02, 0.02, 0.38, 0.86))
        self._draw_picture(left)
        right = figure.add_axes((0.5, 0.38, 0.46, 0.26))
        if self.drawn.value < self.p.shape[1]:
            self._draw_draw(right)
        else:
            right.set_axis_off()
        right.set_title(self.sentence(), size=17, pad=34)

    def _draw_picture(self, ax):
        at, (height, width) = self.drawn.value, self.shape
        image = self.images[self.seed.value]
        page = np.where(np.arange(len(image)) < at, image, NOT_YET)
        ax.imshow(page.reshape(height, width), vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color="#BBBBBB")
        title = f"{at} of {height * width} pixels drawn"
        if at < height * width:
            row, col = divmod(at, width)
            title = f"next: row {row}, column {col}"
            frame = Rectangle((col - 0.5, row - 0.5), 1, 1, fill=False)
            frame.set(edgecolor=plots.TARGET, linewidth=3)
            ax.add_patch(frame)
        ax.set_title(title)

    def _draw_draw(self, ax):
        """Draw the interval from 0 to 1: ink from 0 to p, paper from p to 1, and u."""
        here = self.seed.value, self.drawn.value
        p, u = self.p[here], self.u[here]
        ax.axvline(u, color=plots.TARGET, linewidth=4)
        for start, share, name, color, back in (
            (0, p, "ink", "white", plots.SEEN),
            (p, 1 - p, "paper", "black", "#E4E4E4"),
        ):
            ax.barh(0, share, left=start, color=back)
            end = start + share
            cuts = [start, u, end] if start < u < end else [start, end]
            left, right = max(itertools.pairwise(cuts), key=lambda cut: cut[1] - cut[0])
            if right - left > 0.15:  # room for the word, beside u
                word = ax.text((left + right) / 2, 0, name, color=color, size=15)
                word.set(ha="center", va="center")
        ax.text(u, 0.46, "u", color=plots.TARGET, ha="center", va="bottom", size=15)
        ax.set(xlim=(0, 1), ylim=(-0.4, 0.4), yticks=[])
        ax.set_xlabel("uniform number, 0 to 1: ink left of p")
        ax.spines["left"].set_visible(False)

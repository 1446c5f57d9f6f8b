"""Sixteen images at any temperature, and their cost at temperature 1."""

from pixelcnn_edu import evaluation, generation, plots
from pixelcnn_edu._checks import check_number
from pixelcnn_edu.widgets._base import (
    Explorer,
    binary_image_shape,
    checksums,
    seed_slider,
)

import ipywidgets
import numpy as np

COUNT = 16


class TemperatureAndSeed(Explorer):
    """Sixteen images at a temperature, drawn again when a slider moves.

    Beside them is the cost of each image in nats under the model itself (temperature
    1).

    Args:
        model: draws images (H, W, 1) of two levels.
        temperature: 0 to 2, where the slider starts.
        seed: 0 to 9; the images are those of ``generation.generate(model, 16, seed=seed,
            temperature=temperature)``.

    Attributes:
        temperature, seed: the sliders.
        images: (16, H, W, 1), the current images.
        nats: (16,), their cost in nats at temperature 1.
        usual: mean cost in nats of 64 images drawn at temperature 1.
    """

    size = (9, 4.5)

    def __init__(self, model, *, temperature=0.6, seed=0):
        super().__init__()
        binary_image_shape(model)
        temperature = check_number("temperature", temperature, "[0, 2]")
        self.model = model
        self.seed = seed_slider(seed)
        self.temperature = ipywidgets.FloatSlider(
            temperature, min=0, max=2, step=0.05, description="temperature"
        )
        self.temperature.layout.width = "450px"
        for slider in (self.temperature, self.seed):
            slider.style.description_width = "90px"
        self._of_weights = None
        self.temperature.observe(self.refresh, "value")
        self.seed.observe(self.refresh, "value")
        self.start(
            self.temperature,
            self.seed,
            about="16 images at one temperature, and their nats at temperature 1",
        )

    def _drawn(self, temperature, seed):
        # 1e-6 gives the same images as 0 (but for ties, of an untrained network, say), and
        # 0 needs a second compilation of seconds
        return generation.generate(
            self.model,
            COUNT,
            seed=seed,
            temperature=max(temperature, 1e-6),
            progress=False,
        )

    def sentence(self) -> str:
        """Temperature, share of ink, and cost, such as T = 0.60: 8.6 % ink, 53 nats …"""
        return (
            f"T = {self.temperature.value:.2f}: {100 * self.images.mean():.1f} % ink, "
            f"{self.nats.mean():.0f} nats per image"
        )

    def _find_usual(self):
        """Find the usual cost, again if the model has learned on."""
        of_weights = checksums(self.model)
        if of_weights != self._of_weights:
            four = [
                evaluation.nats_per_image(self.model, self._drawn(1, seed))
                for seed in range(4)
            ]
            self.usual, self._of_weights = float(np.mean(four)), of_weights

    def draw(self, figure):
        self._find_usual()
        self.images = self._drawn(self.temperature.value, self.seed.value)
        self.nats = evaluation.nats_per_image(self.model, self.images)
        left = figure.add_axes((0.01, 0.02, 0.42, 0.84))
        plots.image_grid(self.images, columns=4, ax=left)
        self._draw_cost(figure.add_axes((0.5, 0.2, 0.46, 0.5)))
        figure.text(0.5, 0.93, self.sentence(), size=17, ha="center", va="center")

    def _draw_cost(self, ax):
        """Draw each image as a dot at its nats, the first image at the top."""
        ax.axvline(self.usual, color="black", linewidth=1.5, linestyle="--")
        ax.text(self.usual, COUNT, " usual at T = 1", va="bottom", size=12)
        ax.plot(self.nats, range(COUNT, 0, -1), "o", color=plots.SEEN)
        ax.axvline(self.nats.mean(), color=plots.TARGET, linewidth=3)
        right = max(4 * self.usual, 1.1 * self.nats.max())
        ax.set(xlim=(0, right), ylim=(0, COUNT + 2), yticks=[])
        ax.set_xlabel("nats per image at T = 1; red: their mean")
        ax.set_ylabel("one dot per image")
        ax.spines["left"].set_visible(False)

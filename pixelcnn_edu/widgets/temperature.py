"""Sixteen images at any temperature, and their cost at temperature 1. Notebook 09."""

from pixelcnn_edu import evaluation, generation, plots
from pixelcnn_edu._checks import check_model
from pixelcnn_edu.widgets._base import Explorer, check_on_slider, check_page_seed

COUNT = 16


class TemperatureAndSeed(Explorer):
    """Sixteen images at a temperature, drawn again when a slider moves.

    Beside them is the cost of each image in nats under the model itself (temperature 1).

    Args:
        model: an `ImageModel` that runs in a page, see `export.network`. A model that
            takes labels gets label 0 at first.
        temperature: 0 to 2 in steps of 0.05, where the slider starts.
        seed: the images are those of ``generation.generate(model, 16, seed=seed,
            temperature=temperature)``.
    """

    size = (9, 4.5)

    def __init__(self, model, *, temperature=0.6, seed=0):
        check_model(model)
        heat = check_on_slider("temperature", temperature, "[0, 2]")
        first = {"temperature": heat, "sixteen": check_page_seed(seed), "label": 0}
        about = "16 images at one temperature, and their nats at temperature 1"
        super().__init__("temperature", model, about=about, **first)

    def draw(self, figure):
        """Draw the images, and what each one costs."""
        temperature, seed = self.settings["temperature"], self.settings["sixteen"]
        images, nats = drawn(self.model, temperature, seed)
        left = figure.add_axes((0.01, 0.02, 0.42, 0.84))
        plots.image_grid(images, columns=4, ax=left)
        ax = figure.add_axes((0.5, 0.2, 0.46, 0.6))
        ax.plot(nats, range(COUNT, 0, -1), "o", color=plots.SEEN)
        ax.axvline(nats.mean(), color=plots.TARGET, linewidth=3)
        ax.set(xlim=(0, None), ylim=(0, COUNT + 1), yticks=[])
        ax.set_xlabel("nats per image at T = 1; red: their mean")
        ax.set_ylabel("one dot per image")
        ax.spines["left"].set_visible(False)
        binary = images.shape[-1] == 1 and self.model.likelihood.levels == 2
        ink = f"{100 * images.mean():.1f} % ink. " if binary else ""
        least = "" if temperature else "Every pixel takes its most probable value.\n"
        cost = (
            f"Measured at temperature 1, they cost {nats.mean():.0f} nats on average."
        )
        text = f"T = {temperature:.2f}: {ink}{least}{cost}"
        figure.text(0.5, 0.93, text, size=15, ha="center", va="center")


def drawn(model, temperature, seed):
    """Return the images (16, H, W, C) of a seed, and their nats (16,) at temperature 1."""
    check_model(model)
    told = {"labels": 0} if len(model.inputs) > 1 else {}
    images = generation.generate(
        model, COUNT, seed=seed, temperature=temperature, progress=False, **told
    )
    return images, evaluation.nats_per_image(model, images, **told)

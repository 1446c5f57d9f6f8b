"""Digits between two labels: what a network draws for a mixture of both."""

from pixelcnn_edu import evaluation, generation, plots
from pixelcnn_edu._checks import check_model, check_number, is_int, plain
from pixelcnn_edu.models import ImageModel
from pixelcnn_edu.widgets._base import Explorer, binary_image_shape, seed_slider

import ipywidgets
import keras
import numpy as np

COUNT = 8


def with_labels(model, mixtures) -> ImageModel:
    """Return a copy of a conditional model whose labels are mixtures of the old ones.

    The effect of a label is linear in its one-hot vector y: the network adds V y
    (notebook 13). The copy has the matrix ``mixtures @ V`` instead of V. So its label k
    adds the mixture ``mixtures[k]``: for example, half of label 4 and half of label 9.

    Args:
        model: an `ImageModel` that takes labels.
        mixtures: (K, num_classes); rows need not sum to 1. A row of zeros adds nothing.

    Returns:
        An `ImageModel` with labels 0 … K - 1. Its changes do not change ``model``.

    Raises:
        ValueError: the model takes no labels, another layer than an Embedding reads them,
            or ``mixtures`` has another shape.

    Example:
        >>> from pixelcnn_edu.models import gated_pixelcnn
        >>> model = gated_pixelcnn((5, 5, 1), filters=4, depth=1, num_classes=10)
        >>> with_labels(model, np.full((1, 10), 0.1)).num_classes
        1
    """
    classes = _num_classes(model)
    mixtures = np.asarray(mixtures, "float32")
    if mixtures.ndim != 2 or not len(mixtures) or mixtures.shape[1] != classes:
        raise ValueError(
            f"Expected mixtures of shape (K, {classes}). Received: {mixtures.shape}"
        )
    config = {**model.get_config(), "num_classes": len(mixtures)}
    (label, *_) = config["input_layers"][1]
    for layer in config["layers"]:
        if layer["class_name"] == "Embedding":
            layer["config"]["input_dim"] = len(mixtures)
        elif f"'{label}'" in str(layer["inbound_nodes"]):
            raise ValueError(
                "Expected a model whose labels go into Embedding layers alone. Received: "
                f"a model whose labels go into the layer {layer['config']['name']!r}"
            )
    copy = type(model).from_config(config)
    set_labels(copy, model, mixtures)
    return copy


def set_labels(copy, model, mixtures) -> None:
    """Give a copy that `with_labels` made of ``model`` the weights that ``model`` has now.

    ``mixtures`` are the labels of the copy, (K, num_classes).
    """
    for old, new in zip(check_model(model).layers, copy.layers, strict=True):
        weights = old.get_weights()
        if isinstance(old, keras.layers.Embedding):
            weights = [mixtures @ weights[0]]
        new.set_weights(weights)


class Morph(Explorer):
    """Eight digits drawn by a network that is told a mixture of two labels.

    The slider moves the label vector from one label to the other. The uniform numbers
    stay, so the label causes every change. Above each digit is the label that the
    network itself gives it, of these two (Bayes' rule, equal prior).

    Args:
        model: a conditional model that draws images (H, W, 1) of two levels.
        first, second: the two labels.
        share: 0 to 1, how much of the second label, where the slider starts.
        seed: 0 to 9, of the uniform numbers.

    Attributes:
        share, seed: the sliders.
        first, second: the menus of labels.
        images: (8, H, W, 1), the images on show.
        posterior: (8,), p(second label | image) if only the two are possible.
    """

    size = (9, 1.9)

    def __init__(self, model, *, first=4, second=9, share=0.5, seed=0):
        super().__init__()
        self.height, self.image_width = binary_image_shape(model)
        classes = _num_classes(model)
        for name, label in (("first", first), ("second", second)):
            label = plain(label)
            if not is_int(label) or not 0 <= label < classes:
                raise ValueError(
                    f"Expected {name} to be a label from 0 to {classes - 1}. "
                    f"Received: {label!r}"
                )
        share = check_number("share", share, "[0, 1]")
        self.model = model
        self.copy = with_labels(model, np.zeros((1, classes)))
        self.classes = classes
        self.first, self.second = (
            ipywidgets.Dropdown(
                options=range(classes), value=int(label), description=name
            )
            for name, label in (("from", first), ("to", second))
        )
        self.share = ipywidgets.FloatSlider(
            share, min=0, max=1, step=0.05, description="from → to"
        )
        self.share.layout.width = "450px"
        self.seed = seed_slider(seed)
        controls = self.first, self.second, self.share, self.seed
        for control in controls:
            control.style.description_width = "90px"
            control.observe(self.refresh, "value")
        for menu in (self.first, self.second):
            menu.layout.width = "160px"
        self.start(
            ipywidgets.HBox([self.first, self.second]),
            self.share,
            self.seed,
            about="eight digits drawn with a label vector between two labels",
        )

    def mixture(self) -> np.ndarray:
        """The share of each label, (1, num_classes)."""
        share = np.zeros((1, self.classes), "float32")
        share[0, self.first.value] += 1 - self.share.value
        share[0, self.second.value] += self.share.value
        return share

    def draw(self, figure):
        set_labels(self.copy, self.model, self.mixture())
        self.images = generation.generate(
            self.copy, COUNT, seed=self.seed.value, labels=0, progress=False
        )
        two = np.repeat([self.first.value, self.second.value], COUNT)
        nats = evaluation.nats_per_image(
            self.model, np.tile(self.images, (2, 1, 1, 1)), labels=two
        )
        ahead = nats[:COUNT] - nats[COUNT:]  # log p(x | second) - log p(x | first)
        self.posterior = 1 / (1 + np.exp(-np.clip(ahead, -700, 700)))
        ax = figure.add_axes((0.01, 0.02, 0.98, 0.72))
        plots.image_grid(self.images, labels=self.readings(), ax=ax)
        for text in ax.texts:
            text.set_size(14)
        figure.text(0.5, 0.92, self.sentence(), size=15, ha="center", va="center")

    def readings(self) -> list[str]:
        """What each digit is read as: the likelier of the two, and how surely."""
        first, second = self.first.value, self.second.value
        return [
            f"{second}: {p:.0%}" if p >= 0.5 else f"{first}: {1 - p:.0%}"
            for p in self.posterior
        ]

    def sentence(self) -> str:
        """The mixture in words, such as told 0.50 of 4 and 0.50 of 9; 3 are read as 9."""
        first, second = self.first.value, self.second.value
        count = int((self.posterior >= 0.5).sum())
        return (
            f"told {1 - self.share.value:.2f} of {first} and {self.share.value:.2f} of "
            f"{second}: {count} of {COUNT} are read as {second}"
        )


def _num_classes(model) -> int:
    classes = getattr(model, "num_classes", None)
    if not isinstance(model, ImageModel) or not classes:
        raise ValueError(
            "Expected model to be an ImageModel that takes labels. "
            f"Received: {model!r} with num_classes {classes!r}"
        )
    return classes

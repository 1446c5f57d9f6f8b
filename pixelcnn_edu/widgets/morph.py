"""Digits between two labels: what a network draws for a mixture of both."""

from pixelcnn_edu import evaluation, generation, plots
from pixelcnn_edu._checks import is_int, plain
from pixelcnn_edu.models import ImageModel
from pixelcnn_edu.widgets._base import (
    Explorer,
    binary_image_shape,
    check_on_slider,
    check_page_seed,
)

import numpy as np

COUNT = 8


def with_labels(model, mixtures) -> ImageModel:
    """Return a copy of a conditional model whose labels are mixtures of the old ones.

    The effect of a label is linear in its one-hot vector y: the network adds V y
    (notebook 16). The copy has the matrix ``mixtures @ V`` instead of V. So its label k
    adds the mixture ``mixtures[k]``: for example, half of label 4 and half of label 9.

    Args:
        model: an `ImageModel` that takes labels.
        mixtures: (K, num_classes); rows need not sum to 1. A row of zeros adds nothing.

    Returns:
        An `ImageModel` with labels 0 … K - 1. Its changes do not change ``model``.

    Raises:
        ValueError: the model takes no labels; a layer reads them that is no Embedding, or
            reads something else too; or ``mixtures`` has another shape.

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
    of_label = set()
    for layer in config["layers"]:
        reads = [f"'{label}'" in str(node) for node in layer["inbound_nodes"]]
        if not any(reads):
            continue
        name = layer["config"]["name"]
        if layer["class_name"] != "Embedding" or not all(reads):
            raise ValueError(
                "Expected a model whose labels go into Embedding layers of their own. "
                f"Received: a model whose labels go into the layer {name!r}"
            )
        layer["config"]["input_dim"] = len(mixtures)
        of_label.add(name)
    copy = type(model).from_config(config)
    for old, new in zip(model.layers, copy.layers, strict=True):
        weights = old.get_weights()
        if old.name in of_label:
            weights = [mixtures @ weights[0]]
        new.set_weights(weights)
    return copy


def posterior(model, images, first, second) -> np.ndarray:
    """Return p(second label | image) if only two labels are possible.

    By Bayes' rule with an equal prior this is p(image | second) divided by
    p(image | first) + p(image | second).

    Args:
        model: a model that takes labels.
        images: (N, H, W, C) on the likelihood's levels.
        first, second: the two labels.

    Returns:
        float64 (N,).
    """
    nats = (evaluation.nats_per_image(model, images, labels=k) for k in (first, second))
    ahead = np.subtract(*nats)  # log p(x | second) - log p(x | first)
    return 1 / (1 + np.exp(-np.clip(ahead, -700, 700)))


class Morph(Explorer):
    """Eight digits drawn by a network that is told a mixture of two labels.

    The slider moves the label vector from one label to the other. The uniform numbers
    stay, so the label causes every change. Above each digit is the label that the
    network itself gives it, of these two (Bayes' rule, equal prior).

    Args:
        model: a conditional model that draws images (H, W, 1) of two levels.
        first, second: the two labels.
        share: 0 to 1 in steps of 0.05, how much of the second label at first.
        seed: of the uniform numbers, as for ``generation.generate``.

    Raises:
        ValueError: if an argument is not of that kind, or the model cannot run in a page.
    """

    size = (9, 1.9)

    def __init__(self, model, *, first=4, second=9, share=0.5, seed=0):
        binary_image_shape(model)
        classes = _num_classes(model)
        first = _check_label("first", first, classes)
        second = _check_label("second", second, classes)
        share = check_on_slider("share", share, "[0, 1]")
        seed = check_page_seed(seed)
        one_hot = np.eye(classes)
        mixture = (1 - share) * one_hot[[first]] + share * one_hot[[second]]
        self.copy = with_labels(model, mixture)
        settings = {"from": first, "to": second, "share": share, "morph": seed}
        about = "eight digits drawn with a label vector between two labels"
        super().__init__("morph", model, about=about, **settings)

    def draw(self, figure):
        """Draw the eight digits, and how the network reads them."""
        first, second, share, seed = self.settings.values()
        images = generation.generate(
            self.copy, COUNT, seed=seed, labels=0, progress=False
        )
        p = posterior(self.model, images, first, second)
        ax = figure.add_axes((0.01, 0.02, 0.98, 0.72))
        plots.image_grid(images, labels=readings(p, first, second), ax=ax)
        told = f"told {1 - share:.2f} of {first} and {share:.2f} of {second}"
        figure.text(0.5, 0.92, told, size=15, ha="center", va="center")


def readings(p, first, second) -> list[str]:
    """What each digit is read as: the likelier of the two labels, and how surely."""
    return [f"{second}: {x:.0%}" if x >= 0.5 else f"{first}: {1 - x:.0%}" for x in p]


def _check_label(name, label, classes) -> int:
    number = plain(label)
    if not is_int(number) or not 0 <= number < classes:
        raise ValueError(
            f"Expected {name} to be a label from 0 to {classes - 1}. "
            f"Received: {number!r}"
        )
    return number


def _num_classes(model) -> int:
    classes = getattr(model, "num_classes", None)
    if not isinstance(model, ImageModel) or not classes:
        raise ValueError(
            "Expected model to be an ImageModel that takes labels. "
            f"Received: {model!r} with num_classes {classes!r}"
        )
    return classes

"""New labels for a conditional model: mixtures of the old ones. Notebook 16."""

from pixelcnn_edu.models import ImageModel

import numpy as np


def with_labels(model, mixtures) -> ImageModel:
    """Return a copy of a conditional model whose labels are mixtures of the old ones.

    In the networks of `models` the effect of a label is linear in its one-hot vector y: the
    network adds V y (notebook 16). The copy has the matrix ``mixtures @ V`` instead of V,
    in each Embedding. So its label k adds the mixture ``mixtures[k]``: for example, half of
    label 4 and half of label 9. (In a network of your own this holds if all layers between
    an Embedding and the sum are linear and have no bias.)

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
    classes = getattr(model, "num_classes", None)
    if not isinstance(model, ImageModel) or not classes:
        raise ValueError(
            "Expected model to be an ImageModel that takes labels. "
            f"Received: {model!r} with num_classes {classes!r}"
        )
    mixtures = np.asarray(mixtures, "float32")
    if mixtures.ndim != 2 or not len(mixtures) or mixtures.shape[1] != classes:
        raise ValueError(
            f"Expected mixtures of shape (K, {classes}). Received: {mixtures.shape}"
        )
    config = {**model.get_config(), "num_classes": len(mixtures)}
    (label, *_) = config["input_layers"][1]
    of_label = set()
    for layer in config["layers"]:
        reads = [repr(label) in str(node) for node in layer["inbound_nodes"]]
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
    if not of_label:
        raise ValueError(
            "Expected a model whose labels go into Embedding layers of their own. "
            f"Received: a model in which no layer reads the input {label!r}"
        )
    copy = type(model).from_config(config)
    for old, new in zip(model.layers, copy.layers, strict=True):
        weights = old.get_weights()
        if old.name in of_label:
            weights = [mixtures @ weights[0]]
        new.set_weights(weights)
    return copy

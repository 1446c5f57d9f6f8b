"""Some models: images drawn by each method, and nats, on the backend of this process.

    KERAS_BACKEND=tensorflow python tests/with_jax/dozen.py FOLDER

writes the weights of all models, and what TensorFlow computes, into a folder. `test_jax`
computes the same with JAX, from the same weights and the same uniform numbers.
"""

import sys
from pathlib import Path

from pixelcnn_edu import causality, evaluation, generation, pretrained, training
from pixelcnn_edu._compiled import logits_function
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import gated_pixelcnn, pixelcnn

import numpy as np

GRAY, COLORS = (6, 5, 1), (3, 4, 3)

small = {"filters": 6, "depth": 1}
MODELS = {
    "gray": lambda: pixelcnn(GRAY, **small),
    "four levels": lambda: pixelcnn(
        GRAY, likelihood=Categorical(4), activation="elu", position=True, **small
    ),
    "colors": lambda: pixelcnn(
        COLORS, likelihood=Categorical(3), one_hot=True, dropout=0.1, **small
    ),
    "mixture": lambda: gated_pixelcnn(
        COLORS, likelihood=DiscretizedLogisticMixture(2, 8), **small
    ),
    "labels": lambda: gated_pixelcnn(GRAY, num_classes=3, position=True, **small),
    "skip": lambda: gated_pixelcnn(
        GRAY, filters=4, depth=2, skip=True, dilations=(1, 2)
    ),
    "coffee": lambda: pretrained.load("coffee"),
}


def randomized(name):
    """Build a model whose logits spread by about 1.5: no pixel is settled."""
    model, rng = MODELS[name](), np.random.default_rng(len(name))
    if name == "coffee":
        return model
    weights = [rng.normal(0, 0.6, w.shape) for w in model.get_weights()]
    model.set_weights([abs(w) if w.ndim == 1 else w for w in weights])
    images, _, _, _, *labels = arguments(model)
    logits = np.asarray(model([images, *labels] if labels else images))
    kernel, bias = model.layers[-1].get_weights()
    gain = 1.5 / np.maximum(logits.std(axis=(0, 1, 2)), 0.1)
    offset = (bias - logits.mean(axis=(0, 1, 2))) * gain
    model.layers[-1].set_weights([kernel * gain, offset])
    return model


def arguments(model, temperature=1.0):
    """Return uniform numbers, given values, known pixels, a temperature, and labels."""
    rng = np.random.default_rng(0)
    image_shape = model.inputs[0].shape[1:]
    shape = (2 if image_shape[0] == 28 else 6, *image_shape)
    uniforms = rng.random(shape, dtype="float32")
    steps = model.likelihood.levels - 1
    given = (rng.integers(0, steps + 1, shape) / steps).astype("float32")
    known = rng.random(shape[1:3]) < 0.1
    labels = [np.arange(6, dtype="int32") % 3 for _ in model.inputs[1:]]
    return uniforms, given, known, temperature, *labels


def draw(model, method="cached", temperature=1.0):
    function = getattr(generation, method)
    return function(model, model.likelihood, *arguments(model, temperature))


def drawn(model, *methods):
    """Return images by method, nats, and cumulative probabilities."""
    found = {method: draw(model, method) for method in methods}
    found["cold"] = draw(model, methods[0], 0.0)  # another loop is compiled
    images = found[methods[0]]
    _, _, _, _, *labels = arguments(model)
    more = {"labels": labels[0]} if labels else {}
    found["nats"] = evaluation.nats_per_image(model, images, **more)
    logits = logits_function(model)(images, *labels)
    p = np.asarray(model.likelihood.probabilities(logits, images), "float64")
    if model.likelihood == Bernoulli():
        p = p[..., ::-1]  # ink where u lies below p(ink)
    found["edges"] = p.cumsum(axis=-1)[..., :-1]
    return found


def field(model):
    """Return which pixels one in the middle sees."""
    return causality.receptive_field(model, 3, 2, images=16)


def trained(model):
    """Train for three epochs; return the losses."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((48, *GRAY), "float32"), np.arange(48) % 3
    recipe = {"epochs": 3, "batch_size": 20, "learning_rate": 0.01, "verbose": 0}
    held_out = {"validation_images": images[:8], "validation_labels": labels[:8]}
    history = training.fit(model, images, labels=labels, **held_out, **recipe).history
    return np.array(history["loss"] + history["val_loss"])


def main(folder):
    for name in MODELS:
        model = randomized(name)
        np.savez(folder / f"{name} weights.npz", *model.get_weights())
        found = drawn(model, "fixed_point")
        if name == "labels":
            found |= {"field": field(model), "losses": trained(model)}
        np.savez(folder / f"{name}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

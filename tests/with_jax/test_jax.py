"""Keras on JAX: the same images, nats and runs as on TensorFlow.

All is computed here by JAX. A process of its own computes the same by TensorFlow.
"""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

from needs_jax import jax  # isort: split

from pixelcnn_edu import (
    _compiled,
    causality,
    compression,
    data,
    evaluation,
    generation,
    models,
    optimizers,
    training,
)
from pixelcnn_edu.cache import compiled_loop
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.models import pixelcnn

import dozen
import keras
import numpy as np
import pytest

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
X = np.random.default_rng(0).random((24, 5, 5, 1), dtype="float32")


@pytest.fixture(scope="session")
def tensorflow(tmp_path_factory):
    """A folder with the weights of all models and what TensorFlow computes with them."""
    folder = tmp_path_factory.mktemp("tensorflow")
    env = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, dozen.__file__, folder], env=env, check=True)
    return folder


def loaded(folder, name):
    """Return a model with the weights that TensorFlow saved, and what it computed."""
    model = dozen.MODELS[name]()
    with np.load(folder / f"{name} weights.npz") as file:
        model.set_weights([file[f"arr_{i}"] for i in range(len(file.files))])
    with np.load(folder / f"{name}.npz") as file:
        return model, dict(file)


def different(one, other, edges, uniforms):
    """Return how many images differ. Each may differ where a uniform number is an edge.

    The edges are the cumulative probabilities, given the values before. Later values of
    such an image may differ as they like.
    """
    images = np.flatnonzero((one != other).reshape(len(one), -1).any(axis=1))
    for i in images:
        at = np.flatnonzero((one[i] != other[i]).reshape(-1))[0]
        distance = abs(edges[i].reshape(-1, edges.shape[-1])[at] - uniforms[i].flat[at])
        assert distance.min() < 1e-5, f"image {i}, value {at}: {distance.min():.1e}"
    return len(images)


@pytest.mark.parametrize("name", dozen.MODELS)
def test_both_backends_draw_the_same_images_by_each_method(name, tensorflow):
    model, expected = loaded(tensorflow, name)
    slow = name in ("coffee", "mixture")
    methods = ("cached", "fixed_point") if slow else generation.METHODS
    found = dozen.drawn(model, *methods)
    uniforms, *_ = dozen.arguments(model)
    count = sum(
        different(expected["fixed_point"], found[method], expected["edges"], uniforms)
        for method in methods
    )
    assert count <= 1  # more of them would hardly be rounding
    np.testing.assert_array_equal(found["cold"], expected["cold"])
    if not count:  # the same images
        np.testing.assert_allclose(found["nats"], expected["nats"], rtol=2e-5)
        np.testing.assert_allclose(found["edges"], expected["edges"], atol=1e-5)


def test_another_value_far_from_an_edge_is_found(tensorflow):
    model, expected = loaded(tensorflow, "four levels")
    images, edges = expected["fixed_point"], expected["edges"]
    uniforms, *_ = dozen.arguments(model)
    far = abs(edges - uniforms[..., None]).min(axis=-1) > 1e-4
    wrong, at = images.copy(), tuple(np.argwhere(far)[0])
    wrong[at] = 1 - wrong[at]
    with pytest.raises(AssertionError, match="image 0"):
        different(images, wrong, edges, uniforms)


def follows_new_weights(method):
    """Whether a model that has drawn draws with its new weights."""
    old, new = (dozen.randomized(name) for name in ("gray", "gray"))
    new.set_weights([w + 0.1 for w in old.get_weights()])
    before, expected = dozen.draw(old, method), dozen.draw(new, method)
    assert (before != expected).any()
    old.set_weights(new.get_weights())
    return np.array_equal(dozen.draw(old, method), expected)


@pytest.mark.parametrize("method", generation.METHODS)
def test_new_weights_are_read_and_weights_built_in_would_be_found(method, monkeypatch):
    assert follows_new_weights(method)
    for module in (_compiled, compiled_loop):
        monkeypatch.setattr(
            module, "compiled_by_jax", lambda variables, function: jax.jit(function)
        )
    assert not follows_new_weights(method)


def test_receptive_fields_are_those_of_tensorflow_and_a_leak_is_found(tensorflow):
    model, expected = loaded(tensorflow, "labels")
    np.testing.assert_array_equal(dozen.field(model), expected["field"])
    causality.assert_causal(model)
    image = keras.Input((5, 5, 1))
    leaky = keras.Model(image, MaskedConv2D(1, 3, mask_type="B")(image))
    with pytest.raises(AssertionError, match="sees its own input value"):
        causality.assert_causal(leaky)


def test_compression_by_the_compiled_loop_needs_tensorflow():
    model = dozen.randomized("gray")
    images = np.zeros((2, *dozen.GRAY), "float32")
    with pytest.raises(ValueError, match=r"Expected TensorFlow.*Received: jax"):
        compression.code_length(model, images)
    bits = compression.code_length(model, images, method="naive")
    nats = evaluation.nats_per_image(model, images)
    np.testing.assert_allclose(bits, nats / np.log(2), rtol=1e-2)


# ---------------------------------------------------------------------------- training


def test_both_backends_train_alike(tensorflow):
    model, expected = loaded(tensorflow, "labels")
    losses = dozen.trained(model)
    # Nadam turns rounding of a small gradient into a step
    np.testing.assert_allclose(losses, expected["losses"], rtol=1e-3)
    assert losses[-1] < losses[0]


EPOCHS = 3


def run(folder=None, callbacks=()):
    """Train a network with dropout and a running mean; return it and its history."""
    keras.utils.set_random_seed(0)
    model = pixelcnn((5, 5, 1), filters=4, depth=1, dropout=0.3)
    mean = {"use_ema": True, "ema_momentum": 0.9}
    history = training.fit(
        model,
        X,
        validation_images=X[:8],
        epochs=EPOCHS,
        batch_size=8,
        optimizer=optimizers.nadam(EPOCHS * len(X) // 8, 0.02, **mean),
        folder=folder,
        callbacks=list(callbacks),
        verbose=0,
    )
    return model, history.history


class Die(keras.callbacks.Callback):
    """Kills the process in the middle of an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (2, 1):
            os.kill(os.getpid(), KILL)


@pytest.fixture(scope="module")
def whole():
    return run()


def same(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_the_running_mean_is_validated_and_ends_as_the_weights(whole):
    model, history = whole
    nats = evaluation.nats_per_image(model, data.binarize(X[:8], seed=0)).mean()
    assert history["val_loss"][-1] == pytest.approx(nats, rel=1e-5)
    assert history["loss"][-1] < history["loss"][0]


CHILD = """
import sys
sys.path[:0] = sys.argv[2:]
import test_jax
test_jax.run(sys.argv[1], [test_jax.Die()])
"""


def test_a_run_killed_in_mid_epoch_ends_as_one_that_was_not(whole, tmp_path):
    command = [sys.executable, "-c", CHILD, tmp_path, Path(__file__).parent, *sys.path]
    assert subprocess.run(command).returncode not in (0, 1)
    model, history = run(tmp_path)
    assert same(model, whole[0])
    assert history["val_loss"] == whole[1]["val_loss"]


def test_a_model_whose_step_was_interrupted_keeps_weights_and_goes_on(
    whole, tmp_path, monkeypatch
):
    trained, make = [], keras.Model.make_train_function

    def make_train_function(self, force=False):
        """Let the fifth step end after JAX has taken the state."""
        make(self, force)
        step, steps = self.train_function, itertools.count()

        def interrupted(state, iterator):
            found = step(state, iterator)
            if next(steps) == 4:
                raise KeyboardInterrupt
            return found

        self.train_function = interrupted
        trained.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(models.ImageModel, "make_train_function", make_train_function)
        with pytest.raises(BaseException) as raised:
            run(tmp_path)
    # the running mean is lost, and Keras's own clean-up raises a second error
    error = raised.value
    assert isinstance(error.__context__ or error, KeyboardInterrupt)
    generation.generate(trained[0], 2, seed=0)
    assert same(run(tmp_path)[0], whole[0])


def test_callbacks_read_the_weights_after_each_batch_and_grids_are_the_model_s():
    seen, grids = [], training.SampleGrid(4, seed=1)
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(look.model.get_weights()[0])
    )
    model, _ = run(callbacks=[look, grids])
    assert len(seen) == EPOCHS * 3
    assert all((a != b).any() for a, b in itertools.pairwise(seen))
    drawn = generation.generate(model, 4, seed=1)
    np.testing.assert_array_equal(grids.grids[3], drawn)


def test_muon_with_a_running_mean_trains_its_model_and_trains_it_again():
    model = pixelcnn((5, 5, 1), filters=4, depth=1)
    optimizer = optimizers.muon(6, use_ema=True, ema_momentum=0.5)
    recipe = {"epochs": 2, "batch_size": 8, "optimizer": optimizer, "verbose": 0}
    first, again = (training.fit(model, X, **recipe).history["loss"] for _ in range(2))
    assert again[-1] < first[0]

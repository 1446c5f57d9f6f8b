"""Keras on JAX: the same images, nats and runs as on TensorFlow, and one-sentence refusals.

All is computed here by JAX. A process of its own computes the same by TensorFlow.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

from needs_jax import jax  # isort: split

from pixelcnn_edu import (
    _jax,
    causality,
    checkpoints,
    compression,
    data,
    evaluation,
    generation,
    models,
    optimizers,
    training,
)
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.models import pixelcnn

import dozen
import keras
import numpy as np
import pytest
from effort import tally

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
    methods = generation.METHODS[: 2 if name in dozen.NOT_NAIVE else 3]
    found, count = dozen.drawn(name, model, *methods), 0
    uniforms, *_ = dozen.arguments(model)
    for method in methods:
        images = found[f"{method} 1.0"]
        count += different(
            expected["fixed_point 1.0"], images, expected["edges"], uniforms
        )
        if name in dozen.AT_ZERO:
            cold = found[f"{method} 0.0"]
            np.testing.assert_array_equal(cold, expected["fixed_point 0.0"])
        tally("images drawn by JAX and by TensorFlow", len(images))
    tally("of them, different where a uniform number meets an edge", count)
    assert count <= 1  # more of them would hardly be rounding
    if not count:  # the same images
        np.testing.assert_allclose(found["nats"], expected["nats"], rtol=2e-5)
        np.testing.assert_allclose(found["edges"], expected["edges"], atol=1e-5)


def test_another_value_far_from_an_edge_is_found(tensorflow):
    model, expected = loaded(tensorflow, "four levels")
    images, edges = expected["fixed_point 1.0"], expected["edges"]
    uniforms, *_ = dozen.arguments(model)
    far = abs(edges - uniforms[..., None]).min(axis=-1) > 1e-4
    wrong, at = images.copy(), tuple(np.argwhere(far)[0])
    wrong[at] = 1 - wrong[at]
    with pytest.raises(AssertionError, match="image 0"):
        different(images, wrong, edges, uniforms)


# -------------------------------------------------------------------- what is compiled


def draw(model, method="cached"):
    return getattr(generation, method)(model, model.likelihood, *dozen.arguments(model))


def follows_new_weights(method):
    """Whether a model that has drawn draws with its new weights."""
    old, new = (dozen.randomized(name) for name in ("gray", "gray"))
    new.set_weights([w + 0.1 for w in old.get_weights()])
    before, expected = draw(old, method), draw(new, method)
    assert (before != expected).any()
    old.set_weights(new.get_weights())
    return np.array_equal(draw(old, method), expected)


@pytest.mark.parametrize("method", generation.METHODS)
def test_new_weights_are_read_and_weights_built_in_would_be_found(method, monkeypatch):
    assert follows_new_weights(method)
    monkeypatch.setattr(_jax, "compiled", lambda model, function, *_: jax.jit(function))
    assert not follows_new_weights(method)


def test_new_weights_compile_nothing_and_a_changed_model_is_compiled_again():
    model, traces = dozen.randomized("own layer"), []
    layer = model.layers[2]
    assert isinstance(layer, dozen.Scale)
    inner = dozen.Scale.call

    class Counted(dozen.Scale):
        def call(self, inputs):
            traces.append(1)
            return inner(self, inputs)

    Counted.runs_as = "pixelwise"
    layer.__class__ = Counted
    for method in generation.METHODS:
        draw(model, method)
    compiled = len(traces)
    model.set_weights([w * 0.9 for w in model.get_weights()])
    before = [draw(model, method) for method in generation.METHODS]
    assert compiled and len(traces) == compiled
    convolution = model.layers[3]
    assert isinstance(convolution, MaskedConv2D)
    convolution.mask[0] = 0  # in place
    after = [draw(model, method) for method in generation.METHODS]
    assert len(traces) > compiled
    assert (after[0] == after[1]).all() and (after[0] == after[2]).all()
    assert (after[0] != before[0]).any()


def test_generate_draws_the_same_in_slices_and_at_once_and_again():
    model = dozen.randomized("gray")
    one, two = (generation.generate(model, 16, seed=0) for _ in range(2))
    np.testing.assert_array_equal(one, two)  # first the fixed point, then the loop
    naive = generation.generate(model, 16, seed=0, method="naive")
    np.testing.assert_array_equal(one, naive)


def test_a_logit_that_is_nan_is_named_by_each_method():
    model = pixelcnn((4, 4, 1), filters=2, depth=1)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 1e30, w.shape) for w in model.get_weights()])
    for method in generation.METHODS:
        with pytest.raises(ValueError, match="logits are numbers"):
            draw(model, method)


def test_half_precision_is_drawn_by_the_loop():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = dozen.randomized("gray")
    finally:
        keras.config.set_dtype_policy("float32")
    cached, naive = draw(model), draw(model, "naive")
    first = cached[:, :2] == naive[:, :2]  # before roundings add up
    assert first.mean() > 0.9


# ---------------------------------------------------------------------------- training


def test_both_backends_train_alike(tensorflow):
    model, _ = loaded(tensorflow, "labels")
    history = dozen.trained(model)
    with np.load(tensorflow / "trained.npz") as file:
        # Nadam turns rounding of a small gradient into a step
        np.testing.assert_allclose(history, file["history"], rtol=1e-3)
    assert history[-1] < history[0]


EPOCHS = 3


def run(folder=None, *, callbacks=(), interrupt=None, suppress=KeyboardInterrupt):
    """Train a network with dropout and a running mean; return it and its history."""

    def at_epoch(epoch, logs):
        if epoch == interrupt:
            raise KeyboardInterrupt

    keras.utils.set_random_seed(0)
    model = pixelcnn((5, 5, 1), filters=4, depth=1, dropout=0.3)
    steps = EPOCHS * len(X) // 8
    mean = {"use_ema": True, "ema_momentum": 0.9}
    stop = keras.callbacks.LambdaCallback(on_epoch_begin=at_epoch)
    with contextlib.suppress(suppress):
        history = training.fit(
            model,
            X,
            validation_images=X[:8],
            epochs=EPOCHS,
            batch_size=8,
            optimizer=optimizers.nadam(steps, 0.02, **mean),
            folder=folder,
            callbacks=[stop, *callbacks],
            verbose=0,
        )
        return model, history.history
    return model, None


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
import os, signal, sys
sys.path[:0] = sys.argv[2:]
import test_jax

class Die(test_jax.keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (2, 1):
            os.kill(os.getpid(), test_jax.KILL)

test_jax.run(sys.argv[1], callbacks=[Die()])
"""


def test_a_run_killed_in_mid_epoch_ends_as_one_that_was_not(whole, tmp_path):
    command = [sys.executable, "-c", CHILD, tmp_path, Path(__file__).parent, *sys.path]
    assert subprocess.run(command).returncode not in (0, 1)
    model, history = run(tmp_path)
    assert same(model, whole[0])
    assert history["val_loss"] == whole[1]["val_loss"]


@pytest.mark.parametrize("left_out", [None, "weights", "optimizer", "generators"])
def test_an_interrupted_run_goes_on_and_a_state_that_lacks_something_would_be_found(
    left_out, whole, tmp_path, monkeypatch
):
    def some(model):
        found = {
            "weights": model.trainable_variables,
            "generators": model.non_trainable_variables,
            "optimizer": model.optimizer.variables,
        }
        return [one for name in found if name != left_out for one in found[name]]

    monkeypatch.setattr(checkpoints, "_variables", some)
    run(tmp_path, interrupt=2)
    model, _ = run(tmp_path)
    assert same(model, whole[0]) == (left_out is None)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("batch", [0, 1])
def test_a_model_keeps_its_weights_when_a_step_fails(
    error, batch, whole, tmp_path, monkeypatch
):
    seen, step = [], keras.Model.make_train_function

    def failing(self, force=False):
        """Let a step of the second epoch fail after JAX has taken the state."""
        step(self, force)
        inner, steps = self.train_function, itertools.count()

        def run_step(state, iterator):
            done = inner(state, iterator)
            if next(steps) == 3 + batch:
                raise error("planted")
            return done

        self.train_function = run_step

    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(
            (note.model, present(note.model))
        )
    )
    with monkeypatch.context() as patch:
        patch.setattr(models.ImageModel, "make_train_function", failing)
        with pytest.raises(BaseException) as raised:
            run(tmp_path, callbacks=[note], suppress=())
    # if the running mean is lost, Keras's own clean-up raises a second error
    assert "planted" in (str(raised.value), str(raised.value.__context__))
    _, (model, after_first) = seen
    assert all(map(np.array_equal, present(model), after_first))
    generation.generate(model, 2, seed=0)
    again, _ = run(tmp_path)
    assert same(again, whole[0])


def present(model):
    return [np.array(v) for v in [*model.variables, *model.optimizer.variables]]


def test_callbacks_read_the_weights_after_each_batch_and_grids_are_the_model_s():
    seen, grids = [], training.SampleGrid(4, seed=1)
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(look.model.get_weights()[0])
    )
    model, _ = run(callbacks=[look, grids])
    assert len(seen) == EPOCHS * 3
    assert all((a != b).any() for a, b in itertools.pairwise(seen))
    assert list(grids.grids) == [1, 2, 3]
    drawn = generation.generate(model, 4, seed=1)
    np.testing.assert_array_equal(grids.grids[3], drawn)


def test_muon_with_a_running_mean_trains_its_model_and_trains_it_again():
    model = pixelcnn((5, 5, 1), filters=4, depth=1)
    optimizer = optimizers.muon(6, use_ema=True, ema_momentum=0.5)
    recipe = {"epochs": 2, "batch_size": 8, "optimizer": optimizer, "verbose": 0}
    first, again = (training.fit(model, X, **recipe).history["loss"] for _ in range(2))
    assert again[-1] < first[0]


# --------------------------------------------------------------- causality, refusals


def test_receptive_fields_are_those_of_tensorflow_and_a_leak_is_found(tensorflow):
    model, expected = loaded(tensorflow, "label map")
    np.testing.assert_array_equal(dozen.field(model), expected["field"])
    causality.assert_causal(model)
    image = keras.Input((5, 5, 1))
    leaky = keras.Model(image, MaskedConv2D(1, 3, mask_type="B")(image))
    with pytest.raises(AssertionError, match="sees its own input value"):
        causality.assert_causal(leaky)


def test_what_needs_tensorflow_says_so():
    model = dozen.randomized("gray")
    images = np.zeros((2, *dozen.GRAY), "float32")
    with pytest.raises(ValueError, match=r"Expected TensorFlow.*Received: jax.*naive"):
        compression.code_length(model, images)
    bits = compression.code_length(model, images, method="naive")
    nats = evaluation.nats_per_image(model, images)
    np.testing.assert_allclose(bits, nats / np.log(2), rtol=1e-2)

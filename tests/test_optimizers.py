"""Muon on kernels of convolutions is Keras's Muon on the same kernels as matrices."""

import functools
import subprocess
import sys

from pixelcnn_edu import models, optimizers, training
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli

import keras
import numpy as np
import pytest


def stepped(value, gradients, made):
    """Return ``value`` after one step per gradient, at a rate of 0.1."""
    variable = keras.Variable(value)
    optimizer = made(0.1, weight_decay=None, adam_weight_decay=None)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return np.asarray(variable)


class ByOutput(optimizers.KernelMuon):
    """The planted bug: one matrix for each place of the kernel, in a wrong order."""

    def _muon_update_step(self, gradient, variable, lr, m):
        turned = keras.ops.reshape(gradient, (gradient.shape[0], -1))
        update = self.zeropower_via_newtonschulz5(turned, self.ns_steps)
        update = self.lr_adjust(lr * update)
        self.assign_sub(variable, keras.ops.reshape(update, variable.shape))


class Everything(optimizers.KernelMuon):
    """The planted bug: whatever comes is orthogonalized."""

    def _should_use_adamw(self, variable):
        return False


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (1, 1, 16, 4), (2, 3, 1, 32)])
def test_a_kernel_is_updated_as_a_matrix(shape):
    rng = np.random.default_rng(0)
    value = rng.normal(size=shape).astype("float32")
    gradients = rng.normal(size=(3, *shape)).astype("float32")
    flat = (-1, shape[-1])
    matrices = [gradient.reshape(flat) for gradient in gradients]
    expected = stepped(value.reshape(flat), matrices, keras.optimizers.Muon)
    found = stepped(value, gradients, optimizers.KernelMuon)
    np.testing.assert_allclose(found, expected.reshape(shape), atol=1e-6)
    bug = stepped(value, gradients, ByOutput)
    assert abs(bug - found).max() > 0.01


@pytest.mark.parametrize("shape", [(8,), (5, 5, 8), (1, 1, 8, 1)])
def test_what_is_no_kernel_of_several_outputs_is_left_to_adam(shape):
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(3, *shape)).astype("float32")
    value = np.zeros(shape, "float32")
    flat = [gradient.reshape(-1) for gradient in gradients]  # Keras: left to Adam
    expected = stepped(value.reshape(-1), flat, keras.optimizers.Muon)
    found = stepped(value, gradients, optimizers.KernelMuon)
    np.testing.assert_allclose(found.reshape(-1), expected, atol=1e-6)
    bug = stepped(value, gradients, Everything)
    assert abs(bug - found).max() > 0.01


def test_masked_weights_stay_as_they_are():
    layer = MaskedConv2D(8, 3, "B")
    layer.build((None, 5, 5, 4))
    before = np.asarray(layer.kernel)
    gradient = np.random.default_rng(0).normal(size=before.shape).astype("float32")
    live = np.broadcast_to(layer.mask, before.shape) != 0
    after = stepped(before, [gradient * live], optimizers.KernelMuon)
    np.testing.assert_array_equal(after[~live], before[~live])
    assert (after[live] != before[live]).all()
    bug = stepped(before, [gradient], optimizers.KernelMuon)  # planted: mask forgotten
    assert (bug[~live] != before[~live]).all()


def test_keras_s_own_settings_are_kept():
    rng = np.random.default_rng(0)
    value = rng.normal(size=(3, 3, 4, 8)).astype("float32")
    gradients = rng.normal(size=(3, *value.shape)).astype("float32")

    def matrix(**settings):
        return functools.partial(keras.optimizers.Muon, **settings)

    def kernel(**settings):
        return functools.partial(optimizers.KernelMuon, **settings)

    flat = value.reshape(-1, 8), [gradient.reshape(-1, 8) for gradient in gradients]
    for settings in ({"nesterov": False}, {"exclude_layers": [""]}):  # "": every layer
        expected = stepped(*flat, matrix(**settings)).reshape(value.shape)
        found = stepped(value, gradients, kernel(**settings))
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert abs(found - stepped(value, gradients, kernel())).max() > 0.01


def test_models_saved_in_training_are_loaded_by_a_new_process(tmp_path):
    paths, expected = [], []
    for name in optimizers.BY_NAME:
        image = keras.Input((5, 5, 1))
        logits = MaskedConv2D(1, 1)(MaskedConv2D(2, 3, "A")(image))
        model = models.ImageModel(image, logits, likelihood=Bernoulli())
        training.fit(model, np.zeros((8, 5, 5, 1)), epochs=1, optimizer=name, verbose=0)
        paths.append(tmp_path / f"{name}.keras")
        model.save(paths[-1])
        expected += [type(model.optimizer).__name__, "1"]
    script = """
import sys
import pixelcnn_edu
import keras

for path in sys.argv[1:]:
    optimizer = keras.models.load_model(path).optimizer
    print(type(optimizer).__name__, int(optimizer.iterations))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *paths], capture_output=True, text=True
    )
    assert done.stdout.split() == expected, done.stderr


@pytest.mark.parametrize("name", optimizers.BY_NAME)
def test_the_rate_rises_and_falls_to_nothing(name):
    rate = optimizers.BY_NAME[name](1000, 0.01)._learning_rate
    rates = [float(rate(step)) for step in (0, 100, 550, 1000)]
    np.testing.assert_allclose(rates, [0.001, 0.01, 0.005, 0], atol=1e-6)
    for arguments, words in (((0,), "steps"), ((10, 2), "learning_rate")):
        with pytest.raises(ValueError, match=words):
            optimizers.BY_NAME[name](*arguments)

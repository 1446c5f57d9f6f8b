"""Muon on kernels of convolutions is Keras's Muon on the same kernels as matrices."""

import copy
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

    def _kernel_step(self, gradient, kernel, momentum, learning_rate):
        turned = keras.ops.reshape(gradient, (gradient.shape[0], -1))
        update = self.zeropower_via_newtonschulz5(turned, self.ns_steps)
        update = self.lr_adjust(learning_rate * update)
        self.assign_sub(kernel, keras.ops.reshape(update, kernel.shape))


class Everything(optimizers.KernelMuon):
    """The planted bug: whatever comes is orthogonalized."""

    def build(self, variables):
        super().build(variables)
        pairs = zip(variables, self.momentums, strict=True)
        self.kernels.with_momentums = list(pairs)


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


@pytest.mark.parametrize("shape", [(5, 5, 8), (1, 1, 8, 1)])
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


def test_a_copied_optimizer_has_no_variable_of_the_first_model():
    model = models.pixelcnn((5, 5, 1), filters=4, depth=1)
    training.compile_model(model, steps=9, optimizer="muon")
    second, images = copy.deepcopy(model), np.zeros((8, 5, 5, 1), "float32")
    for one in (model, second):
        own = {id(variable) for variable in one.optimizer.variables}
        assert not own & {id(variable) for variable in one.variables}
        one.fit(images, images, verbose=0)
    for a, b in zip(model.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


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


@pytest.mark.parametrize("settings", [{"nesterov": False}, {"exclude_layers": [""]}])
def test_keras_s_own_settings_are_kept(settings):
    """The second one excludes every layer."""
    rng = np.random.default_rng(0)
    value = rng.normal(size=(3, 3, 4, 8)).astype("float32")
    gradients = rng.normal(size=(3, *value.shape)).astype("float32")
    flat = value.reshape(-1, 8), [gradient.reshape(-1, 8) for gradient in gradients]
    expected = stepped(*flat, functools.partial(keras.optimizers.Muon, **settings))
    kernel = functools.partial(optimizers.KernelMuon, **settings)
    found = stepped(value, gradients, kernel)
    np.testing.assert_allclose(found, expected.reshape(value.shape), atol=1e-6)
    assert abs(found - stepped(value, gradients, optimizers.KernelMuon)).max() > 0.01


def test_a_model_saved_in_training_is_loaded_by_a_new_process(tmp_path):
    image = keras.Input((5, 5, 1))
    logits = MaskedConv2D(1, 1)(MaskedConv2D(2, 3, "A")(image))
    model = models.ImageModel(image, logits, likelihood=Bernoulli())
    training.fit(model, np.zeros((8, 5, 5, 1)), epochs=1, optimizer="muon", verbose=0)
    model.save(tmp_path / "muon.keras")
    script = """
import sys
import pixelcnn_edu
import keras

optimizer = keras.models.load_model(sys.argv[1]).optimizer
print(type(optimizer).__name__, int(optimizer.iterations))
"""
    command = [sys.executable, "-c", script, tmp_path / "muon.keras"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == ["KernelMuon", "1"], done.stderr


def test_the_rate_rises_and_falls_to_nothing():
    rate = optimizers.cosine(1000, 0.01)
    rates = [float(rate(step)) for step in (0, 100, 550, 1000)]
    np.testing.assert_allclose(rates, [0.001, 0.01, 0.005, 0], atol=1e-6)


@pytest.mark.parametrize("name", optimizers.BY_NAME)
def test_a_bad_argument_is_named(name):
    for arguments, words in (((0,), "steps"), ((10, 2), "learning_rate")):
        with pytest.raises(ValueError, match=words):
            optimizers.BY_NAME[name](*arguments)

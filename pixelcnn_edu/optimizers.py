"""Optimizers of `training.fit`: a cosine schedule and clipped gradients, Nadam or Muon.

Taught by notebook 14.
"""

import re
import types

from pixelcnn_edu._checks import check_number, check_positive_int
from pixelcnn_edu.layers import register

import keras
from keras import ops


@register
class KernelMuon(keras.optimizers.Muon):
    """Muon for convolutions: a kernel is a matrix (taps and channels in, channels out).

    Keras's own Muon takes matrices only. It updates the kernels of convolutions with
    Adam. This class updates them with Muon, and leaves all other variables to Keras. For
    a weight decay of kernels, set ``adam_weight_decay``.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks",
    2024. Each step is scaled as in arXiv 2502.16982, so that good learning rates are
    similar to those of Adam.
    """

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        kernels = [
            (variable, momentum)  # Keras keeps a momentum for each variable
            for variable, momentum in zip(variables, self.momentums, strict=True)
            if len(variable.shape) == 4
            and variable.shape[-1] > 1
            and not any(re.search(name, variable.path) for name in self.exclude_layers)
        ]
        # Keras would count a list of variables among those of the optimizer
        self.kernels = types.SimpleNamespace(with_momentums=kernels)

    def update_step(self, gradient, variable, learning_rate):
        for kernel, momentum in self.kernels.with_momentums:
            # TensorFlow passes the variable of its own that Keras's variable holds
            if variable is kernel or variable is kernel.value:
                self._kernel_step(gradient, kernel, momentum, learning_rate)
                return
        super().update_step(gradient, variable, learning_rate)

    def _kernel_step(self, gradient, kernel, momentum, learning_rate):
        change = ops.add(gradient, momentum * (self.momentum - 1))
        self.assign_add(momentum, change)
        ahead = gradient + self.momentum * momentum if self.nesterov else momentum
        matrix = ops.reshape(ahead, (-1, ahead.shape[-1]))
        matrix = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        update = self.lr_adjust(learning_rate * matrix)
        self.assign_sub(kernel, ops.reshape(update, kernel.shape))


def cosine(steps, learning_rate) -> keras.optimizers.schedules.CosineDecay:
    """Return a learning rate that rises in a short warm-up, then falls along a cosine to 0.

    Args:
        steps: the number of training steps. The first tenth, at most 200, is the warm-up.
        learning_rate: the highest learning rate.

    Raises:
        ValueError: if an argument is out of its range.
    """
    steps = check_positive_int("steps", steps)
    learning_rate = check_number("learning_rate", learning_rate, "(0, 1)")
    warmup = min(200, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 10 if warmup else learning_rate,
        max(1, steps - warmup),
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def nadam(steps, learning_rate=2e-3, **settings) -> keras.optimizers.Nadam:
    """Return the default optimizer of `training.fit`: Nadam, `cosine`, clipped gradients.

    Args:
        steps, learning_rate: as for `cosine`.
        **settings: other arguments of `keras.optimizers.Nadam`: ``weight_decay``, say, or
            ``use_ema=True, ema_momentum=0.999`` for a running mean of the weights.
            ``clipnorm`` or ``clipvalue`` needs ``global_clipnorm=None`` beside it. (For a
            network with labels, `training.fit` says what this changes.)

    Raises:
        ValueError: if an argument is out of its range.
    """
    schedule = cosine(steps, learning_rate)
    return keras.optimizers.Nadam(schedule, **{"global_clipnorm": 1.0, **settings})


def muon(steps, learning_rate=1e-2, **settings) -> KernelMuon:
    """Return `KernelMuon`, with `cosine`, clipped gradients, and no weight decay.

    Args:
        steps, learning_rate: as for `cosine`. Rates from 4e-3 (30 epochs of MNIST) to
            1e-2 (2 epochs) worked.
        **settings: other arguments of `keras.optimizers.Muon`; for ``clipnorm`` and
            ``clipvalue`` see `nadam`.

    Raises:
        ValueError: if an argument is out of its range.
    """
    schedule = cosine(steps, learning_rate)
    own = {"global_clipnorm": 1.0, "weight_decay": None, "adam_weight_decay": None}
    return KernelMuon(schedule, **{**own, **settings})


BY_NAME = {"nadam": nadam, "muon": muon}

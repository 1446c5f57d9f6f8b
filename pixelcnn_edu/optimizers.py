"""Optimizers of `training.fit`: a cosine schedule and clipped gradients, Nadam or Muon.

Taught by notebook 14.
"""

import re

from pixelcnn_edu._checks import check_number, check_positive_int
from pixelcnn_edu.layers import register

import keras
import tensorflow as tf
from keras import ops


@register
class KernelMuon(keras.optimizers.Muon):
    """Muon for convolutions: a kernel is a matrix (taps and channels in, channels out).

    Keras's own Muon takes matrices only. It updates the kernels of convolutions with
    Adam. This class updates them with Muon, and uses Adam for all other variables:
    biases, the position, dense layers, and kernels with one output.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks",
    2024. Each step is scaled as in arXiv 2502.16982, so that good learning rates are
    similar to those of Adam.
    """

    def _should_use_adamw(self, variable):
        if len(variable.shape) != 4 or variable.shape[-1] == 1:
            return True
        return any(re.search(name, variable.path) for name in self.exclude_layers)

    def _muon_update_step(self, gradient, variable, lr, m):
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        ahead = ops.add(gradient, self.momentum * m) if self.nesterov else m
        matrix = ops.reshape(ahead, (-1, ahead.shape[-1]))
        update = self.lr_adjust(
            lr * self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        )
        self.assign_sub(variable, ops.reshape(update, variable.shape))


class _WholeBatch:
    """Clips the gradient of a batch that several devices share, under `tf.distribute`.

    Keras clips the gradient of each device's share, then adds up the clipped gradients.
    This class adds up first and clips the gradient of the whole batch, as one device
    does.
    """

    def _clip_gradients(self, grads):
        context = tf.distribute.get_replica_context()
        whole = context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))
        # Keras sums the gradients of the devices once more. So the first device returns
        # the clipped gradients, and the others return zeros.
        is_first = context.replica_id_in_sync_group == 0
        return [
            # the gradient of an embedding is sparse: `*` does not work on it
            tf.math.scalar_mul(tf.cast(is_first, grad.dtype), grad)
            for grad in super()._clip_gradients(whole)
        ]


@register
class ReplicatedNadam(_WholeBatch, keras.optimizers.Nadam):
    """Nadam for a batch that several devices share."""


@register
class ReplicatedMuon(_WholeBatch, KernelMuon):
    """`KernelMuon` for a batch that several devices share."""


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


def _shared() -> bool:
    on_tensorflow = keras.config.backend() == "tensorflow"
    return on_tensorflow and tf.distribute.get_strategy().num_replicas_in_sync > 1


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
    made = ReplicatedNadam if _shared() else keras.optimizers.Nadam
    return made(schedule, **{"global_clipnorm": 1.0, **settings})


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
    made = ReplicatedMuon if _shared() else KernelMuon
    own = {"global_clipnorm": 1.0, "weight_decay": None, "adam_weight_decay": None}
    return made(schedule, **{**own, **settings})


BY_NAME = {"nadam": nadam, "muon": muon}

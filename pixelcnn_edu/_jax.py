"""What training needs on JAX: variables that hold the present state."""

import keras
import numpy as np


class KeepState(keras.callbacks.Callback):
    """Keeps the state of training (weights, optimizer, generators) in the variables.

    While an epoch runs, Keras on JAX takes the state out of the variables. This callback
    puts it back after each batch, so that other callbacks can read it, as on TensorFlow. If
    a step fails or is interrupted, its state is lost: then `put_back` gives the variables
    the state from the beginning of the epoch.
    """

    kept = ()

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def on_train_begin(self, logs=None):
        # After a running mean has become the weights, both have the same array. JAX refuses
        # to take an array twice.
        for variable in self._variables():
            variable.assign(keras.ops.copy(variable))

    def on_epoch_begin(self, epoch, logs=None):
        self.kept = [np.array(variable) for variable in self._variables()]

    def on_train_batch_end(self, batch, logs=None):
        self.model.jax_state_sync()

    def on_epoch_end(self, epoch, logs=None):
        self.kept = ()

    def put_back(self):
        """Give the variables the state from the beginning of the epoch that has failed."""
        # several processes would have to do so together
        if self.kept and keras.distribution.distribution() is None:
            for variable, value in zip(self._variables(), self.kept, strict=True):
                variable.assign(value)


def keeping_state(model, train, callbacks, **arguments):
    """Return ``train(callbacks=…)``; if it fails, the model keeps a state, see above."""
    keep = KeepState()
    try:
        return train(callbacks=[keep, *callbacks], **arguments)
    except BaseException:
        keep.put_back()
        raise

"""What Keras on JAX needs: compiled functions that read the present weights of a model.

While a model trains, its variables hold the present weights too.
"""

import keras
import numpy as np


def compiled(model, function, *examples):
    """Return a function of arrays, compiled by JAX, that reads the weights of a model.

    A graph of TensorFlow reads the present value of a variable. JAX takes the value at
    the time of compilation as a constant. So the values are arguments here.

    Args:
        model: a Keras model.
        function: a function of arrays that reads no other variables than the model's.
        examples: compile now, for arrays of these shapes; without examples, compile in
            the first call for each shape.
    """
    import jax

    variables = model.variables

    def values():
        return [variable.value for variable in variables]

    @jax.jit
    def stateless(values, *inputs):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function(*inputs)

    run = stateless.lower(values(), *examples).compile() if examples else stateless
    return lambda *inputs: run(values(), *inputs)


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

"""What Keras on JAX needs: compiled functions that read the present weights of a model.

While a model trains, its variables hold the present weights too.
"""

from pixelcnn_edu._callbacks import inner_optimizer, trained_variables

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


def keeping_state(model, train, callbacks, **arguments):
    """Return ``train(callbacks=…)``; the variables keep the state of training meanwhile.

    While an epoch runs, Keras on JAX takes the state (weights, the optimizer's variables,
    the generator of dropout) out of the variables. Here a callback puts the state back
    after each batch, so that other callbacks can read it, as on TensorFlow. If a step
    fails or is interrupted, its state is lost. Then the variables get the state from the
    beginning of the epoch.
    """
    keep = _Keep()
    try:
        return train(callbacks=[keep, *callbacks], **arguments)
    except BaseException as error:
        import jax

        if jax.process_count() > 1:  # the others would have to put their state back too
            raise
        optimizer = inner_optimizer(model.optimizer)
        if keep.put_back() and optimizer.use_ema and error.__context__:
            # Keras's own clean-up has read the lost mean: a second error, which hides the
            # first
            raise error.__context__ from None
        raise


class _Keep(keras.callbacks.Callback):
    values = ()

    def on_train_begin(self, logs=None):
        # After a running mean has become the weights, both have the same array. JAX refuses
        # to take an array twice.
        for variable in trained_variables(self.model):
            variable.assign(keras.ops.copy(variable))

    def on_epoch_begin(self, epoch, logs=None):
        self.values = [np.array(variable) for variable in trained_variables(self.model)]

    def on_train_batch_end(self, batch, logs=None):
        self.model.jax_state_sync()

    def put_back(self) -> bool:
        """Put the state of the epoch's beginning back, and return whether it was lost."""
        if not self.values:  # no epoch has begun
            return False
        variables = trained_variables(self.model)
        try:
            for variable in variables:
                np.asarray(variable)
            return False
        except (RuntimeError, TypeError):  # given to JAX, or taken out
            for variable, value in zip(variables, self.values, strict=True):
                variable.assign(value)
            return True

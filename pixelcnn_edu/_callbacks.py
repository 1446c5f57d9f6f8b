"""Callbacks of `training.fit`: some are refused, two swap weights, a file is continued."""

import contextlib
import os

from pixelcnn_edu._checks import refused
from pixelcnn_edu._files import identity_of_file
from pixelcnn_edu._state import attributes

import keras

_RULES = (
    keras.optimizers.schedules.LearningRateSchedule,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
)


def check_callbacks(callbacks, *, in_folder) -> list:
    """Return the callbacks that Keras takes: one, a list of them, or None for none.

    Args:
        callbacks: the user's argument.
        in_folder: whether `training.fit` keeps the run in a folder.
    """
    given = callbacks
    if isinstance(callbacks, keras.callbacks.CallbackList):
        given = callbacks.callbacks
    found = [] if given is None else keras.tree.flatten(given)
    for one in found:
        if not isinstance(one, keras.callbacks.Callback):
            expected = "callbacks to be a Keras callback, a list of them, or None"
            raise refused(expected, repr(one))
        if isinstance(one, keras.callbacks.SwapEMAWeights):
            raise refused(
                "callbacks without SwapEMAWeights, since fit itself swaps the weights and "
                "their running mean, and two swaps cancel",
                repr(one),
            )
        if in_folder and isinstance(one, keras.callbacks.BackupAndRestore):
            raise refused(
                "callbacks without BackupAndRestore beside folder=, since each of the two "
                "would choose the epoch in which a resumed run goes on",
                repr(one),
            )
    return found


def check_learning_rate(optimizer, callbacks):
    """Refuse Keras's callbacks that set a rate which a schedule computes.

    Keras refuses to set it, too, but `ReduceLROnPlateau` sets it only at a plateau.
    """
    setters = keras.callbacks.ReduceLROnPlateau | keras.callbacks.LearningRateScheduler
    if callable(getattr(inner_optimizer(optimizer), "_learning_rate", None)):
        for one in callbacks:
            if isinstance(one, setters):
                raise refused(
                    f"callbacks without {type(one).__name__} where the learning rate has a "
                    "schedule, as with optimizer='nadam'; give a Keras optimizer with a "
                    "number as its learning_rate",
                    repr(one),
                )


class WholeSwap(keras.callbacks.SwapEMAWeights):
    """Keras's swap of the weights and their mean, done whole or not at all.

    Keras adds and subtracts: after an interrupt in between, the model would hold sums.
    """

    def _swap_variables(self):
        self._whole(super()._swap_variables)

    def _finalize_ema_values(self):
        self._whole(super()._finalize_ema_values)

    def _whole(self, change):
        optimizer = inner_optimizer(self.model.optimizer)
        means = optimizer._model_variables_moving_average
        variables = [*optimizer._trainable_variables, *means]
        before = [keras.ops.convert_to_numpy(variable) for variable in variables]
        try:
            change()
        except BaseException:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            raise


def with_mean_weights(optimizer, callbacks):
    """Return callbacks that see the running mean of the weights, if there is one.

    At the end of an epoch the first callback swaps the weights and their mean. So the
    other callbacks save, restore and draw with the mean, which was validated. The last
    callback swaps back.
    """
    inner = inner_optimizer(optimizer)
    if not inner.use_ema:
        if any(one.use_ema for one in getattr(inner, "optimizers", ())):
            expected = "an optimizer with one running mean of all weights"
            raise refused(expected, f"use_ema inside {optimizer!r}")
        return callbacks
    for one in callbacks:
        if isinstance(one, keras.callbacks.BackupAndRestore):
            raise refused(
                "callbacks without BackupAndRestore where the optimizer keeps a running "
                "mean of the weights (use_ema), since a resumed run would go on from the "
                "mean; folder= resumes such a run",
                repr(one),
            )
    swap = WholeSwap(swap_on_epoch=True)
    # `swap.on_epoch_begin` puts the trained weights back into the model. Keras does this
    # when the next epoch begins. The checkpoint, which runs last, needs the trained weights
    # at the end of an epoch. (Then Keras's own call finds nothing to swap.)
    swap_back = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: swap.on_epoch_begin(epoch)
    )
    return [swap, *callbacks, swap_back]


def swapped_back(train, callbacks, **arguments):
    """Return ``train(callbacks=…)``.

    If an interrupt comes when the model has the running mean, as in the validation, the
    model gets its own weights back. (On JAX, Keras leaves the mean after each interrupt.
    After the last epoch only the mean is left.)
    """
    try:
        return train(callbacks=callbacks, **arguments)
    except BaseException:
        for one in callbacks:
            if isinstance(one, keras.callbacks.SwapEMAWeights):
                with contextlib.suppress(RuntimeError):  # on JAX both may be lost
                    one.on_test_end()
        raise


def inner_optimizer(optimizer):
    """Return the optimizer within a LossScaleOptimizer, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def trained_variables(model):
    """Return all that training changes: the model's variables and the optimizer's.

    Keras does not list what a user's objects hold: another optimizer within an optimizer,
    and variables and generators of an optimizer, a schedule, a regularizer or a constraint.
    """
    found = {id(variable): variable for variable in model.variables}
    rules = [
        rule
        for layer in model._flatten_layers()
        for holder in (layer, *layer._trainable_variables)
        for name in ("activity_regularizer", "regularizer", "constraint")
        if (rule := getattr(holder, name, None)) is not None
    ]
    optimizers = [model.optimizer]
    for optimizer in optimizers:  # the list grows
        found |= {id(variable): variable for variable in optimizer.variables}
        for held in keras.tree.flatten(list(vars(optimizer).values())):
            new = all(held is not one for one in optimizers)
            if new and isinstance(held, keras.optimizers.Optimizer):
                optimizers.append(held)
            if isinstance(held, keras.optimizers.schedules.LearningRateSchedule):
                rules.append(held)
    holders = [*rules, *optimizers]
    for holder in holders:  # the list grows
        for held in keras.tree.flatten(list(attributes(holder).values())):
            if isinstance(held, keras.random.SeedGenerator):
                held = held.state
            if isinstance(held, keras.Variable):
                found[id(held)] = held
            if isinstance(held, _RULES) and all(held is not one for one in holders):
                holders.append(held)
    return list(found.values())


@contextlib.contextmanager
def with_csv_files(callbacks, epoch, saved):
    """Yield callbacks that leave one row per epoch in the files of Keras's ``CSVLogger``.

    A logger appends if ``epoch`` is not 0: it would begin its file anew. An interrupted
    run takes back its row of an epoch that is not saved, since that epoch is done again.

    Nothing else is removed, because other runs may write to the same file. So an epoch
    stands twice if its process was killed between the row and the checkpoint, if another
    run has written after the row, or if the checkpoint of a finished epoch is lost.

    Args:
        callbacks: Keras callbacks.
        epoch: the first epoch of this call; not 0 in a run that goes on.
        saved: the path of the checkpoint, a new file for each epoch.
    """
    loggers = [one for one in callbacks if isinstance(one, keras.callbacks.CSVLogger)]
    overwriting = [one for one in loggers if epoch and not one.append]
    before = None  # the rows of an epoch: the checkpoint's file, and the sizes of logs

    def note(epoch, logs=None):
        nonlocal before
        files = [one.filename for one in loggers]
        sizes = [os.path.isfile(file) and os.path.getsize(file) for file in files]
        before = identity_of_file(saved), sizes

    for one in overwriting:
        one.append = True
    try:
        yield [keras.callbacks.LambdaCallback(on_epoch_end=note), *callbacks]
    finally:
        for one in overwriting:
            one.append, one.append_header = False, True
        if before and before[0] and before[0] == identity_of_file(saved):
            for one, size in zip(loggers, before[1], strict=True):
                with contextlib.suppress(OSError):  # no file, or one without an end
                    _take_back_row(one, size)


def _take_back_row(logger, size):
    """Cut off the last row of a file of at least ``size`` bytes, if ``logger`` wrote it."""
    if logger.csv_file is None or logger.csv_file.closed:
        return
    end = logger.csv_file.tell()  # of what the logger has written
    with open(logger.filename, "r+b") as file:
        file.seek(size)
        rows = file.read()
        if rows and size + len(rows) == end:
            file.truncate(size + rows.rstrip().rfind(b"\n") + 1)

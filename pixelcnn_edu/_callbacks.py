"""Callbacks of `training.fit`: some are refused, two swap weights, a file is continued."""

import contextlib
from pathlib import Path

from pixelcnn_edu._checks import refused
from pixelcnn_edu._files import atomic_write

import keras


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
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    # `swap.on_epoch_begin` puts the trained weights back into the model. Keras does this
    # when the next epoch begins. The checkpoint, which runs last, needs the trained weights
    # at the end of an epoch. (Then Keras's own call finds nothing to swap.)
    swap_back = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: swap.on_epoch_begin(epoch)
    )
    return [swap, *callbacks, swap_back]


def inner_optimizer(optimizer):
    """Return the optimizer within a LossScaleOptimizer, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


@contextlib.contextmanager
def appending(callbacks, epoch):
    """In this block, let Keras's ``CSVLogger`` append: it would begin its file anew.

    Rows of epochs that the checkpoint does not have are cut off: they come again.
    """
    loggers = [one for one in callbacks if isinstance(one, keras.callbacks.CSVLogger)]
    loggers = loggers if epoch else []
    for one in loggers:
        _cut_off(Path(one.filename), one.sep, epoch)
    loggers = [one for one in loggers if not one.append]
    for one in loggers:
        one.append = True
    try:
        yield
    finally:
        for one in loggers:
            one.append, one.append_header = False, True


def _cut_off(path, separator, epoch):
    """Take the last rows away from a CSV file, as far as they are of ``epoch`` or later."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(file)
    kept = len(rows)
    while kept and _epoch_of(rows[kept - 1], separator) >= epoch:
        kept -= 1
    if kept < len(rows):
        with (
            atomic_write(path) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            file.writelines(rows[:kept])


def _epoch_of(row, separator):
    first = row.split(separator)[0].strip()
    return int(first) if first.isdigit() else -1  # -1: the names of the columns

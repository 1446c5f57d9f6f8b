"""What each of two processes computes, and one process alone.

    KERAS_BACKEND=jax python tests/with_jax/two.py FOLDER [HOST:PORT 2 RANK]

joins the processes, and writes what each of them computes into FOLDER. With an address, the
process of rank 1 kills itself while it trains. Without one, a launcher names the processes,
and the run goes on.
"""

import os
import signal
import sys
import zlib
from pathlib import Path

from pixelcnn_edu import machines, training
from pixelcnn_edu.models import pixelcnn

import keras
import numpy as np

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
X = np.random.default_rng(0).random((22, 5, 5, 1), dtype="float32")
SIZE, EPOCHS = 8, 5  # 22 images: two batches of 8 in an epoch, and 6 images left


def network():
    keras.utils.set_random_seed(0)
    return pixelcnn((5, 5, 1), filters=4, depth=1, dropout=0.2)


def fit(model, images=X, **more):
    recipe = {"epochs": EPOCHS, "batch_size": SIZE, "seed": 3, "verbose": 0}
    return training.fit(model, images, **{**recipe, **more})


class WrongRows(machines.Rows):
    """A planted bug: each process takes the first rows."""

    def __getitem__(self, index):
        joined, machines._joined = machines._joined, (0, machines.count())
        try:
            return super().__getitem__(index)
        finally:
            machines._joined = joined


def weights_of(model):
    return {f"{i}": weight for i, weight in enumerate(model.get_weights())}


def ten_steps():
    """Return the weights after ten steps of SGD, a checksum after each, and the nats."""
    model, after_each = network(), []

    def note(batch, logs):
        raw = b"".join(weight.tobytes() for weight in model.get_weights())
        after_each.append(zlib.crc32(raw))

    history = fit(
        model,
        optimizer=keras.optimizers.SGD(0.01),
        validation_images=X[:5],
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=note)],
    ).history
    return {**weights_of(model), "after each": after_each, **history}


def whole_run(folder=None, die=False):
    """Return the weights, nats and first epoch of a run with dropout and a running mean."""
    epochs = []

    def at_batch(batch, logs):
        if die and machines.rank() == 1 and (epochs[-1], batch) == (2, 1):
            os.kill(os.getpid(), KILL)

    model = network()
    optimizer = keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.9)
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epochs.append(epoch),
        on_train_batch_end=at_batch,
    )
    more = {"validation_images": X[:5], "callbacks": [note], "folder": folder}
    history = fit(model, optimizer=optimizer, **more).history
    return {**weights_of(model), "nats": history["val_loss"], "first": epochs[0]}


def fails():
    raise ValueError(f"planted at rank {machines.rank()}")


def refusals():
    """Return what each of some calls says in this process."""
    calls = {
        "batch_size": lambda: fit(network(), batch_size=7),
        "few": lambda: fit(network(), X[:7]),
        "from first": lambda: machines.from_first(fails),
    }
    told = {}
    for name, call in calls.items():
        try:
            call()
        except ValueError as error:
            told[name] = str(error)
    return told


def main(folder, coordinator=None, processes=None, rank=None):
    die = coordinator is not None
    with machines.joined(
        coordinator, processes and int(processes), rank and int(rank)
    ) as rank:
        folder = Path(folder, f"{rank}")
        folder.mkdir(exist_ok=True)
        found = {"resumed": whole_run(folder / "run", die)}
        found |= {"ten steps": ten_steps(), "refusals": refusals()}
        machines.Rows = WrongRows
        found["wrong rows"] = ten_steps()
    for name, arrays in found.items():
        np.savez(folder / f"{name}.npz", **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])

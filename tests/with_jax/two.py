"""What several processes compute together, and one process alone.

    KERAS_BACKEND=jax python tests/with_jax/two.py FOLDER

joins the processes, which SLURM or variables like its own have named, and writes what each
of them computes into FOLDER.
"""

import contextlib
import sys
from pathlib import Path

from pixelcnn_edu import _ranks, machines, training
from pixelcnn_edu._checksums import checksum
from pixelcnn_edu._files import locked
from pixelcnn_edu.batches import Batches
from pixelcnn_edu.models import pixelcnn

import keras
import numpy as np

X = np.random.default_rng(0).random((22, 5, 5, 1), dtype="float32")
LABELS = np.arange(22) % 3
SIZE, EPOCHS = 8, 5  # 22 images: two batches of 8 in an epoch, and 6 images left


def network():
    keras.utils.set_random_seed(0)
    return pixelcnn((5, 5, 1), filters=4, depth=1, dropout=0.2)


def fit(model, images=X, **more):
    recipe = {"epochs": EPOCHS, "batch_size": SIZE, "seed": 3, "verbose": 0}
    return training.fit(model, images, **{**recipe, **more})


class WrongRows(_ranks.Rows):
    """A planted bug: each process takes the rows of rank 0."""

    def __getitem__(self, index):
        here, _ranks.here = _ranks.here, (0, _ranks.count())
        try:
            return super().__getitem__(index)
        finally:
            _ranks.here = here


def rows():
    """Return the rows of this process: the batches of an epoch, and those scored."""
    batches = Batches(X, SIZE, binarize=True, labels=[LABELS], seed=3)
    own, scored = _ranks.rows(batches), _ranks.rows(batches, score=True)
    return {
        **{f"images {i}": own[i][0][0] for i in range(len(own))},
        **{f"labels {i}": own[i][0][1] for i in range(len(own))},
        **{f"targets {i}": own[i][1] for i in range(len(own))},
        **{f"scored {i}": scored[i][1] for i in range(len(scored))},
        **{f"weights {i}": scored[i][2] for i in range(len(scored))},
    }


def gradients():
    """Return the gradients of the first step: what SGD of rate 1 subtracts."""
    model = network()
    before = model.get_weights()
    fit(model, X[:SIZE], epochs=1, optimizer=keras.optimizers.SGD(1.0))
    after = model.get_weights()
    pairs = enumerate(zip(before, after, strict=True))
    return {f"{i}": old - new for i, (old, new) in pairs}


def ten_steps():
    """Return the weights after ten steps of SGD, a checksum after each, and the nats."""
    model, after_each = network(), []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: after_each.append(
            checksum(model.get_weights())
        )
    )
    history = fit(
        model,
        optimizer=keras.optimizers.SGD(0.01),
        validation_images=X[:5],
        callbacks=[note],
    ).history
    weights = {f"{i}": w for i, w in enumerate(model.get_weights())}
    return {**weights, "after each": after_each, **history}


def whole_run(folder=None, interrupt=None):
    """Return the end of a run with a running mean, a callback that stops it, and grids."""

    def at_epoch(epoch, logs):
        if epoch == interrupt:
            raise KeyboardInterrupt

    model, grids = network(), training.SampleGrid(3)
    optimizer = keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.9)
    stop = keras.callbacks.EarlyStopping("val_loss", baseline=0.0, patience=3)
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_begin=at_epoch), stop, grids]
    how = {"folder": folder, "callbacks": callbacks, "optimizer": optimizer}
    with contextlib.suppress(KeyboardInterrupt):
        history = fit(model, validation_images=X[:5], **how)
        weights = {f"{i}": w for i, w in enumerate(model.get_weights())}
        grids = {f"grid {epoch}": images for epoch, images in grids.grids.items()}
        return {**weights, **grids, "val_loss": history.history["val_loss"]}


def refusals(folder, rank):
    """Return what each of some calls says in this process."""
    with locked(folder / "in use") if rank == 0 else contextlib.nullcontext():
        return {
            "seed": refusal(seed=rank),
            "images": refusal(images=X * 0 if rank else X),
            "in use": refusal(folder=folder / "in use"),
            "batch_size": refusal(batch_size=7),
            "few": refusal(images=X[:7]),
            "from before": refusal(build=from_before),
            "diverged": diverged(folder / "diverged"),
        }


def diverged(folder):
    """Return what a run says that has diverged, and that the same call resumes."""

    def run():
        optimizer = keras.optimizers.SGD(float("inf"))
        return refusal(images=X[:SIZE], optimizer=optimizer, folder=folder)

    assert run() == "nothing"
    return run()


def from_before():
    """Return a network that is built as before the processes have joined."""
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        return network()
    finally:
        keras.distribution.set_distribution(distribution)


def refusal(build=network, **arguments):
    try:
        fit(build(), **{"epochs": 1, **arguments})
    except ValueError as error:
        return str(error)
    return "nothing"


def main(folder):
    with machines.joined() as rank:
        folder = folder / f"{rank}"
        folder.mkdir()
        run = folder / "run"
        whole_run(run, interrupt=2)
        found = {
            "rows": rows(),
            "gradients": gradients(),
            "ten steps": ten_steps(),
            "resumed": whole_run(run),
            "refusals": refusals(folder, rank),
        }
        _ranks.Rows = WrongRows
        found["wrong rows"] = ten_steps()
    for name, arrays in found.items():
        np.savez(folder / f"{name}.npz", **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

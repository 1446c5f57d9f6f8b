"""Checkpoints: the state of a run on disk, so that a killed run goes on.

Taught by notebook 08. Keras's own `keras.callbacks.BackupAndRestore` keeps the weights,
the optimizer and the number of the epoch. It does not keep the history, and does not
notice that settings or images have changed.

The folder of a run holds three files:

- ``run.json``: the settings, the version of this package, and checksums of the images, the
  labels and the initial weights. All of them must be the same when the run goes on.
- ``checkpoint.npz``: the state after the last finished epoch: the weights, the states of
  dropout's generators, the optimizer's variables, the history, and the number of the epoch.
- ``run.lock``: keeps other processes out while the run goes on.

A half-done epoch is done again: the order of the digits and their draws come from (seed,
epoch, batch), so the epoch has the same batches.

After a change in your own code, take another folder: code is not compared. What callbacks
remember (as ``EarlyStopping`` does) is not restored, and neither are random numbers that do
not come from a generator of a layer.
"""

import contextlib
import json
import time
import zipfile
import zlib

import pixelcnn_edu
from pixelcnn_edu import machines
from pixelcnn_edu._checks import check_path
from pixelcnn_edu._files import atomic_write

import filelock
import keras
import numpy as np


def checksum(arrays) -> str:
    """Return a CRC-32 of arrays: of their types, their shapes and their values."""
    found = 0
    for array in arrays:
        found = zlib.crc32(f"{array.dtype} {array.shape}".encode(), found)
        found = zlib.crc32(np.ascontiguousarray(array).tobytes(), found)
    return f"{found:08x}"


class Resume(keras.callbacks.Callback):
    """Writes the state of a run after each epoch, so that the run can go on from it.

    On several machines the process of rank 0 alone uses the folder. It tells the others
    what it has read.

    Args:
        folder: where the run is kept.
        settings: a dict of what must be the same when the run goes on, as JSON holds it.
    """

    def __init__(self, folder, settings):
        super().__init__()
        self.folder = check_path("folder", folder).absolute()
        version = {"version": pixelcnn_edu.__version__}
        self.settings = json.loads(json.dumps({**version, **settings}))
        self.epoch, self.ended, self.history = 0, False, {}

    def train(self, model, fit, callbacks, **arguments) -> keras.callbacks.History:
        """Train a compiled model to the end of its run.

        If the run has ended before, the model gets its final weights.

        Args:
            model: the model.
            fit: ``model.fit``, or a function like it.
            callbacks: a list of Keras callbacks.
            **arguments: for ``fit``.

        Returns:
            Keras's History of all epochs, earlier ones included.

        Raises:
            ValueError: the folder is in use, cannot be written, holds another run, or its
                files are damaged.
            OSError: the state cannot be written (the disk is full, say).
        """
        with self._locked():
            self._restore(model)
            if not self.ended:
                fit(callbacks=[*callbacks, self], initial_epoch=self.epoch, **arguments)
        history = keras.callbacks.History()
        history.set_model(model)
        history.history = self.history
        history.epoch = list(range(len(self.history["seconds"])))
        return history

    @contextlib.contextmanager
    def _locked(self):
        lock = filelock.FileLock(self.folder / "run.lock", timeout=0)

        def acquire():
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock.acquire()
            except filelock.Timeout:
                raise ValueError(
                    f"Expected folder to be free. Received: {self.folder}, which another "
                    "run uses"
                ) from None
            except OSError as error:
                raise ValueError(
                    "Expected folder to be a folder in which files can be written. "
                    f"Received: {self.folder} ({error})"
                ) from error

        machines.from_first(acquire)
        try:
            yield
        finally:
            lock.release()

    def _restore(self, model):
        """Give the model the state in the folder, if the folder holds this run."""
        state, arrays = machines.from_first(self._read)
        if arrays:
            self.epoch, self.ended = state["epoch"], state["ended"]
            self.history = state["history"]
            for variable, array in zip(_variables(model), arrays, strict=True):
                variable.assign(array)

    def _read(self):
        """Return the state and the arrays on disk; of a new run, write the settings."""
        run, checkpoint = self.folder / "run.json", self.folder / "checkpoint.npz"
        if not checkpoint.exists():
            with atomic_write(run) as path:
                path.write_text(json.dumps(self.settings, indent=1), "utf-8")
            return {}, []
        try:
            settings = json.loads(run.read_text("utf-8"))
            with (
                open(checkpoint, "rb") as raw,
                np.load(raw, allow_pickle=False) as file,
            ):
                state = json.loads(str(file["state"]))
                arrays = [file[f"variable_{i}"] for i in range(len(file.files) - 1)]
        except (zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
            raise ValueError(
                f"Expected run.json and checkpoint.npz in {self.folder} as a run has "
                f"written them. Received: damaged files ({error}). To begin anew, delete "
                "the folder."
            ) from error
        names = self.settings.keys() | settings.keys()
        differ = [n for n in names if settings.get(n) != self.settings.get(n)]
        if differ:
            told = (
                "Expected folder to be empty or to hold a run with the same settings. "
                f"Received: {run}, which differs in: {', '.join(sorted(differ))}."
            )
            if "initial weights" in differ:
                told += (
                    " Before the model is built, call keras.utils.set_random_seed with "
                    "the seed of that run; or take another folder for another run."
                )
            raise ValueError(told)
        return state, arrays

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.began
        for name, value in {**(logs or {}), "seconds": seconds}.items():
            self.history.setdefault(name, []).append(float(value))
        # a callback that stops the training ends the run
        stopped = self.model.stop_training
        self.epoch = self.params["epochs"] if stopped else epoch + 1
        machines.from_first(self._write)

    def on_train_end(self, logs=None):
        self.ended = True  # only now the model has its final weights
        machines.from_first(self._write)

    def _write(self):
        state = {"epoch": self.epoch, "ended": self.ended, "history": self.history}
        values = [np.asarray(variable) for variable in _variables(self.model)]
        arrays = {f"variable_{i}": value for i, value in enumerate(values)}
        with atomic_write(self.folder / "checkpoint.npz") as path:
            np.savez(path, state=np.array(json.dumps(state)), **arrays)


def _variables(model):
    """Return all that training changes: of the model, its generators and the optimizer."""
    return [*model.variables, *model.optimizer.variables]

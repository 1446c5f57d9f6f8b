"""Checkpoints: the state of a run on disk, whole or not at all.

Taught by notebook 08.
"""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

import keras
import numpy as np


class Checkpoint(keras.callbacks.Callback):
    """Keep the state of a run on disk: weights, optimizer, history; whole or not at all.

    After each epoch the state goes to ``folder/checkpoint.npz``, and the one before it to
    ``checkpoint.previous.npz``, which is used if the newest is damaged.

    Args:
        folder: made if it does not exist.
        settings: a dict that must be the same when the run is resumed.
    """

    def __init__(self, folder, settings):
        super().__init__()
        self.folder = Path(folder)
        self.settings = settings
        self.history = {}

    @property
    def _paths(self):
        return self.folder / "checkpoint.npz", self.folder / "checkpoint.previous.npz"

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def restore(self, model) -> int:
        """Load the newest whole state into a compiled model; return its epoch, or 0."""
        self.set_model(model)
        for left in self.folder.glob("partial-*"):  # by a run that was killed
            left.unlink()
        model.optimizer.build(model.trainable_variables)
        for path in self._paths:
            if not path.exists():
                continue
            try:
                about, arrays = _read(path)
                break
            except Exception as error:  # any byte of the file may be any other
                kept = path.with_suffix(".damaged")
                os.replace(path, kept)  # or it would take the place of a whole one
                print(
                    f"{path} is damaged ({error}): now {kept.name}. Looking for one ",
                    end="",
                )
                print("before it.")
        else:
            return 0
        variables = self._variables()
        shapes = [tuple(variable.shape) for variable in variables]
        differ = [k for k, v in self.settings.items() if about["settings"].get(k) != v]
        if differ or [array.shape for array in arrays] != shapes:
            raise ValueError(
                f"Expected folder to be empty or to hold a run with the same settings. "
                f"{path} differs in: {', '.join(differ) or 'network'}"
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        self.history = about["history"]
        return about["epoch"]

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.began
        for name, value in {**(logs or {}), "seconds": seconds}.items():
            self.history.setdefault(name, []).append(float(value))
        arrays = {
            f"variable_{i}": np.asarray(v) for i, v in enumerate(self._variables())
        }
        about = {
            "epoch": epoch + 1,
            "settings": self.settings,
            "history": self.history,
            "arrays": len(arrays),
        }
        newest, previous = self._paths
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole_file(newest) as temporary:
            with open(temporary, "wb") as file:
                np.savez(file, about=np.array(json.dumps(about)), **arrays)
            if newest.exists():
                os.replace(newest, previous)


def _read(path):
    """Return what a checkpoint says about its run, and its arrays in order."""
    with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        count = len(file.files) - 1
        if about.get("arrays", count) != count:  # damage may hide some of them
            raise ValueError(f"{count} arrays of {about['arrays']}")
        return about, [file[f"variable_{i}"] for i in range(count)]


def architecture(model) -> str:
    """Return a checksum of a model's layers and how they hang together, names aside.

    Keras numbers the names of layers in the order in which a process makes them. A model
    that Keras cannot describe has the checksum of nothing.
    """
    names = {layer.name: f"layer {i}" for i, layer in enumerate(model.layers)}

    def renamed(value):
        if isinstance(value, dict):
            return {key: renamed(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [renamed(one) for one in value]
        return names.get(value, value) if isinstance(value, str) else value

    try:
        config = renamed({**model.get_config(), "name": None})
        text = json.dumps(config, sort_keys=True)
    except (NotImplementedError, TypeError):
        text = ""
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def whole_file(path):
    """Yield a temporary path that becomes ``path`` only if the block succeeds.

    Raises:
        OSError: it could not be written (a full disk, say); ``path`` is as it was.
    """
    temporary = Path(path).with_name(f"partial-{os.getpid()}-{Path(path).name}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"Could not write {path}, which is as it was ({error.strerror or error}). "
            "Is the disk full, or the folder read-only?",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)

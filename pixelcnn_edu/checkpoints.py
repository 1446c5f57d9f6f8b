"""Checkpoints: the state of a run on disk, whole or not at all.

Taught by notebook 08.
"""

import contextlib
import errno
import hashlib
import io
import itertools
import json
import os
import platform
import time
import warnings
import zipfile

from pixelcnn_edu._checks import check_path, plain

import filelock
import keras
import numpy as np

# What Keras's own callbacks remember from one epoch to the next. They are told apart by
# their class, by what they monitor, and by their order.
_REMEMBERED = {
    keras.callbacks.EarlyStopping: (
        "best",
        "best_epoch",
        "best_weights",
        "stopped_epoch",
        "wait",
    ),
    keras.callbacks.ModelCheckpoint: ("best",),
    keras.callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def resume(train, model, folder, settings, callbacks) -> keras.callbacks.History:
    """Go on with the run in a folder, or begin one.

    A run that has ended is not trained again: the model gets its last weights.

    Args:
        train: trains the model, as ``model.fit`` does with these ``callbacks`` from an
            ``initial_epoch`` on.
        model: a compiled model.
        folder: where the run is kept; `locked` meanwhile.
        settings: a dict that must be the same when the run is resumed.
        callbacks: Keras callbacks.

    Returns:
        Keras's History of all epochs, earlier ones included.
    """
    settings = {
        **settings,
        "precision": sorted({layer.dtype_policy.name for layer in model.layers}),
        "network": architecture(model),
    }
    with locked(folder) as folder:
        checkpoint = Checkpoint(folder, settings, callbacks)
        epoch = checkpoint.restore(model)
        history = keras.callbacks.History()
        history.set_model(model)
        if checkpoint.ended:
            checkpoint.remind()
        else:
            first = settings["epochs"] if checkpoint.stopped else epoch
            history = train(callbacks=[*callbacks, checkpoint], initial_epoch=first)
    history.history = checkpoint.history
    history.epoch = list(range(checkpoint.epoch))
    return history


class Checkpoint(keras.callbacks.Callback):
    """Keep the state of a run on disk: weights, optimizer, history; whole or not at all.

    After each epoch the state goes to ``folder/checkpoint.npz``, and the one before it to
    ``checkpoint.previous.npz``, which is used if the newest is damaged. At the end of
    training the newest is written once more, with the weights that the model ends with.

    The state is written before training too: a full disk is noticed before the first
    batch, and a run that is interrupted in its first epoch begins again with the same
    weights.

    Args:
        folder: an existing folder, such as `locked` yields.
        settings: a dict that must be the same when the run is resumed.
        callbacks: the other callbacks, which come before this one. What Keras's
            ``EarlyStopping``, ``ReduceLROnPlateau`` and ``ModelCheckpoint`` remember is
            kept too, if a resumed run has the same ones.

    Attributes:
        history: as in Keras's History, of all epochs.
        epoch: how many epochs are done.
        stopped: whether a callback stopped the training.
        ended: whether the training came to its end.

    Raises:
        ValueError: JSON cannot hold a setting.
    """

    def __init__(self, folder, settings, callbacks=()):
        super().__init__()
        self.folder = check_path("folder", folder)
        self.settings = _through_json(settings)
        self.callbacks = callbacks
        self.history = {}
        self.epoch, self.stopped, self.ended = 0, False, False
        self._states = []

    @property
    def _paths(self):
        return self.folder / "checkpoint.npz", self.folder / "checkpoint.previous.npz"

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def restore(self, model) -> int:
        """Load the newest whole state into a compiled model; return its epoch, or 0."""
        self.set_model(model)
        model.optimizer.build(model.trainable_variables)
        for path in self._paths:
            if path.is_dir():
                raise ValueError(f"Expected {path} to be a file. Received: a folder")
            try:
                raw = path.read_bytes()  # an error of the system here is no damage
            except FileNotFoundError:
                continue
            try:
                about, arrays = _parse(raw)
                break
            except MemoryError:
                raise
            except Exception as error:  # any byte of the file may be any other
                kept = _unused(path.with_suffix(".damaged"))
                os.replace(path, kept)  # or it would take the place of a whole one
                warnings.warn(
                    f"{path} is damaged ({error}): now {kept.name}. The state before it "
                    "is used, if there is one.",
                    RuntimeWarning,
                    stacklevel=4,
                )
        else:
            return 0
        variables = self._variables()
        shapes = [tuple(variable.shape) for variable in variables]
        arrays, more = arrays[: len(shapes)], arrays[len(shapes) :]
        differ = [k for k, v in self.settings.items() if about["settings"].get(k) != v]
        if differ or [array.shape for array in arrays] != shapes:
            raise ValueError(
                f"Expected folder to be empty or to hold a run with the same settings. "
                f"{path} differs in: {', '.join(differ) or 'network'}"
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        self.history, self.epoch = about["history"], about["epoch"]
        self.stopped, self.ended = about["stopped"], about["ended"]
        self._states = _with_arrays(about["callbacks"], more)
        return self.epoch

    def remind(self):
        """Give Keras's own callbacks what the run in the folder remembers."""
        for callback, who, _ in _remembering(self.callbacks):
            found = next((state for name, state in self._states if name == who), None)
            if found:
                vars(callback).update(found)
        self._states = []

    def on_train_begin(self, logs=None):
        self.remind()
        if any(v.dtype == "bfloat16" for v in self._variables()):
            raise ValueError(
                "Expected a model with float32 variables beside folder=, since a file "
                "cannot hold bfloat16. Received: bfloat16. Use 'mixed_bfloat16'."
            )
        newest, previous = self._paths
        begun = newest.exists() or previous.exists()
        with whole_file(newest, trial=begun) as temporary:
            self._write(temporary)

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.began
        for name, value in {**(logs or {}), "seconds": seconds}.items():
            value = plain(value)
            if isinstance(value, int | float):  # a callback may note down anything
                self.history.setdefault(name, []).append(float(value))
        self.epoch, self.stopped = epoch + 1, bool(self.model.stop_training)
        newest, previous = self._paths
        with whole_file(newest) as temporary:
            self._write(temporary)
            if newest.exists():
                os.replace(newest, previous)

    def on_train_end(self, logs=None):
        self.ended = True
        with whole_file(self._paths[0]) as temporary:
            self._write(temporary)

    def _write(self, path):
        arrays = [np.asarray(variable) for variable in self._variables()]
        callbacks = []
        for callback, who, names in _remembering(self.callbacks):
            state = {name: getattr(callback, name) for name in names}
            if "best_weights" in state:  # their number, and at the end the arrays
                arrays += state["best_weights"] or []
                state["best_weights"] = len(state["best_weights"] or [])
            callbacks.append([who, state])
        about = {
            "epoch": self.epoch,
            "stopped": self.stopped,
            "ended": self.ended,
            "settings": self.settings,
            "history": self.history,
            "callbacks": callbacks,
            "arrays": len(arrays),
        }
        arrays = {f"variable_{i}": array for i, array in enumerate(arrays)}
        with open(path, "wb") as file:
            text = json.dumps(about, default=_as_json)
            np.savez(file, about=np.array(text), **arrays)


def _unused(path):
    """Return ``path``, or the first of ``path2``, ``path3``, … that does not exist."""
    names = (path.with_name(f"{path.name}{i}") for i in itertools.count(2))
    return next(one for one in itertools.chain([path], names) if not one.exists())


def _parse(raw):
    """Return what the bytes of a checkpoint say about its run, and its arrays in order."""
    with zipfile.ZipFile(io.BytesIO(raw)) as file:  # before a damaged size is believed
        if file.testzip():
            raise ValueError(f"{file.testzip()} does not match its checksum")
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        count = len(file.files) - 1
        if about.get("arrays", count) != count:  # damage may hide some of them
            raise ValueError(f"{count} arrays of {about['arrays']}")
        return about, [file[f"variable_{i}"] for i in range(count)]


def _remembering(callbacks):
    """Return (callback, who it is, the names of what it remembers) for Keras's own."""
    found, seen = [], []
    for one in callbacks:
        for kind, names in _REMEMBERED.items():
            if isinstance(one, kind):
                who = [type(one).__name__, one.monitor, one.mode]
                seen.append(who)
                found.append((one, [*who, seen.count(who)], names))
    return found


def _with_arrays(states, arrays):
    """Return states as they were before their best weights were written apart."""
    arrays = iter(arrays)
    for _, state in states:
        if "best_weights" in state:
            count = range(state["best_weights"])
            state["best_weights"] = [next(arrays) for _ in count] or None
    return states


def _as_json(value):
    """Return what JSON has no type for in one that it has, for ``json.dumps``."""
    number = plain(value)
    if number is not value:
        return number
    if isinstance(value, np.ndarray):
        checksum = hashlib.sha256(f"{value.dtype} {value.shape}".encode())
        checksum.update(np.ascontiguousarray(value))
        return checksum.hexdigest()
    if hasattr(value, "get_config"):
        config = {"class": type(value).__name__, **value.get_config(), "name": None}
        if "inner_optimizer" in config:  # of a LossScaleOptimizer: it has a name too
            config["inner_optimizer"] = value.inner_optimizer
        return config
    raise TypeError(f"no type for {value!r}")


def _through_json(settings):
    """Return settings as they come back from a file: arrays as checksums, say."""
    found = {}
    for name, value in settings.items():
        try:
            found[name] = json.loads(json.dumps(value, default=_as_json))
        except (NotImplementedError, TypeError, ValueError) as error:
            raise ValueError(
                f"Expected {name} with a configuration that JSON can hold, as the folder "
                f"keeps it. Received: {value!r}: {error}"
            ) from error
    return found


def architecture(model) -> str:
    """Return a checksum of a model's layers and how they hang together, names aside.

    Keras numbers the names of layers in the order in which a process makes them. A model
    that Keras cannot describe has the checksum of nothing.
    """
    try:
        config = _nameless({**model.get_config(), "name": None})
        text = json.dumps(config, sort_keys=True, default=_as_json)
    except (NotImplementedError, TypeError):
        text = ""
    return hashlib.sha256(text.encode()).hexdigest()


# Where Keras's configuration of a model refers to its layers by their names.
_REFERENCES = {"keras_history", "input_layers", "output_layers"}


def _is_layer(config):
    return isinstance(config, dict) and isinstance(config.get("config"), dict)


def _nameless(config, parts=()):
    """Return a configuration in which layers have no names and are known by their place.

    Args:
        config: any part of what ``model.get_config()`` returns.
        parts: the names of the layers of the model to which that part belongs.
    """
    if isinstance(config, list | tuple):
        return [_nameless(one, parts) for one in config]
    if not isinstance(config, dict):
        return config
    layers = config.get("layers")
    if isinstance(layers, list) and all(map(_is_layer, layers)):
        parts = [one["config"].get("name") for one in layers]
        layers = [
            {**one, "name": None, "config": {**one["config"], "name": None}}
            for one in layers
        ]
        config = {**config, "layers": layers}
    return {
        key: keras.tree.map_structure(
            lambda one: parts.index(one) if one in parts else one, value
        )
        if key in _REFERENCES
        else _nameless(value, parts)
        for key, value in config.items()
    }


@contextlib.contextmanager
def locked(folder, *, wait=False):
    """Make a folder if need be, and keep other processes and threads out of it.

    The lock is the file ``checkpoint.lock``. The system drops it when the process ends,
    however that happens; only the file is left then.

    Args:
        folder: any path.
        wait: wait until the folder is free; otherwise refuse one that is not.

    Yields:
        The folder's absolute path.

    Raises:
        ValueError: the folder is in use, or no file can be written there.

    Warns:
        RuntimeWarning: the file system knows no locks, as some network shares.
    """
    folder = check_path("folder", folder).absolute()  # whatever a callback does
    file = folder / "checkpoint.lock"
    lock = filelock.FileLock(file, -1 if wait else 0, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        _sign(file)
    except filelock.Timeout:
        raise ValueError(
            f"Expected folder to be free. Received: {folder}, which {_holder(file)} uses."
        ) from None
    except OSError as error:
        lock.release()
        if error.errno not in _NO_LOCKS:
            raise ValueError(
                "Expected folder to be a folder in which files can be written. "
                f"Received: {folder} ({error.strerror or error}: {error.filename})"
            ) from error
        warnings.warn(
            f"{folder} cannot be locked ({error.strerror}). See to it that no other "
            "process uses it.",
            RuntimeWarning,
            stacklevel=5,
        )
    try:
        yield folder
    finally:
        # While it is held: a process that opened the file before finds that it is gone.
        with contextlib.suppress(OSError):  # on Windows `release` removes it
            file.unlink()
        lock.release()


def _sign(file):
    """Write which process holds the lock, after the first byte, which Windows locks."""
    with open(file, "r+b", buffering=0) as raw:
        raw.seek(1)
        raw.write(f"process {os.getpid()} on {platform.node()}\n".encode())


def _holder(file):
    """Read which process holds the lock."""
    with contextlib.suppress(OSError), open(file, "rb") as raw:
        raw.seek(1)
        text = raw.readline().decode(errors="replace").strip()
        here = text == f"process {os.getpid()} on {platform.node()}"
        return f"this {text}" if here else text or "another process"
    return "another process"


@contextlib.contextmanager
def whole_file(path, *, trial=False):
    """Yield a temporary path that becomes ``path`` only if the block succeeds.

    The temporary file of ``NAME.npz`` is ``NAME.partial.npz`` in the same folder. What a
    killed process has left there is overwritten. Only one process may write ``path``.

    Args:
        path: where to write.
        trial: only find out whether it can be written, and leave ``path`` as it is.

    Raises:
        OSError: it could not be written (a full disk, say); ``path`` is as it was.
    """
    path = check_path("path", path)
    temporary = path.with_stem(f"{path.stem}.partial")
    try:
        for one in (path, temporary):
            if one.is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{one.name} is a folder")
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            if not trial:
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"Could not write {path}, which is as it was ({error.strerror or error}). "
            "Is the disk full, or the folder read-only?",
        ) from error

"""The file of a checkpoint, and what Keras's own callbacks remember in it.

The file is a NumPy archive of ``about``, a text in JSON, and of the arrays
``variable_0``, ``variable_1``, …
"""

import io
import itertools
import json
import os
import warnings
import zipfile

from pixelcnn_edu._checksums import as_json

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
    keras.callbacks.ModelCheckpoint: ("best", "_batches_seen_since_last_saving"),
    keras.callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
}


def write(file, about, arrays):
    """Write a checkpoint to an open file: what is said about the run, and arrays."""
    about = {**about, "arrays": len(arrays)}
    arrays = {f"variable_{i}": array for i, array in enumerate(arrays)}
    text = json.dumps(about, default=as_json)
    np.savez(file, about=np.array(text), **arrays)


def read_newest(paths):
    """Return the first path with an undamaged checkpoint, and what `write` has written.

    Args:
        paths: the newest file first.

    Returns:
        (path, about, arrays), or (None, None, None) if there is no undamaged checkpoint.

    Raises:
        ValueError: a path is a folder.
        OSError: a file cannot be read.

    Warns:
        RuntimeWarning: a file is damaged. The file gets another name.
    """
    for path in paths:
        if path.is_dir():
            raise ValueError(f"Expected {path} to be a file. Received: a folder")
        try:
            raw = path.read_bytes()  # a file that cannot be read is not damaged
        except FileNotFoundError:
            continue
        try:
            return path, *parse(raw)
        except MemoryError:
            raise
        except Exception as error:  # damage may change any byte to any other
            kept = _unused(path.with_suffix(".damaged"))
            os.replace(path, kept)  # or it would replace an undamaged one
            warnings.warn(
                f"{path} is damaged ({error}). Its new name is {kept.name}. The "
                "state before it is used, if there is one.",
                RuntimeWarning,
                stacklevel=7,
            )
    return None, None, None


def refuse_foreign_files(folder):
    """Raise an error if a file has a checkpoint's name and other content.

    A damaged ``checkpoint.npz`` is no foreign file: `read_newest` names it. The
    other two files are overwritten during a run, so they must at least begin as a zip file
    does. What a killed process has left in the temporary file may end anywhere.
    """
    kinds = ("", ".previous", ".pixelcnn_edu.partial")
    for name in (f"checkpoint{kind}.npz" for kind in kinds):
        path = folder / name
        if not path.is_file():
            continue
        with open(path, "rb") as file:
            start = file.read(2)
        try:
            with zipfile.ZipFile(path) as file:
                members = file.namelist()
        except Exception:  # damage may change any byte to any other
            foreign = name != "checkpoint.npz" and start not in (b"", b"P", b"PK")
        else:
            foreign = not any(
                member == "about.npy" or member.startswith("variable_")
                for member in members
            )
        if foreign:
            raise ValueError(
                f"Expected {path} to be a checkpoint of this package. Received: another "
                "file of this name. Move that file, or choose another folder."
            )


def _unused(path):
    """Return ``path``, or the first of ``path2``, ``path3``, … that does not exist."""
    names = (path.with_name(f"{path.name}{i}") for i in itertools.count(2))
    return next(one for one in itertools.chain([path], names) if not one.exists())


def parse(raw):
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


def remembering(callbacks):
    """Return (callback, who it is, the names of what it remembers) for Keras's own."""
    found, seen = [], []
    for one in callbacks:
        for kind, names in _REMEMBERED.items():
            if isinstance(one, kind):
                who = [type(one).__name__, one.monitor, one.mode]
                seen.append(who)
                names = [name for name in names if hasattr(one, name)]
                found.append((one, [*who, seen.count(who)], names))
    return found


def with_arrays(states, arrays):
    """Return states as they were before their best weights were written apart."""
    arrays = iter(arrays)
    for _, state in states:
        if "best_weights" in state:
            count = range(state["best_weights"])
            state["best_weights"] = [next(arrays) for _ in count] or None
    return states

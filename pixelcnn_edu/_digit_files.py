"""Files of digits: what `data.load_mnist` needs.

The digits lie in one file like Keras's ``mnist.npz``, or in four IDX files, the format of
the first MNIST. Here they are found, read and checked; nothing here changes a value.
"""

import gzip
import hashlib
import math
import os
import socket
import zipfile
from pathlib import Path

import keras
import numpy as np

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_DARKEST = 128  # the brightest pixel of a set in 0 to 255 is not darker


def read_unchanged(path: Path, sha256: str) -> list[np.ndarray]:
    """Return the arrays of an .npz file of the package, if its checksum is this one."""
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise ValueError(
            f"{path.name} does not match its checksum. Reinstall the package."
        )
    return _read_npz(path)


def read_full(seconds) -> list[np.ndarray]:
    """Return all of MNIST from Keras's cache; Keras downloads it before, if need be.

    Args:
        seconds: to wait for an answer of the network.

    Raises:
        ConnectionError: MNIST could not be downloaded.
        ValueError: the file in the cache is not MNIST.
    """
    cached = Path(
        os.environ.get("KERAS_HOME", Path.home() / ".keras"), "datasets", "mnist.npz"
    )
    if cached.exists():  # Keras deletes a file whose checksum is not the expected one
        arrays = _read_npz(cached)
        if (counts := [*map(np.size, arrays[1::2])]) != [60_000, 10_000]:
            raise ValueError(
                f"Expected 60,000 and 10,000 digits in {cached}. Received: {counts}. Move "
                "this file to another folder, so that Keras downloads MNIST. To load the "
                "digits of this file, give its new path as source="
            )
        return arrays
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        train, test = keras.datasets.mnist.load_data()
    except Exception as error:
        raise ConnectionError(
            f"MNIST is not in Keras's cache and could not be downloaded: {error}. "
            f"Put mnist.npz at {cached}, or give its path as source=. "
            "source='bundled' works without a network."
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return [*train, *test]


def read(path: Path, source) -> list[np.ndarray]:
    """Return the arrays at a path: of an .npz file, or of a folder of IDX files.

    Args:
        path: where they are.
        source: what the user wrote for this path, for the error.
    """
    if path.is_dir():
        return [_read_idx(_find_idx(path, name)) for name in IDX_FILES]
    if path.exists():
        return _read_npz(path)
    raise FileNotFoundError(
        "Expected source to be 'bundled', 'full', or the path of an .npz file or "
        f"a folder of IDX files. Nothing is there: {source}"
    )


def checked(arrays, source):
    """Return (x_train, y_train, x_test, y_test), with labels in int64, if they fit.

    Args:
        arrays: these four, as a file has them.
        source: where they come from, for the error.
    """
    x_train, y_train, x_test, y_test = arrays
    y_train, y_test = (_as_integers(y, source) for y in (y_train, y_test))
    for x, y in ((x_train, y_train), (x_test, y_test)):
        if x.dtype != np.uint8 or x.ndim != 3 or y.shape != x.shape[:1] or not x.size:
            raise ValueError(
                "Expected uint8 images (N, H, W) and one label each. Received: images "
                f"{x.dtype} {x.shape}, labels {y.dtype} {y.shape} from {source}"
            )
    tops = [int(x.max()) for x in (x_train, x_test)]
    top = 1 if 1 in tops else max(tops)  # 1: a set that is binarized already
    if 0 < top < _DARKEST:
        raise ValueError(
            "Expected images with values from 0 to 255, since they are divided by 255. "
            f"Received: values 0 to {top} from {source}. Multiply them by 255/{top}."
        )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            "Expected training and test images of one size. Received: "
            f"{x_train.shape[1:]} and {x_test.shape[1:]} from {source}"
        )
    return x_train, y_train, x_test, y_test


def _as_integers(labels, source):
    """Return labels as int64, if each of them is a whole number."""
    with np.errstate(invalid="ignore"):  # NaN becomes a number, which differs from NaN
        if labels.dtype.kind in "biuf" and (labels.astype("int64") == labels).all():
            return labels.astype("int64")
    raise ValueError(
        f"Expected labels that are whole numbers. Received: {labels.dtype} "
        f"{labels.ravel()[:3]} … from {source}"
    )


def _read_npz(path: Path) -> list[np.ndarray]:
    try:
        with zipfile.ZipFile(path) as file:  # np.load may stop before the checksum
            if damaged := file.testzip():
                raise ValueError(f"{damaged} does not match its checksum")
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            missing = [name for name in ARRAYS if name not in file.files]
            if missing:
                raise ValueError(f"it lacks the arrays {', '.join(missing)}")
            return [file[name] for name in ARRAYS]
    except Exception as error:  # a damaged zip file can raise many types
        raise ValueError(
            f"Expected an .npz file with the arrays {', '.join(ARRAYS)}. Cannot read "
            f"{path}: {error}"
        ) from error


def _find_idx(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"Expected {name} or {name}.gz in the folder {folder}")


def _read_idx(path: Path) -> np.ndarray:
    """Read an IDX file: two zero bytes, type 8 (uint8), rank, sizes, then the values."""
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except Exception as error:  # so can a damaged gzip file
        raise ValueError(f"Cannot read {path}: {error}") from error
    rank = 3 if "images" in path.name else 1
    magic = bytes([0, 0, 8, rank])
    if raw[:4] != magic:
        raise ValueError(
            f"Expected {path} to be an IDX file of bytes, beginning with {magic.hex()}. "
            f"Received: {raw[:4].hex() or 'an empty file'}"
        )
    start = 4 + 4 * rank
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4)]
    expected = start + math.prod(shape)
    if len(raw) != expected:
        raise ValueError(
            f"Expected {path} to hold {expected:,} bytes, as its header says. "
            f"Received: {len(raw):,}. The file is damaged."
        )
    return np.frombuffer(raw[start:], np.uint8).reshape(shape)

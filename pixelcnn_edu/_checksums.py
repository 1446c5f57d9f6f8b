"""Settings as a file keeps them: arrays as checksums."""

import hashlib
import json
import re

from pixelcnn_edu._checks import plain

import keras
import numpy as np

#: Keras puts a number at the end of the names of these objects (``adam_1``).
_NUMBERED = keras.optimizers.Optimizer | keras.random.SeedGenerator
_NUMBERED |= keras.metrics.Metric | keras.losses.Loss


def as_json(value):
    """Return what JSON can hold: a checksum for an array, a configuration for an object.

    This is the argument ``default`` of ``json.dumps``.
    """
    number = plain(value)
    if number is not value:
        return number
    if isinstance(value, np.ndarray):
        return checksum([value])
    if hasattr(value, "get_config"):
        config = {"class": type(value).__name__, **value.get_config()}
        if isinstance(value, _NUMBERED):
            config["name"] = None
        if "inner_optimizer" in config:  # of a LossScaleOptimizer: it has a name too
            config["inner_optimizer"] = value.inner_optimizer
        return config
    raise TypeError(f"no type for {value!r}")


def through_json(settings) -> dict:
    """Return settings as they come back from a file: arrays as checksums, for example.

    Raises:
        ValueError: JSON cannot hold a setting.
    """
    found = {}
    for name, value in settings.items():
        try:
            found[name] = _through_json(value)
        except (NotImplementedError, TypeError, ValueError) as error:
            raise ValueError(
                f"Expected {name} with a configuration that JSON can hold, as the folder "
                f"keeps it. Received: {value!r}: {error}"
            ) from error
    return found


def _through_json(value):
    """Return a value as it comes back from JSON.

    Left out, since they differ from process to process, are the code of a lambda; the name
    of an optimizer, a loss, a metric or a generator; and the number at the end of a
    ``"name"`` in an inner dict (``adam_1`` becomes ``adam``).
    """

    def kept(part):
        if part.get("class_name") == "__lambda__":
            return part | {"config": None}
        if isinstance(part.get("name"), str) and "class" not in part:  # see `as_json`
            return part | {"name": re.sub(r"_\d+$", "", part["name"])}
        return part

    return json.loads(json.dumps(value, default=as_json), object_hook=kept)


def checksum(arrays) -> str:
    """Return a checksum of arrays: of their types, their shapes and their values."""
    found = hashlib.sha256()
    for one in arrays:
        found.update(f"{one.dtype} {one.shape}".encode())
        found.update(np.ascontiguousarray(one))
    return found.hexdigest()

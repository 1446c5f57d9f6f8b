"""Checksums of what a run consists of: its settings, its network, its weights."""

import functools
import hashlib
import json
import types

from pixelcnn_edu._cache import given_by_keras
from pixelcnn_edu._checks import plain

import keras
import numpy as np

# Where Keras's configuration of a model refers to its layers by their names.
_REFERENCES = {"keras_history", "input_layers", "output_layers"}


def as_json(value):
    """Convert what JSON has no type for into what JSON has one for.

    This is the argument ``default`` of ``json.dumps``. An array becomes its checksum.
    """
    number = plain(value)
    if number is not value:
        return number
    if isinstance(value, np.ndarray):
        return checksum([value])
    if hasattr(value, "get_config"):
        config = {"class": type(value).__name__, **value.get_config(), "name": None}
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
            found[name] = json.loads(json.dumps(value, default=as_json))
        except (NotImplementedError, TypeError, ValueError) as error:
            raise ValueError(
                f"Expected {name} with a configuration that JSON can hold, as the folder "
                f"keeps it. Received: {value!r}: {error}"
            ) from error
    return found


def checksum(arrays) -> str:
    """Return a checksum of arrays: of their types, their shapes and their values."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def network_checksum(model) -> str:
    """Return a checksum of a model's layers and of how they are connected.

    Names do not count: Keras numbers the names of layers in the order in which a process
    creates the layers. A layer without ``get_config`` counts with its class and the shapes
    of its weights; all other layers count with their whole configuration. Arrays that a
    layer holds, such as masks, and functions of a user, such as activations, count too.
    """
    config = [_without_names(_configuration(model)), _held(model)]
    text = json.dumps(config, sort_keys=True, default=_as_json_or_type)
    return hashlib.sha256(text.encode()).hexdigest()


def _held(model):
    """Return, for each layer, what no configuration tells: its arrays and functions."""
    given = given_by_keras()
    return [
        {
            name: _of_function(value) if callable(value) else checksum([value])
            for name, value in vars(layer).items()
            if name not in given and (_is_array(value) or _is_user_s_function(value))
        }
        for layer in model._flatten_layers()
    ]


def _is_array(value):
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufc"


def _is_user_s_function(value):
    if isinstance(value, functools.partial):
        return True
    library = (getattr(value, "__module__", None) or "").split(".")[0]
    known = library in ("keras", "tensorflow", "pixelcnn_edu")
    return isinstance(value, types.FunctionType) and not known


def _of_function(value, around=()):
    """Return what a function computes from: its code and the values in it, as text."""
    if any(value is one for one in around):  # it calls itself
        return "itself"
    around = (*around, value)

    def of(part):
        return _of_function(part, around)

    if isinstance(value, types.CodeType):
        return [value.co_code.hex(), value.co_names, [of(p) for p in value.co_consts]]
    if isinstance(value, functools.partial):
        return [of(value.func), of(value.args), of((*value.keywords.items(),))]
    if _is_user_s_function(value):
        cells = tuple(map(_in_cell, value.__closure__ or ()))
        keywords = (*(value.__kwdefaults__ or {}).items(),)
        return [
            of(part) for part in (value.__code__, cells, value.__defaults__, keywords)
        ]
    if isinstance(value, tuple):
        return [of(one) for one in value]
    if isinstance(value, frozenset):  # its order differs from process to process
        return sorted(map(repr, value))
    if _is_array(value):
        return checksum([value])
    if isinstance(value, str | bytes | int | float | complex | np.generic | None):
        return repr(value)
    return getattr(value, "__qualname__", type(value).__qualname__)


def _in_cell(cell):
    try:
        return cell.cell_contents
    except ValueError:  # the name has no value yet
        return None


def _as_json_or_type(value):
    try:
        return as_json(value)
    except (NotImplementedError, TypeError):
        return type(value).__name__


def _configuration(operation):
    """Return the configuration of a model or a layer, or else what is known about it."""
    kind = f"{type(operation).__module__}.{type(operation).__qualname__}"
    try:
        config = {**operation.get_config(), "name": None}
        return {"class": kind, **json.loads(json.dumps(config, default=as_json))}
    except (NotImplementedError, TypeError, ValueError):
        shapes = [tuple(weight.shape) for weight in getattr(operation, "weights", ())]
        return {"class": kind, "weights": shapes, "parts": _parts(operation)}


def _parts(model):
    """Return the configuration of each part of a model, and what each part is called with.

    A tensor is known by its place: the number of the part that it comes from, which call
    of that part, and which output of that call.
    """
    model = getattr(model, "_functional", None) or model  # of a Sequential
    parts = list(getattr(model, "operations", ()))

    def place(value):
        origin = getattr(value, "_keras_history", None)
        return [parts.index(origin[0]), *origin[1:]] if origin else value

    return [
        {
            "is": _configuration(part),
            "calls": [
                keras.tree.map_structure(
                    place, [node.arguments.args, node.arguments.kwargs]
                )
                for node in part._inbound_nodes
            ],
        }
        for part in parts
    ]


def _is_layer(config):
    return isinstance(config, dict) and isinstance(config.get("config"), dict)


def _without_names(config, parts=()):
    """Return a configuration in which layers have no names and are known by their place.

    Args:
        config: any part of what ``model.get_config()`` returns.
        parts: the names of the layers of the model to which that part belongs.
    """
    if isinstance(config, list | tuple):
        return [_without_names(one, parts) for one in config]
    if not isinstance(config, dict):
        return config
    if config.keys() >= {"name", "trainable"}:  # of a layer in a wrapper, for example
        config = {**config, "name": None}
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
        else _without_names(value, parts)
        for key, value in config.items()
    }

"""Checksums of what a run consists of: its settings, its network, its weights."""

import base64
import collections
import copyreg
import functools
import hashlib
import json
import marshal
import numbers
import operator
import os
import re
import types
from array import array
from collections.abc import Iterator

from pixelcnn_edu._checks import plain
from pixelcnn_edu._functions import (
    HOLDERS,
    is_installed,
    is_of_python,
    is_user_s,
    read_by,
    unwrapped,
    values_around,
    written_by,
)
from pixelcnn_edu._model_checks import graph_of
from pixelcnn_edu._state import NOTES_OF_TENSORFLOW, attributes, given_by_keras

import keras
import numpy as np
import tensorflow as tf

_PLAIN = str | bytes | bytearray | array | numbers.Number | np.generic
_PLAIN |= slice | range | None
_LIST = list | tuple | collections.deque
_SET = set | frozenset
_MAPPING = dict | types.MappingProxyType
_VARIABLE = keras.Variable | tf.Variable
#: Of these, no class says which objects are equal.
_VALUES = operator.attrgetter | operator.itemgetter | operator.methodcaller
_VALUES |= tf.SparseTensor
_RULES = "regularizers and constraints of weights"
_OF_OUTPUTS = "activity regularizer"
#: Of these, Keras numbers the names.
_NUMBERED = keras.optimizers.Optimizer | keras.random.SeedGenerator
_NUMBERED |= keras.metrics.Metric | keras.losses.Loss
_WITH_OPTIMIZER = keras.Model | keras.optimizers.LossScaleOptimizer
_LEFT_OUT = {"dtype", "trainable", _RULES, _OF_OUTPUTS}


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
        config = {"class": type(value).__name__, **value.get_config()}
        if isinstance(value, _NUMBERED):
            config["name"] = None
        if "inner_optimizer" in config:  # of a LossScaleOptimizer: it has a name too
            config["inner_optimizer"] = value.inner_optimizer
        held = {} if isinstance(value, keras.Operation) else _held(value)
        return {**config, "attributes": held} if held else config
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

    For a lambda, Keras writes the code with its file's path and its line number. These two
    are left out, and so is the number with which Keras makes names different.
    """

    def without_place(part):
        if isinstance(part.get("name"), str) and "class" not in part:  # see `as_json`
            part = part | {"name": re.sub(r"_\d+$", "", part["name"])}
        if isinstance(part.get("value"), list):
            return part | {"value": [_code(one) for one in part["value"]]}
        return part | {"code": _code(part["code"])} if "code" in part else part

    return json.loads(json.dumps(value, default=as_json), object_hook=without_place)


def _code(text):
    """Return the content of code that Keras has written as text, or any other value."""
    try:
        raw = base64.decodebytes(text.encode())
        code = marshal.loads(raw) if raw[:1] in (b"c", b"\xe3") else None
    except (AttributeError, EOFError, TypeError, ValueError):
        return text
    return _content(code) if isinstance(code, types.CodeType) else text


def checksum(arrays) -> str:
    """Return a checksum of arrays: of their types, their shapes and their values."""
    found = hashlib.sha256()
    for one in arrays:
        found.update(f"{one.dtype} {one.shape}".encode())
        found.update(np.ascontiguousarray(one))
    return found.hexdigest()


def network_checksum(model) -> str:
    """Return a checksum of a model's layers and of how they are connected.

    The checksum includes, for each layer,

    - the name of its class, and its configuration. If it has no configuration, the shapes
      of its weights;
    - the regularizers and constraints of its weights;
    - what its attributes hold, also in lists and in dicts: arrays (such as masks), and
      functions and objects of a user (such as activations). If the layer is of a user's
      class, or has no configuration, numbers and strings too.

    A user's function is included with its code, its defaults and its closure, and with the
    constants and the user's functions that it reads by name, also those in a module or a
    class of the user's. A layer that a function or an object holds is included with its
    class and its configuration. A function of Python, NumPy or TensorFlow is included with
    its name, and an object of them with its value if its class defines ``__eq__`` (paths,
    polynomials), else with the name of its class (loggers, random generators). Code of
    other packages is treated like a user's.

    The names of layers are not included, nor is a number at the end of another name: Keras
    numbers names in the order in which a process creates the objects.
    """
    text = json.dumps(_layer(model, {}), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def same_network(one, other) -> bool:
    """Return whether two models compute the same if they have the same weights.

    This is `network_checksum` without the classes of the models, without precision, and
    without what counts in training only: which layers can be trained, regularizers and
    constraints.
    """
    return _computed(_layer(one, {})[3:]) == _computed(_layer(other, {})[3:])


def _computed(part):
    """Return a part of what `_layer` returns, without what `same_network` leaves out."""
    if isinstance(part, dict):
        return {k: _computed(v) for k, v in part.items() if k not in _LEFT_OUT}
    return [_computed(one) for one in part] if isinstance(part, _LIST) else part


def _layer(layer, seen):
    """Return what a layer, a model or an operation is, and what is inside, for JSON.

    Args:
        layer: what to describe.
        seen: a number for the ``id`` of each layer and each tensor that was described. A
            layer that is used again is only its number.
    """
    if id(layer) in seen:
        return seen[id(layer)]
    seen[id(layer)] = len(seen)
    graph = graph_of(layer)
    return [
        f"{type(layer).__module__}.{type(layer).__qualname__}",
        _configuration(layer),
        _held(layer),
        _calls(graph, seen) if hasattr(graph, "_nodes_by_depth") else [],
        [_layer(part, seen) for part in getattr(layer, "_layers", ())],
    ]


def _calls(graph, seen):
    """Return the calls of layers in a graph, in order, with a number for each tensor."""

    def numbered(value):
        if isinstance(value, keras.KerasTensor):
            return seen.setdefault(id(value), len(seen))
        return _content(value)

    nodes = [n for _, same in sorted(graph._nodes_by_depth.items())[::-1] for n in same]
    calls = [[n.arguments.args, n.arguments.kwargs, n.outputs] for n in nodes]
    ends = [graph.inputs, graph.outputs]
    return [
        [_layer(node.operation, seen) for node in nodes],
        keras.tree.map_structure(numbered, [ends, calls]),
    ]


def _configuration(layer):
    """Return a layer's own configuration, or else the shapes of its weights."""
    config = _config(layer)
    if config is None:
        return [tuple(weight.shape) for weight in getattr(layer, "weights", ())]
    left_out = {"name", "build_input_shape"}  # known after the first call
    if hasattr(layer, "_nodes_by_depth") or isinstance(layer, keras.Sequential):
        left_out |= {"layers", "input_layers", "output_layers"}
    return _without_layers({k: v for k, v in config.items() if k not in left_out})


def _config(thing):
    """Return what ``get_config`` says, as JSON has it, or None."""
    try:
        return _through_json(thing.get_config())
    except (AttributeError, NotImplementedError, OSError, TypeError, ValueError):
        return None  # OSError: Keras found no source of a lambda


def _without_layers(config):
    """Return a part of a configuration without layers, which are described apart."""
    if isinstance(config, list):
        return [_without_layers(one) for one in config]
    if not isinstance(config, dict):
        return config
    if config.keys() >= {"name", "trainable"}:  # of a layer in a wrapper, for example
        return None
    parts = {key: _without_layers(value) for key, value in config.items()}
    parts.pop("build_config", None)  # known after the first call
    return parts


def _held(thing, around=()):
    """Return what no configuration tells, see `network_checksum`."""
    is_layer, config = isinstance(thing, keras.Operation), _config(thing) or {}
    plain_too = not _tells_all(thing) or (is_layer and is_user_s(thing))
    if isinstance(thing, keras.Model):  # if Keras knows the model, it has its layers
        plain_too = is_user_s(thing)
    notes = _notes_of(thing) if plain_too else ()
    held, found = attributes(thing), {}
    written = written_by(type(thing).call) if is_layer and is_user_s(thing) else ()

    def counts(one, name):
        told = not is_layer and not config.keys().isdisjoint((name, name.lstrip("_")))
        if is_user_s(one) and not isinstance(one, keras.Operation):
            return not told or not _tells_all(one) or any(_functions(one))
        if told or _is_array(one):
            return not told
        is_plain = isinstance(one, _PLAIN | np.ndarray) or _has_value(one)
        is_plain = is_plain or callable(one) or _config(one)
        return plain_too and is_plain and name not in notes

    def within(value, name):
        """Return the content of what counts in lists and dicts, or None."""
        if not isinstance(value, dict | _LIST):
            return _content(value, around) if counts(value, name) else None
        if not value:
            return [] if counts(None, name) else None
        if isinstance(value, dict):
            parts = [(_content(key), within(one, name)) for key, one in value.items()]
            return [part for part in parts if part[1] is not None] or None
        parts = [within(one, name) for one in value]
        return [part for part in parts if part is not None] or None

    for name in held.keys() - (given_by_keras() if is_layer else set()):
        if name in NOTES_OF_TENSORFLOW or name.startswith("_exclude_from_weight_decay"):
            continue  # the second is a setting of its own, see `checkpoints`
        if name in written:
            continue  # a note of the last call
        its_own = name in ("optimizer", "inner_optimizer")
        if its_own and isinstance(thing, _WITH_OPTIMIZER):
            continue  # a setting of its own, see `training.fit` and `as_json`
        one = held[name]
        parts = within(one if isinstance(one, dict | _LIST) else [one], name)
        if parts:
            found[name] = parts
    if isinstance(thing, keras.Layer):
        can_train = [weight.trainable for weight in thing._trainable_variables]
        if any(flag != thing.trainable for flag in can_train):  # set weight by weight
            found["trainable"] = can_train
        rules = [(w.regularizer, w.constraint) for w in thing._trainable_variables]
        if any(one is not None for pair in rules for one in pair):
            found[_RULES] = _content(rules)
        if thing.activity_regularizer is not None:
            found[_OF_OUTPUTS] = _content(thing.activity_regularizer)
    return found


def _tells_all(thing):
    """Return whether ``get_config`` knows the class: no user's class has inherited it."""
    if _config(thing) is None:
        return False
    return not is_user_s(thing) or is_user_s(type(thing).get_config)


def _functions(thing):
    """Yield the user's functions that an object holds, in the order of their names."""
    for _, one in sorted(attributes(thing).items()):
        if isinstance(unwrapped(one), types.FunctionType) and is_user_s(one):
            yield one


def _notes_of(thing):
    """Return the names under which Keras notes numbers in a model or an optimizer."""
    if isinstance(thing, keras.optimizers.Optimizer):
        return vars(keras.optimizers.SGD(name="any")).keys()
    if not isinstance(thing, keras.Model):
        return set()
    image = keras.Input((1,), name="any")
    output = keras.layers.Identity(name="same")(image)  # Keras 3.13 wants a layer
    models = keras.Model(image, output, name="any"), keras.Sequential(name="any")
    later = {"_compile_config", "_compiled_trainable_state", "_eval_epoch_iterator"}
    later |= {"_in_halves"}  # noted by `_cpu`
    later |= {"history", "stop_evaluating", "stop_predicting", "stop_training"}
    return later.union(*map(vars, models)) - {"_trainable", "_dtype_policy", "autocast"}


def _is_array(value):
    if keras.ops.is_tensor(value) and not isinstance(value, _VARIABLE):
        value = np.asarray(value)
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufc"


def _content(value, around=()):
    """Return what a value consists of, for JSON: of a function, its code and its values."""
    value = unwrapped(value)
    if any(value is one for one in around):  # a function that calls itself
        return "itself"

    def of(*parts):
        return [_content(part, (*around, value)) for part in parts]

    if isinstance(value, _PLAIN | _LIST | _MAPPING | _SET):
        if isinstance(value, _PLAIN):
            told = repr(value)
        elif isinstance(value, _SET):  # its order differs from process to process
            told = sorted(of(*value), key=str)
        else:
            told = of(*(value.items() if isinstance(value, _MAPPING) else value))
        more = attributes(value) if is_user_s(value) else {}
        if isinstance(value, collections.defaultdict):
            more["default_factory"] = value.default_factory
        return [told, *of(more)] if more else told
    if isinstance(value, np.ma.MaskedArray):
        return of(value.data, np.ma.getmaskarray(value), value.fill_value)
    if isinstance(value, tf.RaggedTensor | tf.SparseTensor):
        return of(*tf.nest.flatten(value, expand_composites=True))
    if keras.ops.is_tensor(value) or isinstance(value, memoryview):
        value = np.asarray(value)
    if _is_array(value):
        return checksum([value])
    if isinstance(value, np.ndarray):  # of words or dates, for example
        held = value.tolist() if value.dtype.hasobject else value.tobytes()
        return of(str(value.dtype), value.shape, held)
    if isinstance(value, types.CodeType):
        return [value.co_code.hex(), *of(value.co_names, value.co_consts)]
    if isinstance(value, functools.partial):
        return of(value.func, value.args, value.keywords)
    if isinstance(value, types.MethodType):
        return of(value.__func__, value.__self__)
    kind, config = type(value), None
    if not isinstance(value, keras.Operation):  # layers are described by `_layer`
        config = _config(value)
    if config is not None:
        if isinstance(value, _NUMBERED):
            config["name"] = None
        if _tells_all(value):  # except functions, which it only names
            return [kind.__qualname__, *of(config, *_functions(value))]
        held = _held(value, (*around, value))
        return [kind.__qualname__, *of(config), *sorted(held.items())]
    is_function = isinstance(value, types.FunctionType)
    by_name = not is_user_s(value) or is_of_python(value if is_function else kind)
    if is_function and not by_name:
        return _of_function(value, (*around, value))
    if isinstance(value, keras.Operation) and _config(value) is not None:
        return [kind.__qualname__, _configuration(value)]
    if by_name or isinstance(value, keras.Operation):
        name = getattr(value, "__qualname__", kind.__qualname__)
        return [name, *of(*_made_of(value))] if _has_value(value) else name
    call = kind.__call__ if callable(value) else None
    return [kind.__qualname__, *of(call, attributes(value))]


def _has_value(value):
    """Return whether two objects of a class can be equal, as paths and not as loggers."""
    kind = type(value)
    is_weak = kind.__module__ in ("weakref", "_weakrefset")  # it may end at any time
    if is_weak or isinstance(value, _VARIABLE) or value is os.environ:
        return False
    return kind.__eq__ is not object.__eq__ or isinstance(value, _VALUES)


def _made_of(value):
    """Return what `copy.copy` makes an equal object of; nothing if it cannot."""
    kind = type(value)
    try:
        if kind in copyreg.dispatch_table:
            made = copyreg.dispatch_table[kind](value)
        else:
            made = value.__reduce_ex__(4)
    except Exception:  # any class has its own
        return ()
    if isinstance(made, str):  # a name in a module
        return (made,)
    return [list(one) if isinstance(one, Iterator) else one for one in made]


def _of_function(function, known):
    """Return a function's code, the values that it holds, and those that it reads.

    Args:
        function: a user's.
        known: the values around, and the function itself.
    """
    holds = function.__defaults__, function.__kwdefaults__
    parts = function.__code__, values_around(function), *holds
    found = [_content(part, known) for part in parts]
    read = read_by(function, known, _is_constant)
    # each helper function is described once: the others are "itself" in it
    known += tuple(one for _, one in read if isinstance(one, types.FunctionType))
    values = [
        [name, _content(one, tuple(o for o in known if o is not one))]
        for name, one in read
    ]
    return [*found, values] if values else found


def _is_constant(value):
    """Return whether a global counts: data, or what a user has written."""
    if isinstance(value, type | types.ModuleType):
        return False
    if isinstance(value, _VARIABLE):  # it may change in training
        return False
    if isinstance(value, _PLAIN | _LIST | _SET | _MAPPING | HOLDERS):
        return True
    its = value if isinstance(value, types.FunctionType) else type(value)
    known = _is_array(value) or _has_value(value) or _config(value) is not None
    return known or not is_installed(its)

"""What was compiled from a model, kept until the model changes.

A compiled function reads the present values of a model's weights. All else is built into
it: activations, masks, precision, which variables there are. So each call compares what
the model is made of with what it was when the function was compiled.
"""

import functools
import itertools
import threading
import weakref
import zlib

import keras
import numpy as np

_MOST = 8  # forms of one model: for several likelihoods
_VALUES = {int, float, complex, bool, str, bytes, type(None)}
_PLAIN_CALLS = (
    "keras.src.models.functional.Functional.call",
    "keras.src.models.sequential.Sequential.call",
    "pixelcnn_edu._cpu.TrainedInHalves.call",
)

_lock = threading.RLock()
_kept = weakref.WeakKeyDictionary()


def kept(model, kind, build, likelihood=None):
    """Return ``build()``, and the same again until the model or the likelihood changes.

    Several threads may ask at the same time. Of a model that has changed, nothing is kept.

    Args:
        model: a Keras model. It is not kept alive, unless by what ``build`` returns.
        kind: what is built: any object that stays the same.
        build: a function without arguments.
        likelihood: for which it is built. An equal one, of the same type and with the same
            attributes, gets the same.
    """
    with _lock:
        state, references = state_of(model)
        known = _kept.get(model)
        # an object that is gone may have left its id to another one
        if not known or known[0] != state or any(one() is None for one in known[1]):
            known = _kept[model] = state, references, {}
        forms = known[2]
        key, references = state_of(
            kind, type(likelihood), getattr(likelihood, "__dict__", None)
        )
        if key not in forms or any(one() is None for one in forms[key][1]):
            forms[key] = build(), references
            if len(forms) > _MOST:
                del forms[next(iter(forms))]
        return forms[key][0]


def state_of(*things):
    """Return what ``things`` are made of, as a tuple, and references to the objects in it.

    For a model, the tuple holds the attributes of all its layers and operations: numbers,
    words and arrays by value (a mask may be changed in place), other objects, such as
    variables and functions, by their id. Left out is what Keras notes down in every layer,
    and in a model, when it is called or trained. Not seen, as in Keras's own ``predict``,
    is a change of what a ``call`` reads from elsewhere: a global name, a class, or an
    object inside an object of the layer.
    """
    state, references, left_out = [], [], _records()

    def add(value, inside=True):
        if type(value) in _VALUES:
            state.extend((type(value), value))
        elif isinstance(value, np.ndarray | np.generic):
            checksum = zlib.crc32(np.ascontiguousarray(value))
            state.extend((value.shape, value.dtype, checksum))
        elif isinstance(value, dict | tuple | list | set | frozenset):
            state.append(len(value))
            pairs = isinstance(value, dict)
            for one in itertools.chain(*value.items()) if pairs else value:
                add(one, inside)
        else:
            add_id(value)
            if inside and _has_settings(value):
                add_attributes(value, inside=False)

    def add_id(value):
        state.append(id(value))
        try:
            references.append(weakref.ref(value))
        except TypeError:
            references.append(lambda: value)

    def add_attributes(thing, inside):
        for name, value in vars(thing).items():
            if name not in left_out and not name.startswith("_self_"):
                state.append(name)
                add(value, inside)

    for thing in things:
        if not isinstance(thing, keras.Model):
            add(thing)
            continue
        for part in _parts(thing):
            add_id(part)
            if not runs_its_graph(part):
                add_attributes(part, inside=True)
            for node in getattr(part, "_inbound_nodes", ()):
                for value in keras.tree.flatten(
                    (node.arguments.args, node.arguments.kwargs)
                ):
                    if isinstance(value, np.ndarray):  # x * mask keeps the array itself
                        add(value)
    return tuple(state), references


def runs_its_graph(model) -> bool:
    """Return whether a model is what its graph says, and has no ``call`` of its own."""
    if type(model).__call__ is not keras.Layer.__call__:
        return False
    call = getattr(model, "call", None)
    name = f"{getattr(call, '__module__', '')}.{getattr(call, '__qualname__', '')}"
    return name in _PLAIN_CALLS


def _parts(model):
    """Return a model, its layers and operations, and those of models inside."""
    parts = list(model._flatten_layers())
    inner = [getattr(part, "_operations", ()) for part in parts]
    return {id(part): part for part in itertools.chain(parts, *inner)}.values()


def _has_settings(value):
    """Return whether a value's attributes count, such as those of a user's activation."""
    library = type(value).__module__.split(".")[0]
    own = hasattr(value, "__dict__") and not isinstance(value, keras.Operation)
    return own and library not in ("builtins", "keras", "tensorflow")


@functools.cache
def _records():
    """Return the names of the attributes that Keras gives every layer, but for three."""
    names = set(vars(keras.layers.Identity(name="any")))
    return names - {"_trainable", "_dtype_policy", "autocast"}

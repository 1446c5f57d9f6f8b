"""Compiled functions of a model, kept until the model changes.

A compiled function reads the present values of a model's weights. Everything else is built
into the function: activations, masks, precision, the list of variables. So each call
compares the state of the model with its state when the function was compiled.
"""

import array
import collections
import contextlib
import dataclasses
import functools
import itertools
import threading
import types
import weakref
import zlib

from pixelcnn_edu._cpu import TrainedInHalves
from pixelcnn_edu._threads import refuse_to_wait_for_ever

import keras
import numpy as np
import tensorflow as tf

_MOST = 8  # objects kept of one model: for several likelihoods
_VALUES = {int, float, complex, bool, str, bytes, type(None)}
_CONTAINERS = (
    *(dict, tuple, list, set, frozenset),
    *(collections.deque, types.MappingProxyType),
)

_lock = threading.RLock()
_entries = weakref.WeakKeyDictionary()
_slots = weakref.WeakKeyDictionary()  # {class: names of its slots}


@dataclasses.dataclass
class _Entry:
    """What is kept of one model.

    Attributes:
        state, references: of the model, see `state_of`.
        built: {key: (what was built, references)}.
        notes: the attributes that have changed while the model was compiled, see `traced`.
    """

    state: dict
    references: list
    built: dict
    notes: set


def kept(model, kind, build, likelihood=None):
    """Return ``build()``, and the same object again until the model or likelihood changes.

    Several threads may call this function at the same time. When a model has changed, all
    that was built from the old state is dropped.

    Args:
        model: a Keras model. This module does not keep the model alive.
        kind: what is built: any object that stays the same.
        build: a function without arguments.
        likelihood: the likelihood for which the object is built. A likelihood of the same
            type with the same attributes gets the same object.
    """
    refuse_to_wait_for_ever()
    with _lock:
        entry = _entries.get(model)
        state, references = state_of(model)
        if not entry or entry.state != state or _is_any_gone(entry.references):
            notes = entry.notes if entry else set()
            entry = _entries[model] = _Entry(state, references, {}, notes)
        # the loop has a copy of the likelihood, so values of its variables count
        held = attributes(likelihood)
        state, references = state_of(kind, type(likelihood), held, by_value=True)
        key = tuple(state.items())
        if key not in entry.built or _is_any_gone(entry.built[key][1]):
            with traced(model):
                built = build()
            entry.built[key] = built, references
            if len(entry.built) > _MOST:
                del entry.built[next(iter(entry.built))]
        return entry.built[key][0]


def _is_any_gone(references):
    """Return whether an object is gone: it may have left its id to another one."""
    return any(reference() is None for reference in references)


@contextlib.contextmanager
def traced(model):
    """Call a model in this block while it is compiled.

    Some layers write into their own attributes when they are called: a count of calls, or
    the last input. Such a note is no change of the model. But another thread may change a
    setting in the same moment. So an attribute that changes inside the block counts as a
    change of the model the first time, and as a note from the second time on.
    """
    if model is None:  # it is gone, and nothing is kept of it
        yield
        return
    with _lock:
        entry, (before, _) = _entries.get(model), state_of(model)
    yield
    with _lock:
        if not entry or entry is not _entries.get(model):
            return
        after, references = state_of(model)
        names = before.keys() | after.keys()
        notes = {name for name in names if before.get(name) != after.get(name)}
        # if layers have written notes alone, it is still the same model
        if entry.state == before and notes <= entry.notes:
            entry.state, entry.references = after, references
        entry.notes |= notes


def state_of(*things, by_value=False):
    """Return the state of ``things``, and references to the objects in it.

    The state is {attribute: what it holds}, where an attribute is (id of its object,
    name), and None stands for the things themselves.

    For a model, the state has the attributes of all its layers and operations: numbers,
    strings and arrays by value (a mask may be changed in place), other objects, such as
    variables and functions, by their id. The state leaves out what Keras writes into every
    layer, and into a model, when it is called or trained. As in Keras's own ``predict``, a
    change is not seen if a ``call`` reads it from elsewhere: from a global name, a class,
    or an object inside an object of the layer.

    With ``by_value`` the state has the values of variables too, also of those that lie in
    a Keras layer or deeper, in an object inside an object.
    """
    state, references, left_out = {}, [], given_by_keras()
    around = []  # the containers and objects around a value
    by_id = set()  # types whose objects count by their id alone, filled on the way

    def add(value, items, inside=True):
        """Append what tells a value to ``items``."""
        if type(value) in _VALUES:
            items.extend((type(value), value))
        elif type(value) in by_id:
            add_id(value, items)
        elif isinstance(value, np.ma.MaskedArray):
            for part in (value.data, np.ma.getmaskarray(value), value.fill_value):
                add(part, items)
        elif isinstance(value, array.array | bytearray):
            items.extend((type(value), bytes(value)))
        elif isinstance(value, np.ndarray | np.generic):
            checksum = zlib.crc32(np.ascontiguousarray(value))
            items.extend((value.shape, value.dtype, checksum))
        elif by_value and isinstance(value, keras.Variable | tf.Variable):
            add(np.asarray(value), items)
        elif any(value is one for one in around):  # it contains itself
            add_id(value, items)
        elif isinstance(value, _CONTAINERS):
            items.append(len(value))
            around.append(value)
            pairs = isinstance(value, dict | types.MappingProxyType)
            for one in itertools.chain(*value.items()) if pairs else value:
                add(one, items, inside)
            around.pop()
        else:
            add_id(value, items)
            around.append(value)
            if by_value and isinstance(value, keras.Layer):
                add(value.variables, items)
            if not _has_settings(value) and not by_value:
                by_id.add(type(value))
            elif inside and _has_settings(value):
                add_attributes(value, inside=by_value)
            around.pop()

    def add_id(value, items):
        items.append(id(value))
        try:
            references.append(weakref.ref(value))
        except TypeError:
            references.append(lambda: value)

    def add_attributes(thing, inside):
        for name, value in attributes(thing).items():
            if name in left_out or name.startswith("_self_"):
                continue
            if type(value) in _VALUES:  # most of them: faster than `add`
                state[id(thing), name] = type(value), value
            else:
                items = []
                add(value, items, inside)
                state[id(thing), name] = tuple(items)

    items = []
    for thing in things:
        if not isinstance(thing, keras.Model):
            add(thing, items)
            continue
        for part in _parts(thing):
            add_id(part, items)
            if not runs_its_graph(part):
                add_attributes(part, inside=True)
            for node in getattr(part, "_inbound_nodes", ()):
                for value in keras.tree.flatten(
                    (node.arguments.args, node.arguments.kwargs)
                ):
                    if isinstance(value, np.ndarray):  # x * mask keeps the array itself
                        add(value, items)
    state[None] = tuple(items)
    return state, references


def runs_its_graph(model) -> bool:
    """Return whether a model runs its graph, and has no ``call`` of its own."""
    if type(model).__call__ is not keras.Layer.__call__:
        return False
    call = getattr(model, "call", None)
    return getattr(call, "__func__", None) in _plain_calls()


@functools.cache
def _plain_calls():
    """Return the functions by which a functional or a Sequential model runs its graph."""
    image = keras.Input((), name="any")
    output = keras.layers.Identity(name="same")(image)  # Keras 3.13 wants a layer
    functional = keras.Model(image, output, name="any")
    return type(functional).call, keras.Sequential.call, TrainedInHalves.call


def _parts(model):
    """Return a model, its layers and operations, and those of models inside."""
    parts = list(model._flatten_layers())
    inner = [getattr(part, "_operations", ()) for part in parts]
    return {id(part): part for part in itertools.chain(parts, *inner)}.values()


def _has_settings(value):
    """Return whether a value's attributes count, such as those of a user's activation."""
    library = type(value).__module__.split(".")[0]
    own = library not in ("builtins", "keras", "tensorflow", "jax", "jaxlib")
    return own and not isinstance(value, keras.Operation)


def attributes(value):
    """Return {name: value}: also what lies in slots, as in a `functools.partial`."""
    kind = type(value)
    if kind not in _slots:
        _slots[kind] = {
            name
            for one in kind.__mro__
            for name, member in vars(one).items()
            if isinstance(member, types.MemberDescriptorType)
            and one.__module__ != "builtins"
        }
    slots = {
        name: getattr(value, name) for name in _slots[kind] if hasattr(value, name)
    }
    return {**slots, **getattr(value, "__dict__", {})}


@functools.cache
def given_by_keras():
    """Return the names of the attributes that Keras gives every layer, but for three."""
    names = set(vars(keras.layers.Identity(name="any")))
    return names - {"_trainable", "_dtype_policy", "autocast"}

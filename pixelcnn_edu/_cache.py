"""Compiled functions of a model, kept until the model changes.

A compiled function reads the present values of a model's weights. Everything else is built
into the function: activations, masks, precision, the list of variables. So each call
compares the state of the model with its state when the function was compiled.
"""

import contextlib
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
    with _lock:
        known = _kept.get(model)
        state, references = state_of(model, ignored=known[3] if known else ())
        # an object that is gone may have left its id to another one
        if not known or known[0] != state or any(one() is None for one in known[1]):
            state, references = state_of(model)
            known = _kept[model] = state, references, {}, set()
        forms = known[2]
        key, references = state_of(
            kind, type(likelihood), getattr(likelihood, "__dict__", None)
        )
        if key not in forms or any(one() is None for one in forms[key][1]):
            with traced(model):
                built = build()
            forms[key] = built, references
            if len(forms) > _MOST:
                del forms[next(iter(forms))]
        return forms[key][0]


@contextlib.contextmanager
def traced(model):
    """Call a model in this block while it is compiled.

    Some layers write into their own attributes when they are called: a count of calls, or
    the last input. Such a note is no change of the model. An attribute that changes inside
    the block is ignored from now on, until the model changes in another way.
    """
    with _lock:
        known = _kept.get(model)
        ignored = known[3] if known else ()
        before, owners, _ = _examine((model,), ignored)
    yield
    with _lock:
        after, new_owners, references = _examine((model,), ignored)
        if after == before or not known or known is not _kept.get(model):
            return
        groups = _grouped(before, owners), _grouped(after, new_owners)
        names = {*groups[0], *groups[1]}
        ignored = known[3] | {n for n in names if groups[0].get(n) != groups[1].get(n)}
        if known[0] == tuple(before):
            state, references = state_of(model, ignored=ignored)
            _kept[model] = state, references, known[2], ignored


def _grouped(items, owners):
    groups = {}
    for item, owner in zip(items, owners, strict=True):
        groups.setdefault(owner, []).append(item)
    return groups


def state_of(*things, ignored=()):
    """Return the state of ``things``, as a tuple, and references to the objects in it.

    For a model, the state has the attributes of all its layers and operations: numbers,
    strings and arrays by value (a mask may be changed in place), other objects, such as
    variables and functions, by their id. The state leaves out what Keras writes into every
    layer, and into a model, when it is called or trained; and the attributes in
    ``ignored``: pairs of an object's id and a name. As in Keras's own ``predict``, a change
    is not seen if a ``call`` reads it from elsewhere: from a global name, a class, or an
    object inside an object of the layer.
    """
    state, _, references = _examine(things, ignored)
    return tuple(state), references


def _examine(things, ignored):
    """Return the items of the state, the owner of each, and references to objects.

    The owner is the innermost attribute that an item belongs to: (id of the object, name).
    """
    state, owners, references, left_out = [], [], [], _records()
    around = []  # the containers around a value

    def note(*items):
        state.extend(items)
        owners.extend([owner] * len(items))

    def add(value, inside=True):
        if type(value) in _VALUES:
            note(type(value), value)
        elif isinstance(value, np.ndarray | np.generic):
            checksum = zlib.crc32(np.ascontiguousarray(value))
            note(value.shape, value.dtype, checksum)
        elif isinstance(value, dict | tuple | list | set | frozenset):
            note(len(value))
            if any(value is one for one in around):  # it contains itself
                return
            around.append(value)
            pairs = isinstance(value, dict)
            for one in itertools.chain(*value.items()) if pairs else value:
                add(one, inside)
            around.pop()
        else:
            add_id(value)
            if inside and _has_settings(value):
                add_attributes(value, inside=False)

    def add_id(value):
        note(id(value))
        try:
            references.append(weakref.ref(value))
        except TypeError:
            references.append(lambda: value)

    def add_attributes(thing, inside):
        nonlocal owner
        outer = owner
        for name, value in vars(thing).items():
            owner = id(thing), name
            skipped = name in left_out or name.startswith("_self_") or owner in ignored
            if not skipped:
                note(name)
                add(value, inside)
        owner = outer

    owner = None
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
    return state, owners, references


def runs_its_graph(model) -> bool:
    """Return whether a model runs its graph, and has no ``call`` of its own."""
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

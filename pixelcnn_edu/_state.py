"""The state of a model: what its layers hold. `_cache` compares it from call to call.

`state_of` compares by value, and takes 2 ms for a model of 80 layers. `Holdings` is a fast
check for most calls: all attributes hold the objects that they held before.
"""

import array
import collections
import functools
import itertools
import types
import weakref
import zlib

import keras
import numpy as np
import tensorflow as tf

_VALUES = {int, float, complex, bool, str, bytes, type(None)}
_CONTAINERS = (
    *(dict, tuple, list, set, frozenset),
    *(collections.deque, types.MappingProxyType),
)
_BYTES = (array.array, bytearray, memoryview)
_BY_CONTENT = (*_CONTAINERS, *_BYTES, np.ndarray, np.generic)
#: What TensorFlow writes into a layer, a variable or an optimizer.
_NOTES_OF_TENSORFLOW = {
    "_self_name_based_restores",
    "_self_saveable_object_factories",
    "_self_setattr_tracking",
    "_self_unconditional_checkpoint_dependencies",
    "_self_unconditional_deferred_dependencies",
    "_self_unconditional_dependency_names",
    "_self_update_uid",
}

_slots = weakref.WeakKeyDictionary()  # {class: names of its slots}


def state_of(*things, by_value=False):
    """Return the state of ``things``, and references to the objects in it.

    The state is {attribute: what it holds}, where an attribute is (id of its object,
    name), and None stands for the things themselves.

    For a model, the state has the attributes of all its layers and operations: numbers,
    strings and arrays by value (a mask may be changed in place), other objects, such as
    variables and functions, by their id. The state leaves out what Keras writes into every
    layer. (What ``compile`` and ``fit`` write into a model counts only if the model has a
    ``call`` of its own.) As in Keras's own ``predict``, a change is not seen if a ``call``
    reads it from elsewhere: from a global name, a class, or an object inside an object of
    the layer.

    With ``by_value`` the state has the values of variables too, also of those that lie in
    a Keras layer or deeper, in an object inside an object.
    """
    state, references = {}, []
    around = []  # the containers and objects around a value
    by_id = set()  # types whose objects count by their id alone, filled on the way

    def add(value, items, inside=True):
        """Append what tells a value to ``items``; with ``inside``, what it holds too."""
        if type(value) in _VALUES:
            items.extend(_told(value))
        elif type(value) in by_id:
            add_id(value, items)
        elif isinstance(value, np.ma.MaskedArray):
            for part in (value.data, np.ma.getmaskarray(value), value.fill_value):
                add(part, items)
        elif isinstance(value, _BYTES):
            items.extend((type(value), bytes(value)))
        elif isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
            checksum = zlib.crc32(np.ascontiguousarray(value))
            items.extend((value.shape, value.dtype, checksum))
            if inside and hasattr(value, "__dict__"):  # of a subclass
                add_attributes(value, inside=by_value)
        elif by_value and isinstance(value, keras.Variable | tf.Variable):
            add(np.asarray(value), items)
        elif any(value is one for one in around):  # it contains itself
            add_id(value, items)
        elif isinstance(value, np.ndarray | np.generic):  # of objects
            items.extend((value.shape, value.dtype))
            around.append(value)
            for one in np.ravel(value).tolist():
                add(one, items, inside)
            around.pop()
        elif isinstance(value, _CONTAINERS):
            items.extend((type(value), len(value)))
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
            has_settings = _has_settings(value, parts)
            is_layer = isinstance(value, keras.Operation)
            if not (has_settings or is_layer or by_value):
                by_id.add(type(value))
            elif inside and has_settings:
                add_attributes(value, inside=by_value)
            around.pop()

    def add_id(value, items):
        items.append(id(value))
        try:
            references.append(weakref.ref(value))
        except TypeError:
            references.append(lambda: value)

    def add_attributes(thing, inside):
        for name, value in _read_attributes(thing).items():
            if type(value) in _VALUES:  # most of them: faster than `add`
                state[id(thing), name] = _told(value)
            else:
                items = []
                add(value, items, inside)
                state[id(thing), name] = tuple(items)

    items, parts = [], {}
    for thing in things:
        if not isinstance(thing, keras.Model):
            add(thing, items)
            continue
        parts = parts_of(thing)
        for part in parts.values():
            add_id(part, items)
            if not runs_its_graph(part):
                add_attributes(part, inside=True)
            for value in _held_by_nodes(part):
                add(value, items)
    state[None] = tuple(items)
    return state, references


class Holdings:
    """The objects that the attributes of a model's layers hold.

    Args:
        model: a Keras model. This object does not keep the model alive.

    Attributes:
        names: {id of a layer or operation: its attributes that `state_of` reads}.
        ids: what `_ids` returned: the names and ids of what the attributes hold.
        values: plain values, kept alive, so that no other object gets the id of one.
        contents: [(array or list, its `_content`)]: the values inside may change.
        is_enough: False if another object may change inside, such as a dictionary.
    """

    def __init__(self, model):
        self.names, self.values, self.contents = {}, [], []
        parts = parts_of(model)
        self.is_enough = all(self._take(part, parts) for part in parts.values())
        self.ids = self._ids(model) if self.is_enough else None
        if not self.is_enough:  # what is not needed is not kept alive
            self.values, self.contents = [], []

    def are_of(self, model) -> bool:
        """Return whether the state of the model is surely the same as before.

        The objects of `state_of`'s ``references`` must still live.
        """
        same = self.is_enough and self._ids(model) == self.ids
        return same and all(_content(held) == old for held, old in self.contents)

    def _take(self, part, parts):
        """Take what a layer or operation holds. Return whether this is enough."""
        read = {} if runs_its_graph(part) else _read_attributes(part)
        self.names[id(part)] = tuple(read)
        for value in (*read.values(), *_held_by_nodes(part)):
            if _is_plain(value):
                self.values.append(value)
            elif _has_plain_content(value):
                self.contents.append((value, _content(value)))
            elif isinstance(value, _BY_CONTENT) or _has_settings(value, parts):
                return False
        return read.keys() <= vars(part).keys()  # else some lie in slots

    def _ids(self, model):
        """Return the ids of what the attributes hold, and the names of all attributes."""
        ids = []
        for key, part in parts_of(model).items():
            held = vars(part)
            names = self.names.get(key, ())
            ids += [key, tuple(held), len(getattr(part, "_inbound_nodes", ()))]
            ids += [id(held.get(name)) for name in names]
        return ids


def _told(value):
    """Return a number or the like in a form where 1 is not True, and 0.0 not -0.0."""
    return type(value), repr(value) if type(value) in (float, complex) else value


def _is_plain(value):
    """Return whether a value is a number or the like, or a tuple of such."""
    return type(value) in _VALUES or (
        type(value) is tuple and all(map(_is_plain, value))
    )


def _has_plain_content(value):
    """Return whether a value is an array of numbers, or a list of numbers and the like."""
    if isinstance(value, list):  # Keras makes a list of its own of each list
        return all(map(_is_plain, value))
    return type(value) is np.ndarray and not value.dtype.hasobject


def _content(value):
    if isinstance(value, list):
        return repr(list(value))
    return value.shape, value.dtype, value.tobytes()


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
    return type(functional).call, keras.Sequential.call


def parts_of(model):
    """Return a model, its layers and operations, and those of models inside, by id."""
    parts = list(model._flatten_layers())
    inner = [getattr(part, "_operations", ()) for part in parts]
    return {id(part): part for part in itertools.chain(parts, *inner)}


def _held_by_nodes(part):
    """Return what a layer or operation is called with, other than tensors.

    For example, ``x * mask`` keeps the mask itself.
    """
    nodes = getattr(part, "_inbound_nodes", ())
    held = [(node.arguments.args, node.arguments.kwargs) for node in nodes]
    is_fixed = (*_VALUES, keras.KerasTensor)
    return [one for one in keras.tree.flatten(held) if not isinstance(one, is_fixed)]


def _has_settings(value, parts):
    """Return whether a value's attributes count, such as those of a user's activation.

    Args:
        parts: of a model, by id: their attributes are read anyway.
    """
    if isinstance(value, keras.Operation):
        return id(value) not in parts  # in a list, say, where Keras does not see it
    library = type(value).__module__.split(".")[0]
    return library not in ("builtins", "keras", "tensorflow", "jax", "jaxlib")


def _read_attributes(value):
    """Return {name: value} of the attributes that `state_of` reads."""
    is_layer = isinstance(value, keras.Operation)
    left_out = _given_by_keras() if is_layer else _NOTES_OF_TENSORFLOW
    return {
        name: one for name, one in attributes(value).items() if name not in left_out
    }


def attributes(value):
    """Return {name: value}: also what lies in slots, as in a `functools.partial`."""
    kind = type(value)
    if kind not in _slots:
        names = {
            name
            for one in kind.__mro__
            for name, member in vars(one).items()
            if isinstance(member, types.MemberDescriptorType)
            and one.__module__ != "builtins"
        }
        _slots[kind] = sorted(names)  # a set's order differs from process to process
    slots = {
        name: getattr(value, name) for name in _slots[kind] if hasattr(value, name)
    }
    return {**slots, **getattr(value, "__dict__", {})}


@functools.cache
def _given_by_keras():
    """Return the attributes that Keras and TensorFlow give every layer, but for three."""
    names = _NOTES_OF_TENSORFLOW.union(vars(keras.layers.Identity(name="any")))
    return names - {"_trainable", "_dtype_policy", "autocast"}

"""Compiled functions of a model, kept until the model changes.

A compiled function reads the present values of a model's weights. Everything else is built
into the function: activations, masks, precision, the list of variables. So each call
compares the state of the model with its state when the function was compiled.
"""

import contextlib
import dataclasses
import threading
import weakref

from pixelcnn_edu._state import Holdings, attributes, state_of
from pixelcnn_edu._threads import refuse_to_wait_for_ever

_MOST = 8  # objects kept of one model: for several likelihoods

_lock = threading.RLock()
_entries = weakref.WeakKeyDictionary()


@dataclasses.dataclass
class _Entry:
    """What is kept of one model.

    Attributes:
        state, references: of the model, see `state_of`.
        holdings: of the model, a fast check; None if it must be made again.
        built: {key: (what was built, references)}.
        notes: the attributes that have changed while the model was compiled, see `traced`.
    """

    state: dict
    references: list
    holdings: Holdings | None
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
            type with the same attributes gets the same object. (An object in an attribute
            must be the same one.)
    """
    refuse_to_wait_for_ever()
    with _lock:
        entry = _entry_of(model)
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


def _entry_of(model):
    """Return the entry of a model, a new one if the model has changed."""
    entry = _entries.get(model)
    old = entry and entry.holdings
    is_gone = bool(entry) and _is_any_gone(entry.references)
    if old and not is_gone and old.are_of(model):
        return entry
    # (Holdings that are not enough never answer; they need not be made again.)
    # Holdings come before the state, so that the next call sees what another thread
    # changes in between.
    holdings = old if old and not old.is_enough else Holdings(model)
    state, references = state_of(model)
    if not entry or is_gone or entry.state != state:
        notes = entry.notes if entry else set()
        entry = _entries[model] = _Entry(state, references, None, {}, notes)
    entry.holdings = holdings
    return entry


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
        if entry.state != before:  # the model has changed since the entry was made
            entry.state, entry.holdings = {}, None  # so it is not used again
            return
        after, references = state_of(model)
        names = before.keys() | after.keys()
        notes = {name for name in names if before.get(name) != after.get(name)}
        # if layers have written notes alone, it is still the same model
        if notes and notes <= entry.notes:
            entry.state, entry.references, entry.holdings = after, references, None
        entry.notes |= notes

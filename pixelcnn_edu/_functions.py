"""Functions of a user: which they are, and which values they read by name.

`_checksums` asks here, since a function counts with what it reads. (Python's own
`inspect.getclosurevars` sees no name that an inner function reads, and nothing inside a
module or a class.)
"""

import dis
import functools
import os
import re
import sys
import sysconfig
import types

import numpy as np

FUNCTION = types.FunctionType | types.MethodType
HOLDERS = functools.partial | types.MethodType | np.ndarray
_LIBRARIES = {
    "builtins",
    "jax",
    "jaxlib",
    "keras",
    "numpy",
    "pixelcnn_edu",
    "tensorflow",
}


def is_user_s(value):
    """Return whether a value is a function of a user, or an object of a user's class."""
    value = unwrapped(value)
    its = value if isinstance(value, FUNCTION) else type(value)
    return not isinstance(value, type) and not all(map(_is_library, _packages_of(its)))


def unwrapped(value):
    """Return the function in a `tf.function` or a `functools.cache`, else ``value``."""
    is_wrapper = callable(value) and not isinstance(value, FUNCTION | HOLDERS)
    if not is_wrapper or not is_installed(type(value)):
        return value
    inside = getattr(value, "__wrapped__", getattr(value, "pyfunc", value))
    return value if inside is value else unwrapped(inside)


def is_installed(its):
    """Return whether a module, a function or a class is part of an installed package."""
    return all(map(_is_installed, _packages_of(its)))


def _is_installed(name):
    in_package = re.search(r"[/\\](site|dist)-packages[/\\]", _place(name))
    # the file of `__main__` is pytest's, for example
    in_package = in_package and name != "__main__"
    return bool(in_package) or _is_library(name) or _is_python(name)


def is_of_python(its):
    """Return whether a module, a function or a class comes with Python."""
    return all(map(_is_python, _packages_of(its)))


def _is_python(name):
    folder = sysconfig.get_path("stdlib")
    inside = (_place(name) or folder).startswith(folder)
    return name in sys.stdlib_module_names and inside  # not a user's own `trace.py`


def _is_library(name):
    return name in _LIBRARIES or name.startswith("_cython_")  # such as a NumPy method


def _place(name):
    """Return where a module lies, or an empty string."""
    module = sys.modules.get(name)
    return getattr(module, "__file__", None) or str(getattr(module, "__path__", ""))


def _packages_of(its):
    """Return the first parts of the name of a module, or of the modules of ``its``.

    A function that a decorator makes may have two: `functools.wraps` gives it the name of
    another module than that in which it reads its globals.
    """
    if isinstance(its, types.ModuleType):
        return {its.__name__.split(".")[0]}
    its = getattr(its, "__func__", its)
    names = [its.__module__]
    if isinstance(its, types.FunctionType):
        names.append(its.__globals__.get("__name__"))
    return {(name or "").split(".")[0] for name in names}


def _is_namespace(value):
    """Return whether a value is like an `argparse.Namespace`: of Python, with attributes.

    Objects that are not compared by value, such as loggers, change while they are used.
    """
    if not isinstance(getattr(value, "__dict__", None), dict) or value is os.environ:
        return False
    kind = type(value)
    compared = kind.__eq__ is not object.__eq__
    return compared and _packages_of(kind) <= sys.stdlib_module_names


def read_by(function, known, counts):
    """Return (name, value) of what a function reads, and the functions that it calls.

    A value may lie in a module or a class of the user's: then its name is
    ``module.name``. What a function itself writes is left out.

    Args:
        function: of a user.
        known: values that are left out.
        counts: a function that says whether a value counts.
    """
    found, functions = [], [function]
    for one in functions:  # this list grows
        for name, value in _read_by_one(one):
            left_out = any(value is other for other in (*known, *functions))
            if left_out or not counts(value):
                continue
            found.append((name, value))
            if isinstance(value, types.FunctionType):
                functions.append(value)
    return found


def _read_by_one(function):
    """Return (name, value) of what a function reads itself, sorted by name."""
    names = (f"around.{name}" for name in function.__code__.co_freevars)
    cells = dict(zip(names, values_around(function), strict=True))
    there = {**function.__globals__, **cells}
    read, written = _names_in(function.__code__)
    found = {}
    for first, *more in read:
        name, value = first, there.get(first)
        while more and _is_space(value) and hasattr(value, more[0]):
            name, value = f"{name}.{more[0]}", getattr(value, more.pop(0))
        if first in there and name not in {*written, *cells}:  # cells are described
            found[name] = unwrapped(value)
    return sorted(found.items())


def values_around(function):
    """Return the values of the names around a function; None for a name without one."""

    def value(cell):
        try:
            return cell.cell_contents
        except ValueError:
            return None

    return [value(cell) for cell in function.__closure__ or ()]


def _is_space(value):
    """Return whether a function reads names in a value: a user's module, for example."""
    if isinstance(value, type | types.ModuleType):
        return not is_installed(value)
    return _is_namespace(value)


def written_by(function):
    """Return the names of attributes that a function writes, of any object."""
    code = getattr(unwrapped(function), "__code__", None)
    steps = dis.get_instructions(code) if code else ()
    return {step.argval for step in steps if step.opname == "STORE_ATTR"}


def _names_in(code):
    """Return the names that a code reads, as (name, attribute, …), and those it writes."""
    read, written, codes = set(), set(), [code]
    for code in codes:  # this list grows: a code may hold others
        chain = ()
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                chain = chain and (*chain, step.argval)
                continue
            if chain and step.opname == "STORE_ATTR":
                written.add(".".join((*chain, step.argval)))
            elif chain:
                read.add(chain)
            chain = ()
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                chain = (step.argval,)
            elif step.opname == "LOAD_DEREF":
                chain = (f"around.{step.argval}",)
            elif step.opname == "STORE_GLOBAL":
                written.add(step.argval)
        codes += [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return read, written

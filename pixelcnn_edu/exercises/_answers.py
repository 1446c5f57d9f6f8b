"""How an answer is asked, and how its result is read, compared and shown."""

import keras
import numpy as np


class Wrong(Exception):
    """A diagnosis, or a few words of a declared one; and case, expected, actual."""

    def __init__(self, diagnosis, **details):
        super().__init__(diagnosis)
        self.details = details


class Blank(Exception):
    """The answer is, or its result holds, ``...``."""


class NoReturn(Exception):
    """The answer returned nothing. The argument is one more question to the student."""


class Raised(Exception):
    """The answer raised an error, which is the argument; ``details``: on which case."""

    def __init__(self, error):
        super().__init__(error)
        self.details = {}

    def __str__(self):
        return f"{type(self.args[0]).__name__}: {self.args[0]}"


def asking(answer):
    """Return a student's function that tells apart a blank, a None and an error.

    It works on copies, so an answer that changes its arguments spoils no other case.
    """

    def ask(*args, **kwargs):
        copies = keras.tree.map_structure(_copied, args)
        try:
            result = answer(*copies, **kwargs)
        except Exception as error:
            if isinstance(error, TypeError) and "ellipsis" in str(error):
                raise Blank from error  # calculated with a ... that was left
            raise Raised(error) from error
        if _holds(result, ...):
            raise Blank
        if _holds(result, None):
            raise NoReturn
        return result

    return ask


def _copied(value):
    return value.copy() if isinstance(value, np.ndarray | set) else value


def _holds(result, value):
    if isinstance(result, tuple | list | set):
        return any(_holds(part, value) for part in result)
    return result is value


def numbers(otherwise):
    """Return a reader of results that are one array."""

    def read(result):
        try:
            array = np.asarray(result)
            if array.dtype == object:  # fractions
                array = array.astype("float64")
            if array.dtype.kind in "biuf":
                return array
        except Exception:  # rows of different lengths, or no numbers at all
            pass
        raise Wrong(otherwise, actual=type(result).__name__)

    return read


def pair(otherwise, shape=None, parts=None):
    """Return a reader of results that are a pair of numbers or arrays.

    ``shape``: of both parts, or None for any. ``parts``: what a pair is told whose parts
    are no arrays of this size, if that differs from ``otherwise``.
    """
    read_part = numbers(parts or otherwise)

    def read(result):
        of_two = isinstance(result, tuple | list) and len(result) == 2
        if not of_two and getattr(result, "shape", None) != (2,):
            raise Wrong(otherwise, actual=type(result).__name__)
        arrays = tuple(map(read_part, result))
        if shape is None:
            return arrays
        if any(array.size != np.prod(shape) for array in arrays):
            raise Wrong(parts or otherwise, actual=shape_in_words(arrays))
        return tuple(array.reshape(shape) for array in arrays)

    return read


def close(a, b, atol=1e-6, rtol=0.0) -> bool:
    """Whether two arrays have one shape and the same values, NaN included."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.allclose(a, b, rtol, atol, equal_nan=True)


def as_arrays(expected, actual, *case):
    """Show a single number as arrays are shown, with four digits."""
    return {"actual": actual} if np.shape(actual) == () else {}


def first_wrong_row(describe):
    """Show the first row that is wrong, for the case ``describe(row, *case)``."""

    def show(expected, actual, *case):
        if actual.shape != expected.shape:
            return {}
        wrong = ~np.isclose(actual, expected, rtol=0, atol=1e-6)
        row = int(wrong.reshape(len(wrong), -1).any(axis=1).argmax())
        shown = {"expected": expected[row], "actual": actual[row]}
        return {"case": describe(row, *case)} | shown

    return show


def first_wrong_part(atol):
    """Show the first part of a pair that is wrong."""

    def show(expected, actual, *case):
        part = int(close(actual[0], expected[0], atol))
        return {"expected": expected[part], "actual": actual[part]}

    return show


def plus_minus(digits):
    """Show a mean and its error."""

    def in_words(result):
        mean, error = result
        return f"{float(mean):.{digits}f} ± {float(error):.{digits}f}"

    return lambda expected, actual, *case: {
        "expected": in_words(expected),
        "actual": in_words(actual),
    }


def shape_in_words(result):
    if isinstance(result, tuple):
        return ", ".join(map(shape_in_words, result))
    return f"shape {np.shape(result)}" if np.ndim(result) else "one number"


def short(value):
    """Return a value in words, arrays indented as a `Verdict` shows them."""
    if isinstance(value, np.ndarray):
        value = np.array2string(value, precision=4, suppress_small=True, threshold=60)
        return value.replace("\n", "\n" + " " * 12)
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)

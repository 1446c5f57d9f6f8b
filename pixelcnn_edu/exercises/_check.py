"""How an answer is judged: the machinery behind every exercise.

A judge looks at an answer and returns, or raises `Wrong` with what it saw. The decorator
`check` makes it safe to call from a notebook: it never raises, says "not yet" to a blank,
and shows expected beside actual.
"""

import dataclasses
import functools

import numpy as np


class Wrong(Exception):
    """What is wrong with an answer.

    Args:
        diagnosis: the mistake in a sentence, in terms of what the student did.
        case: the input it was seen on.
        expected: the right result for that input.
        actual: the answer's result.
    """

    def __init__(self, diagnosis, *, case=None, expected=None, actual=None):
        super().__init__(diagnosis)
        self.diagnosis = diagnosis
        self.details = {"case": case, "expected": expected, "actual": actual}


class Blank(Exception):
    """The answer is, or returned, ``...``."""


class NoReturn(Exception):
    """The answer returned nothing."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a check says: ``status`` is "right", "wrong" or "not yet"."""

    status: str
    text: str

    @property
    def passed(self) -> bool:
        return self.status == "right"

    def __repr__(self):
        return self.text


def check(*hints: str):
    """Turn a judge into a check: ``check(answer, hint=0)`` → `Verdict`.

    Args:
        hints: in order; ``hint=1`` shows the first, ``hint=2`` the first two. After a
            wrong answer the first is shown in any case.
    """

    def decorate(judge):
        @functools.wraps(judge)
        def checked(answer, hint=0):
            shown = list(hints[:hint])
            try:
                if answer is ...:
                    raise Blank
                praise = judge(answer)
                status, lines = "right", [f"Right. {praise or ''}".strip()]
            except Blank:
                status, lines = "not yet", ["Not yet: replace the ... and run again."]
            except NoReturn:
                status = "not yet"
                lines = ["Not yet: the result is None. Is a `return` missing?"]
            except Wrong as wrong:
                status, lines = "wrong", [f"Not right: {wrong.diagnosis}"]
                for name, value in wrong.details.items():
                    if value is not None:
                        lines.append(f"  {name + ':':<10}{_short(value)}")
                shown = shown or list(hints[:1])
            except Exception as error:  # the student's own code failed
                status = "wrong"
                lines = [f"Your code raised {type(error).__name__}: {error}"]
                shown = shown or list(hints[:1])
            if status != "right":
                lines += [f"Hint {i}: {text}" for i, text in enumerate(shown, 1)]
            return Verdict(status, "\n".join(lines))

        return checked

    return decorate


def called(function, *args):
    """Call a student's function; raise `Blank` or `NoReturn` if it is unfinished."""
    result = function(*args)
    if result is ...:
        raise Blank
    if result is None:
        raise NoReturn
    return result


def close(a, b, tolerance=1e-6) -> bool:
    """Whether two arrays have one shape and the same values, up to ``tolerance``."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=tolerance)


def _short(value) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        value = np.array2string(value, precision=4, suppress_small=True, threshold=60)
        return value.replace("\n", "\n" + " " * 12)
    return str(value)


def count_of_pixels(actual, expected, mistakes, *, case):
    """Judge a number of pixels; ``mistakes`` maps diagnoses to the numbers they give."""
    words = {"case": case, "expected": expected}
    if isinstance(actual, set | frozenset | list | tuple):
        raise Wrong(
            "This is the collection of pixels. How many are there?",
            **words,
            actual=f"a {type(actual).__name__} of {len(actual)}",
        )
    actual = np.asarray(actual)
    if actual.shape == () and actual == expected:
        return
    for diagnosis, wrong in mistakes.items():
        if actual.shape == () and actual == wrong:
            raise Wrong(diagnosis, **words, actual=actual)
    raise Wrong("That is not how many pixels are seen.", **words, actual=actual)

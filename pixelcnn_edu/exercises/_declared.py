"""How an exercise is declared, and what it says to an answer.

An `Exercise` holds a right answer, the cases it is asked on, and its mistakes: answers
that are wrong in a known way, each with its diagnosis. On the first case on which an
answer differs from the right one, it gets the diagnosis of the mistake that gives the
same result there. Where the structure of an answer counts (a layer, a model), a `judge`
written by hand looks at it and raises `Wrong` with one of the declared mistakes.
"""

import copy
import dataclasses
import inspect

import numpy as np


class Mistake:
    """How a mistake is made, and how it is recognized.

    Args:
        answers: functions that make it. An answer makes it too if it gives the result
            of one of them.
        fits: ``fits(actual, expected, *case)``, whether an answer makes it, for a
            mistake that has more results than one.
        raises: likewise ``raises(error)``, for an answer that raises.
        hint: which of the exercise's hints helps here, or a hint of its own.
    """

    def __init__(self, *answers, fits=None, raises=None, hint=1):
        self.answers = answers
        self.fits = fits
        self.raises = raises
        self.hint = hint


class Wrong(Exception):
    """A diagnosis, or a few words of a declared one; and case, expected, actual."""

    def __init__(self, diagnosis, **details):
        super().__init__(diagnosis)
        self.details = details


class Blank(Exception):
    """The answer is, or its result holds, ``...``."""


class NoReturn(Exception):
    """The answer returned nothing."""


class Raised(Exception):
    """The answer raised an error, which is the argument."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a check says: "right", "wrong", "not yet", or "failed" if it failed itself."""

    status: str
    text: str

    @property
    def passed(self) -> bool:
        return self.status == "right"

    def __repr__(self):
        return self.text


class Exercise:
    """``exercise(answer, hint=0)`` → `Verdict`; it never raises.

    Args:
        right: the right answer; its name and docstring are those of the exercise.
        cases: tuples of arguments, or a function that returns them.
        mistakes: each diagnosis (the mistake in a sentence, in terms of what the
            student did) with a wrong answer, or with a `Mistake`. The first that fits is
            named.
        hints: ``hint=1`` shows the first, ``hint=2`` the first two.
        praise: what a right answer is told.
        describe: a case in words: ``describe(*case)``, or a format of its arguments.
        run: ``run(answer, *case)``, if an answer is not simply called.
        read: the result as an array, or as a tuple of arrays; may raise `Wrong`.
        rtol, atol: how far a result may lie from the right one; a tuple if it has parts.
        show: ``show(expected, actual, *case)`` → a dictionary of what is shown.
        shape: what an answer of another form is told.
        otherwise: what a wrong answer is told in which no mistake is recognized; a tuple
            if the result has parts.
        judge: ``judge(answer)``, which raises `Wrong`, in place of cases.
    """

    def __init__(
        self,
        right,
        *,
        hints,
        praise,
        cases=(),
        mistakes=None,
        describe=None,
        run=None,
        read=None,
        rtol=1e-6,
        atol=1e-6,
        show=None,
        shape="The result has another shape.",
        otherwise="The result is another one.",
        judge=None,
        name=None,
    ):
        self.right, self.hints, self.praise = right, hints, praise
        self.cases = cases
        self.mistakes = {
            diagnosis: mistake if isinstance(mistake, Mistake) else Mistake(mistake)
            for diagnosis, mistake in (mistakes or {}).items()
        }
        self.describe = describe or _arguments(right)
        self.run = run or (lambda answer, *case: answer(*case))
        self.read = read or numbers(shape)
        self.rtol, self.atol = rtol, atol
        self.show = show or (lambda expected, actual, *case: {})
        self.shape, self.otherwise = shape, otherwise
        self.judge = judge or self.judge_by_cases
        self.__name__ = name or right.__name__.removeprefix("_")
        self.__doc__ = (judge or right).__doc__

    def __call__(self, answer, hint=0):
        fitting = 0
        try:
            with np.errstate(all="ignore"):  # the verdict tells of it in words
                if answer is ...:
                    raise Blank
                self.judge(answer)
            status, lines = "right", [f"Right. {self.praise}".strip()]
        except Blank:
            status, lines = "not yet", ["Not yet: replace the ... and run again."]
        except NoReturn:
            status = "not yet"
            lines = ["Not yet: the result is None. Is a `return` missing?"]
        except Raised as raised:
            status, fitting = "wrong", 1
            lines = [f"Your code raised {_name_and_message(raised.args[0])}"]
        except Wrong as wrong:
            diagnosis, mistake = self.declared(str(wrong))
            status, fitting = "wrong", mistake.hint
            lines = [f"Not right: {diagnosis}"]
            for name, value in wrong.details.items():
                if value is not None:
                    lines.append(f"  {name + ':':<10}{_short(value)}")
        except Exception as error:
            status = "failed"
            lines = [
                "This check failed, so your answer was not judged. Please report it: "
                f"{_name_and_message(error)}"
            ]
        if status in ("wrong", "not yet"):
            lines += self.hint_lines(hint, fitting)
        return Verdict(status, "\n".join(lines))

    def declared(self, words):
        """The diagnosis that holds these words, and its mistake."""
        if words in self.mistakes:
            return words, self.mistakes[words]
        found = [pair for pair in self.mistakes.items() if words in pair[0]]
        return found[0] if len(found) == 1 else (words, Mistake())

    def hint_lines(self, asked, fitting):
        """The first ``asked`` hints, and the one that fits the mistake."""
        shown = set(range(1, min(asked, len(self.hints)) + 1))
        if isinstance(fitting, str):
            yield f"Hint: {fitting}"
        elif fitting:
            shown.add(fitting)
        for number in sorted(shown):
            yield f"Hint {number}: {self.hints[number - 1]}"

    def judge_by_cases(self, answer):
        for case in self.cases() if callable(self.cases) else self.cases:
            expected = self.result(self.right, case)
            try:
                actual = self.result(asking(answer), case)
            except Raised as raised:
                for diagnosis, mistake in self.mistakes.items():
                    if mistake.raises and mistake.raises(raised.args[0]):
                        told = _name_and_message(raised.args[0])
                        told = {"case": self.told(case), "raised": told}
                        raise Wrong(diagnosis, **told) from raised
                raise
            if isinstance(expected, np.ndarray) and expected.ndim == 0:
                actual = actual.reshape(()) if actual.size == 1 else actual
            if not self.same(actual, expected):
                raise self.diagnosed(actual, expected, case)

    def diagnosed(self, actual, expected, case):
        part = self.first_wrong_part(actual, expected)
        words = {"expected": _plain(expected), "actual": _plain(actual)}
        diagnosis = self.fitting(actual, expected, case, part)
        if not diagnosis and _shapes(actual) != _shapes(expected):
            diagnosis = self.shape
            words = {"expected": _shapes(expected), "actual": _shapes(actual)}
        elif not diagnosis:
            by_part = isinstance(self.otherwise, tuple)
            diagnosis = self.otherwise[part] if by_part else self.otherwise
        shown = self.show(expected, actual, *case)
        return Wrong(diagnosis, **({"case": self.told(case)} | words | shown))

    def first_wrong_part(self, actual, expected):
        if not isinstance(expected, tuple):
            return None
        parts = enumerate(zip(actual, expected, strict=True))
        return next(i for i, (a, e) in parts if not self.same(a, e, i))

    def fitting(self, actual, expected, case, part):
        """The mistake that gives this result; if none does, the first wrong part of it."""
        results = {}
        for diagnosis, mistake in self.mistakes.items():
            if mistake.fits:
                if mistake.fits(actual, expected, *case):
                    return diagnosis
                continue
            results[diagnosis] = list(self.results(mistake, case))
            if any(self.same(actual, wrong) for wrong in results[diagnosis]):
                return diagnosis
        if part is not None:
            for diagnosis, wrongs in results.items():
                if any(self.same(actual[part], w[part], part) for w in wrongs):
                    return diagnosis
        return None

    def results(self, mistake, case):
        for answer in mistake.answers:
            try:
                yield self.result(answer, case)
            except Exception:  # a mistake may raise, on some cases or always
                continue

    def result(self, answer, case):
        return self.read(self.run(answer, *copy.deepcopy(case)))

    def same(self, a, b, part=0):
        """Whether two results agree; ``part`` tells which limits hold for an array."""
        if isinstance(b, tuple):
            pairs = enumerate(zip(a, b, strict=True))
            return all(self.same(*pair, part=i) for i, pair in pairs)
        limits = (
            limit[part] if isinstance(limit, tuple) else limit
            for limit in (self.atol, self.rtol)
        )
        return close(a, b, *limits)

    def told(self, case):
        tell = self.describe
        return tell.format(*case) if isinstance(tell, str) else tell(*case)


def asking(answer):
    """A student's function, of which a blank, a None and an error are told apart."""

    def ask(*args, **kwargs):
        try:
            result = answer(*args, **kwargs)
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


def numbers(otherwise):
    """A reader of results that are one array."""

    def read(result):
        try:
            array = np.asarray(result)
            return array if array.dtype.kind in "biuf" else array.astype("float64")
        except Exception:
            raise Wrong(otherwise, actual=type(result).__name__) from None

    return read


def pair(otherwise):
    """A reader of results that are a pair of numbers or arrays."""

    def read(result):
        of_two = isinstance(result, tuple | list) and len(result) == 2
        if not of_two and np.shape(result) != (2,):
            raise Wrong(otherwise, actual=type(result).__name__)
        return tuple(map(numbers(otherwise), result))

    return read


def close(a, b, atol=1e-6, rtol=0.0) -> bool:
    """Whether two arrays have one shape and the same values, NaN included."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.allclose(a, b, rtol, atol, equal_nan=True)


def as_arrays(expected, actual, *case):
    """Show a single number as arrays are shown, with four digits."""
    return {"actual": actual} if np.shape(actual) == () else {}


def _holds(result, value):
    if isinstance(result, tuple | list | set | frozenset):
        return any(_holds(part, value) for part in result)
    return result is value


def _arguments(function):
    parameters = inspect.signature(function).parameters if callable(function) else {}
    names = [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY]
    return lambda *case: ", ".join(
        f"{name} = {_short(value)}" for name, value in zip(names, case, strict=True)
    )


def _shapes(value):
    if isinstance(value, tuple):
        return ", ".join(map(_shapes, value))
    return f"shape {np.shape(value)}" if np.ndim(value) else "one number"


def _plain(value):
    return value.item() if isinstance(value, np.ndarray) and not value.ndim else value


def _name_and_message(error):
    return f"{type(error).__name__}: {error}"


def _short(value):
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
        return "(" + ", ".join(_short(_plain(part)) for part in value) + ")"
    if isinstance(value, np.ndarray):
        value = np.array2string(value, precision=4, suppress_small=True, threshold=60)
        return value.replace("\n", "\n" + " " * 12)
    return str(value)

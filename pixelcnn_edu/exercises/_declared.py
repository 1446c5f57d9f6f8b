"""How an exercise is declared.

An `Exercise` holds a right answer, the cases it is asked on, and at most five mistakes:
answers that are wrong in a known way, each under its diagnosis. On the first case on
which an answer differs from the right one, it gets the diagnosis of the mistake that
gives the same result there. Where the structure of an answer counts (a layer, a model), a
`judge` written by hand looks at it and raises `Wrong`.
"""

import dataclasses
import inspect
import textwrap

from pixelcnn_edu.exercises._answers import (
    Blank,
    NoReturn,
    Raised,
    Wrong,
    asking,
    close,
    numbers,
    shape_in_words,
    short,
)

import numpy as np


@dataclasses.dataclass
class Variant:
    """A wrong answer made of the right one: ``make(right)``."""

    make: callable


def but(**change):
    """The right answer with other keyword arguments: ``but(turn=2)``."""
    return Variant(lambda right: lambda *case: right(*case, **change))


def then(step):
    """The right answer, and one more step: ``then(lambda right: -right)``."""
    return Variant(lambda right: lambda *case: step(right(*case)))


class Mistake:
    """How a mistake is made, and how it is recognized.

    Args:
        answers: functions that make it, or a `but` or a `then`. Another answer makes it
            too if it gives the result of one of them.
        fits: ``fits(actual, expected, *case)``, whether an answer makes it, for a
            mistake that has more results than these.
        any_shape: whether ``fits`` is asked of results of a wrong shape too.
        raises: likewise ``raises(error, *case)``, for an answer that raises.
        hint: the number of the hint that helps here, 0 for none.
    """

    def __init__(self, *answers, fits=None, any_shape=False, raises=None, hint=1):
        self.answers, self.fits, self.any_shape = answers, fits, any_shape
        self.raises, self.hint = raises, hint


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a check says: "right", "wrong", "not yet", or "failed" if it failed itself."""

    status: str
    text: str

    @property
    def passed(self) -> bool:
        return self.status == "right"

    def __bool__(self):
        return self.passed

    def __str__(self):
        return self.text

    def __repr__(self):
        """Return the text for a cell: JupyterLab breaks longer lines inside words."""
        keep = {"break_long_words": False, "break_on_hyphens": False}
        lines = []
        for line in self.text.splitlines():
            keep["subsequent_indent"] = " " * 12 if line.startswith("  ") else ""
            lines += textwrap.wrap(line, 100, **keep) or [""]
        return "\n".join(lines)


class Exercise:
    """``exercise(answer, hint=0)`` → `Verdict`, also if the answer raises an error.

    Args:
        right: the right answer; its name and docstring are those of the exercise.
        cases: tuples of arguments, or a function that returns them.
        mistakes: each diagnosis (the mistake in a sentence, in terms of what the
            student did) with a wrong answer, a `but`, a `then`, or a `Mistake`. The
            first that fits is named.
        hints: ``hint=1`` shows the first, ``hint=2`` the first two.
        praise: what a right answer is told.
        describe: a case in words: ``describe(*case)``, or a format of its arguments.
        run: ``run(answer, *case)``, if an answer is not simply called.
        read: turns a result into an array, or into a tuple of arrays; may raise `Wrong`.
        rtol, atol: how far a result may lie from the right one; a tuple if it has parts.
        show: ``show(expected, actual, *case)`` → a dictionary of what is shown.
        shape: what an answer of another form is told, if that differs from ``otherwise``.
        otherwise: what a wrong answer is told in which no mistake is recognized; a tuple
            if the result has parts.
        judge: ``judge(answer)``, in place of cases. It raises `Wrong` with a diagnosis,
            or with a few words of a declared one.
        name: of the exercise, if the right answer is no function.
    """

    def __init__(
        self,
        right,
        *,
        hints,
        praise,
        mistakes,
        cases=(),
        describe=None,
        run=None,
        read=None,
        rtol=1e-6,
        atol=1e-6,
        show=None,
        shape=None,
        otherwise="The result is another one.",
        judge=None,
        name=None,
    ):
        self.right, self.hints, self.praise, self.cases = right, hints, praise, cases
        self.mistakes = {
            diagnosis: mistake if isinstance(mistake, Mistake) else Mistake(mistake)
            for diagnosis, mistake in mistakes.items()
        }
        for mistake in self.mistakes.values():
            mistake.answers = [
                answer.make(right) if isinstance(answer, Variant) else answer
                for answer in mistake.answers
            ]
        self.describe = describe or _arguments(right)
        self.run = run or (lambda answer, *case: answer(*case))
        self.otherwise, self.shape = otherwise, shape or otherwise
        self.read = read or numbers(self.shape)
        self.rtol, self.atol = rtol, atol
        self.show = show or (lambda expected, actual, *case: {})
        self.judge = judge or self.judge_by_cases
        self.__name__ = name or right.__name__.removeprefix("_")
        self.__doc__ = right.__doc__ if callable(right) else judge.__doc__

    def __call__(self, answer, hint=0):
        fitting, details = 0, {}  # the hint that fits the mistake; what is shown of it
        try:
            with np.errstate(all="ignore"):  # the verdict tells of it in words
                if answer is ...:
                    raise Blank
                self.judge(answer)
            return Verdict("right", f"Right. {self.praise}")
        except Blank:
            status, lines = "not yet", ["Not yet: replace the ... and run again."]
        except NoReturn as more:
            status = "not yet"
            lines = ["Not yet: the result is None. Is a `return` missing?", *more.args]
        except Raised as raised:
            status, fitting, details = "wrong", 1, raised.details
            lines = [f"Your code raised {raised}"]
        except Wrong as wrong:
            diagnosis, mistake = self.declared(str(wrong))
            status, fitting, details = "wrong", mistake.hint, wrong.details
            lines = [f"Not right: {diagnosis}"]
        except Exception as error:
            text = "This check failed, so your answer was not judged. Please report it:"
            return Verdict("failed", f"{text} {type(error).__name__}: {error}")
        for name, value in details.items():
            if value is not None:
                lines.append(f"  {name + ':':<10}{short(value)}")
        for number, words in enumerate(self.hints, 1):
            if number <= hint or number == fitting:
                lines.append(f"Hint {number}: {words}")
        return Verdict(status, "\n".join(lines))

    def declared(self, words):
        """The diagnosis that these words are, or are part of, and its mistake."""
        found = [words] if words in self.mistakes else []
        found = found or [each for each in self.mistakes if words in each]
        return (found[0], self.mistakes[found[0]]) if found else (words, Mistake())

    def judge_by_cases(self, answer):
        for case in self.cases() if callable(self.cases) else self.cases:
            expected = self.result(self.right, case)
            try:
                actual = self.result(asking(answer), case)
            except Raised as raised:
                raise self.diagnosed_error(raised, case) from raised
            except Wrong as wrong:
                wrong.details = {"case": self.told(case)} | wrong.details
                raise
            if _is_number(expected) and actual.size == 1:
                actual = actual.reshape(())
            if not all(self.right_parts(actual, expected)):
                raise self.diagnosed(actual, expected, case)

    def result(self, answer, case):
        return self.read(self.run(answer, *case))

    def right_parts(self, actual, expected):
        """For each part of a result, whether it is right; an array is a single part."""
        pairs = zip(_parts(actual), _parts(expected), strict=True)
        return [self.same(*each, part) for part, each in enumerate(pairs)]

    def same(self, a, b, part=0):
        """Whether two arrays agree within the limits of this part of a result."""
        limits = self.atol, self.rtol
        return close(a, b, *(n[part] if isinstance(n, tuple) else n for n in limits))

    def diagnosed_error(self, raised, case):
        for diagnosis, mistake in self.mistakes.items():
            if mistake.raises and mistake.raises(raised.args[0], *case):
                return Wrong(diagnosis, case=self.told(case), raised=str(raised))
        raised.details = {"case": self.told(case)}
        return raised

    def diagnosed(self, actual, expected, case):
        first_wrong = self.right_parts(actual, expected).index(False)
        words = {"expected": _plain(expected), "actual": _plain(actual)}
        diagnosis = self.fitting(actual, expected, case, first_wrong)
        if not diagnosis and shape_in_words(actual) != shape_in_words(expected):
            diagnosis = self.shape
            results = {"expected": expected, "actual": actual}
            words = {word: shape_in_words(result) for word, result in results.items()}
        elif not diagnosis:
            parts = isinstance(self.otherwise, tuple)
            diagnosis = self.otherwise[first_wrong] if parts else self.otherwise
        shown = self.show(expected, actual, *case)
        return Wrong(diagnosis, **({"case": self.told(case)} | words | shown))

    def fitting(self, actual, expected, case, first_wrong):
        """The first mistake that explains what is wrong, or None.

        It has the result in the first wrong part, and is right where the answer is.
        """
        alike = shape_in_words(actual) == shape_in_words(expected)
        right = self.right_parts(actual, expected)
        for diagnosis, mistake in self.mistakes.items():
            if mistake.fits:
                asked = alike or mistake.any_shape
                if asked and mistake.fits(actual, expected, *case):
                    return diagnosis
                continue
            for wrong in self.results(mistake, case):
                same = self.right_parts(actual, wrong)
                also_right = self.right_parts(wrong, expected)
                if same[first_wrong] and not any(
                    r and not also for r, also in zip(right, also_right, strict=True)
                ):
                    return diagnosis
        return None

    def results(self, mistake, case):
        for answer in mistake.answers:
            try:
                yield self.result(answer, case)
            except Exception:  # a mistake may raise, on some cases or always
                continue

    def told(self, case):
        tell = self.describe
        return tell.format(*case) if isinstance(tell, str) else tell(*case)


def _arguments(function):
    parameters = inspect.signature(function).parameters if callable(function) else {}
    names = [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY]
    return lambda *case: ", ".join(
        f"{name} = {short(value)}" for name, value in zip(names, case, strict=True)
    )


def _parts(result):
    return result if isinstance(result, tuple) else (result,)


def _is_number(result):
    return isinstance(result, np.ndarray) and result.ndim == 0


def _plain(result):
    if isinstance(result, tuple):
        return tuple(map(_plain, result))
    return result.item() if _is_number(result) else result

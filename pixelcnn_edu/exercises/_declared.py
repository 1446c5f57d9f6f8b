"""How an exercise is declared.

An `Exercise` holds a right answer, the cases it is asked on, and its mistakes: answers
that are wrong in a known way, each under its diagnosis. On the first case on which an
answer differs from the right one, it gets the diagnosis of the mistake that gives the
same result there. Where the structure of an answer counts (a layer, a model), a `judge`
written by hand looks at it and raises `Wrong` with a few words of a declared diagnosis.
"""

import dataclasses
import inspect
import textwrap

from pixelcnn_edu.exercises._answers import (
    CHANGES,
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


class but:
    """The right answer with other keyword arguments: ``but(turn=2)``."""

    def __init__(self, **change):
        self.change = change

    def of(self, right):
        return lambda *case: right(*case, **self.change)


class then:
    """The right answer, and one more step: ``then(lambda right: -right)``."""

    def __init__(self, step):
        self.step = step

    def of(self, right):
        return lambda *case: self.step(right(*case))


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
    """``exercise(answer, hint=0)`` → `Verdict`; it never raises.

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
        judge: ``judge(answer)``, which raises `Wrong`, in place of cases.
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
        self.mistakes[CHANGES] = Mistake(hint=0)
        for mistake in self.mistakes.values():
            mistake.answers = [
                answer.of(right) if isinstance(answer, but | then) else answer
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
        return Verdict(status, "\n".join([*lines, *self.hint_lines(hint, fitting)]))

    def declared(self, words):
        """The diagnosis that these words are, or are part of, and its mistake."""
        found = [words] if words in self.mistakes else []
        found = found or [each for each in self.mistakes if words in each]
        return (found[0], self.mistakes[found[0]]) if found else (words, Mistake())

    def hint_lines(self, asked, fitting):
        """The first ``asked`` hints, and the one that fits the mistake."""
        asked = asked if isinstance(asked, int) else 0
        for number, text in enumerate(self.hints, 1):
            if number <= asked or number == fitting:
                yield f"Hint {number}: {text}"

    def judge_by_cases(self, answer):
        for case in self.cases() if callable(self.cases) else self.cases:
            try:
                expected = self.result(self.right, case)
            except Wrong as wrong:
                raise ValueError(f"The right answer is refused: {wrong}") from wrong
            try:
                actual = self.result(asking(answer), case)
            except Raised as raised:
                raise self.diagnosed_error(raised, case) from raised
            except Wrong as wrong:
                wrong.details = {"case": self.told(case)} | wrong.details
                raise
            if _is_number(expected) and actual.size == 1:
                actual = actual.reshape(())
            if not self.same(actual, expected):
                raise self.diagnosed(actual, expected, case)

    def result(self, answer, case):
        return self.read(self.run(answer, *case))

    def same(self, a, b, part=0):
        """Whether two results agree; ``part`` tells which limits hold for an array."""
        if isinstance(b, tuple):
            pairs = enumerate(zip(a, b, strict=True))
            return all(self.same(*each, part=i) for i, each in pairs)
        limits = self.atol, self.rtol
        return close(a, b, *(n[part] if isinstance(n, tuple) else n for n in limits))

    def diagnosed_error(self, raised, case):
        for diagnosis, mistake in self.mistakes.items():
            if mistake.raises and mistake.raises(raised.args[0], *case):
                return Wrong(diagnosis, case=self.told(case), raised=str(raised))
        raised.details = {"case": self.told(case)}
        return raised

    def diagnosed(self, actual, expected, case):
        part = None  # the first wrong one
        if isinstance(expected, tuple):
            pairs = enumerate(zip(actual, expected, strict=True))
            part = next(i for i, (a, e) in pairs if not self.same(a, e, i))
        words = {"expected": _plain(expected), "actual": _plain(actual)}
        diagnosis = self.fitting(actual, expected, case, part)
        if not diagnosis and shape_in_words(actual) != shape_in_words(expected):
            diagnosis = self.shape
            results = {"expected": expected, "actual": actual}
            words = {word: shape_in_words(result) for word, result in results.items()}
        elif not diagnosis:
            by_part = isinstance(self.otherwise, tuple)
            diagnosis = self.otherwise[part] if by_part else self.otherwise
        shown = self.show(expected, actual, *case)
        return Wrong(diagnosis, **({"case": self.told(case)} | words | shown))

    def fitting(self, actual, expected, case, part):
        """The mistake with this result; else the one that has the first wrong part."""
        alike, results = shape_in_words(actual) == shape_in_words(expected), {}
        for diagnosis, mistake in self.mistakes.items():
            if mistake.fits:
                asked = alike or mistake.any_shape
                if asked and mistake.fits(actual, expected, *case):
                    return diagnosis
                continue
            results[diagnosis] = list(self.results(mistake, case))
            if any(self.same(actual, wrong) for wrong in results[diagnosis]):
                return diagnosis

        def has_this_part(wrong):
            """Whether this mistake explains the part, and is right where the answer is."""
            return self.same(actual[part], wrong[part], part) and all(
                self.same(expected[i], wrong[i], i)
                for i in range(len(wrong))
                if self.same(expected[i], actual[i], i)
            )

        for diagnosis, wrongs in results.items():
            if part is not None and any(map(has_this_part, wrongs)):
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


def _is_number(result):
    return isinstance(result, np.ndarray) and result.ndim == 0


def _plain(result):
    if isinstance(result, tuple):
        return tuple(map(_plain, result))
    return result.item() if _is_number(result) else result

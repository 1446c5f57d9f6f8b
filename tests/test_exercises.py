"""Every exercise: its right answer, each of its mistakes, its blanks, and nonsense."""

from pixelcnn_edu import exercises
from pixelcnn_edu.exercises._answers import Wrong
from pixelcnn_edu.exercises._declared import Exercise

import numpy as np
import pytest

DECLARED = {
    name: each for name, each in vars(exercises).items() if isinstance(each, Exercise)
}
each_exercise = pytest.mark.parametrize("name", DECLARED)
MISTAKES = [
    pytest.param(exercise, diagnosis, answer, id=f"{name}-{diagnosis[:40]}-{k}")
    for name, exercise in DECLARED.items()
    for diagnosis, mistake in exercise.mistakes.items()
    for k, answer in enumerate(mistake.answers)
]


def answered(exercise, function):
    """An answer made of one function: two of them where a pair is asked for."""
    pair = isinstance(exercise.right, tuple)
    return exercise((function, function) if pair else function)


@each_exercise
def test_an_exercise_has_at_most_five_mistakes(name):
    assert 0 < len(DECLARED[name].mistakes) <= 5


@each_exercise
def test_the_right_answer_passes(name):
    exercise = DECLARED[name]
    verdict = exercise(exercise.right)
    assert verdict and verdict.text == f"Right. {exercise.praise}"


@pytest.mark.parametrize(("exercise", "diagnosis", "answer"), MISTAKES)
def test_a_mistake_gets_its_diagnosis_and_its_hint(exercise, diagnosis, answer):
    verdict = exercise(answer)
    first, *_, last = verdict.text.splitlines()
    assert (verdict.status, first) == ("wrong", f"Not right: {diagnosis}")
    hint = exercise.mistakes[diagnosis].hint
    if hint:
        assert last == f"Hint {hint}: {exercise.hints[hint - 1]}"
    else:
        assert "Hint" not in verdict.text


def without_return(*arguments):
    """As `with_a_blank`, but the `return` is forgotten."""
    ...


def with_a_blank(*arguments):
    return ...


def with_blanks_inside(*arguments):
    return (..., ...)


def that_calculates_with_a_blank(*arguments):
    return 2 * ...


@each_exercise
def test_an_answer_without_return_is_told_so_and_a_blank_that_it_is_one(name):
    exercise = DECLARED[name]
    nothing = answered(exercise, without_return)
    assert nothing.status == "not yet" and not nothing
    assert "`return`" in nothing.text and "replace" not in nothing.text
    functions = (with_a_blank, with_blanks_inside, that_calculates_with_a_blank)
    for blank in (exercise(...), *(answered(exercise, each) for each in functions)):
        assert blank.text == "Not yet: replace the ... and run again."
    assert exercise(..., hint=2).text.count("Hint") == 2


NONSENSE = (
    "none", -7.5, np.nan, [], {(0, 0)}, [[1], [2, 3]], (1.5, "a"), ([1], [1]), (1, 2, 3),
    np.ones((2, 3, 4, 5)), object(), "24", 24 + 0j,
)  # fmt: skip


@each_exercise
def test_nonsense_is_wrong_and_an_error_is_shown(name):
    for nonsense in NONSENSE:
        verdict = answered(DECLARED[name], lambda *arguments, it=nonsense: it)
        assert verdict.status == "wrong", (nonsense, verdict.text)
    error = answered(DECLARED[name], lambda *arguments: [][0])
    assert "Your code raised IndexError: list index out of range" in error.text


def half(number):
    """Half of a number."""
    return number / 2


def check(**changes):
    arguments = {
        "cases": [(4,), (3,)],
        "mistakes": {"That is double.": lambda number: 2 * number},
        "hints": ("Divide.", "By two."),
        "praise": "Both halves are equal.",
    }
    return Exercise(half, **(arguments | changes))


def test_an_error_is_shown_with_the_case_on_which_it_was_raised():
    assert repr(check()(lambda number: 2 if number == 4 else [][0])) == (
        "Your code raised IndexError: list index out of range\n"
        "  case:     number = 3\n"
        "Hint 1: Divide."
    )


def test_a_check_that_fails_does_not_call_the_answer_wrong():
    for broken in (
        check(cases=[("four",)]),
        check(describe=lambda number: 1 / 0),
        check(judge=lambda answer: 1 / 0),
        check(read=lambda result: 1 / 0),
    ):
        verdict = broken(lambda number: 0)
        assert verdict.status == "failed" and not verdict.passed
        assert "This check failed, so your answer was not judged." in verdict.text
        assert "Not right" not in verdict.text and "Hint" not in verdict.text


def test_a_mistake_that_raises_does_not_stop_the_check():
    mistakes = {"raises": lambda n: 1 / 0, "That is double.": lambda n: 2 * n}
    assert "That is double." in check(mistakes=mistakes)(lambda n: 2 * n).text


def test_a_verdict_shows_the_case_and_both_results_and_the_hints_asked_for():
    assert check()(half).passed
    assert repr(check()(lambda number: number * 2, hint=2)) == (
        "Not right: That is double.\n"
        "  case:     number = 4\n"
        "  expected: 2\n"
        "  actual:   8\n"
        "Hint 1: Divide.\n"
        "Hint 2: By two."
    )
    assert check()(lambda number: 2).text.splitlines()[1] == "  case:     number = 3"


def test_an_answer_that_changes_its_arguments_spoils_no_other_case():
    def in_place(p, x):
        result = exercises.image_nats.right(p, x)
        p[:] = x[:] = 0.5
        return result

    assert exercises.image_nats(in_place).passed
    assert exercises.image_nats(in_place).passed


def test_a_judge_names_a_declared_mistake_by_a_few_of_its_words():
    def judge(answer):
        raise Wrong("double", expected=2)

    assert "Not right: That is double.\n  expected: 2" in check(judge=judge)(half).text


def test_an_exercise_is_documented_by_its_right_answer():
    assert (check().__name__, check().__doc__) == ("half", "Half of a number.")

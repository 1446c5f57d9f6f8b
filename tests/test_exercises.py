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


@pytest.mark.parametrize(
    ("name", "diagnosis"),
    [
        ("lowest_crossentropy", "0 · log 0 is NaN in floats"),
        ("lowest_crossentropy", "In float32, 1 - 1e-12 is exactly 1"),
        ("level_nats", "exp of a large logit is inf"),
        ("level_nats", "Subtract each pixel's own largest logit"),
        ("order_mask", "A negative index wrapped around"),
        ("block_weights", "one slope per pixel and channel"),
        ("prelu_gradients", "grad_slope: that is one gradient per pixel"),
        ("prelu_gradients", "grad_slope: summed over the images only"),
        ("prelu_gradients", "grad_slope: a mean"),
        ("prelu_gradients", "grad_slope: positive inputs"),
    ],
)
def test_the_second_hint_is_shown_where_the_first_does_not_name_the_mistake(
    name, diagnosis
):
    exercise = DECLARED[name]
    (known,) = [words for words in exercise.mistakes if diagnosis in words]
    verdict = exercise(exercise.mistakes[known].answers[0])
    assert verdict.text.endswith(f"Hint 2: {exercise.hints[1]}")
    assert "Hint 1" not in verdict.text


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
    number = len(exercise.hints)
    assert exercise(..., hint=99).text.count("Hint") == number
    assert f"Hint {number}" in exercise(..., hint=number).text


NONSENSE = (
    "none", b"", 0.1234, -7, np.nan, np.inf, [], {}, {(0, 0)}, [[1], [2, 3]], ["a", 2],
    (1, 2), (1.5, "a"), ([1], [1]), ([[0, 1]], 3), (np.ones(3), np.ones(4)), (1, 2, 3),
    np.ones((2, 3, 4, 5)), np.full((5, 3), np.nan), object(), len, "24", 24 + 0j,
    ("1", "2"), ([1], [2, 3], [4]),
)  # fmt: skip


@each_exercise
def test_nonsense_is_wrong_and_never_makes_the_check_fail(name):
    exercise = DECLARED[name]
    firsts = set()
    for nonsense in NONSENSE:
        verdict = answered(exercise, lambda *arguments, it=nonsense: it)
        assert verdict.status == "wrong", (nonsense, verdict.text)
        firsts.add(verdict.text.splitlines()[0])
    if exercise.cases:
        firsts |= {exercise(answer).text.splitlines()[0] for answer in unlike(exercise)}
        others = exercise.otherwise
        others = others if isinstance(others, tuple) else (others,)
        told = {exercise.shape, *others} - set(exercise.mistakes)
        assert {f"Not right: {words}" for words in told} <= firsts


def unlike(exercise):
    """Answers of the right form with numbers that no mistake gives, in one part or all."""

    def changed(result, change, part):
        if isinstance(result, tuple | list):
            return [
                changed(each, change, None) if part in (i, None) else each
                for i, each in enumerate(result)
            ]
        return change(np.asarray(result, "float64"))

    for change in (
        lambda x: x * 0 + 77.0625,
        lambda x: x * 0,
        lambda x: x * 0 + 1,
        lambda x: np.where(np.isclose(x, np.round(x)), x, x / 2 + 0.21),
    ):
        for part in (None, 0, 1):
            yield lambda *arguments, how=(change, part): changed(
                exercise.right(*arguments), *how
            )


@each_exercise
def test_an_error_in_the_answer_is_shown(name):
    verdict = answered(DECLARED[name], lambda *arguments: [][0])
    assert verdict.status == "wrong"
    assert "Your code raised IndexError: list index out of range" in verdict.text


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


def test_a_string_or_a_complex_number_is_no_number():
    assert check()(lambda number: number / 2).status == "right"
    for kind in (str, complex):
        verdict = check()(lambda number, kind=kind: kind(number / 2))
        assert verdict.status == "wrong"


def test_an_error_is_shown_with_the_case_on_which_it_was_raised():
    assert repr(check()(lambda number: 2 if number == 4 else [][0])) == (
        "Your code raised IndexError: list index out of range\n"
        "  case:     number = 3\n"
        "Hint 1: Divide."
    )


def refuse(result):
    raise Wrong("refused, as the right answer is")


def test_a_check_that_fails_does_not_call_the_answer_wrong():
    for broken in (
        check(cases=[("four",)]),
        check(describe=lambda number: 1 / 0),
        check(judge=lambda answer: 1 / 0),
        check(read=lambda result: 1 / 0),
        check(read=refuse),
    ):
        verdict = broken(lambda number: 0)
        assert verdict.status == "failed" and not verdict.passed
        assert "This check failed, so your answer was not judged." in verdict.text
        assert "Not right" not in verdict.text and "Hint" not in verdict.text


def test_a_mistake_that_raises_does_not_stop_the_check():
    mistakes = {"raises": lambda n: 1 / 0, "That is double.": lambda n: 2 * n}
    assert "That is double." in check(mistakes=mistakes)(lambda n: 2 * n).text


def test_a_verdict_shows_the_case_and_both_results_and_passes_only_if_right():
    assert check()(half).passed
    assert repr(check()(lambda number: number * 2)) == (
        "Not right: That is double.\n"
        "  case:     number = 4\n"
        "  expected: 2\n"
        "  actual:   8\n"
        "Hint 1: Divide."
    )
    assert check()(lambda number: 2).text.splitlines()[1] == "  case:     number = 3"


@pytest.mark.parametrize(
    "name",
    [
        "posterior",
        "draw",
        "live_taps_only",
        "whole_counts",
        "interval",
        "decode_stream",
        "two_layers",
        "next_output",
    ],
)
def test_an_answer_that_changes_its_arguments_is_told_so(name):
    exercise = DECLARED[name]

    def answer(*arguments):
        result = exercise.right(*arguments)
        for each in arguments:
            if isinstance(each, np.ndarray):
                each += 1
            elif isinstance(each, list):
                each[0] = each[0] + 1
            elif isinstance(each, set):
                each.pop()
        return result

    assert exercise(exercise.right).passed
    assert "changes its arguments" in exercise(answer).text


def test_a_judge_notices_changed_arguments_too():
    tap, reading = DECLARED["other_layout"].right

    def in_place(logits, levels):
        logits.shape = (*logits.shape[:-1], levels, 3)
        return logits.swapaxes(-1, -2)

    assert "changes its arguments" in DECLARED["other_layout"]((tap, in_place)).text


def test_a_hint_that_is_asked_for_comes_with_the_one_that_fits():
    verdict = check()(lambda number: 2 * number, hint=2)
    assert verdict.text.endswith("Hint 1: Divide.\nHint 2: By two.")


def test_a_judge_names_a_declared_mistake_by_a_few_of_its_words():
    def judge(answer):
        raise Wrong("double", expected=2)

    assert "Not right: That is double.\n  expected: 2" in check(judge=judge)(half).text


def test_an_exercise_is_documented_by_its_right_answer():
    assert (check().__name__, check().__doc__) == ("half", "Half of a number.")


@pytest.mark.parametrize("hint", ["1", None, [1], float("nan"), float("inf"), ...])
def test_no_hint_raises(hint):
    verdict = exercises.chain(lambda *case: 0, hint=hint)
    assert verdict.status == "wrong"

"""What every exercise says to an answer that is not finished."""

from pixelcnn_edu import exercises

import pytest


def without_return(*arguments):
    """As `with_a_blank`, but the `return` is forgotten."""
    ...


def with_a_blank(*arguments):
    return ...


def verdict(name, function):
    judge = getattr(exercises, name)
    takes_two = name == "other_layout"
    return judge((function, function) if takes_two else function)


@pytest.mark.parametrize("name", exercises.__all__)
def test_an_answer_without_return_is_told_so_and_a_blank_that_it_is_one(name):
    nothing = verdict(name, without_return)
    assert nothing.status == "not yet"
    assert "`return`" in nothing.text and "replace" not in nothing.text
    for blank in (getattr(exercises, name)(...), verdict(name, with_a_blank)):
        assert blank.status == "not yet"
        assert "replace the ..." in blank.text

"""The questions of the notebooks: made from YAML, and no position gives the answer away."""

import collections

import nbformat
import pytest
import questions
import yaml

FILES = sorted(questions.FOLDER.glob("*.yaml"))
GOOD = {
    "question": "How many taps of a 3×3 mask of type A are live?",
    "from": 2,
    "options": [
        {"text": "Five", "misconception": "the center is live", "why": "That is B."},
        {"text": "`4`", "right": True, "why": "Three above and one to the left."},
    ],
}


def without(option, key):
    options = [dict(own) for own in GOOD["options"]]
    del options[option][key]
    return {**GOOD, "options": options}


def write(folder, question):
    path = folder / "02.yaml"
    path.write_text(yaml.safe_dump([question]), "utf-8")
    return path


def share_of_most_frequent_position(files):
    places = collections.Counter(
        [bool(option.get("right")) for option in question["options"]].index(True)
        for question in files
    )
    return max(places.values()) / places.total()


def test_each_notebook_has_the_questions_of_its_file(capsys):
    assert len(FILES) == len(list(questions.NOTEBOOKS.glob("[0-9]*.ipynb")))
    assert questions.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_notebook_asks_three_to_five_questions_and_goes_back_to_earlier_ones(path):
    asked = questions.read(path)
    assert 3 <= len(asked) <= 5
    for question in asked:
        assert question.get("from", 0) <= int(path.stem)


def test_no_position_holds_the_right_option_too_often():
    every = [question for path in FILES for question in questions.read(path)]
    assert share_of_most_frequent_position(every) <= 0.45
    assert share_of_most_frequent_position([GOOD, GOOD]) == 1  # so the check can fail


def test_a_question_becomes_a_cell():
    assert questions.as_markdown(3, GOOD) == (
        "**3. How many taps of a 3×3 mask of type A are live?** (From notebook 02.)\n\n"
        "<details><summary>Five</summary>\n\nWrong. That is B.\n\n</details>\n"
        "<details><summary><code>4</code></summary>\n\n"
        "Right. Three above and one to the left.\n\n</details>"
    )


def test_code_in_an_option_stays_as_it_is():
    text = "`b1**t` and *not* `b1*t`, x^{2}, `x^{2}`"
    assert questions._in_html(text) == (
        "<code>b1**t</code> and <em>not</em> <code>b1*t</code>, x<sup>2</sup>, "
        "<code>x^{2}</code>"
    )


def test_new_questions_take_the_place_of_the_old_ones_and_nothing_else_changes():
    new = nbformat.v4.new_markdown_cell
    old = {"tags": ["question"]}
    nb = nbformat.v4.new_notebook(cells=[new("a"), new("old", metadata=old), new("b")])
    copy = questions.with_questions(nb, [GOOD, GOOD])
    sources = [cell.source for cell in copy.cells]
    assert sources[0] == "a" and sources[-1] == "b" and len(sources) == 4
    assert sources[1].startswith("## Questions\n\n**1. How")
    assert questions.with_questions(copy, [GOOD, GOOD]) == copy


@pytest.mark.parametrize(
    "question",
    [
        without(0, "misconception"),
        without(1, "right"),
        {**GOOD, "options": GOOD["options"][1:]},
        {**GOOD, "question": ""},
    ],
    ids=["misconception", "right", "one option", "no question"],
)
def test_a_question_that_is_not_whole_is_refused(question, tmp_path):
    with pytest.raises(ValueError, match="question 1 of 02.yaml"):
        questions.read(write(tmp_path, question))
    assert questions.read(write(tmp_path, GOOD)) == [GOOD]

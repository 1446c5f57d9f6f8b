"""The questions at the end of each notebook, made from notebooks/questions/NN.yaml.

    python tools/questions.py            write all questions into the notebooks
    python tools/questions.py --check    fail if a notebook holds other questions

A question has a text and two to four options, in the order in which the notebook shows
them. One option is right. Each wrong option has the name of the misconception that leads
to it, for teachers. The explanation under an option (``why``) begins with Right or Wrong
in the notebook. ``from`` names an earlier notebook that the question goes back to.
"""

import argparse
import html
import re
import sys

from notebooks import NOTEBOOKS, as_text, set_ids_of_text, tags, write_whole

import nbformat
import yaml

FOLDER = NOTEBOOKS / "questions"
TAG = "question"


def read(path) -> list[dict]:
    """Return the questions of a YAML file, or raise ValueError if one is not whole."""
    questions = yaml.safe_load(path.read_text("utf-8"))
    for number, question in enumerate(questions, 1):
        options = question.get("options", [])
        right = [option for option in options if option.get("right")]
        wrong = [option for option in options if not option.get("right")]
        if not (
            question.get("question")
            and 2 <= len(options) <= 4
            and len(right) == 1
            and all(option.get("text") and option.get("why") for option in options)
            and all(option.get("misconception") for option in wrong)
        ):
            raise ValueError(
                f"Expected question {number} of {path.name} to have a text and two to four "
                "options, one of them right, each with its text and why, and each wrong "
                f"one with its misconception. Received: {question}"
            )
    return questions


def as_markdown(number, question) -> str:
    """Return the text of a question's cell."""
    earlier = question.get("from")
    where = f" (From notebook {earlier:02}.)" if earlier is not None else ""
    lines = [f"**{number}. {question['question'].strip()}**{where}", ""]
    for option in question["options"]:
        verdict = "Right." if option.get("right") else "Wrong."
        lines += [
            f"<details><summary>{_in_html(option['text'])}</summary>\n",
            f"{verdict} {option['why'].strip()}\n",
            "</details>",
        ]
    return "\n".join(lines)


def _in_html(text):
    """Return a line of markdown as HTML, which a summary needs: code and emphasis."""
    text = html.escape(" ".join(text.split()), quote=False)
    parts = re.split(r"(`[^`]+`|\$[^$]+\$)", text)  # every second one: code, a formula
    for i in range(1, len(parts), 2):
        parts[i] = re.sub("^`(.*)`$", r"<code>\1</code>", parts[i])
    for i in range(0, len(parts), 2):
        for mark, tag in ((r"\*\*", "strong"), (r"\*", "em")):
            text = rf"{mark}(?! )([^*]+)(?<! ){mark}"
            parts[i] = re.sub(text, rf"<{tag}>\1</{tag}>", parts[i])
        parts[i] = re.sub(r"\^\{([^}]+)\}", r"<sup>\1</sup>", parts[i])
    return "".join(parts)


def with_questions(nb, questions):
    """Return a copy of a notebook in which these questions take the place of its own."""
    places = [i for i, cell in enumerate(nb.cells) if TAG in tags(cell)]
    cells = [cell for cell in nb.cells if TAG not in tags(cell)]
    made = []
    for number, question in enumerate(questions, 1):
        text = as_markdown(number, question)
        slide = "subslide" if number > 1 else "slide"
        text = text if number > 1 else f"## Questions\n\n{text}"
        metadata = {"slideshow": {"slide_type": slide}, "tags": [TAG]}
        made.append(nbformat.v4.new_markdown_cell(text, metadata=metadata))
    copy = nbformat.from_dict(nb)
    copy.cells = cells[: places[0]] + made + cells[places[0] :]
    set_ids_of_text(copy.cells)
    return copy


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    differ = []
    for path in sorted(FOLDER.glob("*.yaml")):
        (notebook,) = NOTEBOOKS.glob(f"{path.stem}_*.ipynb")
        nb = with_questions(nbformat.read(notebook, 4), read(path))
        text = as_text(nb)
        if text == notebook.read_text("utf-8"):
            continue
        differ.append(notebook.name)
        if not options.check:
            write_whole(notebook, text)
    print("\n".join(differ) or "Nothing differs.")
    return 1 if options.check and differ else 0


if __name__ == "__main__":
    sys.exit(main())

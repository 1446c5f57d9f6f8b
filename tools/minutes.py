"""How many minutes a reader needs for each notebook, and for its core.

    python tools/minutes.py            print the minutes
    python tools/minutes.py --write    write them into the notebooks and the README

The path of a page ends with the exercise ★★★ or with the appendix. Its words and its
visible lines of code are counted, without answers that are folded. A prediction, with its
explanation, takes 2 minutes, a ★ takes 5, and a ★★ takes 10. SCALE is fitted to the minutes
that readers of all 20 pages estimated: the model differs from them by 4 minutes in the mean
and by 9 at most. The core is the cells tagged ``core``: the shortest path to a digit of
one's own.
"""

import argparse
import re
import sys

from notebooks import NOTEBOOKS, as_text, set_ids_of_text, tags, write_whole

import nbformat

WORDS, LINES, SCALE = 200, 12, 1.8  # WORDS and LINES in a minute, at SCALE 1
EXERCISE = {1: 5, 2: 10}  # minutes, by the number of stars
PREDICTION = 2  # minutes
AT_HOME = re.compile(r"^#+ (.*★★★.*|Appendix.*|References)$", re.MULTILINE)
OPENS = re.compile("^## |^### Exercise ", re.MULTILINE)  # not: a part of an appendix
FOLDED = re.compile(r"</summary>.*?</details>", re.DOTALL)
README = NOTEBOOKS.parent / "README.md"
STATED = re.compile(r"(About|[Tt]ime:\**) (\d+) minutes")
CORE = re.compile(r"core takes about (\d+) hours")


def path_of(nb):
    """Return the cells of a page without exercises ★★★, appendix and references."""
    found, at_home = [], False
    for cell in nb.cells:
        if cell.cell_type == "markdown" and OPENS.search(cell.source):
            at_home = AT_HOME.search(cell.source) is not None
        if not at_home or "question" in tags(cell):
            found.append(cell)
    return found


def count(cells):
    """Return the words, the visible lines of code, and the minutes of tasks."""
    words = lines = tasks = 0
    for cell in cells:
        if cell.cell_type == "markdown":
            heads = re.findall(r"^#+ .*$", cell.source, re.MULTILINE)
            tasks += sum(EXERCISE.get(head.count("★"), 0) for head in heads)
            tasks += PREDICTION * len(
                re.findall(r"\*\*(Predict|Find)\.\*\*", cell.source)
            )
            words += len(re.sub(r"<[^>]*>", " ", FOLDED.sub(" ", cell.source)).split())
        elif not cell.metadata.get("jupyter", {}).get("source_hidden"):
            lines += len([line for line in cell.source.splitlines() if line.strip()])
    return words, lines, tasks


def whole(cells) -> float:
    """Return the minutes of cells."""
    words, lines, tasks = count(cells)
    return SCALE * (words / WORDS + lines / LINES) + tasks


def minutes(path) -> int:
    """Return the minutes of a notebook, in steps of 5."""
    return max(5, 5 * round(whole(path_of(nbformat.read(path, 4))) / 5))


def core(path) -> float:
    """Return the minutes of a notebook's core."""
    return whole(
        [cell for cell in nbformat.read(path, 4).cells if "core" in tags(cell)]
    )


def write(path, found):
    """Write the minutes into a notebook's first cell and its row of the README."""
    nb = nbformat.read(path, 4)
    nb.cells[0].source = STATED.sub(rf"\1 {found} minutes", nb.cells[0].source)
    set_ids_of_text(nb.cells)
    write_whole(path, as_text(nb))
    row = re.compile(rf"(/{path.name}\) \|[^|]*\|) \d+ \|")
    write_whole(README, row.sub(rf"\1 {found} |", README.read_text("utf-8")))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    total = total_core = 0
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        found, of_core = minutes(path), core(path)
        total, total_core = total + found, total_core + of_core
        print(f"{found:4d}  {path.stem:24}{of_core:4.0f} core")
        if options.write:
            write(path, found)
    print(f"{total / 60:4.1f}  hours, {total_core / 60:.1f} core")


if __name__ == "__main__":
    sys.exit(main())

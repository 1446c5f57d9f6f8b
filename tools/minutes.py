"""How many minutes a reader needs for each notebook, exercises ★★★ left out.

    python tools/minutes.py            print the minutes
    python tools/minutes.py --write    write them into the notebooks and the README

Words and visible lines of code are counted, a ★ takes 5 minutes and a ★★ takes 10. SCALE is
fitted to the times of readers who worked through six pages and predicted each output: 46,
49, 57, 77, 94 and 67 minutes come out, where they needed 60, 63, 69, 50, 80 and 88 (without
exercises). So a reader may need a third less or a third more.
"""

import argparse
import re
import sys

from notebooks import NOTEBOOKS, set_ids

import nbformat

WORDS, LINES, SCALE = 200, 12, 1.75  # WORDS and LINES in a minute, at SCALE 1
EXERCISE = {1: 5, 2: 10, 3: 0}  # minutes, by the number of stars
README = NOTEBOOKS.parent / "README.md"
STATED = re.compile(r"(About|[Tt]ime:\**) (\d+) minutes")


def count(nb):
    """Return the words, the visible lines of code, and the minutes of exercises."""
    words = lines = exercises = 0
    at_home = False
    for cell in nb.cells:
        heads = re.findall(r"^#{1,3} .*$", cell.source, re.MULTILINE)
        if cell.cell_type == "markdown":
            exercises += sum(EXERCISE.get(head.count("★"), 0) for head in heads)
            at_home = "★★★" in heads[-1] if heads else at_home
            if not at_home:
                words += len(re.sub(r"<[^>]*>", " ", cell.source).split())
        elif not at_home and not cell.metadata.get("jupyter", {}).get("source_hidden"):
            lines += len([line for line in cell.source.splitlines() if line.strip()])
    return words, lines, exercises


def minutes(path) -> int:
    """Return the minutes of a notebook, in steps of 5."""
    words, lines, exercises = count(nbformat.read(path, 4))
    whole = SCALE * (words / WORDS + lines / LINES) + exercises
    return max(5, 5 * round(whole / 5))


def write(path, found):
    """Write the minutes into a notebook's first cell and its row of the README."""
    nb = nbformat.read(path, 4)
    nb.cells[0].source = STATED.sub(rf"\1 {found} minutes", nb.cells[0].source)
    set_ids(nb.cells)
    path.write_text(nbformat.writes(nb).rstrip("\n") + "\n", "utf-8")
    row = re.compile(rf"(/{path.name}\) \|[^|]*\|) \d+ \|")
    README.write_text(row.sub(rf"\1 {found} |", README.read_text("utf-8")), "utf-8")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    total = 0
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        found = minutes(path)
        total += found
        print(f"{found:4d}  {path.stem}")
        if options.write:
            write(path, found)
    print(f"{total / 60:4.1f}  hours")


if __name__ == "__main__":
    sys.exit(main())

"""The glossary: its page is current, and no notebook uses a term before it is explained.

A use is a term in the text of a notebook, outside code, formulas, the title cell,
questions, references and appendices. The first use in the series must stand in the notebook
that the entry names, or in a cell that links to this notebook or to the glossary. This
notebook must explain the term: in italics or bold, in a heading, or at the beginning of a
table's row.
"""

import re
from typing import NamedTuple

from notebooks import NOTEBOOKS, tags

import glossary
import nbformat
import pytest
import yaml

LEFT_OUT = re.compile(r"^## (?:References|Appendix)", re.MULTILINE)
NO_PROSE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$"  # code and formulas
    r"|^\| *\[\d\d · .*?$"  # a row of the map of the series
    r"|(?<=\])\([^)\s]*\)|<[^>]+>",  # the target of a link, HTML
    re.DOTALL | re.MULTILINE,
)
EMPHASIS = re.compile(r"(?<!\*)(\*{1,3})(?![\s*])([^*]+)(?<!\s)\1(?!\*)")
HEADING = re.compile(r"^#{2,6} ([^★\n]*)$", re.MULTILINE)  # of no exercise
ROW = re.compile(r"^\| *([^|\n]*[^|\n-][^|\n]*)\|", re.MULTILINE)
LINK = re.compile(r"\]\((?:(\d\d)_\w+\.ipynb|(glossary)\.md)")


class Cell(NamedTuple):
    """A cell of Markdown outside the title and the questions."""

    page: int
    number: int
    text: str  # without code, formulas and the targets of links
    links: set  # numbers of notebooks, or "glossary"
    appendix: bool


def cells_of(page, nb) -> list[Cell]:
    """Return what a reader of a notebook reads, up to its references."""
    found, appendix = [], False
    for number, cell in enumerate(nb.cells):
        if cell.cell_type != "markdown" or "question" in tags(cell):
            continue
        text = cell.source
        if re.match(r"# |\W*You will be able to", text):
            continue
        if heading := LEFT_OUT.search(text):
            part = text[: heading.start()]
            found.append(as_cell(page, number, part, appendix))
            if heading[0].endswith("References"):
                break
            appendix, text = True, text[heading.start() :]
        found.append(as_cell(page, number, text, appendix))
    return found


def as_cell(page, number, text, appendix):
    links = {int(page) if page else name for page, name in LINK.findall(text)}
    text = re.sub(r"^> ?", "", text, flags=re.MULTILINE)
    return Cell(page, number, NO_PROSE.sub(" ", text), links, appendix)


def series() -> list[Cell]:
    paths = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    return [
        cell
        for path in paths
        for cell in cells_of(int(path.name[:2]), nbformat.read(path, 4))
    ]


def pattern(entry, mark=""):
    """Return the regular expression of all forms of a term, with their plurals."""
    every = sorted(map(re.escape, glossary.forms(entry)), key=len, reverse=True)
    words = "|".join(every).replace(r"\ ", rf"{mark}\s+{mark}")
    return re.compile(rf"(?<!\w){mark}(?:{words})(?:e?s)?(?!\w)", re.IGNORECASE)


def explains(cell, entry) -> bool:
    """Whether a cell sets a term off: emphasized, in a heading, or as a row of a table."""
    for found in pattern(entry, mark=r"\**").finditer(cell.text):
        after = re.match(r"[.:,]?\**", cell.text[found.end() :])
        if EMPHASIS.search(found[0] + after[0]):  # the term, or a word of it, alone
            return True
    places = HEADING.findall(cell.text) + ROW.findall(cell.text)
    return any(map(pattern(entry).search, places))


def faults(entries, cells):
    """Yield (term, what is wrong) for each entry that the notebooks do not keep."""
    for entry in entries:
        term, home = entry["term"], entry["notebook"]
        use = re.compile(entry.get("sense", pattern(entry).pattern), re.IGNORECASE)
        there = [cell for cell in cells if cell.page == home]
        own = [cell for cell in there if explains(cell, entry)]
        if not own:
            yield term, f"notebook {home:02} does not explain it"
        if "sense" in entry and not any(use.search(cell.text) for cell in there):
            yield term, f"its sense finds nothing in notebook {home:02}"
        for cell in cells:
            if not cell.appendix and (found := use.search(cell.text)):
                near = cell.text[max(0, found.start() - 40) : found.end() + 40]
                where = f"{cell.page:02} [{cell.number}]: … {' '.join(near.split())} …"
                if cell.links & {home, "glossary"}:
                    pass
                elif cell.page != home:
                    yield term, f"first used in {where}, without a link to {home:02}"
                elif own and all(cell.appendix for cell in own):
                    yield term, f"explained only in an appendix, first used in {where}"
                break


# --------------------------------------------------------------- the glossary as it stands


def test_the_page_is_made_from_the_yaml(capsys):
    assert glossary.main(["--check"]) == 0, capsys.readouterr().out


def test_no_term_is_used_before_the_notebook_that_explains_it():
    found = list(faults(glossary.read(), series()))
    assert not found, "\n".join(f"{term}: {fault}" for term, fault in found)


def test_the_page_has_every_term_once_and_links_to_notebooks_that_exist():
    entries = glossary.read()
    page = glossary.PAGE.read_text("utf-8")
    terms = re.findall(r"^\*\*(.+?)\*\*", page, re.MULTILINE)
    assert sorted(terms) == sorted(entry["term"] for entry in entries)
    linked = set(re.findall(r"\]\((.+?)\)", page))
    assert linked and all((NOTEBOOKS / name).is_file() for name in linked)


# ------------------------------------------------------------------------- planted faults

TAP = {"term": "tap", "means": "One place of a kernel.", "notebook": 1}


def found_in(*sources, entry=TAP):
    """Return the faults of pages, each a string of cells with ===== between them."""
    cells = []
    for page, source in enumerate(sources):
        new = [
            nbformat.v4.new_markdown_cell(text) for text in source.split("\n=====\n")
        ]
        cells += cells_of(page, nbformat.v4.new_notebook(cells=new))
    return [fault for _, fault in faults([entry], cells)]


GOOD = "A *tap* is one place."


@pytest.mark.parametrize(
    "sources",
    [
        ["Nothing.", GOOD],
        ["Nothing.", "### The tap"],
        ["Nothing.", "| what | why |\n|---|---|\n| tap | a place |"],
        ["A tap, see [01](01_masks.ipynb).", GOOD],
        ["# 00 · Taps\n=====\n*You will be able to* **tap**.", GOOD],
        ["`tap`, $tap$ and\n\n```\na tap\n```\n\n$$\ntap\n$$", GOOD],
        ["Tapped, and a tapir.", GOOD],
        ["## Appendix: more\n\nA tap.\n=====\nA tap.", GOOD],
        ["Nothing.\n\n## References\n\nA tap.\n=====\nA tap.", GOOD],
        ["Nothing.", "## Appendix: the tap"],
    ],
)
def test_a_term_in_its_place_is_no_fault(sources):
    assert found_in(*sources) == []


@pytest.mark.parametrize(
    ("sources", "fault"),
    [
        (
            ["Two taps.", GOOD],
            "first used in 00 [0]: … Two taps. …, without a link to 01",
        ),
        (["A tap, see [02](02_other.ipynb).", GOOD], "first used in 00"),
        (["Nothing.", "A tap is one place."], "notebook 01 does not explain it"),
        (
            ["Nothing.", "A tap.\n\n## Appendix: the tap\n\nA place."],
            "only in an appendix",
        ),
        (["Nothing.", "Nothing."], "01 does not explain it"),
    ],
)
def test_a_term_out_of_its_place_is_a_fault(sources, fault):
    found = found_in(*sources)
    assert any(fault in text for text in found), found


def test_questions_are_left_out_and_other_forms_and_senses_count():
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Two taps.")])
    assert [cell.text for cell in cells_of(0, nb)] == ["Two taps."]
    nb.cells[0].metadata.tags = ["question"]
    assert cells_of(0, nb) == []
    other = {**TAP, "also": ["kernel place"]}
    assert found_in("A kernel\nplace.", GOOD, entry=other)
    faucet = {**TAP, "sense": r"(?<!water )\btaps?\b"}
    assert found_in("A water tap.", GOOD, entry=faucet) == []
    assert found_in("A water tap and a tap.", GOOD, entry=faucet)
    hidden = {**TAP, "sense": "taps of later pages"}
    assert found_in("A tap.", GOOD, "The taps of later pages.", entry=hidden)


@pytest.mark.parametrize(
    "change",
    [
        {"means": ""},
        {"means": "No full stop"},
        {"notebook": None},
        {"see": ["mask"]},
    ],
    ids=str,
)
def test_an_entry_that_is_not_whole_is_refused(change, tmp_path):
    path = tmp_path / "glossary.yaml"
    path.write_text(yaml.safe_dump([TAP]), "utf-8")
    assert glossary.read(path) == [TAP]
    path.write_text(yaml.safe_dump([{**TAP, **change}]), "utf-8")
    with pytest.raises(ValueError, match="Expected an entry of glossary.yaml"):
        glossary.read(path)


def test_the_page_is_in_the_order_of_the_alphabet():
    entries = [
        {**TAP, "term": "skip", "also": ["skips"], "see": ["1×1 layer"]},
        {**TAP, "term": "SGD"},
        {**TAP, "term": "1×1 layer", "means": "Two\nlines."},
    ]
    _, *parts = glossary.as_markdown(entries).split("## ")
    own = glossary.link(1)
    assert parts == [
        f"0–9\n\n**1×1 layer**. Two lines. {own}\n\n",
        f"S\n\n**SGD**. One place of a kernel. {own}\n\n"
        f"**skip** (also: skips). One place of a kernel. See: 1×1 layer. {own}\n",
    ]

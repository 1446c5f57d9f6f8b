"""The form of a page: one template, one sitting, and a core that runs by itself.

Each check takes a main notebook and its path and yields what is wrong. The second half
spoils a good page in one place at a time and sees it refused.
"""

import copy
import re

import minutes
import nbformat
import pytest
from test_notebooks import MAIN, SERIES, names_of_cell, tags

LONGEST = 50  # minutes
CORE_HOURS, SERIES_HOURS = 4, 12
CORE = [*SERIES[:8], "09"]
MARK = "◆"


def heading_cells(nb):
    """Yield (position, heading, cell) of all headings from ## on, outside of code."""
    for position, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown":
            text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
            for heading in re.findall(r"^##+ .+$", text, re.MULTILINE):
                yield position, heading, cell


def check_first_cell(nb, path):
    wanted = (
        rf"# {path.name[:2]} · [^\n]+\n\n\*\*[^\n*]+(\n[^\n*]+)*\?\*\*\n\n"
        r"\*You will be able to\* .*\n\n\*You need\* .*\*Time:\* \d+ minutes\.\s*$"
    )
    first = nb.cells[0].source
    if not re.match(wanted, first, re.DOTALL):
        yield f"not title, question, verbs, needs and time: {first!r}"
    able = first.partition("*You will be able to*")[2].partition("*You need*")[0]
    verbs = len(re.findall(r"\*\*[^*]+\*\*", able))
    if not 3 <= verbs <= 5:
        yield f"{verbs} bold verbs after 'You will be able to' (3 to 5)"


def check_headings(nb, path):
    exercise = re.compile(r"### Exercise (★|★★|★★★ \(at home\)) [^`★]+")
    for _, heading, _ in heading_cells(nb):
        odd = "`" in heading or heading.startswith("####")
        if odd or ("xercise" in heading and not exercise.fullmatch(heading)):
            yield f"the heading {heading!r}"


def check_order(nb, path):
    """The path, what you know, questions, ★★★, appendix, references."""
    ranks = []
    for _, heading, _ in heading_cells(nb):
        ends = ("## What you know now", "## Questions", "★★★", "## Appendix: ")
        ends += ("## References",)
        rank = [n for n, end in enumerate(ends, 1) if end in heading]
        inside = ranks and ranks[-1] == 4 and heading.startswith("### ")
        ranks.append(rank[0] if rank else 4 if inside else 0)
    if ranks != sorted(ranks):
        yield f"the sections stand in the order {ranks}"
    if [ranks.count(1), ranks.count(2), ranks.count(5)] != [1, 1, 1]:
        yield "not one 'What you know now', one 'Questions' and one 'References'"


def check_solutions(nb, path):
    """A link to the solution follows each exercise before the next heading."""
    found = list(heading_cells(nb))
    for number, (position, heading, _) in enumerate(found):
        if "Exercise" in heading:
            end = found[number + 1][0] if number + 1 < len(found) else len(nb.cells)
            text = "\n".join(cell.source for cell in nb.cells[position : end + 1])
            if f"[Solution](solutions/{path.name})" not in text:
                yield f"no [Solution] after {heading!r}"


def footer(path):
    """The last line of a page, with a gap where the names of modules stand."""

    def link(number):
        near = [other for other in MAIN if other.name[:2] == f"{number:02d}"]
        for other in near:
            title = nbformat.read(other, 4).cells[0].source.splitlines()[0]
            yield f"[{title.removeprefix('# ')}]({other.name})"

    number = int(path.name[:2])
    before = [f"← {text}" for text in link(number - 1)]
    after = [f"{text} →" for text in link(number + 1)]
    middle = [f"[Solutions](solutions/{path.name})", "Code: MODULES"]
    return " · ".join([*before, *middle, *after])


def check_footer(nb, path):
    last = nb.cells[-1].source.splitlines()[-1]
    module = r"\[[\w/\\]+\.(?:py|js)\]\(\.\./pixelcnn_edu/[\w/]+\.(?:py|js)\)"
    pattern = re.escape(footer(path)).replace(
        "MODULES", rf"{module}(, {module}){{0,2}}"
    )
    if not re.fullmatch(pattern, last):
        yield f"the last line is not {footer(path)!r}: {last!r}"


def check_bridge(nb, path):
    for _, heading, _ in heading_cells(nb):
        if "Bridge" in heading:
            yield "a heading 'Bridge'; write the quote > **Bridge to language models.**"


def kind(cell):
    return cell.metadata.get("slideshow", {}).get("slide_type")


def check_slides(nb, path):
    at_home = False
    for cell in nb.cells:
        if cell.cell_type != "markdown":
            continue
        heads = re.findall(r"^##+ .+$", cell.source, re.MULTILINE)
        if heads:
            at_home = minutes.AT_HOME.search(cell.source) is not None
        if (
            "**Predict" in cell.source
            and kind(cell) in ("notes", "skip")
            and not at_home
        ):
            yield f"a prediction is not on the slides: {cell.source[:50]!r}"
        opens = any(head.startswith("## ") for head in heads)
        if opens and not at_home and kind(cell) != "slide":
            yield f"a section that begins no slide: {heads[0]!r}"
    guessed = False
    for cell in nb.cells:
        if kind(cell) in ("notes", "skip"):
            continue
        guessed = guessed and kind(cell) not in ("slide", "subslide", "fragment")
        if guessed and cell.get("outputs"):
            yield f"an output on the same slide as its prediction: {cell.source[:50]!r}"
        guessed = guessed or cell.source.startswith("my_guess")


def check_folded_outputs(nb, path):
    """JupyterLab shows the first line of a folded output, and nothing of a folded cell."""
    for cell in nb.cells:
        folds = cell.metadata.get("jupyter", {})
        if cell.cell_type != "code" or not folds.get("outputs_hidden"):
            continue
        if folds.get("source_hidden"):
            yield f"code and output are both folded: {cell.source[:50]!r}"
        for output in cell.outputs[:1]:
            first = next(filter(None, output.get("text", "").split("\n")), "")
            if re.search(r"\d|\b(True|False|inf|nan)\b", first) and first[-1] != ":":
                yield f"the fold shows an answer: {first!r}"


def check_one_sitting(nb, path):
    needed = minutes.whole(minutes.path_of(nb))
    if needed > LONGEST:
        yield f"{needed:.0f} minutes (at most {LONGEST})"


def check_core(nb, path):
    """The cells of marked sections have the tag, and no others but the first two."""
    marked, tagged = False, [0, 1] if path.name[:2] in CORE else []
    headings = {position: heading for position, heading, _ in heading_cells(nb)}
    for position, cell in enumerate(nb.cells):
        heading = headings.get(position, "")
        if heading.startswith("## ") or "★★" in heading:
            marked = MARK in heading
        wanted = marked or position in tagged
        if wanted != ("core" in tags(cell)):
            yield f"cell {position}: tag and mark differ: {cell.source[:50]!r}"
    if path.name[:2] in CORE and not any(MARK in text for text in headings.values()):
        yield "no section is in the core"


def check_core_is_whole(nb, path):
    """Code of the core reads no name that only other cells of its page bind."""
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    everywhere = set().union(*(names_of_cell(cell.source)[0] for cell in code))
    bound = set()
    for cell in code:
        binds, reads = names_of_cell(cell.source)
        if "core" in tags(cell):
            for name in sorted(reads & everywhere - bound):
                yield f"{name} is bound outside of the core: {cell.source[:50]!r}"
            bound |= binds


CHECKS = {
    name.removeprefix("check_"): function
    for name, function in list(globals().items())
    if name.startswith("check_")
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("path", MAIN, ids=lambda path: path.stem)
def test_a_page_keeps_to_the_template(path, check):
    assert list(CHECKS[check](nbformat.read(path, 4), path)) == []


def test_the_core_takes_four_hours_and_the_readme_and_notebook_00_say_so():
    hours = sum(map(minutes.core, MAIN)) / 60
    assert 1 < hours <= CORE_HOURS
    start = nbformat.read(MAIN[0], 4)
    texts = ["\n".join(cell.source for cell in start.cells)]
    texts += [minutes.README.read_text("utf-8")]
    for text in texts:
        assert minutes.CORE.findall(text) == [f"{hours:.0f}"] and MARK in text


def test_the_series_takes_so_many_hours_as_the_readme_says():
    hours = sum(map(minutes.minutes, MAIN)) / 60
    assert hours <= SERIES_HOURS
    assert f"{hours:.0f} hours" in minutes.README.read_text("utf-8")


# ------------------------------------------------------- each check on a page with a fault


def text(source, slide=None, *labels):
    metadata = {"slideshow": {"slide_type": slide}} if slide else {}
    return nbformat.v4.new_markdown_cell(
        source, metadata={**metadata, "tags": list(labels)}
    )


def code(source, *labels):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(labels)})


def folded(source, printed):
    output = nbformat.v4.new_output("stream", text=printed)
    metadata = {"jupyter": {"outputs_hidden": True}, "tags": []}
    return nbformat.v4.new_code_cell(source, metadata=metadata, outputs=[output])


PAGE = MAIN[2]  # its neighbors and its name
SOLVED = f"[Solution](solutions/{PAGE.name})"
FIRST = (
    f"# {PAGE.name[:2]} · Name\n\n**Why?**\n\n*You will be able to* **see**, **do**, "
    "and **say**.\n\n*You need* 01. *Time:* 35 minutes."
)


@pytest.fixture
def good():
    modules = "[masks.py](../pixelcnn_edu/masks.py)"
    cells = [
        text(FIRST, "slide", "core"),
        code("x = 1", "core"),
        text(f"## {MARK} The idea\n\n> **Predict.** What?", "slide", "core"),
        code("my_guess = y = x", "core"),
        text("## Other", "slide"),
        folded("z = y", "compare:\n0.5\n"),
        text("### Exercise ★ First"),
        text(SOLVED),
        text("## What you know now", "slide"),
        text("## Questions", "slide", "question"),
        text("### Exercise ★★★ (at home) Last"),
        text(f"{SOLVED}\n\n## Appendix: more", "skip"),
        text("## References\n\n" + footer(PAGE).replace("MODULES", modules), "skip"),
    ]
    return nbformat.v4.new_notebook(cells=cells)


def problems(nb):
    return [name for name, check in CHECKS.items() if list(check(nb, PAGE))]


def test_a_good_page_passes_every_check(good):
    assert problems(good) == []


def replace(position, old, new):
    def spoil(nb):
        assert old in nb.cells[position].source
        nb.cells[position].source = nb.cells[position].source.replace(old, new)

    return spoil


def label(position, *labels):
    return lambda nb: nb.cells[position].metadata.update(tags=list(labels))


def slide(position, kind):
    return lambda nb: nb.cells[position].metadata.update(slideshow={"slide_type": kind})


def fold(printed, **folds):
    def spoil(nb):
        nb.cells[5].metadata["jupyter"] = folds
        nb.cells[5].outputs = [nbformat.v4.new_output("stream", text=printed)]

    return spoil


FAULTS = [
    ("first_cell", replace(0, "**Why?**", "Why?")),
    ("headings", replace(4, "## Other", "## The `other`")),
    ("order", replace(4, "## Other", "## Appendix: other")),
    ("solutions", replace(7, "Solution", "Answer")),
    ("footer", replace(12, "← ", "")),
    ("bridge", replace(4, "## Other", "## Bridge")),
    ("slides", slide(2, "notes")),
    ("slides", lambda nb: nb.cells.insert(4, folded("my_guess", "y:\n1.0\n"))),
    ("folded_outputs", fold("p = 0.5\n", outputs_hidden=True)),
    ("one_sitting", replace(4, "## Other", "## Other" + 5_000 * " word")),
    ("core", label(3)),
    ("core", replace(2, f"{MARK} ", "")),
    ("core_is_whole", lambda nb: nb.cells.insert(3, code("y = z", "core"))),
]


@pytest.mark.parametrize(
    ("check", "spoil"),
    FAULTS,
    ids=[f"{n}-{name}" for n, (name, _) in enumerate(FAULTS)],
)
def test_a_fault_is_refused(good, check, spoil):
    nb = copy.deepcopy(good)
    spoil(nb)
    assert check in problems(nb)


def test_every_check_has_a_fault_that_it_refuses():
    assert {name for name, _ in FAULTS} == set(CHECKS)

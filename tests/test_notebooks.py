"""The form of the notebooks: what a reader and a strict run rely on.

Each check takes a notebook and its path and yields what is wrong. Nothing is run here:
``pytest --nbval`` does that. The second half of the file feeds each check a notebook
with one fault and sees it refused.
"""

import ast
import copy
import functools
import json
import pkgutil
import re
import symtable
from collections import defaultdict
from pathlib import Path

import notebooks
from pixelcnn_edu import plots

import minutes
import nbformat
import pytest
import stills

ROOT = Path(__file__).parents[1]
MAIN = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
SERIES = [f"{number:02d}" for number in range(20)]

MACHINE_PATH = re.compile(
    r"(?<![\w.:/~-])/(?:home|mnt|opt|private|root|tmp|usr|Users|var|work)/\w"
    r"|\b[A-Z]:\\{1,2}\w"
)
LEGAL_NBVAL_TAGS = {"nbval-ignore-output", "nbval-skip"}
TEXT_KINDS = ("text/plain", "text/html", "text/markdown", "text/latex")


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def code_cells(nb):
    return [cell for cell in nb["cells"] if cell["cell_type"] == "code"]


def markdown(nb):
    cells = [cell for cell in nb["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join(source(cell) for cell in cells)


def output_text(output):
    data = output.get("data", {})
    parts = [output.get("text", ""), *(data.get(kind, "") for kind in TEXT_KINDS)]
    return "\n".join("".join(part) for part in parts)


def is_main(path):
    return path.parent.name != "solutions"


def check_valid(nb, path):
    try:
        nbformat.validate(nbformat.from_dict(copy.deepcopy(nb)))
    except nbformat.ValidationError as error:
        yield str(error).splitlines()[0]


def check_title(nb, path):
    start = f"# {path.name[:2]} · "
    if not (
        nb["cells"][0]["cell_type"] == "markdown" and markdown(nb).startswith(start)
    ):
        yield f"the first cell does not start with {start!r}"


def check_executed_in_order(nb, path):
    ran = [
        c for c in code_cells(nb) if source(c).strip() and "nbval-skip" not in tags(c)
    ]
    counts = [cell["execution_count"] for cell in ran]
    if counts != list(range(1, len(ran) + 1)):
        yield f"cells were not all run in order: {counts}"


def check_current(nb, path):
    for cell in code_cells(nb):
        if not notebooks.is_current({**cell, "source": source(cell)}):
            yield f"changed since it was run; make notebooks: {source(cell)[:60]!r}"


def check_form(nb, path):
    form = {
        "kernelspec": notebooks.KERNELSPEC,
        "language_info": notebooks.LANGUAGE_INFO,
    }
    for key, expected in form.items():
        if nb["metadata"].get(key) != expected:
            yield f"{key} is not as `make notebooks` writes it"
    if any("execution" in cell["metadata"] for cell in nb["cells"]):
        yield "a cell holds the times of its execution"


def check_outputs(nb, path):
    for cell in code_cells(nb):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                yield f"stored error {output['ename']}"
            if output.get("name") == "stderr":
                yield f"stored stderr {output_text(output)[:60]!r}"
            if re.search(r"\b0x[0-9a-f]{8,}\b", output_text(output)):
                yield f"an address in memory: {output_text(output)[:60]!r}"


class Generators(ast.NodeTransformer):
    """Comprehensions as generators, whose variables are their own in every Python."""

    def generic_visit(self, node):
        node = super().generic_visit(node)
        if isinstance(node, ast.DictComp):
            both = ast.Tuple([node.key, node.value], ast.Load())
            return ast.GeneratorExp(both, node.generators)
        if isinstance(node, ast.ListComp | ast.SetComp):
            return ast.GeneratorExp(node.elt, node.generators)
        return node


def names_in(table):
    """The global names that a piece of code binds, and those that it reads."""
    bound, read = set(), set()
    for symbol in table.get_symbols():
        if table.get_type() == "module" and (
            symbol.is_assigned() or symbol.is_imported()
        ):
            bound.add(symbol.get_name())
        if symbol.is_referenced() and symbol.is_global():
            read.add(symbol.get_name())
    for inner in table.get_children():
        read |= names_in(inner)[1]
    return bound, read


def names_of_cell(text):
    """The global names that a cell binds, and those that it needs from other cells."""
    plain = re.sub(r"^(\s*)[%!].*", r"\1pass", text, flags=re.MULTILINE)
    bound, needed = set(), set()
    for statement in ast.parse(plain).body:
        text = ast.unparse(Generators().visit(statement))
        table = symtable.symtable(text, "cell", "exec")
        binds, reads = names_in(table)
        if not isinstance(statement, ast.Assign | ast.AnnAssign):  # a loop, a function
            steps = [n for n in ast.walk(statement) if isinstance(n, ast.AugAssign)]
            counters = {n.target.id for n in steps if isinstance(n.target, ast.Name)}
            reads = reads - binds | counters
        needed |= reads - bound
        bound |= binds
    return bound, needed


def check_one_meaning(nb, path):
    """What another cell reads has one meaning, in whatever order the cells are run."""
    homes, needed = defaultdict(int), set()
    for cell in code_cells(nb):
        binds, needs = names_of_cell(source(cell))
        needed |= needs
        for name in binds:
            homes[name] += 1
    for name in sorted(needed):
        if homes[name] > 1:
            yield f"{name} is bound in {homes[name]} cells and read in another"


def check_no_machine_path(nb, path):
    texts = [source(cell) for cell in nb["cells"]]
    texts += [output_text(out) for cell in code_cells(nb) for out in cell["outputs"]]
    for text in texts:
        if found := MACHINE_PATH.search(text):
            yield f"a path of one machine: {text[found.start() :][:40]!r}"


def check_size(nb, path):
    size = len(json.dumps(nb, indent=1, ensure_ascii=False).encode())
    if size >= 1_500_000:
        yield f"{size:,} bytes; the limit is 1,500,000"


def check_short_cells(nb, path):
    for cell in code_cells(nb):
        lines = sum(bool(line.strip()) for line in source(cell).splitlines())
        if lines > 20:
            yield f"a cell of {lines} lines (at most 20): {source(cell)[:40]!r}"


def check_figures(nb, path):
    outputs = [output for cell in code_cells(nb) for output in cell["outputs"]]
    figures = sum(len(stills.found(output.get("data", {}))) for output in outputs)
    if is_main(path) and figures < 2:
        yield f"{figures} figures (at least 2)"


def check_alternative_texts(nb, path):
    for output in (output for cell in code_cells(nb) for output in cell["outputs"]):
        data = output.get("data", {})
        if any(kind.startswith("image/") for kind in data):
            yield f"a picture without an alternative text: {output_text(output)[:60]!r}"
        pictures = "".join(data.get("text/html", "")).count("<img")
        if pictures > sum(bool(words.strip()) for words, _ in stills.found(data)):
            yield "an <img> without an alternative text"


def check_widgets(nb, path):
    plain = copy.deepcopy(nb)
    notebooks.keep_html(plain)
    if plain != nb:
        yield "a widget's view or state is stored; make notebooks"
    for output in (output for cell in code_cells(nb) for output in cell["outputs"]):
        for _, picture in stills.found(output.get("data", {})):
            if output["output_type"] == "execute_result" and len(picture) > 80_000:
                yield f"a still picture of {len(picture):,} characters (80,000 at most)"


def check_words(nb, path):
    words = len(markdown(nb).split())
    if is_main(path) and words < 400:
        yield f"{words} words of text (at least 400)"


def check_tags(nb, path):
    for cell in nb["cells"]:
        for tag in tags(cell):
            odd_nbval = "nbval" in tag.lower() and tag not in LEGAL_NBVAL_TAGS
            if odd_nbval or tag == "raises-exception":
                yield f"the tag {tag!r}"
        if re.search(r"^\s*#+\s*(NBVAL|PYTEST_VALIDATE)_", source(cell), re.MULTILINE):
            yield "an nbval comment; use a tag"


def headings(path):
    text = markdown(json.loads(path.read_text("utf-8")))
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    found = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {heading.replace(" ", "-") for heading in found}


def links(text):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    return re.findall(r"\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)", text)


def check_links(nb, path):
    for link in links(markdown(nb)):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        file = path.parent / target if target else path
        if not file.exists():
            yield f"a link to {target}, which is not there"
        elif anchor and file.suffix == ".ipynb" and anchor not in headings(file):
            yield f"a link to {link}, a heading that is not there"


def check_solution_is_linked(nb, path):
    solution = path.parent / "solutions" / path.name
    if is_main(path) and solution.exists():
        targets = [link.partition("#")[0] for link in links(markdown(nb))]
        if f"solutions/{path.name}" not in targets:
            yield "no link to its solutions"


def check_seeded(nb, path):
    for cell in code_cells(nb):
        if "set_random_seed(" in source(cell):
            return
        if "pixelcnn(" in source(cell):
            yield f"random weights before a seed: {source(cell)[:60]!r}"


def names_of(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def made_of(value):
    """The name that a value is a part of, or that a call takes first: x of f(x[:9], y)."""
    while isinstance(value, ast.Subscript | ast.Call):
        parts = [value.value] if isinstance(value, ast.Subscript) else value.args
        if not parts:
            return None
        value = parts[0]
    return value.id if isinstance(value, ast.Name) else None


def of_test_images(statements):
    """The names that hold test images: those that `load_mnist` gave, and made of them."""
    found = set()
    for target, value in ((t, node.value) for node in statements for t in node.targets):
        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        pairs = zip(target.elts, value.elts, strict=True) if both else [(target, value)]
        for left, right in pairs:
            if re.match(r"(data\.)?load_mnist\(", ast.unparse(right)):
                parts = getattr(left, "elts", [])[1:2]
                found |= set().union(*map(names_of, parts)) - {"_"}
            elif made_of(right) in found:
                found |= names_of(left)
    return found


def fits_with_test_images(text):
    """The calls of a `fit` that are given test images, to train on or to validate."""
    nodes = list(ast.walk(ast.parse(text)))
    statements = [node for node in nodes if isinstance(node, ast.Assign)]
    test = of_test_images(sorted(statements, key=lambda node: node.lineno))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    for call in calls:
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        names = set().union(*map(names_of, given))
        if ast.unparse(call.func).endswith("fit") and names & test:
            yield ast.unparse(call)


def check_test_images_stay_apart(nb, path):
    text = "\n".join(source(cell) for cell in code_cells(nb))
    plain = re.sub(r"^(\s*)[%!].*", r"\1pass", text, flags=re.MULTILINE)
    for call in fits_with_test_images(plain):
        yield f"test images in {call[:60]!r}; split some off with data.hold_out"


CHECKS = {
    name.removeprefix("check_"): function
    for name, function in list(globals().items())
    if name.startswith("check_")
}


@functools.cache
def load(path):
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "path", MAIN + SOLUTIONS, ids=lambda p: p.relative_to(ROOT / "notebooks").as_posix()
)
def test_form(path, check):
    assert list(CHECKS[check](load(path), path)) == []


def test_the_series_is_complete_and_every_notebook_has_its_solutions():
    assert [path.name[:2] for path in MAIN][: len(SERIES)] == SERIES
    names = [path.name for path in MAIN if path.name[:2] in SERIES[1:]]
    assert set(names) <= {path.name for path in SOLUTIONS}
    assert {path.name for path in SOLUTIONS} <= {path.name for path in MAIN}


def wrong_names(text):
    """Names in backticks, and files of the package, that are not there."""
    for name in re.findall(r"`(pixelcnn_edu(?:\.\w+)+)[`(]", text):
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError):
            yield name
    for file in re.findall(r"`(pixelcnn_edu/[\w./]+)`", text):
        if not (ROOT / file).exists():
            yield file


@pytest.mark.parametrize(
    "path",
    [*MAIN, *SOLUTIONS, *sorted(ROOT.glob("*.md"))],
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_the_names_in_the_text_exist(path):
    text = path.read_text("utf-8")
    assert (
        list(
            wrong_names(markdown(json.loads(text)) if path.suffix == ".ipynb" else text)
        )
        == []
    )


# ------------------------------------------------ each check on a notebook with a fault


def code(text, count, outputs=()):
    cell = {
        "cell_type": "code",
        "execution_count": count,
        "metadata": {},
        "outputs": list(outputs),
        "source": text,
    }
    return {**cell, "id": notebooks.source_hash(cell)}


def printed(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def figure(words="Line chart", **data):
    html = plots.alt_image("iVBORw0KGgo=", words)
    return {
        "output_type": "display_data",
        "data": {"text/html": html, "text/plain": "<Figure size 640x480>", **data},
        "metadata": {},
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "07_name.ipynb").touch()
    return tmp_path


@pytest.fixture
def good():
    text = (
        "# 07 · Name\n\n## A b\n\n[solutions](solutions/07_name.ipynb) " + "word " * 400
    )
    return {
        "cells": [
            {"cell_type": "markdown", "id": "t", "metadata": {}, "source": text},
            code("print(1)", 1, [printed("1\n")]),
            code("plot()", 2, [figure(), figure()]),
        ],
        "metadata": {
            "kernelspec": notebooks.KERNELSPEC,
            "language_info": notebooks.LANGUAGE_INFO,
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def problems(nb, folder):
    path = folder / "07_name.ipynb"
    path.write_text(json.dumps(nb), "utf-8")
    return [name for name, check in CHECKS.items() if list(check(nb, path))]


def test_a_good_notebook_passes_every_check(good, folder):
    assert problems(good, folder) == []


def add_text(nb, text):
    nb["cells"][0]["source"] += text


def add_output(nb, output):
    nb["cells"][1]["outputs"].append(output)


def set_code(nb, text):
    nb["cells"][1] = code(text, 1)


def set_cells(nb, *texts):
    nb["cells"][1:2] = [code(text, n) for n, text in enumerate(texts, 1)]


def error():
    return {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}


def show_widget(nb, *, view=False, picture="x"):
    """Add the output of a cell that shows a widget."""
    html = plots.alt_image(picture, "a digit")
    data = {"text/html": html, "text/plain": "Fork: a digit"}
    if view:
        data[notebooks.VIEW] = {"model_id": "1", "version_major": 2, "version_minor": 0}
    result = {"output_type": "execute_result", "data": data, "metadata": {}}
    add_output(nb, {**result, "execution_count": 1})


HOME = "/" + "home/ann/x.npz"
LOAD = "(a, _), (x, _) = data.load_mnist()\n"
FAULTS = [
    ("valid", lambda nb: nb["cells"][0].update(id="not an id")),
    ("title", lambda nb: nb["cells"][0].update(source="# 08 · " + "word " * 400)),
    ("executed_in_order", lambda nb: nb["cells"][2].update(execution_count=3)),
    ("current", lambda nb: nb["cells"][1].update(source="print(2)")),
    ("form", lambda nb: nb["metadata"].pop("kernelspec")),
    ("outputs", lambda nb: add_output(nb, error())),
    ("outputs", lambda nb: add_output(nb, printed("warning", "stderr"))),
    ("outputs", lambda nb: add_output(nb, printed("<f at 0x7f3a5c0d1e40>"))),
    ("one_meaning", lambda nb: set_cells(nb, "x = 1", "x = 2", "print(x)")),
    ("one_meaning", lambda nb: set_cells(nb, "x = 1", "import x", "[x for y in z]")),
    ("no_machine_path", lambda nb: set_code(nb, f"load({HOME!r})")),
    ("no_machine_path", lambda nb: add_output(nb, printed(f"saved to {HOME}"))),
    ("size", lambda nb: add_output(nb, printed("x" * 1_500_000))),
    ("short_cells", lambda nb: set_code(nb, "x = 1\n\n" * 21)),
    ("figures", lambda nb: nb["cells"][2]["outputs"].pop()),
    ("alternative_texts", lambda nb: add_output(nb, figure(" "))),
    (
        "alternative_texts",
        lambda nb: add_output(nb, figure(**{"image/png": "iVBORw0KGgo="})),
    ),
    ("widgets", lambda nb: show_widget(nb, view=True)),
    ("widgets", lambda nb: show_widget(nb, picture=80_001 * "x")),
    ("words", lambda nb: nb["cells"][0].update(source="# 07 · Name")),
    ("tags", lambda nb: nb["cells"][1]["metadata"].update(tags=["nbval-ignore"])),
    ("tags", lambda nb: set_code(nb, "# NBVAL_IGNORE_OUTPUT\nx = 1")),
    ("links", lambda nb: add_text(nb, "[next](08_none.ipynb)")),
    ("seeded", lambda nb: set_code(nb, "network = models.gated_pixelcnn()")),
    ("solution_is_linked", lambda nb: nb["cells"][0].update(source="# 07 · Name")),
    ("test_images_stay_apart", lambda nb: set_code(nb, f"{LOAD}fit(m, a, b=x[:9])")),
    (
        "test_images_stay_apart",
        lambda nb: set_cells(nb, LOAD, "y = binarize(x)", "training.fit(m, y)"),
    ),
]


@pytest.mark.parametrize(
    ("check", "spoil"),
    FAULTS,
    ids=[f"{n}-{name}" for n, (name, _) in enumerate(FAULTS)],
)
def test_a_fault_is_refused(good, folder, check, spoil):
    spoil(good)
    assert check in problems(good, folder)


def test_every_check_has_a_fault_that_it_refuses():
    assert {name for name, _ in FAULTS} == set(CHECKS)


@pytest.mark.parametrize(
    "harmless",
    [
        lambda nb: add_text(nb, "[up](#A-b) [web](https://example.org/home/x)"),
        lambda nb: add_text(nb, "`x[i](j)` and `~/.keras`"),
        lambda nb: nb["cells"][1]["metadata"].update(tags=["nbval-ignore-output"]),
        lambda nb: set_cells(nb, "x = 1\nx = x + 1\nx"),
        lambda nb: set_code(nb, "set_random_seed(0)\nnetwork = pixelcnn()"),
        lambda nb: set_code(nb, f"{LOAD}fit(m, a)\nnats_per_image(m, x)"),
        show_widget,
    ],
)
def test_what_is_harmless_passes(good, folder, harmless):
    harmless(good)
    assert problems(good, folder) == []


def test_the_readme_s_example_leaves_test_images_for_the_test():
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL
    )
    assert "fit(" in example and list(fits_with_test_images(example)) == []


def test_a_wrong_name_in_the_text_is_found():
    right = "`pixelcnn_edu.masks.causal_mask(3, 'A')` in `pixelcnn_edu/masks.py`"
    assert list(wrong_names(right)) == []
    assert list(wrong_names("`pixelcnn_edu.masks.nothing`")) == [
        "pixelcnn_edu.masks.nothing"
    ]
    assert list(wrong_names("`pixelcnn_edu.none`")) == ["pixelcnn_edu.none"]
    assert list(wrong_names("`pixelcnn_edu/none.py`")) == ["pixelcnn_edu/none.py"]


# -------------------------------------------------------------------------------- minutes


def test_the_minutes_are_those_of_the_script_in_each_notebook_and_in_the_readme():
    readme = minutes.README.read_text("utf-8")
    for path in sorted(notebooks.NOTEBOOKS.glob("*.ipynb")):
        found = minutes.minutes(path)
        first = nbformat.read(path, 4).cells[0].source
        stated = [told for _, told in minutes.STATED.findall(first)]
        assert stated == [str(found)], path.name
        row = rf"/{path.name}\) \|[^|]*\| {found} \| [^|]+ \|\n"
        assert len(re.findall(row, readme)) == 1, path.name


def test_the_minutes_count_words_visible_lines_predictions_and_stars():
    hidden = {"jupyter": {"source_hidden": True}}
    cells = [
        nbformat.v4.new_markdown_cell("# One two\n\nthree <b>four</b>"),
        nbformat.v4.new_code_cell("x = 1\n\ny = 2"),
        nbformat.v4.new_code_cell("z = 3", metadata=hidden),
        nbformat.v4.new_markdown_cell("### Exercise ★★ Name"),
        nbformat.v4.new_markdown_cell("> **Predict.** Which?"),
        nbformat.v4.new_markdown_cell("## Questions", metadata={"tags": ["question"]}),
        nbformat.v4.new_markdown_cell("### Exercise ★★★ (at home) Name"),
        nbformat.v4.new_code_cell("at_home = 4"),
        nbformat.v4.new_markdown_cell("not counted"),
        nbformat.v4.new_markdown_cell(
            "Why? <details><summary>So</summary>Wrong.</details>",
            metadata={"tags": ["question"]},
        ),
        nbformat.v4.new_markdown_cell("## Appendix: more"),
        nbformat.v4.new_markdown_cell("### A part of it\n\nnot counted"),
        nbformat.v4.new_markdown_cell("[Solution](x)\n\n## References\n\nA paper."),
    ]
    nb = nbformat.v4.new_notebook(cells=cells)
    assert minutes.count(minutes.path_of(nb)) == (5 + 4 + 3 + 2 + 2, 2, 10 + 2)
    cells[0].metadata.tags = ["core"]
    assert minutes.count(
        [cell for cell in cells if "core" in notebooks.tags(cell)]
    ) == ((5, 0, 0))

"""What holds on machines of other kinds: Windows, another language, no UTF-8."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = [
    path
    for folder in ("pixelcnn_edu", "tests", "tools", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))

# ----------------------------------------------------- each text file is read as UTF-8

# Calls that open a file: where their mode and their encoding stand, and the usual mode.
OPENING = {
    "open": (1, 3, "r"),
    "Path.open": (0, 2, "r"),
    "read_text": (None, 0, "r"),
    "write_text": (None, 1, "w"),
    "fdopen": (1, 3, "r"),
    "TemporaryFile": (0, 2, "w+b"),
    "NamedTemporaryFile": (0, 2, "w+b"),
}


def unnamed_encodings(source):
    """The calls of a program that open a text file and do not name its encoding.

    Programs in strings, which some tests run in another process, are searched too.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and opens_text(node):
            yield node
        elif isinstance(node, ast.Constant) and "\n" in str(node.value):
            try:
                yield from unnamed_encodings(node.value)
            except (SyntaxError, TypeError, ValueError):
                continue  # not a program


def opens_text(call):
    arguments = dict(enumerate(call.args))
    arguments |= {keyword.arg: keyword.value for keyword in call.keywords}
    name = getattr(call.func, "attr", None) or getattr(call.func, "id", None)
    if name == "open" and isinstance(call.func, ast.Attribute):
        first = getattr(arguments.get(0, arguments.get("mode")), "value", None)
        if arguments and not re.fullmatch("[rwaxbt+]+", str(first)):
            return False  # os.open, Image.open, an opener of addresses
        name = "Path.open"
    if name not in OPENING:
        return False
    at_mode, at_encoding, usual = OPENING[name]
    mode = arguments.get("mode", arguments.get(at_mode))
    binary = "b" in getattr(mode, "value", usual if mode is None else "")
    return not binary and not {"encoding", at_encoding} & set(arguments)


def code_of(path):
    """The programs of a file: itself, or each cell of a notebook."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        return [text]
    cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
    sources = ("".join(cell["source"]) for cell in cells)
    return [re.sub(r"(?m)^(\s*)%.*", r"\1pass", source) for source in sources]


def test_each_text_file_is_opened_with_a_named_encoding():
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {ast.unparse(call)}"
        for path in [*PYTHON, *NOTEBOOKS]
        for code in code_of(path)
        for call in unnamed_encodings(code)
    }
    assert found == set()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('open(p, encoding="utf-8")', "open(p)"),
        ('open(p, "rb")', 'open(p, "r")'),
        ('open(p, "a", 1, "utf-8")', 'open(p, mode="w", newline="")'),
        ('p.open("w", encoding="utf-8")', 'p.open("w", newline="")'),
        ('p.open("rb")', "p.open()"),
        ("os.open(p, flags)", "open(p, mode)"),
        ('p.read_text("utf-8")', "p.read_text()"),
        ('p.write_text(t, encoding="utf-8")', "p.write_text(t)"),
        ("NamedTemporaryFile()", 'tempfile.NamedTemporaryFile("w")'),
        ('text = "prose:\\nopen(p) it"', 'run("import os\\nopen(p)")'),
    ],
)
def test_an_encoding_that_is_not_named_would_be_found(right, wrong):
    assert list(unnamed_encodings(right)) == []
    assert len(list(unnamed_encodings(wrong))) == 1


# --------------------------------------------------- as on Windows, in another language

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOAD_ALL = """
import importlib, locale, os, signal, sys
sys.modules["rfc3987_syntax"] = None  # of jsonschema: a grammar, read for two seconds
stderr, streams = os.dup(2), (sys.stderr, sys.__stderr__)
os.close(2)
sys.stderr = sys.__stderr__ = None
try:
    import pixelcnn_edu
finally:
    os.dup2(stderr, 2)
    sys.stderr, sys.__stderr__ = streams
from pixelcnn_edu import data, presets, pretrained, scoreboard
import hypothesis, nbclient, pytest

assert os.name == "nt" or locale.getencoding() != "UTF-8"
assert scoreboard.rows() and presets.ablation() and pretrained.results_table()
data.load_mnist()

sys.modules["resource"] = None
for module, names in ((os, "fork getuid killpg sched_getaffinity setuid uname"),
                      (signal, "SIGKILL SIGXFSZ")):
    for name in names.split():
        vars(module).pop(name, None)
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_package_and_tests_load_without_utf_8_and_without_what_unix_alone_has():
    """The package is imported without stderr."""
    names = [path.stem for path in sorted((ROOT / "tests").glob("test_*.py"))]
    env = {**os.environ, **ASCII, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LOAD_ALL, *names]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

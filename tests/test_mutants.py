"""The tool that plants faults: what it counts as caught, and that it changes no file."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mutants
import pytest
from mutants import Mutant, Result

TOOLS = Path(mutants.__file__).parent
SOURCE = '''"""A module of a small project: 1 < 2."""


def half(x):
    return x // 2


def forever(n: int | None) -> int:
    while n > 0:
        n -= 1
    return n


def untested(x):
    return x + 1
'''
TESTS = """import subprocess, sys
from pixelcnn_edu.small import forever, half


def test_half():
    assert half(8) == 4


def test_another_process_has_the_same_code():
    code = "from pixelcnn_edu.small import half; print(half(7))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout == "3\\n"


def test_it_ends():
    assert forever(3) == 0
"""
CHANGES = {
    "untested(x):": "untested(x): ",
    "x // 2": "x // 3",
    "return x // 2": "return x / 2",
    "return n": "return n / 0",
    '"""\n\n\n': '"""\n\n1 / 0\n',
    "x + 1": "x - 1",
}
# What `mutants.run` says of the small project, told line by line.
DRIVER = f"""
import json, sys
sys.path.insert(0, {str(TOOLS)!r})
import mutants
from pathlib import Path

mutants.PRELOADED, mutants.LIMIT = (), int(sys.argv[3])
source = Path("pixelcnn_edu/small.py").read_text("utf-8")
planted = [
    mutants.compare("small", source, source.replace(*change))
    for change in json.loads(sys.argv[1])
]
groups, quick = json.loads(sys.argv[2]), json.loads(sys.argv[4])
desk = {{"root": Path.cwd(), "at_once": 2, "tests": lambda module: groups}}
for one in mutants.run(planted, **desk, quick=quick):
    print(json.dumps([one.mutant.now, one.caught]))
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the tool forks")


@pytest.fixture
def project(tmp_path):
    for name in mutants.COPIED:
        if "." in name:
            shutil.copy(TOOLS.parent / name, tmp_path)
        else:
            (tmp_path / name).mkdir()
    (tmp_path / "pixelcnn_edu" / "__init__.py").touch()
    (tmp_path / "pixelcnn_edu" / "small.py").write_text(SOURCE, "utf-8")
    (tmp_path / "tests" / "test_small.py").write_text(TESTS, "utf-8")
    return tmp_path


def run(project, changes, *groups, limit=100, quick=()):
    assert all(was in SOURCE for was in changes)
    arguments = [json.dumps(list(changes.items())), json.dumps(groups)]
    arguments += [str(limit), json.dumps(dict(quick))]
    return subprocess.run(
        [sys.executable, "-c", DRIVER, *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@needs_fork
def test_a_mutant_is_caught_if_a_test_fails_and_no_file_changes(
    project,
):
    before = files(project)
    done = run(project, CHANGES, ["tests/test_small.py"])
    assert done.returncode == 0, done.stderr
    caught = dict(map(json.loads, done.stdout.splitlines()))
    a_test = "tests/test_small.py::test_"
    assert caught == {
        "def untested(x):": "",  # the code as it was
        "return x // 3": a_test + "half",
        "return x / 2": a_test + "another_process_has_the_same_code",
        "return n / 0": a_test + "it_ends",
        "1 / 0": "tests/test_small.py",
        "return x - 1": "",
    }
    assert files(project) == before


@needs_fork
def test_a_mutant_that_does_not_end_is_caught(project):
    done = run(project, {"n > 0": "n < 9"}, ["tests/test_small.py"], limit=2)
    assert json.loads(done.stdout) == ["while n < 9:", "time ran out"]


@needs_fork
def test_groups_of_tests_run_one_after_the_other_the_quickest_test_first(project):
    """Until one fails; the test that was quickest before runs first in its group."""
    small, late = (project / "tests" / f"test_{name}.py" for name in ("small", "late"))
    again = "\n\ndef test_half_again():\n    assert half(9) == 4\n"
    small.write_text(TESTS + again, "utf-8")
    late.write_text(
        "from pixelcnn_edu.small import untested\n\n\n"
        "def test_late():\n    assert untested(1) == 2\n",
        "utf-8",
    )
    name = "tests/test_small.py::test_half"
    times = {name: 2.0, f"{name}_again": 1.0}
    groups = [name, f"{name}_again"], ["tests/test_late.py"]
    changes = {key: CHANGES[key] for key in ("x + 1", "x // 2")}
    done = run(project, changes, *groups, quick=times)
    assert dict(map(json.loads, done.stdout.splitlines())) == {
        "return x - 1": "tests/test_late.py::test_late",
        "return x // 3": f"{name}_again",
    }


@needs_fork
def test_a_run_without_a_test_is_no_survivor_but_an_error(project):
    for tests in ("tests/test_missing.py", "pixelcnn_edu/small.py"):
        done = run(project, {"x + 1": "x - 1"}, [tests])
        assert done.returncode != 0 and "RuntimeError" in done.stderr


def test_a_change_of_several_lines_is_described_without_spaces():
    was = "def f(\n    a, b\n):\n    return a\n"
    one = mutants.compare("small", was, was.replace("a, b\n)", "a,\n b=1\n)"))
    assert (one.line, one.was, one.now) == (2, "a, b", "a, b=1")


def results(*caught):
    return [
        Result(Mutant("small", n, f"was {n}", f"now {n}", ""), by, 1.0, {})
        for n, by in enumerate(caught)
    ]


def test_a_survivor_without_a_reason_is_reported(capsys):
    found = results(*["a test"] * 30, "")
    known = {("small", "was 30", "now 30"): "The same thing."}
    assert mutants.report(found, known)
    told = capsys.readouterr().out
    assert "small.py, line 30:\n- was 30\n+ now 30\n  The same thing." in told
    assert "30 of 31 mutants caught: 96.8%" in told
    assert not mutants.report(found, {})
    assert "NO REASON" in capsys.readouterr().out


def test_too_many_survivors_are_a_failure_for_whatever_reason():
    known = {("small", f"was {n}", f"now {n}"): "A reason." for n in range(40)}
    assert mutants.report(results("", *["a test"] * 19), known)  # 95 %
    assert not mutants.report(results("", *["a test"] * 18), known)


def test_each_reason_is_one_of_a_line_that_exists():
    for (module, was, now), why in mutants.reasons().items():
        assert module in mutants.TESTS and was != now and len(why) > 20
        path = mutants.ROOT / "pixelcnn_edu" / f"{module}.py"
        lines = path.read_text("utf-8").splitlines()
        assert was in " ".join(line.strip() for line in lines), was


def test_all_functions_have_mutants_and_texts_and_types_have_none():
    pytest.importorskip("cosmic_ray", reason="make trust installs Cosmic Ray")
    found = [(one.line, one.now) for one in mutants.mutants_of("small", SOURCE)]
    assert sorted(found) == [
        (5, "return x * 2"),
        (5, "return x / 2"),
        (5, "return x // 1"),
        (5, "return x // 3"),
        (8, "def forever(n: int & None) -> int:"),
        (9, "while n <= 0:"),
        (9, "while n > -1:"),
        (9, "while n > 1:"),
        (9, "while n >= 0:"),
        (9, "while not n > 0:"),
        (10, "n -= 0"),
        (10, "n -= 2"),
        (15, "return x + 0"),
        (15, "return x + 2"),
        (15, "return x - 1"),
    ]

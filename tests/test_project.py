"""The files around the package agree with each other, and the Makefile does its work."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import notebooks

import nbformat
import pytest
import tasks
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PYTHONS = ["3.11", "3.12", "3.13"]
SUITES = ["test", "test-browser", "test-jax", "test-install"]


def read(name):
    return (ROOT / name).read_text("utf-8")


def requirements(*extras):
    lists = [PROJECT["dependencies"]]
    lists += [PROJECT["optional-dependencies"][extra] for extra in extras]
    return [Requirement(text) for texts in lists for text in texts]


# ------------------------------------------------------------------ versions and names


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load(read("CITATION.cff"))
    init = read("pixelcnn_edu/__init__.py")
    in_init = re.search(r'^__version__ = "(.+)"$', init, re.MULTILINE)[1]
    assert PROJECT["version"] == citation["version"] == in_init
    assert f"## {in_init}\n" in read("CHANGELOG.md")
    page = read("docs/elsewhere.md")
    wheels = re.findall(r"pixelcnn_edu-([\d.]+)-py3-none-any.whl", page)
    assert set(wheels) == {in_init}


def test_the_python_range_is_the_one_that_the_tasks_look_for():
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{n}" for n in range(20) if f"3.{n}.1" in supported] == PYTHONS
    assert sorted(tasks.VERSIONS) == PYTHONS


def test_constraints_pin_everything_that_is_needed_and_name_no_place():
    pins = {}
    for line in read("constraints.txt").splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [\w\s.<>=!'()]+)?", line), line
        name, version = re.match(r"(.+)==([^ ]+)", line).groups()
        pins.setdefault(name, []).append(Version(version))
    for need in requirements(*PROJECT["optional-dependencies"]):
        pinned = pins[canonicalize_name(need.name)]
        assert all(version in need.specifier for version in pinned), need


def test_the_lowest_versions_that_are_tried_are_those_of_pyproject():
    lines = read("tests/install/lowest.txt").splitlines()
    tried = dict(line.split("==") for line in lines if not line.startswith("#"))
    lowest = {need.name: Version(str(need.specifier)[2:]) for need in requirements()}
    assert {name: Version(version) for name, version in tried.items()} == lowest


# ------------------------------------------------------------- links, and nothing private

PRIVATE = re.compile(
    r"(?<![\w.:/~-])/(?:(?:work|farm|root)/[a-z.]|(?:home|Users)/\w)"
    r"|(?:pypi|pythonhosted|anaconda|npmjs)\.(?:org|com)"
    r"|index[-_]url|https?://\S+\.(?:whl|tgz|tar\.gz)"
)
HOME = "/" + "home/ann"  # in two pieces, as this file is searched too


def tracked_files():
    """What git has or would add; without git, all that is neither hidden nor built."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        out = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout
        names = [Path(name) for name in out.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
    built = ("build", "runs")
    return [
        ROOT / name
        for name in names
        if (ROOT / name).is_file() and name.parts[0] not in built
        if not name.parts[0].startswith(".venv")
    ]


def private(text):
    return [match[0] for match in PRIVATE.finditer(text)]


def test_no_file_names_a_path_of_a_machine_or_a_package_index():
    found = {}
    for path in tracked_files():
        try:
            found[path.name] = private(path.read_text("utf-8"))
        except UnicodeDecodeError:
            continue  # weights, digits
    assert len(found) > 20
    assert {name: names for name, names in found.items() if names} == {}
    assert private(f"open('{HOME}/x')") and private("--index" + "-url=https://a.org")
    assert not private("https://example.org/home and pixelcnn_edu/data.py")


def heading(line):
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-")


@pytest.mark.parametrize(
    "page",
    [name.relative_to(ROOT).as_posix() for name in sorted(ROOT.glob("docs/*.md"))]
    + ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
)
def test_each_relative_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", read(page)):
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        if anchor:
            lines = path.read_text("utf-8").splitlines()
            assert anchor in [heading(line) for line in lines if line[:1] == "#"], (
                target
            )


def test_the_map_of_the_package_names_every_file_and_no_other():
    rows = re.findall(r"^\| (`.*?) \|", read("CONTRIBUTING.md"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w/.]+)`", row)}
    package = ROOT / "pixelcnn_edu"
    there = {path.name for path in package.glob("*.py")}
    there |= {f"{path.parent.name}/" for path in package.glob("[a-z]*/*.*")}
    assert named == there


# -------------------------------------------------------------------- tools/notebooks.py


@pytest.fixture
def small_notebook(tmp_path):
    cells = [
        new_markdown_cell("# 00 · A figure, a widget and a clock"),
        new_code_cell(
            "import time\nimport ipywidgets\nimport matplotlib.pyplot as plt\n"
            "_ = plt.plot([1, 3, 2])"
        ),
        new_code_cell(
            "a, b = ipywidgets.IntSlider(), ipywidgets.IntSlider()\n"
            "never_shown = ipywidgets.Text(str(time.time()))\n"
            "ipywidgets.VBox([b, a])"
        ),
        new_code_cell(
            "print(time.time())\nipywidgets.Label(str(time.time()))",
            metadata={"tags": ["nbval-ignore-output"]},
        ),
        new_code_cell(
            "for i in range(3):\n    print(i, flush=True)\n    time.sleep(0.1)"
        ),
        new_code_cell("raise SystemError", metadata={"tags": ["nbval-skip"]}),
        new_code_cell("import os\nos.path.basename(os.getcwd())"),
    ]
    path = tmp_path / "small" / "00_small.ipynb"
    path.parent.mkdir()
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_a_second_refresh_changes_no_byte(small_notebook):
    assert notebooks.refresh(small_notebook)
    first = small_notebook.read_bytes()
    assert not notebooks.refresh(small_notebook)
    assert small_notebook.read_bytes() == first
    assert list(small_notebook.parent.iterdir()) == [small_notebook]

    nb = nbformat.reads(first.decode(), as_version=4)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, None, 5]
    assert "image/png" in code[0].outputs[0].data
    assert "text/plain" in code[1].outputs[0].data  # a widget: neither view nor state
    assert notebooks.VIEW not in first.decode() and "widgets" not in nb.metadata
    assert [output.text for output in code[3].outputs] == ["0\n1\n2\n"]
    assert code[5].outputs[0].data["text/plain"] == "'small'"

    # A clock is read again when its source has changed, and only then.
    nb.cells[3].source += "  # now"
    nbformat.write(nb, small_notebook)
    assert notebooks.refresh(small_notebook)
    renewed = nbformat.read(small_notebook, as_version=4).cells[3].outputs
    assert renewed[0].text > code[2].outputs[0].text


def test_a_notebook_that_fails_or_is_saved_meanwhile_is_left_as_it_is(tmp_path, capsys):
    sources = {
        "fails": "print('half way')\n1 / 0",
        "saved": "with open('saved.ipynb', 'ab') as file:\n    _ = file.write(b' ')",
    }
    for name, source in sources.items():
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), path)
        before = path.read_bytes()
        assert notebooks.main([str(path)]) == 1
        assert path.read_bytes().strip() == before.strip()
    printed = capsys.readouterr().out
    assert "ZeroDivisionError" in printed and "another program changed it" in printed


# -------------------------------------------------------------- Makefile, tools/tasks.py

needs_make = pytest.mark.skipif(
    not shutil.which("make"), reason="make is not installed"
)

# Answers like a Python of the given version, and writes down what it is asked to do. The
# tasks themselves are run by this Python, which then counts as the one of that version.
FAKE = """#!/bin/sh
case "$1" in
  tools/tasks.py) exec {real} -c '
import runpy, sys
_, sys.executable, *sys.argv = sys.argv
sys.path[0] = "tools"
runpy.run_path(sys.argv[0], run_name="__main__")' "$0" "$@" ;;
esac
echo "$0 $*" >>"{log}"
case "$*" in
  *version_info*) echo "[\\"{version}\\", \\"$0\\", {has_venv}]" ;;
  "-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip install"*) exit {no_pip} ;;
esac
"""


class Desk:
    """A copy of the tasks on a machine with no Python but those put there."""

    def __init__(self, folder):
        self.folder, self.log = folder / "a desk", folder / "log"
        self.bin = folder / "programs of Zoë"
        self.bin.mkdir()
        for name in ("Makefile", "pyproject.toml", "constraints.txt", "tools/tasks.py"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        for tool in ("make", "sh", "mkdir", "cp"):
            (self.bin / tool).symlink_to(shutil.which(tool))

    def put(self, name, version, *, has_venv="true", no_pip=0):
        about = {"version": version, "has_venv": has_venv, "no_pip": no_pip}
        text = FAKE.format(log=self.log, real=sys.executable, **about)
        (self.bin / name).write_text(text, "utf-8")
        (self.bin / name).chmod(0o755)

    def make(self, *arguments):
        self.log.write_text("", "utf-8")
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
        )

    def asked(self, what):
        """Return the Pythons that were asked to do something, and for what."""
        lines = [line for line in self.log.read_text("utf-8").splitlines()]
        return [line.rpartition("/python")[2] for line in lines if what in line]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@needs_make
def test_make_alone_lists_the_tasks_and_each_of_them_is_a_target(desk):
    desk.put("python3", "3.12")
    listed = re.findall(r"^([a-z-]+) {2,}[A-Z]", desk.make().stdout, re.MULTILINE)
    assert listed == list(tasks.TASKS)
    for target in listed:
        assert desk.make("--dry-run", target).returncode == 0, target


@needs_make
def test_setup_takes_the_newest_suitable_python_or_the_one_that_is_named(desk):
    assert "Found: none" in desk.make("setup").stderr
    desk.put("python3", "3.10")
    done = desk.make("setup")
    assert done.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13. " in done.stderr
    assert "python3 is 3.10;" in done.stderr
    desk.put("python3.13", "3.13", has_venv="false")
    assert "is 3.13 without the package venv;" in desk.make("setup").stderr
    for version in ("3.11", "3.12", "3.14"):
        desk.put(f"python{version}", version)
    assert desk.make("setup").returncode == 0
    assert len(desk.asked("3.12 -m venv")) == 1
    shutil.rmtree(desk.folder / ".venv")
    assert desk.make("setup", "PYTHON=python3.11").returncode == 0
    assert len(desk.asked("3.11 -m venv")) == 1


@needs_make
def test_setup_installs_once_and_again_when_the_needs_have_changed_or_it_failed(desk):
    desk.put("python3", "3.12", no_pip=1)
    for _ in range(2):
        done = desk.make("setup")
        assert done.returncode != 0
        assert "The installation failed; pip says why" in done.stderr
    desk.put("python", "3.12")
    shutil.copy(desk.bin / "python", desk.folder / ".venv" / "bin")
    desk.make("setup")
    (line,) = desk.asked("pip install")
    assert line.endswith("-c constraints.txt -e .[lab,test]")
    desk.make("setup")
    assert desk.asked("pip install") == []
    with open(desk.folder / "constraints.txt", "a", encoding="utf-8") as file:
        file.write("another==1\n")
    desk.make("setup")
    assert len(desk.asked("pip install")) == 1
    desk.make("test-browser")
    (line,) = desk.asked("pip install")
    assert line.endswith(".[browser,lab,test]")
    assert desk.asked("-m pytest") == [" -m pytest tests/browser -rs"]


@needs_make
def test_lab_opens_the_first_notebook_and_leaves_safety_to_jupyter(desk):
    desk.put("python3", "3.12")
    assert desk.make("lab", "ARGS=--port 8890").returncode == 0
    (line,) = desk.asked("-m jupyterlab")
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in line
    assert line.endswith("--port 8890")
    assert not re.search(r"token|password|--ip|allow_origin|disable", line)


@needs_make
def test_tests_are_strict(desk):
    desk.put("python3", "3.12")
    assert desk.make("test", "ARGS=tests/test_masks.py").returncode == 0
    (line,) = desk.asked("-m pytest")
    assert "--nbval " in line and line.endswith(" tests/test_masks.py")
    for name in ("pyproject.toml", "tools/tasks.py", ".ci/run"):
        assert "nbval-lax" not in read(name)


def test_a_task_that_does_not_exist_is_refused_by_name():
    with pytest.raises(SystemExit, match=r"Expected one of lab, .* Received: labs"):
        tasks.main(["labs"])


def test_the_tasks_run_on_the_oldest_python_of_all_systems_in_use():
    imported = set()
    for node in ast.walk(ast.parse(read("tools/tasks.py"), feature_version=(3, 8))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = [getattr(node, "module", None), *(name.name for name in node.names)]
            imported.add((found[0] or found[1]).split(".")[0])
    assert {"pathlib", "sys"} <= imported <= sys.stdlib_module_names


# ---------------------------------------------------------------------- .ci/run, GitHub


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
@pytest.mark.parametrize("fails", [False, True])
def test_the_runner_runs_all_suites_and_fails_with_them(tmp_path, fails):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    programs = {
        "make": f"echo $1 >>{tmp_path}/log; exit {int(fails)}",
        "id": "echo 1000",
    }
    for name, line in programs.items():
        (tmp_path / name).write_text(f"#!{shutil.which('sh')}\n{line}\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "dirname").symlink_to(shutil.which("dirname"))
    command = [shutil.which("bash"), tmp_path / ".ci" / "run"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True)
    assert bool(done.returncode) == fails
    ran = (tmp_path / "log").read_text("utf-8").split()
    assert ran == (["test"] if fails else SUITES)


def test_the_workflows_test_three_systems_and_all_pythons_and_publish_a_tag():
    tests = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]
    for name in ("pinned", "newest"):
        matrix = tests[name]["strategy"]["matrix"]
        systems = [system.partition("-")[0] for system in matrix["os"]]
        assert systems == ["ubuntu", "macos", "windows"]
        assert matrix["python"] == PYTHONS
    runs = re.findall(r"tools/tasks.py (\S+)", read(".github/workflows/tests.yml"))
    assert runs == SUITES
    publish = yaml.safe_load(read(".github/workflows/publish.yml"))
    assert publish[True] == {"push": {"tags": ["v*"]}}  # YAML takes `on` for a truth
    assert publish["jobs"]["publish"]["needs"] == "build"


# ----------------------------------------------------------------- a skip, where it counts

STRICT = "from strict import pytest_make_collect_report, pytest_runtest_makereport\n"


@pytest.mark.parametrize(("machine", "code"), [("true", 1), ("", 0)])
def test_a_skipped_test_fails_on_the_machine_that_decides(machine, code, tmp_path):
    (tmp_path / "conftest.py").write_text(STRICT, "utf-8")
    (tmp_path / "test_all.py").write_text(
        "import pytest\n\npytest.skip('no lab', allow_module_level=True)\n", "utf-8"
    )
    (tmp_path / "test_one.py").write_text(
        "import pytest\n\n\ndef test_it():\n    pytest.skip('no browser')\n", "utf-8"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:nbval",
    ]
    done = subprocess.run(
        [*command, "--continue-on-collection-errors", tmp_path],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(ROOT / "tests"), "CI": machine},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    for reason in ("no browser", "no lab"):
        sentence = f"This test must run here. Skipped: {reason}"
        assert (sentence in done.stdout) == bool(code)

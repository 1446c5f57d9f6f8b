"""The files around the package agree with each other, and the Makefile does its work."""

import ast
import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
import venv
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
ASKED_FOR = {"jupyterlab", "tensorflow", "numpy", "matplotlib", "nbval", "ipywidgets"}


def requirements(*extras):
    lists = [PROJECT["dependencies"]]
    lists += [PROJECT["optional-dependencies"][extra] for extra in extras]
    return [Requirement(text) for texts in lists for text in texts]


# ------------------------------------------------------------------ versions and names


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    init = (ROOT / "pixelcnn_edu" / "__init__.py").read_text("utf-8")
    in_init = re.search(r'^__version__ = "(.+)"$', init, re.MULTILINE)[1]
    assert PROJECT["version"] == citation["version"] == in_init
    assert f"## {in_init}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_python_range_is_the_one_that_the_tasks_look_for():
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{n}" for n in range(20) if f"3.{n}.1" in supported] == PYTHONS
    assert sorted(tasks.VERSIONS) == PYTHONS


def test_the_conda_environment_installs_this_package_at_the_pinned_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    assert environment["name"] == canonicalize_name(PROJECT["name"]).replace("-", "_")
    python, pip, by_pip = environment["dependencies"]
    assert pip == "pip"
    assert python.removeprefix("python=") in PYTHONS
    assert by_pip == {"pip": ["-c constraints.txt", "-e .[lab,test]"]}
    assert {need.name for need in requirements("lab", "test")} >= ASKED_FOR


def test_constraints_pin_everything_that_is_needed_and_name_no_place():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = {}
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [\w\s.<>=!'()]+)?", line), line
        name, version = re.match(r"(.+)==([^ ]+)", line).groups()
        pins.setdefault(name, []).append(Version(version))
    for need in requirements(*PROJECT["optional-dependencies"]):
        pinned = pins[canonicalize_name(need.name)]
        assert all(version in need.specifier for version in pinned), need


# ------------------------------------------------------------------- nothing of a machine

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
        files = [ROOT / name for name in out.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        files = [
            path
            for path in ROOT.rglob("*")
            if not any(
                part.startswith(".") or part in ("build", "runs")
                for part in path.relative_to(ROOT).parts
            )
        ]
    return [path for path in files if path.is_file()]


def private(text):
    return [match[0] for match in PRIVATE.finditer(text)]


def test_no_file_names_a_path_of_a_machine_or_a_package_index():
    searched, found = 0, {}
    for path in tracked_files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # weights, digits
        searched += 1
        if private(text):
            found[path.relative_to(ROOT).as_posix()] = private(text)
    assert searched > 20
    assert found == {}


def test_such_a_name_would_be_found():
    assert private(f"open('{HOME}/x')")
    assert private("--index" + "-url=https://example.org/simple")
    assert private("see https://py" + "pi.org/project/keras")
    assert not private("https://example.org/home and pixelcnn_edu/data.py")


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
            "link = ipywidgets.jslink((a, 'value'), (b, 'value'))\n"
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
    assert "execution" not in code[0].metadata

    # A clock is read again when its source has changed, and only then.
    nb.cells[3].source += "  # now"
    nbformat.write(nb, small_notebook)
    assert notebooks.refresh(small_notebook)
    renewed = nbformat.read(small_notebook, as_version=4).cells[3].outputs
    assert renewed[0].text > code[2].outputs[0].text


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no limit of file sizes"
)
@pytest.mark.parametrize("tool", ["minutes", "questions"])
def test_a_tool_that_cannot_write_leaves_all_files_whole(tmp_path, tool):
    """A limit of 64 KiB stands for a full disk."""
    for name in ("notebooks", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "README.md", tmp_path)
    (page,) = (tmp_path / "notebooks").glob("02_*.ipynb")
    text = page.read_text("utf-8")
    page.write_text(re.sub(r"Right\.|minutes", "Otherwise", text), "utf-8")
    files = [tmp_path / "README.md", *page.parent.glob("*.ipynb")]
    before = [file.read_bytes() for file in files]
    command = f"ulimit -f 64; exec {sys.executable} tools/{tool}.py"
    command += " --write" * (tool == "minutes")
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True)
    assert done.returncode and [file.read_bytes() for file in files] == before


def test_a_check_names_the_notebook_that_depends_on_its_folder(tmp_path, capsys):
    names = []
    for name, source in {"same": "1 + 1", "other": "import os\nos.getcwd()"}.items():
        names.append(str(tmp_path / f"{name}.ipynb"))
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), names[-1])
    assert notebooks.main(names) == 0
    capsys.readouterr()
    before = [Path(name).read_bytes() for name in names]
    assert notebooks.main(["--check", *names]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"same.ipynb \.\.\. unchanged", printed)
    assert re.search(r"other.ipynb \.\.\. changed", printed)
    assert [Path(name).read_bytes() for name in names] == before


def test_a_notebook_that_fails_is_left_as_it_was(small_notebook, capsys):
    nb = nbformat.read(small_notebook, as_version=4)
    nb.cells.insert(2, new_code_cell("print('half way')\n1 / 0"))
    nbformat.write(nb, small_notebook)
    before = small_notebook.read_bytes()
    assert notebooks.main([str(small_notebook)]) == 1
    assert small_notebook.read_bytes() == before
    assert list(small_notebook.parent.iterdir()) == [small_notebook]
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_what_its_author_saves_while_a_notebook_runs_is_kept(tmp_path, capsys):
    names = [str(tmp_path / f"{name}.ipynb") for name in ("saved", "gone", "other")]
    sources = [
        "with open('saved.ipynb', 'ab') as file:\n    _ = file.write(b' ')",
        "import os\nos.remove('gone.ipynb')",
        "1 + 1",
    ]
    for name, source in zip(names, sources, strict=True):
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), name)
    saved = Path(names[0]).read_bytes() + b" "
    assert notebooks.main(names) == 1
    assert Path(names[0]).read_bytes() == saved
    assert sorted(tmp_path.iterdir()) == [Path(names[2]), Path(names[0])]
    lines = capsys.readouterr().out.splitlines()
    sentence = "left as it is: another program changed it during the run; run it again"
    assert lines[:2] == [f"{Path(name).name} ... {sentence}" for name in names[:2]]
    assert lines[2].startswith("other.ipynb ... changed")


def test_ids_tell_the_source_and_are_unique():
    cells = [new_code_cell("x = 1"), new_code_cell("x = 1"), new_code_cell("x = 2")]
    notebooks.set_ids(cells)
    assert len({cell.id for cell in cells}) == 3
    assert all(notebooks.is_current(cell) for cell in cells)
    cells[1].source = "x = 3"
    assert not notebooks.is_current(cells[1])


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
  *version_info*) echo "[\\"{version}\\", \\"$0\\"]" ;;
  *ensurepip*) exit {no_venv} ;;
  "-m venv"*) rm -rf "$4"/* "$4/.installed" && mkdir -p "$4/bin" &&
    cp "$0" "$4/bin/python" && : >"$4/pyvenv.cfg" ;;
  "-m pip install"*) exit {no_pip} ;;
esac
"""
TASKS = """
    lab setup test quick test-browser test-install test-jax notebooks bundle trust
    test-pythons results-table format
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
        (self.folder / "notebooks").mkdir()
        for tool in ("make", "sh", "mkdir", "cp", "rm"):
            (self.bin / tool).symlink_to(shutil.which(tool))

    def put(self, name, version, *, no_venv=0, no_pip=0, folder=None):
        script = (folder or self.bin) / name
        about = {"version": version, "no_venv": no_venv, "no_pip": no_pip}
        text = FAKE.format(log=self.log, real=sys.executable, **about)
        script.write_text(text, "utf-8")
        script.chmod(0o755)
        return script

    def make(self, *arguments, **environment):
        self.log.write_text("", "utf-8")
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env={"PATH": str(self.bin), **environment},
            capture_output=True,
            text=True,
        )

    def asked(self, what):
        """The Pythons that were asked to do something."""
        return [re.search(r"/(python[\d.]*) -", line)[1] for line in self.lines(what)]

    def lines(self, what):
        return [
            line for line in self.log.read_text("utf-8").splitlines() if what in line
        ]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@needs_make
def test_make_alone_lists_the_tasks_and_each_of_them_is_a_target(desk):
    desk.put("python3", "3.12")
    listed = re.findall(r"^([a-z-]+) {2,}[A-Z]", desk.make().stdout, re.MULTILINE)
    assert listed == TASKS.split() == list(tasks.TASKS)
    for target in listed:
        assert desk.make("--dry-run", target).returncode == 0, target


def test_on_windows_the_launcher_finds_each_python_and_elsewhere_its_name_does():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "name", "nt")
        windows = tasks.called("3.12")
        patch.setattr(os, "name", "posix")
        elsewhere = tasks.called("3.12")
    assert (windows, elsewhere) == (("py", "-3.12"), ("python3.12",))


def test_the_python_may_be_named_after_a_task_as_for_make(monkeypatch):
    ran = []
    monkeypatch.setitem(tasks.TASKS, "lab", lambda *words: ran.append(words))
    monkeypatch.setenv("PYTHON", "python3.11")
    tasks.main(["lab", "PYTHON=python3.12", "--port", "8890"])
    assert ran == [("--port", "8890")] and tasks.candidates() == [("python3.12",)]


def test_a_task_that_does_not_exist_is_refused_by_name():
    with pytest.raises(SystemExit, match=r"Expected one of lab, .* Received: labs"):
        tasks.main(["labs"])


@needs_make
def test_setup_refuses_a_python_that_is_too_old_and_says_what_it_found(desk):
    desk.put("python3", "3.10")
    done = desk.make("setup")
    assert done.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13. Found: " in done.stderr
    assert "python3 is 3.10;" in done.stderr
    assert not (desk.folder / ".venv").exists()


@needs_make
def test_setup_says_when_there_is_no_python_at_all(desk):
    assert "Found: none" in desk.make("setup").stderr


@needs_make
def test_setup_says_when_venv_is_missing(desk):
    desk.put("python3", "3.13", no_venv=1)
    assert "install python3.13-venv" in desk.make("setup").stderr


@needs_make
def test_setup_takes_the_newest_suitable_python_or_the_one_that_is_named(desk):
    for version in ("3.11", "3.12", "3.14"):
        desk.put(f"python{version}", version)
    desk.put("python3", "3.14")
    assert desk.make("setup").returncode == 0
    assert desk.asked("-m venv") == ["python3.12"]
    shutil.rmtree(desk.folder / ".venv")
    assert desk.make("setup", "PYTHON=python3.11").returncode == 0
    assert desk.asked("-m venv") == ["python3.11"]
    shutil.rmtree(desk.folder / ".venv")
    done = desk.make("setup", "PYTHON=python3.14")
    assert "Found: python3.14 is 3.14;" in done.stderr


@needs_make
def test_the_named_python_may_have_a_space_in_its_path_and_be_the_only_one(desk):
    folder = desk.folder.with_name("my programs")
    folder.mkdir()
    named = desk.put("python3.13", "3.13", folder=folder)
    done = desk.make("setup", f"PYTHON={named}")
    assert done.returncode == 0, done.stderr
    assert [line.split(" -m")[0] for line in desk.lines("-m venv")] == [str(named)]


@needs_make
def test_setup_installs_once_and_again_only_when_the_needs_have_changed(desk):
    desk.put("python3", "3.12")
    desk.make("setup")
    (line,) = desk.lines("pip install")
    assert line.endswith("-c constraints.txt -e .[lab,test]")
    desk.make("setup")
    assert desk.asked("pip install") == []
    with open(desk.folder / "constraints.txt", "a", encoding="utf-8") as file:
        file.write("another==1\n")
    desk.make("setup")
    assert desk.asked("pip install") == ["python"]
    assert desk.asked("-m venv") == []


@needs_make
def test_a_folder_that_was_moved_or_copied_is_registered_again_without_a_network(desk):
    desk.put("python3", "3.12")
    desk.make("setup")
    old = desk.folder
    desk.folder = shutil.copytree(old, old.with_name("Übungen, neu"))
    done = desk.make("setup")
    assert f"This folder was {old} before." in done.stdout
    (line,) = desk.lines("pip install")
    assert line.startswith(str(desk.folder))
    assert "--no-index --no-deps" in line and line.endswith("-e .")
    desk.make("setup")
    assert desk.asked("pip install") == desk.asked("-m venv") == []


@needs_make
def test_the_programs_of_a_moved_environment_name_the_new_folder(tmp_path):
    old, new = tmp_path / "old", tmp_path / "Übungen, neu"
    venv.create(old, with_pip=True)
    old.rename(new)
    ask = ["bash", "-c", 'source "$0/bin/activate"; which python; pip --version', new]
    before = subprocess.run(ask, capture_output=True, text=True)
    assert str(new) not in before.stdout
    subprocess.run([new / "bin" / "python", "-c", tasks.RENAME], check=True)
    program, pip = subprocess.check_output(ask, text=True).splitlines()
    assert program == str(new / "bin" / "python") and str(new / "lib") in pip


@needs_make
@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (["thesis/results.csv"], "to a new or an empty folder"),
        (["bin/tool", ".installed"], "to a new or an empty folder"),
        (["pyvenv.cfg", "lib/site-packages/torch.py"], "remove it, or set"),
        (["pyvenv.cfg", ".installed", "runs/a.npz"], "to a new or an empty folder"),
        (["pyvenv.cfg", ".installed"], "remove it, or set"),  # only installed into
        (["pyvenv.cfg", ".installed", "share"], "remove it, or set"),  # behind a link
    ],
)
def test_setup_leaves_a_folder_that_it_did_not_make_as_it_is(desk, names, advice):
    desk.put("python3", "3.12")
    scratch = desk.folder / "scratch"
    for name in names:
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).write_text("{}", "utf-8")
    if "share" in names:
        (scratch / ".installed").write_text('{"made": true}', "utf-8")
        scratch.rename(desk.folder / "shared")
        scratch.symlink_to(desk.folder / "shared")
    done = desk.make("setup", PIXELCNN_EDU_VENV=str(scratch))
    assert done.returncode != 0
    sentence, made = done.stderr.strip().split("\n")
    assert sentence.startswith(str(scratch)) and advice in sentence
    assert made.startswith("make: ")
    assert desk.lines("-m venv") == []
    assert all((scratch / name).is_file() for name in names)


@needs_make
@pytest.mark.parametrize("no_pip", [0, 1])
def test_setup_makes_its_own_environment_again_when_its_python_is_gone_or_old(
    desk, no_pip
):
    venv = desk.folder / "scratch"
    venv.mkdir()  # an empty folder will do
    desk.put("python3", "3.12", no_pip=no_pip)
    desk.make("setup", PIXELCNN_EDU_VENV="scratch")
    for version in (None, "3.10"):
        (venv / "bin" / "python").unlink()
        if version:
            desk.put("python", version, folder=venv / "bin")
        done = desk.make("setup", PIXELCNN_EDU_VENV="scratch")
        assert desk.asked("-m venv") == ["python3"]
        assert desk.asked("pip install") == ["python"]
        assert bool(done.returncode) == bool(no_pip)


@needs_make
def test_an_installation_that_fails_says_what_it_needs_and_is_tried_again(desk):
    desk.put("python3", "3.12", no_pip=1)
    for _ in range(2):
        done = desk.make("setup")
        assert done.returncode != 0
        assert "The installation failed; pip says why" in done.stderr


@needs_make
def test_lab_opens_the_first_notebook_and_leaves_safety_to_jupyter(desk):
    desk.put("python3", "3.12")
    assert desk.make("lab", "ARGS=--port 8890").returncode == 0
    (line,) = desk.lines("-m jupyterlab")
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in line
    assert line.endswith("--port 8890")
    assert not re.search(r"token|password|--ip|allow_origin|disable", line)


def test_a_folder_that_cannot_be_written_is_named(monkeypatch, capsys):
    commands = []
    monkeypatch.setattr(tasks, "run", lambda *command: commands.append(command))
    tasks.open_lab("python")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(tasks.os, "access", lambda path, mode: False)
    tasks.open_lab("python")
    assert "cannot save your answers: copy " in capsys.readouterr().err
    assert commands[0] == commands[1]
    monkeypatch.setattr(tasks, "about", lambda *python: None)
    with pytest.raises(SystemExit, match="cannot be written: copy it"):
        tasks.install()


def test_a_mac_with_an_intel_processor_is_told_before_anything_is_installed(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(tasks, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(tasks, "PY", tmp_path / ".venv" / "python")
    monkeypatch.setattr(tasks, "make_venv", lambda: tasks.stop("went on"))
    for machine, sentence in (("x86_64", "Mac with an Intel"), ("arm64", "went on")):
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(platform, "machine", lambda name=machine: name)
        with pytest.raises(SystemExit, match=sentence):
            tasks.install()


@needs_make
def test_tests_run_once_and_strictly(desk):
    desk.put("python3", "3.12")
    assert desk.make("test").returncode == 0
    assert len(desk.lines("tools/suite.py")) == 1
    assert not desk.lines("-m pytest")
    assert desk.make("test", "ARGS=tests/test_masks.py").returncode == 0
    assert [line.split("-m ")[1] for line in desk.lines("-m pytest")] == [
        "pytest --nbval tests/test_masks.py"
    ]
    for name in ("pyproject.toml", "tools/tasks.py", "tools/suite.py", ".ci/run"):
        assert "nbval-lax" not in (ROOT / name).read_text("utf-8")


def test_the_tasks_run_on_the_oldest_python_of_all_systems_in_use():
    source = (ROOT / "tools" / "tasks.py").read_text("utf-8")
    imported = set()
    for node in ast.walk(ast.parse(source, feature_version=(3, 8))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = [getattr(node, "module", None), *(name.name for name in node.names)]
            imported.add((found[0] or found[1]).split(".")[0])
    assert {"pathlib", "sys"} <= imported <= sys.stdlib_module_names


def test_each_test_notebook_and_module_belongs_to_one_group_of_the_suite():
    import suite

    names = suite.everything()
    found = suite.groups(names, suite.ALONE.split())
    assert sorted(itertools.chain.from_iterable(found)) == names
    assert "tests/test_project.py" in names
    assert "notebooks/solutions/12_two_stacks.ipynb" in names
    assert suite.groups(["tests/test_new.py"], ["tests/test_[a-m]*"]) == []  # left out


def test_copies_that_jupyterlab_keeps_are_not_in_the_suite(tmp_path, monkeypatch):
    import suite

    names = ["notebooks/03_a.ipynb", "notebooks/.ipynb_checkpoints/03_a.ipynb"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(suite, "ROOT", tmp_path)
    assert suite.everything() == names[:1]


def test_the_table_of_slow_tests_gives_a_reason_for_each():
    import suite

    why = suite.reasons()
    assert len(why) == 20 and "?" not in why.values()
    for name in why:
        path, _, test = name.partition("::")
        if path.startswith("tests."):
            text = (ROOT / f"{path.replace('.', '/')}.py").read_text("utf-8")
            assert f"def {test.partition('[')[0]}(" in text
        else:
            assert (ROOT / path.replace(".", "/", 1)).exists()


def test_the_suite_runs_the_groups_in_order_two_at_a_time():
    import suite

    jobs, running, most, lock = list(range(6)), [], [], threading.Lock()

    def call(job):
        with lock:
            running.append(job)
            most.append(len(running))
        time.sleep(0.05)
        with lock:
            running.remove(job)
        return job

    assert suite.run_all(jobs, call) == jobs
    assert max(most) == 2


def test_the_suite_does_not_pass_when_a_group_breaks_its_worker():
    import suite

    with pytest.raises(ZeroDivisionError):
        suite.run_all([["tests/test_a.py"]], lambda job: 1 / 0)


def test_the_suite_fails_with_a_group_that_fails_and_shows_its_output(tmp_path, capsys):
    import suite

    for name, body in (("good", "assert True"), ("bad", "assert 'a bug' == ''")):
        (tmp_path / f"test_{name}.py").write_text(
            f"def test_it():\n    {body}\n", "utf-8"
        )
    good, bad, missing = (
        suite.run([str(tmp_path / f"test_{name}.py")], tmp_path)
        for name in ("good", "bad", "missing")
    )
    assert not good["failed"] and good["counts"]["tests"] == 1
    assert bad["failed"] and bad["counts"]["failures"] == 1
    assert missing["failed"]
    assert "a bug" in capsys.readouterr().out


@needs_make
@pytest.mark.parametrize(
    ("target", "extra", "runs"),
    [
        ("test-browser", ".[browser,lab,test]", "-m pytest tests/browser -rs"),
        ("test-jax", ".[jax,lab,test]", "-m pytest tests/with_jax -rs"),
        ("trust", ".[lab,test,trust]", "tools/trust.py"),
    ],
)
def test_what_one_target_alone_needs_is_installed_once(desk, target, extra, runs):
    desk.put("python3", "3.12")
    assert desk.make(target).returncode == 0
    installed = [line.split("-e ")[1] for line in desk.lines("pip install")]
    assert installed == [extra]
    assert desk.make(target).returncode == 0
    assert desk.asked("pip install") == []
    (line,) = desk.lines(runs)
    assert line.endswith(f"/python {runs}")


FOLDERS = ("browser", "install", "with_jax")  # of tests/


def test_tests_in_folders_run_only_when_they_are_named(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    names = ["tests/test_a.py"]
    names += [f"tests/{name}/test_{name}.py" for name in FOLDERS]
    for folder in ("notebooks", "pixelcnn_edu", *(Path(name).parent for name in names)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        (tmp_path / name).write_text("def test_nothing():\n    pass\n", "utf-8")

    def collected(*named):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *named]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        return re.findall(r"^(\S+)::test_nothing$", done.stdout, re.MULTILINE)

    assert collected() == names[:1]
    assert collected(*(f"tests/{name}" for name in FOLDERS)) == names[1:]


class Runner:
    """A copy of .ci/run on a machine with a few commands, which are written down."""

    def __init__(self, folder):
        self.folder, self.bin, self.log = folder, folder / "bin", folder / "log"
        for made in (self.bin, folder / ".ci"):
            made.mkdir()
        shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
        for tool in ("bash", "dirname"):
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.put("make")

    def put(self, name, *, says="", fails=False):
        script = self.bin / name
        line = f'echo {name} "$@" >>{self.log}; echo {says}; exit {int(fails)}'
        script.write_text(f"#!{shutil.which('sh')}\n{line}\n", "utf-8")
        script.chmod(0o755)

    def run(self):
        done = subprocess.run(
            [shutil.which("bash"), self.folder / ".ci" / "run"],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
        )
        lines = self.log.read_text("utf-8").splitlines()
        return done, [line for line in lines if not line.startswith("id")]


needs_bash = pytest.mark.skipif(
    not shutil.which("bash"), reason="bash is not installed"
)
SUITES = ("test", "test-browser", "test-jax", "test-install")
ALL = [f"make {suite}" for suite in SUITES]


@needs_bash
@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("there", [["chromium", "firefox-esr"], ["chromium"], []])
@pytest.mark.parametrize("apt", ["works", "fails", None])
def test_the_runner_installs_browsers_where_it_may_and_tests_anyway(
    tmp_path, root, there, apt
):
    runner = Runner(tmp_path)
    runner.put("id", says=0 if root else 1000)
    for browser in there:
        runner.put(browser)
    if apt:
        runner.put("apt-get", fails=apt == "fails")
    done, lines = runner.run()
    assert done.returncode == 0, done.stderr
    assert [line for line in lines if line.startswith("make")] == ALL
    asked = [line for line in lines if line.startswith("apt-get")]
    if len(there) == 2 or not root or apt is None:
        assert asked == []
    else:
        assert asked[0].startswith("apt-get update")
        installs = [
            line for line in asked if " install " in line and "firefox-esr" in line
        ]
        assert len(installs) == (apt == "works")
        assert ("could not be installed" in done.stderr) == (apt == "fails")


@needs_bash
def test_the_runner_fails_with_its_tests(tmp_path):
    runner = Runner(tmp_path)
    runner.put("make", fails=True)
    done, lines = runner.run()
    assert done.returncode != 0
    assert lines == ["make test"]


# --------------------------------------------------------------------- GitHub, pre-commit


def workflow(name):
    path = ROOT / ".github" / "workflows" / f"{name}.yml"
    read = yaml.safe_load(path.read_text("utf-8"))
    return read[True], read["jobs"]  # YAML takes `on` for a truth value


def commands(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflow_tests_three_systems_and_all_pythons_and_the_newest_each_week():
    on, jobs = workflow("tests")
    assert on["schedule"] and "push" in on
    for name in ("pinned", "newest"):
        matrix = jobs[name]["strategy"]["matrix"]
        systems = [system.partition("-")[0] for system in matrix["os"]]
        assert systems == ["ubuntu", "macos", "windows"]
        assert matrix["python"] == PYTHONS
    named = [
        line.split()[-1] for name in list(jobs)[:2] for line in commands(jobs[name])
    ]
    assert named == [*SUITES]
    assert set(named) <= set(tasks.TASKS)
    assert not any("constraints" in command for command in commands(jobs["newest"]))


def test_a_tag_publishes_the_wheel_and_the_source_of_its_version_only():
    on, jobs = workflow("publish")
    assert on == {"push": {"tags": ["v*"]}}
    assert any("${TAG#v}" in command for command in commands(jobs["build"]))
    uploaded = jobs["build"]["steps"][-1]["with"]["path"].split()
    assert uploaded == ["dist/*.whl", "dist/*.tar.gz"]
    assert jobs["publish"]["needs"] == "build"


def test_the_hooks_before_a_commit_are_local():
    text = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    (only,) = yaml.safe_load(text)["repos"]
    assert only["repo"] == "local"
    assert [hook["entry"].split()[:2] for hook in only["hooks"]] == [
        [".venv/bin/ruff", "check"],
        [".venv/bin/ruff", "format"],
    ]


def test_the_readme_names_the_wheel_of_this_version():
    text = (ROOT / "README.md").read_text("utf-8")
    wheels = re.findall(r"pixelcnn_edu-([\d.]+)-py3-none-any.whl", text)
    assert wheels and set(wheels) == {PROJECT["version"]}


def test_the_lowest_versions_that_are_tried_are_those_of_pyproject():
    lines = (ROOT / "tests" / "install" / "lowest.txt").read_text("utf-8").splitlines()
    tried = dict(line.split("==") for line in lines if not line.startswith("#"))
    lowest = {}
    for need in requirements():
        (bound,) = need.specifier
        assert bound.operator == ">="
        lowest[need.name] = Version(bound.version)
    assert {name: Version(version) for name, version in tried.items()} == lowest


# ----------------------------------------------------------------- a skip, where it counts

STRICT = "from strict import pytest_make_collect_report, pytest_runtest_makereport\n"


@pytest.mark.parametrize(("machine", "code"), [({"CI": "true"}, 1), ({}, 0)])
def test_a_skipped_test_fails_on_the_machine_that_decides(machine, code, tmp_path):
    (tmp_path / "conftest.py").write_text(STRICT, "utf-8")
    (tmp_path / "test_all.py").write_text(
        "import pytest\n\npytest.skip('no lab', allow_module_level=True)\n", "utf-8"
    )
    (tmp_path / "test_one.py").write_text(
        "import pytest\n\n\ndef test_it():\n    pytest.skip('no browser')\n", "utf-8"
    )
    env = {name: value for name, value in os.environ.items() if name != "CI"}
    env["PYTHONPATH"] = str(ROOT / "tests")
    pytest_command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    pytest_command += ["-p", "no:nbval"]  # it imports nbformat, for two seconds
    pytest_command.append("--continue-on-collection-errors")
    done = subprocess.run(
        [*pytest_command, tmp_path],
        cwd=tmp_path,
        env=env | machine,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    for reason in ("no browser", "no lab"):
        sentence = f"This test must run here. Skipped: {reason}"
        assert (sentence in done.stdout) == bool(code)


# ------------------------------------------------------------------------------ the map


def test_the_map_of_the_package_names_every_file_and_no_other():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w/.]+)`", row)}
    package = ROOT / "pixelcnn_edu"
    there = {path.name for path in package.glob("*.py")}
    there |= {
        f"{path.name}/"
        for path in package.iterdir()
        if path.is_dir() and not path.name.startswith(("_", "."))
    }
    assert named == there

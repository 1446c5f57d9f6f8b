"""Everything that a reader or a contributor runs, on every system.

    python tools/tasks.py        list the tasks
    python tools/tasks.py lab    open the first notebook

On Windows the first word is `py`; elsewhere `make lab` does the same. Any Python from 3.8
on runs this file, with the standard library alone. It finds or makes the environment
`.venv`, in which all else runs. Nothing is installed or registered outside `.venv`.

What follows the name of a task is passed on to the program that the task runs. The
environment variable PYTHON names the Python (3.11 to 3.13) that makes `.venv`, and
PIXELCNN_EDU_VENV names another folder than `.venv`. A folder of other files is refused.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / os.environ.get("PIXELCNN_EDU_VENV", ".venv")
PY = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / ".installed"
START = "notebooks/00_start_here.ipynb"
VERSIONS = ("3.13", "3.12", "3.11")  # the newest first
# what pip and venv put at the top of an environment, on any system
PARTS = "bin lib lib64 include share etc man Scripts Lib Include .gitignore .installed"
NEEDS = ("pyproject.toml", "constraints.txt")
PROBE = """
import json, sys
print(json.dumps(["%d.%d" % sys.version_info[:2], sys.executable]))
"""
# run in an environment: `activate` and the programs beside it name this environment
RENAME = """
import importlib.metadata, sys, venv
from pip._vendor.distlib.scripts import ScriptMaker
builder = venv.EnvBuilder()
place = builder.ensure_directories(sys.prefix)
builder.setup_scripts(place)
maker = ScriptMaker(None, place.bin_path)
maker.clobber, maker.variants = True, {""}
for package in importlib.metadata.distributions():
    for entry in package.entry_points:
        if entry.group == "console_scripts":
            maker.make(f"{entry.name} = {entry.value}")
"""
TASKS = {}


def task(function):
    """Make a function a task; its name is the function's, with a dash for each `_`."""
    TASKS[function.__name__.strip("_").replace("_", "-")] = function
    return function


def stop(message):
    """End this program with one sentence on stderr."""
    sys.exit(message)


def run(*command, **environment):
    """Run a command in the root folder; if the command fails, end this program too."""
    environment = {**os.environ, **environment}
    process = subprocess.Popen([str(x) for x in command], cwd=ROOT, env=environment)
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            continue  # the command hears Ctrl-C too, and decides what to do
    if code:
        sys.exit(code)


# ---------------------------------------------------------------------------- set-up


def about(*python):
    """Return [version, path] of a Python, or None if there is no such Python."""
    try:
        done = subprocess.run(
            [*map(str, python), "-c", PROBE],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return json.loads(done.stdout.decode("utf-8"))
    except (OSError, ValueError):
        return None


def called(version):
    """Return the command that starts the Python of a version."""
    return ("py", f"-{version}") if os.name == "nt" else (f"python{version}",)


def candidates():
    """Return the commands of all Pythons that may make the environment."""
    named = os.environ.get("PYTHON")
    if named:
        return [(named,)]
    return [(sys.executable,), *map(called, VERSIONS), ("python3",), ("python",)]


def noted():
    """Return what `install` has noted in the environment; an empty dict if nothing."""
    try:
        return json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def refuse_foreign():
    """Stop if making the environment would delete more than what pip or venv wrote."""
    names = set(os.listdir(VENV)) if VENV.is_dir() else set()
    if names <= {"pyvenv.cfg"}:
        return
    if "pyvenv.cfg" not in names or names - {"pyvenv.cfg", *PARTS.split()}:
        stop(
            f"{VENV} holds other files, and all of them are left as they are: move them, "
            "or set PIXELCNN_EDU_VENV to a new or an empty folder."
        )
    if not noted().get("made") or VENV.is_symlink():
        stop(
            f"{VENV} is a link or an environment that this program did not make, and has "
            "no Python 3.11, 3.12 or 3.13: remove it, or set PIXELCNN_EDU_VENV to "
            "another folder."
        )


def make_venv():
    """Make the environment with the first Python that fits, or say why none does."""
    refuse_foreign()
    found = []
    for python in candidates():
        version, path = about(*python) or (None, None)
        if version is None:
            continue
        found.append(f"{' '.join(python)} is {version};")
        if version not in VERSIONS:
            continue
        has_venv = [path, "-c", "import ensurepip, venv"]
        if subprocess.run(has_venv, stderr=subprocess.DEVNULL).returncode == 0:
            print(f"Making {VENV.name} with {path} (Python {version})", flush=True)
            run(path, "-m", "venv", "--clear", VENV)
            return
        found.append(f"but lacks venv (Debian, Ubuntu: install python{version}-venv);")
    stop(
        f"This project needs Python 3.11, 3.12 or 3.13. Found: "
        f"{' '.join(found) or 'none'}\nInstall one of them, or name one: "
        "make setup PYTHON=/path/to/python3.12"
    )


def pip_install(*arguments):
    """Install into the environment, or say in one sentence what may be missing."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if subprocess.run([str(PY), "-m", "pip", "--version"], **quiet).returncode:
        subprocess.run([str(PY), "-m", "ensurepip"], stdout=subprocess.DEVNULL)
    install = ["-m", "pip", "install", "--disable-pip-version-check", *arguments]
    if subprocess.run([str(PY), *install], cwd=ROOT).returncode:
        stop(
            "The installation failed; pip says why, above. It needs the network and "
            "4 GB of free disk space; the same command tries again."
        )


def install(*extras):
    """Make the environment and install into it what is not there yet.

    A file in the environment notes what was installed, and for which folder. So a folder
    that was moved or copied is noticed: its environment still names the old folder.
    """
    texts = [(ROOT / name).read_bytes() for name in NEEDS]
    needs = hashlib.sha256(b"".join(texts)).hexdigest()
    note = {"root": str(ROOT), "extras": [], **noted()}
    usable = (about(PY) or ("",))[0] in VERSIONS
    if not usable or note.get("needs") != needs:
        note.update(root=str(ROOT), needs=needs)
        missing = sorted({"lab", "test", *note["extras"], *extras})
    else:
        missing = sorted({*extras} - {*note["extras"]})
    if not missing and note["root"] == str(ROOT):
        return
    if not os.access(VENV if VENV.exists() else ROOT, os.W_OK):
        stop(f"{ROOT} cannot be written: copy it to a folder of your own.")
    if (sys.platform, platform.machine()) == ("darwin", "x86_64"):
        stop(
            "TensorFlow has no current version for a Mac with an Intel processor: "
            "use Google Colab, as README.md says."
        )
    if not usable:
        make_venv()
        note["made"] = True  # so it may be made again
        about_it = {name: note[name] for name in ("extras", "made")}
        STAMP.write_text(json.dumps(about_it), "utf-8")
    if missing:
        print(
            f"Installing {', '.join(missing)} into {VENV.name}. The first time, this "
            "downloads about 800 MB and takes a few minutes.",
            flush=True,
        )
        pip_install("-c", "constraints.txt", "-e", f".[{','.join(missing)}]")
    else:
        print(f"This folder was {note['root']} before.", flush=True)
        again = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        pip_install(*again, "-e", ".")
        run(PY, "-c", RENAME)
    note["root"] = str(ROOT)
    note["extras"] = sorted({*note["extras"], *missing})
    STAMP.write_text(json.dumps(note), "utf-8")


# ----------------------------------------------------------------------------- tasks


@task
def lab(*arguments):
    """Open the first notebook in JupyterLab (the first run installs it)"""
    install()
    open_lab(PY, *arguments)


def open_lab(python, *arguments):
    """Start JupyterLab with a Python that has it."""
    if not os.access(ROOT / "notebooks", os.W_OK):
        print(
            "The folder notebooks cannot be written, so JupyterLab cannot save your "
            f"answers: copy {ROOT} to a folder of your own.",
            file=sys.stderr,
        )
    root = hasattr(os, "getuid") and os.getuid() == 0
    run(
        *(python, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}"),
        f"--LabApp.default_url=/lab/tree/{START}",
        *(["--allow-root"] if root else []),
        *arguments,
    )


@task
def setup(*arguments):
    """Create .venv and install everything into it"""
    install(*arguments)


@task
def test(*arguments):
    """Check format and lint, run all tests and all notebooks strictly"""
    install()
    run(PY, "-m", "ruff", "format", "--check", ".")
    run(PY, "-m", "ruff", "check", ".")
    if arguments:
        run(PY, "-m", "pytest", "--nbval", *arguments)
    else:
        run(PY, "tools/suite.py")


@task
def quick(*arguments):
    """Run a few tests of each kind: an answer within 90 seconds"""
    install()
    run(PY, "-m", "ruff", "check", ".")
    run(PY, "tools/suite.py", "--quick", *arguments)


@task
def test_browser(*arguments):
    """Open all notebooks in JupyterLab, move all widgets, run exported pages"""
    install("browser")
    run(PY, "-m", "pytest", "tests/browser", "-rs", *arguments)


@task
def test_install(*arguments):
    """Install the bundle into fresh environments and run notebooks there"""
    install()
    run(PY, "-m", "pytest", "tests/install", "-rs", *arguments)


@task
def test_jax(*arguments):
    """Run the tests of the backend JAX (the first run installs it)"""
    install("jax")
    run(PY, "-m", "pytest", "tests/with_jax", "-rs", *arguments, KERAS_BACKEND="jax")


@task
def notebooks(*arguments):
    """Run all notebooks and store their outputs"""
    install()
    run(PY, "tools/notebooks.py", *arguments)


@task
def bundle(*arguments):
    """Build the wheel, the source and the notebooks for Colab into build/bundle"""
    install()
    run(PY, "tools/bundle.py", *arguments)


@task
def trust(*arguments):
    """Run the long form: random models, kills, damaged files, mutants"""
    install("trust")
    run(PY, "tools/trust.py", *arguments)


@task
def test_pythons(*arguments):
    """Run the suite under every installed Python, 3.11 to 3.13"""
    for version in reversed(VERSIONS):
        found = about(*called(version))
        if found is None:
            print(f"== Python {version} is not installed: skipped", flush=True)
            continue
        print(f"== Python {version}", flush=True)
        venv = f"build/venv-{version}"
        test = [sys.executable, __file__, "test", *arguments]
        run(*test, PYTHON=found[1], PIXELCNN_EDU_VENV=venv)


@task
def results_table(*arguments):
    """Print the table of all pretrained models from their cards"""
    install()
    table = "from pixelcnn_edu import pretrained; print(pretrained.results_table())"
    run(PY, "-c", table, *arguments)


@task
def format_(*arguments):
    """Format the code, notebooks too, and repair what lint can"""
    install()
    run(PY, "-m", "ruff", "check", "--fix-only", ".")
    run(PY, "-m", "ruff", "format", ".")


def main(arguments):
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print("make TASK, or python tools/tasks.py TASK:\n")
        for name, function in TASKS.items():
            print(f"{name:15}{function.__doc__}")
        print(
            "\nPYTHON=python3.12 chooses the Python (3.11 to 3.13) that makes .venv;\n"
            "ARGS=... passes arguments on: make lab ARGS='--port 8890'. Without make:\n"
            "python tools/tasks.py lab PYTHON=python3.12 --port 8890"
        )
        return
    name, *rest = arguments
    if name not in TASKS:
        stop(f"Expected one of {', '.join(TASKS)}. Received: {name}")
    for word in rest:
        if word.startswith("PYTHON="):  # as make takes it
            os.environ["PYTHON"] = word[len("PYTHON=") :]
    TASKS[name](*(word for word in rest if not word.startswith("PYTHON=")))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Everything that a reader or a contributor runs, on every system.

    python tools/tasks.py        list the tasks
    python tools/tasks.py lab    open the first notebook

On Windows the first word is `py`; elsewhere `make lab` does the same. Any Python from 3.8
on runs this file, with the standard library alone. It finds or makes the environment
`.venv`, in which all else runs. Nothing is installed or registered outside `.venv`.

What follows the name of a task is passed on to the program that the task runs. The
environment variable PYTHON names the Python (3.11 to 3.13) that makes `.venv`.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PY = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / ".installed"
START = "notebooks/00_start_here.ipynb"
VERSIONS = ("3.13", "3.12", "3.11")  # the newest first
PROBE = """
import importlib.util, json, sys
has_venv = importlib.util.find_spec("ensurepip") is not None
print(json.dumps(["%d.%d" % sys.version_info[:2], sys.executable, has_venv]))
"""
TASKS = {}


def task(function):
    """Make a function a task; its name is the function's, with a dash for each `_`."""
    TASKS[function.__name__.strip("_").replace("_", "-")] = function
    return function


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
    """Return [version, path, whether it has venv] of a Python; None if there is none."""
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


def make_venv():
    """Make the environment with the first Python that fits, or say why none does."""
    if VENV.exists():
        sys.exit(f"{VENV} has no Python 3.11, 3.12 or 3.13: remove it and start again.")
    found = []
    for python in candidates():
        version, path, has_venv = about(*python) or (None, None, False)
        if version in VERSIONS and has_venv:
            print(f"Making {VENV.name} with {path} (Python {version})", flush=True)
            run(path, "-m", "venv", VENV)
            return
        if version:
            lack = " without the package venv" if version in VERSIONS else ""
            found.append(f"{' '.join(python)} is {version}{lack};")
    sys.exit(
        f"This project needs Python 3.11, 3.12 or 3.13. Found: "
        f"{' '.join(found) or 'none'}\nInstall one of them (Debian, Ubuntu: also "
        "python3-venv), or name one: make setup PYTHON=/path/to/python3.12"
    )


def install(*extras):
    """Make the environment and install into it what is not there yet.

    A file in the environment notes what was installed, and for which folder.
    """
    files = [
        (ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")
    ]
    needs = hashlib.sha256(b"".join(files)).hexdigest()
    if (about(PY) or ("",))[0] not in VERSIONS:
        make_venv()
    try:
        note = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        note = {}
    there = set(note.get("extras", []))
    wanted = sorted(there | {"lab", "test", *extras})
    new = {"root": str(ROOT), "needs": needs, "extras": wanted}
    if {**note, **new} == note:
        return
    print(
        f"Installing {', '.join(wanted)} into {VENV.name}. The first time, this "
        "downloads about 800 MB and takes a few minutes.",
        flush=True,
    )
    pip = [str(PY), "-m", "pip", "install", "--disable-pip-version-check"]
    package = ["-c", "constraints.txt", "-e", f".[{','.join(wanted)}]"]
    if subprocess.run([*pip, *package], cwd=ROOT).returncode:
        sys.exit(
            "The installation failed; pip says why, above. It needs the network and "
            "4 GB of free disk space; the same command tries again."
        )
    STAMP.write_text(json.dumps(new), "utf-8")


# ----------------------------------------------------------------------------- tasks


@task
def lab(*arguments):
    """Open the first notebook in JupyterLab (the first run installs it)"""
    install()
    open_lab(PY, *arguments)


def open_lab(python, *arguments):
    """Start JupyterLab with a Python that has it."""
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
    two = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    run(PY, "-m", "pytest", "--nbval", "-q", *two, *arguments)


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
        sys.exit(f"Expected one of {', '.join(TASKS)}. Received: {name}")
    for word in rest:
        if word.startswith("PYTHON="):  # as make takes it
            os.environ["PYTHON"] = word[len("PYTHON=") :]
    TASKS[name](*(word for word in rest if not word.startswith("PYTHON=")))


if __name__ == "__main__":
    main(sys.argv[1:])

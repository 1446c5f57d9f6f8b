"""The bundle runs in fresh environments, away from the repository: `make test-install`.

Each environment is made as a reader of Colab makes one: the first cell of a notebook finds
the wheel and installs it. The versions are those of a file of constraints.
"""

import concurrent.futures
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import bundle
import pytest
import tasks

HERE = Path(__file__).parent
NOTEBOOKS = ("00_start_here.ipynb", "02_masks.ipynb", "09_generation.ipynb")
LOAD_ALL = """
import pixelcnn_edu
from pixelcnn_edu import pretrained
for name in pretrained.names():
    pretrained.load(name)
print(pixelcnn_edu.__file__)
"""


def run(*command, cwd, constraints):
    """Run a command with none of this process's places for modules; return its output."""
    names = ("PYTHONPATH", "VIRTUAL_ENV", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST")
    env = {name: value for name, value in os.environ.items() if name not in names}
    env["PIP_CONSTRAINT"] = constraints.as_uri()  # a path may hold spaces
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The folder of notebooks that the zip holds; spaces and umlauts do no harm."""
    folder = tmp_path_factory.mktemp("bundle") / "Übungen am Montag"
    bundle.main(folder)
    (archive,) = folder.glob("*.zip")
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder / archive.stem


ENVIRONMENTS = {  # each with the version of its Python
    "pinned": ("3.13", tasks.ROOT / "constraints.txt"),
    "colab": ("3.13", HERE / "colab.txt"),
    "lowest": ("3.11", HERE / "lowest.txt"),
}


def try_in(folder, version, constraints, unpacked):
    """Make an environment in a folder, run notebooks there, and delete the environment.

    Returns:
        Whether the package was imported from the environment.
    """
    found = tasks.about(*tasks.called(version))
    if found is None:
        pytest.skip(f"Python {version} is not installed")
    venv = folder / "venv"
    subprocess.run([found[1], "-m", "venv", venv], check=True)
    python = venv / tasks.PY.relative_to(tasks.VENV)
    where = {"cwd": unpacked, "constraints": constraints}
    try:
        run(python, "-m", "pip", "install", "--quiet", "nbval", **where)
        nbval = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=1200"]
        run(python, "-m", "pytest", "-x", *nbval, *NOTEBOOKS, **where)
        assert "saved and loaded" in run(python, HERE / "saved.py", **where)
        loaded_from = run(python, "-c", LOAD_ALL, **where).splitlines()[-1]
        return Path(loaded_from).is_relative_to(venv)
    finally:
        shutil.rmtree(venv)  # 2 GB


@pytest.fixture(scope="module")
def tries(unpacked, tmp_path_factory):
    """All environments, tried two at a time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(try_in, tmp_path_factory.mktemp(name), *how, unpacked)
            for name, how in ENVIRONMENTS.items()
        }


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_first_cell_installs_the_wheel_and_three_notebooks_run(name, tries):
    assert tries[name].result()

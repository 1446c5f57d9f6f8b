"""Build what runs elsewhere: on Colab, Kaggle, a JupyterHub, or from PyPI.

    python tools/bundle.py [FOLDER]

Writes three files into FOLDER (build/bundle):

- the wheel of the package, with weights, digits and explorers;
- the source archive, from which pip builds the same wheel;
- a zip of the wheel and of all notebooks. The first cell of each of these notebooks
  installs the package from the wheel, unless the package is installed already.

Older files of these names are replaced when all is built; all other files stay.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "bundle"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "pixelcnn_edu")
BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]  # setuptools puts arguments of its own there
build_meta.build_wheel(folder)
build_meta.build_sdist(folder)
"""
FIRST_CELL = """\
# Installs the package from its wheel, unless the package is there.
import importlib.util
import pathlib
import site
import subprocess
import sys

spec = importlib.util.find_spec("pixelcnn_edu")
if spec is None or spec.origin is None:  # without an origin: a folder of this name
    # Beside the notebook, one folder up, or (on Kaggle) among the data sets.
    places = (".", "{wheel}"), ("..", "{wheel}"), ("/kaggle", "input/**/{wheel}")
    wheels = [path for place, name in places for path in pathlib.Path(place).glob(name)]
    if not wheels:
        raise FileNotFoundError("Upload {wheel} to the folder of this notebook.")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", str(wheels[0])]
    subprocess.run(pip, check=True)
    sys.modules.pop("pixelcnn_edu", None)  # the folder of this name
    # If pip makes the user's own folder, this Python does not know the folder yet.
    if site.ENABLE_USER_SITE and site.getusersitepackages() not in sys.path:
        sys.path.insert(0, site.getusersitepackages())
"""


def build(folder) -> Path:
    """Build the wheel and the source archive, with setuptools alone; return the wheel.

    The files are copied first: what an earlier build left among them would come along.
    """
    with tempfile.TemporaryDirectory() as copy:
        for name in SOURCES:
            if (ROOT / name).is_dir():
                cached = shutil.ignore_patterns("__pycache__", ".*")
                shutil.copytree(ROOT / name, Path(copy, name), ignore=cached)
            else:
                shutil.copy(ROOT / name, copy)
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(folder)],
            cwd=copy,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"The build failed:\n{done.stdout}{done.stderr}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def with_first_cell(path, wheel) -> str:
    """Return the text of a notebook that begins with the cell that finds the wheel.

    The code is in the wheel: the names of its files are no links.
    """
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            link = r"\[[^\]]+\]\((?:\.\./)+(pixelcnn_edu/[^)]*)\)"
            cell.source = re.sub(link, r"`\1`", cell.source)
    source = FIRST_CELL.format(wheel=wheel).rstrip("\n")
    nb.cells.insert(0, new_code_cell(source, id="install"))
    return nbformat.writes(nb)


def main(folder=FOLDER) -> int:
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=folder) as made:
        wheel = build(Path(made))
        name = f"{'-'.join(wheel.name.split('-')[:2])}-notebooks"
        zipped = wheel.with_name(f"{name}.zip")
        with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(wheel, f"{name}/{wheel.name}")
            archive.write(ROOT / "notebooks" / "glossary.md", f"{name}/glossary.md")
            for path in sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb")):
                if ".ipynb_checkpoints" not in path.parts:
                    within = path.relative_to(ROOT / "notebooks").as_posix()
                    text = with_first_cell(path, wheel.name)
                    archive.writestr(f"{name}/{within}", text)
        for path in sorted(Path(made).iterdir()):
            print(f"{path.stat().st_size / 2**20:6.1f} MB  {folder / path.name}")
            os.replace(path, folder / path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

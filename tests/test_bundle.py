"""The wheel and the source archive hold what they must; the zip finds its wheel."""

import importlib.util
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import bundle
import pytest

PACKAGE = bundle.ROOT / "pixelcnn_edu"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    bundle.main(folder)
    return folder


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.endswith(("/WHEEL", "/RECORD"))
        }


def test_the_wheel_holds_each_file_of_the_package(built):
    (wheel,) = built.glob("*.whl")
    there = {
        path.relative_to(bundle.ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in contents(wheel) if name.startswith("pixelcnn_edu/")}
    assert held == there
    assert any(name.endswith(".js") for name in held)
    assert sum(name.endswith(".npz") for name in held) > 9


def test_the_source_archive_builds_the_same_wheel_and_holds_no_test(built, tmp_path):
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        assert [name for name in archive.getnames() if "/tests" in name] == []
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    again = tmp_path / "again"
    again.mkdir()
    build = (
        "import sys; from setuptools import build_meta as b; b.build_wheel(sys.argv[1])"
    )
    command = [sys.executable, "-c", build, str(again)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    assert contents(again / wheel.name) == contents(wheel)


def test_the_zip_holds_the_wheel_and_all_notebooks_with_one_more_cell(built):
    (archive,), (wheel,) = built.glob("*.zip"), built.glob("*.whl")
    with zipfile.ZipFile(archive) as file:
        held = {name.partition("/")[2]: file.read(name) for name in file.namelist()}
    assert held.pop(wheel.name) == wheel.read_bytes()
    folder = bundle.ROOT / "notebooks"
    assert held.pop("glossary.md") == (folder / "glossary.md").read_bytes()
    originals = {
        path.relative_to(folder).as_posix(): json.loads(path.read_text("utf-8"))
        for path in folder.rglob("[0-9]*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    }
    assert set(held) == set(originals)
    for name, text in held.items():
        first, *rest = json.loads(text)["cells"]
        for cell, original in zip(rest, originals[name]["cells"], strict=True):
            for line, source in zip(
                cell["source"], original.pop("source"), strict=True
            ):
                if "](../pixelcnn_edu/" in source:  # the wheel holds the code
                    assert "../pixelcnn_edu" not in line and "`pixelcnn_edu/" in line
                else:
                    assert line == source
            assert cell.pop("source") is not None and cell == original
        assert wheel.name in "".join(first["source"])


def run_first_cell(monkeypatch, folder, there):
    """Run the first cell in a folder; return what it would install."""
    asked = []
    monkeypatch.chdir(folder)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: there)
    monkeypatch.setitem(sys.modules, "pixelcnn_edu", None)  # and at the end as before
    monkeypatch.setattr(subprocess, "run", lambda command, check: asked.append(command))
    exec(bundle.FIRST_CELL.format(wheel="the.whl"), {})
    return [Path(command[-1]).resolve() for command in asked]


def test_the_first_cell_takes_no_folder_of_that_name_for_the_package(
    monkeypatch, tmp_path
):
    (tmp_path / "the.whl").touch()
    (tmp_path / "pixelcnn_edu" / "pixelcnn_edu").mkdir(parents=True)  # a clone
    folder = importlib.machinery.PathFinder.find_spec("pixelcnn_edu", [str(tmp_path)])
    assert run_first_cell(monkeypatch, tmp_path, there=folder) == [tmp_path / "the.whl"]
    assert "pixelcnn_edu" not in sys.modules


def test_the_first_cell_finds_the_wheel_beside_the_notebook_or_one_folder_up(
    monkeypatch, tmp_path
):
    package = importlib.util.find_spec("pixelcnn_edu")
    solutions = tmp_path / "solutions"
    solutions.mkdir()
    with pytest.raises(FileNotFoundError, match=re.escape("Upload the.whl to the")):
        run_first_cell(monkeypatch, solutions, there=None)
    wheel = tmp_path / "the.whl"
    wheel.touch()
    for folder in (tmp_path, solutions):
        assert run_first_cell(monkeypatch, folder, there=None) == [wheel]
        assert run_first_cell(monkeypatch, folder, there=package) == []

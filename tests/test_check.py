"""`python -m pixelcnn_edu check`: a line each, with what to do, and an exit code."""

import dataclasses
import importlib.metadata
import re

from pixelcnn_edu import __main__, _commands, machine, presets

import psutil
import pytest


@pytest.fixture
def all_well(monkeypatch):
    """A machine with all that is needed, which takes no time to measure."""
    needs = ["keras>=3", 'not-needed; extra == "lab"', 'not-here; os_name == "another"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: needs)
    monkeypatch.setattr(machine, "free_memory", lambda: 8e9)
    monkeypatch.setattr(machine, "cores_of_process", lambda: 2)
    monkeypatch.setattr(_commands, "_seconds", lambda: [("one digit: 0.1 s", None)])
    return needs


def printed(capsys):
    code = __main__.main(["check"])
    return code, capsys.readouterr().out.splitlines()


def test_when_all_is_well_each_line_says_so_and_the_code_is_0(all_well, capsys):
    code, (python, *lines) = printed(capsys)
    assert code == 0
    assert re.match(r"Python 3\.\d+\.\d+, ", python)
    names = [line.split()[0].rstrip(":") for line in lines]
    assert names == ["keras", "memory", "processor", "one"]
    assert all(line.endswith(": fine") for line in lines)


def test_what_is_too_old_or_missing_is_named_with_the_command(all_well, capsys):
    all_well[:] = ["numpy>=99", "no-such-package>=1"]
    code, lines = printed(capsys)
    assert code == 1
    assert re.fullmatch(r'numpy \S+: run python -m pip install "numpy>=99"', lines[1])
    missing = 'is missing: run python -m pip install "no-such-package>=1"'
    assert lines[2] == f"no-such-package {missing}"


def test_a_package_that_is_not_installed_says_so(all_well, capsys, monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "requires", nothing)
    code, lines = printed(capsys)
    assert code == 1
    assert lines[1] == "pixelcnn-edu is not installed: run python -m pip install -e ."


def test_little_memory_and_a_single_core_are_named(all_well, capsys, monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda: 1.24e9)
    monkeypatch.setattr(machine, "cores_of_process", lambda: 1)
    code, lines = printed(capsys)
    assert code == 1
    assert "memory: 1.2 GB free, 2.5 needed: close other programs" in lines
    assert any(line.startswith("processor cores: 1: everything w") for line in lines)


def test_the_seconds_are_measured_and_a_slow_machine_is_told_what_to_do(monkeypatch):
    small = dataclasses.replace(presets.PRESETS["coffee"], filters=4, depth=1)
    monkeypatch.setitem(presets.PRESETS, "coffee", small)
    monkeypatch.setattr(_commands.pretrained, "load", lambda name: small.model())
    (training, nothing), (digit, _) = _commands._seconds()
    step = float(re.match(r"one training step: ([\d.]+) s \(", training)[1])
    minutes = float(re.search(r"in about (\d+) minutes$", training)[1])
    assert minutes == pytest.approx(step * 49_000 / 64 * 7 / 60, abs=1)
    assert nothing is None
    assert float(re.fullmatch(r"one digit of 16: ([\d.]+) s", digit)[1]) > 0

    def fit(*_, callbacks, **__):
        for epoch in range(2):
            callbacks[0].on_epoch_begin(epoch)
            callbacks[0].on_epoch_end(epoch)

    monkeypatch.setattr(_commands.training, "fit", fit)
    monkeypatch.setattr(_commands, "LONGEST", 0)
    assert "close other programs" in next(iter(_commands._seconds()))[1]


@pytest.mark.parametrize("limited", ["", "hub.slice", "hub.slice/ann.service"])
@pytest.mark.parametrize("own", ["", "hub.slice/ann.service", "../ann.service", None])
def test_the_memory_of_a_container_or_unit_counts(own, limited, monkeypatch, tmp_path):
    free = psutil.virtual_memory().available
    root, cgroup = tmp_path / "root", tmp_path / "cgroup"
    if own is not None:  # as on Linux
        cgroup.write_text(f"1:name=systemd:/\n0::/{own}\n", "utf-8")
    monkeypatch.setattr(
        machine, "Path", lambda path: cgroup if "proc" in path else root
    )
    (group := root / limited).mkdir(parents=True)
    assert machine.free_memory() == pytest.approx(free, rel=0.5)
    (group / "memory.current").write_text("1300\n", "utf-8")
    (group / "memory.stat").write_text("anon 900\ninactive_file 300\n", "utf-8")
    counts = not limited or own == "hub.slice/ann.service"
    for limit, left in (("1500", 500), ("900", 0)):
        (group / "memory.max").write_text(f"{limit}\n", "utf-8")
        expected = left if counts else pytest.approx(free, rel=0.5)
        assert machine.free_memory() == expected
    (group / "memory.max").write_text("max\n", "utf-8")
    assert machine.free_memory() == pytest.approx(free, rel=0.5)

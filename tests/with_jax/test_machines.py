"""Several machines: two real processes on this one, held against one process."""

import contextlib
import os
import socket
import subprocess
import sys

from pixelcnn_edu import __main__, machines, pretrained

import keras
import needs_jax  # noqa: F401  isort: split
import numpy as np
import pytest
import two


def address():
    """Return an address at which no process listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def ended(commands, **environment):
    """Run a process for each command; return (exit code, stderr) of each."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    with contextlib.ExitStack() as stack:
        processes = []
        for rank, command in enumerate(commands):
            process = subprocess.Popen(
                [sys.executable, *map(str, command)],
                env={
                    name: text.replace("RANK", f"{rank}") for name, text in env.items()
                }
                | {"JAX_PLATFORMS": "cpu"},
                stderr=subprocess.PIPE,
                text=True,
            )
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)
        told = [process.communicate(timeout=200)[1] for process in processes]
    return [(p.returncode, text) for p, text in zip(processes, told, strict=True)]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of two processes, of which that of rank 1 was killed; and their ends."""
    folder, there = tmp_path_factory.mktemp("pair"), address()
    return folder, ended([[two.__file__, folder, there, 2, rank] for rank in (0, 1)])


@pytest.fixture(scope="module")
def pair(killed):
    """What each of two processes computed, by name; they find each other as under SLURM."""
    folder, _ = killed
    of_slurm = {
        "SLURM_JOB_ID": f"{os.getpid()}",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": "RANK",
        "SLURM_LOCALID": "RANK",
    }
    for code, stderr in ended([[two.__file__, folder]] * 2, **of_slurm):
        assert code == 0, stderr
    return [
        {path.stem: dict(np.load(path)) for path in (folder / rank).glob("*.npz")}
        for rank in "01"
    ]


@pytest.fixture(scope="module")
def alone():
    """What one process computes, with the whole batch."""
    with machines.joined(processes=1) as rank:
        assert rank == 0
        return {
            "ten steps": two.ten_steps(),
            "resumed": two.whole_run(),
        }


def far(one, other):
    """Return the largest difference of the weights."""
    names = [name for name in one if name.isdecimal()]
    assert names
    return max(abs(one[name] - other[name]).max() for name in names)


def test_ten_steps_are_those_of_one_process_and_wrong_rows_would_be_found(pair, alone):
    expected = alone["ten steps"]
    for found in pair:
        assert far(found["ten steps"], expected) < 1e-5
        for nats in ("loss", "val_loss"):
            np.testing.assert_allclose(found["ten steps"][nats], expected[nats], 1e-5)
        assert far(found["wrong rows"], expected) > 1e-3
    first, second = (list(found["ten steps"]["after each"]) for found in pair)
    assert len(first) == 10 and first == second  # bit for bit


def test_a_killed_process_ends_the_other_which_alone_has_written(killed):
    folder, ((code, stderr), (code_of_killed, _)) = killed
    assert code_of_killed == -two.KILL and code != 0 and stderr
    assert any((folder / "0" / "run").iterdir())
    assert not (folder / "1" / "run").exists()


def test_a_run_of_two_that_was_killed_ends_as_one_process_would(killed, pair, alone):
    for found in pair:
        assert found["resumed"]["first"] == 2
        assert far(found["resumed"], alone["resumed"]) < 1e-4
        nats = found["resumed"]["nats"]
        np.testing.assert_allclose(nats, alone["resumed"]["nats"], rtol=1e-4)
    assert not (killed[0] / "1" / "run").exists()


def test_what_is_refused_is_refused_in_both_processes(pair):
    first, second = (found["refusals"] for found in pair)
    assert first == second
    assert first["from first"] == "planted at rank 0"
    for name in ("batch_size", "few"):
        told = str(first[name])
        assert told.startswith("Expected batch_size to be a multiple of the 2 dev")


# --------------------------------------------------------------- the command line

TINY = """
import sys
from pixelcnn_edu import __main__, presets
presets.PRESETS["tiny"] = presets.Preset("a test", 4, 1, 2, 16, 1e-2, dropout=0.2)
sys.exit(__main__.main(sys.argv[1:]))
"""


def test_a_run_of_two_from_the_command_line_ends_with_one_card(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (100, 28, 28), dtype="uint8")
    y = (np.arange(100) % 10).astype("uint8")
    digits, there = tmp_path / "mnist.npz", address()
    np.savez(digits, x_train=x[:90], y_train=y[:90], x_test=x[90:], y_test=y[90:])
    recipe = ["--preset", "tiny", "--data", digits, "--verbose", 0]
    together = ["--coordinator", there, "--processes", 2, "--rank"]
    commands = [
        ["-c", TINY, "train", *recipe, "--out", tmp_path / f"{rank}", *together, rank]
        for rank in range(2)
    ]
    for code, stderr in ended(commands):
        assert code == 0, stderr
    card = pretrained.card("tiny", tmp_path / "0")
    assert len(card["history"]["loss"]) == 2 and card["machine"].startswith("2 × ")
    assert card["rebuild"].endswith("--processes 1")
    assert not (tmp_path / "1").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rank", "1"], "--processes beside"),
        (["--processes", "0"], "positive integer"),
        (["--processes", "2"], "rank"),
        (["--processes", "2", "--rank", "1"], "'HOST:PORT'"),
        (["--processes", "2", "--rank", "1", "--coordinator", "here"], "'HOST:PORT'"),
        (["--processes", "2", "--rank", "2", "--coordinator", "here:1"], "0 to 1"),
        (["--processes", "2", "--rank", "-1", "--coordinator", "here:1"], "rank"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_tried(
    arguments, words, tmp_path, capsys
):
    command = ["train", "--preset", "minutes", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as refused:
        __main__.main([*command, *arguments])
    assert refused.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "Expected " in told and "Received: " in told and words in told
    assert not (tmp_path / "out").exists()


def test_processes_join_once_and_leave():
    with (
        machines.joined(processes=1),
        pytest.raises(ValueError, match="no joined processes"),
        machines.joined(processes=1),
    ):
        pass
    assert keras.distribution.distribution() is None and machines.count() == 1

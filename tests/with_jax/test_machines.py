"""Several machines: real processes on this one, held against one process."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor

from needs_jax import jax  # isort: split

from pixelcnn_edu import (
    __main__,
    _meeting,
    _ranks,
    checkpoints,
    machines,
    pretrained,
    training,
)
from pixelcnn_edu.batches import Batches
from pixelcnn_edu.models import pixelcnn

import keras
import numpy as np
import pytest
import two

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
LIMIT = 150  # seconds that no process may need


def address():
    """Return an address at which no process listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@contextlib.contextmanager
def started(commands, **environment):
    """Start a process for each command; none is left after the block."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    env.pop("JAX_PLATFORMS", None)
    with contextlib.ExitStack() as stack:
        found = []
        for rank, command in enumerate(commands):
            env_of = {name: text.format(rank=rank) for name, text in env.items()}
            process = subprocess.Popen(
                [sys.executable, *map(str, command)],
                env={**env_of, "JAX_PLATFORMS": "cpu"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            found.append(stack.enter_context(process))
            stack.callback(process.kill)
        yield found


def ended(processes):
    """Return (exit code, stdout, stderr) of each process."""
    told = [process.communicate(timeout=LIMIT) for process in processes]
    return [(p.returncode, *text) for p, text in zip(processes, told, strict=True)]


# ------------------------------------------------- two processes against one


def loaded(folder):
    """Return the arrays that each of two processes wrote, by name."""
    found = []
    for rank in range(2):
        files = (folder / f"{rank}").glob("*.npz")
        found.append({path.stem: dict(np.load(path)) for path in files})
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What two processes computed; they find each other as under SLURM."""
    folder = tmp_path_factory.mktemp("pair")
    of_slurm = {
        "SLURM_JOB_ID": f"{os.getpid()}",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": "{rank}",
        "SLURM_LOCALID": "{rank}",
    }
    command = [two.__file__, folder]
    with started([command, command], **of_slurm) as processes:
        for code, _, stderr in ended(processes):
            assert code == 0, stderr
    return folder, *loaded(folder)


@pytest.fixture(scope="module")
def alone():
    """What one process computes, with the whole batch."""
    with machines.joined(processes=1) as rank:
        assert rank == 0
        return {
            "rows": two.rows(),
            "gradients": two.gradients(),
            "ten steps": two.ten_steps(),
            "resumed": two.whole_run(),
        }


def make_up(parts, wholes):
    """Whether the rows of the processes, in order, are those of each whole batch."""
    return all(
        np.array_equal(np.concatenate([part[name] for part in parts]), wholes[name])
        for name in wholes
        if not name.startswith(("scored", "weights"))
    )


def test_the_rows_of_two_processes_make_up_each_batch_and_the_short_one_is_dropped(
    pair, alone
):
    _, *parts = pair
    parts, whole = [part["rows"] for part in parts], alone["rows"]
    batches = Batches(two.X, two.SIZE, binarize=True, labels=[two.LABELS], seed=3)
    assert len(batches) == 3 and "images 2" not in whole and "images 1" in whole
    for i in range(2):
        (images, labels), targets = batches[i]
        np.testing.assert_array_equal(whole[f"images {i}"], images)
        np.testing.assert_array_equal(whole[f"labels {i}"], labels)
        np.testing.assert_array_equal(whole[f"targets {i}"], targets)
    assert make_up(parts, whole)
    assert not make_up([parts[0], parts[0]], whole)
    assert not make_up(parts[::-1], whole)


@pytest.mark.parametrize(("count", "processes"), [(22, 2), (22, 3), (5, 4), (16, 1)])
def test_scored_rows_have_weights_whose_mean_is_that_of_all_images(
    count, processes, monkeypatch
):
    images, nats = np.arange(count)[:, None, None, None], np.arange(count) ** 2
    batches = Batches(images, 8, binarize=False, shuffle=False)
    devices = [f"cpu:{i}" for i in range(processes)]
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(_ranks, "here", (rank, processes))
        rows = _ranks.rows(batches, score=True)
        shares.append([rows[i] for i in range(len(rows))])
    means, weighted, scored = [], [], []
    for parts in zip(*shares, strict=True):
        rows, _, weights = (np.concatenate(one) for one in zip(*parts, strict=True))
        assert len({len(part[0]) for part in parts}) == 1  # each has as many
        means.append((weights * nats[rows.ravel().astype(int)]).mean())
        weighted += list(rows.ravel()[weights > 0])
        scored.append(len(rows))
    assert len(set(scored)) == 1  # so Keras weighs all batches alike
    assert sorted(weighted) == list(range(count))
    np.testing.assert_allclose(np.mean(means), nats.mean(), rtol=1e-6)


def far(one, other):
    """Return the largest difference of the weights."""
    names = [name for name in one if name.isdecimal()]
    assert names
    return max(abs(one[name] - other[name]).max() for name in names)


def test_the_first_gradients_and_ten_steps_are_those_of_one_process(pair, alone):
    _, *both = pair
    for name in ("gradients", "ten steps"):
        for found in both:
            assert far(found[name], alone[name]) < 1e-5
    for nats in ("loss", "val_loss"):
        for found in both:
            expected = alone["ten steps"][nats]
            np.testing.assert_allclose(found["ten steps"][nats], expected, rtol=1e-5)
    first, second = (found["ten steps"]["after each"] for found in both)
    assert len(first) == 10 and list(first) == list(second)  # bit for bit


def test_wrong_rows_would_be_found(pair, alone):
    _, *both = pair
    for found in both:
        assert far(found["wrong rows"], alone["ten steps"]) > 1e-3


def test_a_run_of_two_that_was_interrupted_ends_as_one_process_would(pair, alone):
    folder, *both = pair
    expected = alone["resumed"]
    assert len(expected["val_loss"]) == 3  # `EarlyStopping` remembers the first two
    for found in both:
        assert far(found["resumed"], expected) < 1e-4
        np.testing.assert_array_equal(found["resumed"]["grid 3"], expected["grid 3"])
        nats = found["resumed"]["val_loss"]
        np.testing.assert_allclose(nats, expected["val_loss"], rtol=1e-4)
    assert (folder / "0" / "run" / "checkpoint.npz").is_file()
    assert not (folder / "1" / "run").exists()


def test_a_call_that_cannot_be_shared_is_refused_in_both_processes(pair):
    _, *both = pair
    first, second = (
        {name: str(text) for name, text in found["refusals"].items()} for found in both
    )
    assert first["seed"].endswith("in the processes of rank 1.")
    assert second["seed"].endswith("of rank 1. Here they differ in: seed.")
    assert second["images"].endswith("Here they differ in: images.")
    assert "built after the processes have joined" in first["from before"]
    assert first["from before"] == second["from before"]
    assert first["in use"] == second["in use"]
    assert "Expected folder to be free" in first["in use"]
    assert "whose training has diverged" in first["diverged"]
    assert first["diverged"] == second["diverged"]
    for name in ("batch_size", "few"):
        assert first[name] == second[name]
        assert first[name].startswith(
            "Expected batch_size to be a multiple of the 2 dev"
        )


# ------------------------------------------------- one writer, who sends the state


class Channel:
    """What the process of rank 0 sends; a process of rank 1 receives it later."""

    def __init__(self):
        self.sent = []

    def broadcast(self, array):
        if machines.rank() == 0:
            self.sent.append(array)
            return array
        return self.sent.pop(0)


def resumed_at(rank, channel, folder, monkeypatch):
    """Resume a run in the process of a rank; return its epoch, weights and files."""
    keras.utils.set_random_seed(0)
    model = pixelcnn((5, 5, 1), filters=2, depth=1)
    training.compile_model(model, steps=10)
    model.stop_training = False
    began = []

    def train(callbacks, initial_epoch):
        began.append(initial_epoch)
        for callback in callbacks:
            callback.set_model(model)
            callback.on_train_begin()
        if machines.count() == 1:
            model.set_weights([w + 1 for w in model.get_weights()])
        for callback in callbacks:
            callback.on_epoch_begin(initial_epoch)
            callback.on_epoch_end(initial_epoch)
        return keras.callbacks.History()

    monkeypatch.setattr(_ranks, "here", None if rank is None else (rank, 2))
    monkeypatch.setattr(_ranks, "broadcast", channel.broadcast)
    checkpoints.resume(train, model, folder, {"epochs": 3}, [])
    files = sorted(path.name for path in folder.iterdir())
    return began, model.get_weights(), files


@pytest.mark.parametrize("planted", [None, "not sent", "two writers"])
def test_rank_0_alone_writes_and_sends_the_state_and_bugs_would_be_found(
    planted, tmp_path, monkeypatch
):
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
    channel = Channel()
    resumed_at(None, channel, folders[0], monkeypatch)
    began, weights, files = resumed_at(0, channel, folders[0], monkeypatch)
    assert began == [1] and "checkpoint.npz" in files
    of_checkpoints = types.SimpleNamespace(**vars(_ranks))
    if planted == "not sent":
        of_checkpoints.from_first = lambda function: function()
    elif planted == "two writers":
        of_checkpoints.from_first = lambda function: (
            _ranks.from_first(function),
            function(),
        )[0]
    monkeypatch.setattr(checkpoints, "_ranks", of_checkpoints)
    began_too, weights_too, files_too = resumed_at(1, channel, folders[1], monkeypatch)
    sent = began_too == began and all(map(np.array_equal, weights, weights_too))
    assert sent == (planted != "not sent")
    assert (files_too == []) == (planted is None)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (ValueError("other files"), ValueError),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "no text"), ValueError),
        (OSError(28, "No space left on device"), OSError),
        (TimeoutError(), OSError),
        (KeyError("about"), RuntimeError),
    ],
)
def test_what_fails_at_rank_0_fails_in_all_processes(failure, kind, monkeypatch):
    def fails():
        raise failure

    channel, raised = Channel(), []
    monkeypatch.setattr(_ranks, "broadcast", channel.broadcast)
    for rank in range(2):
        monkeypatch.setattr(_ranks, "here", (rank, 2))
        with pytest.raises(Exception) as caught:
            _ranks.from_first(fails)
        raised.append(caught.value)
    assert raised[0] is failure and type(raised[1]) is kind
    told = str(raised[1])
    assert str(failure) in told and ("KeyError in the process" in told) == (
        kind is RuntimeError
    )


def test_a_full_disk_of_rank_0_ends_the_training_in_all_processes(
    tmp_path, monkeypatch
):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write", no_space)
    channel = Channel()
    for rank in range(2):
        with pytest.raises(OSError, match="No space"):
            resumed_at(rank, channel, tmp_path, monkeypatch)


# --------------------------------------------------------------- the command line

TINY = """
import sys
from pixelcnn_edu import __main__, machines, presets
presets.PRESETS["tiny"] = presets.Preset(
    "a test", 4, 1, EPOCHS, 16, 1e-2, dropout=0.2
)
machines.SECONDS_TO_END = 20
if __name__ == "__main__":
    sys.exit(__main__.main(sys.argv[1:]))
"""
EPOCHS, SECONDS_TO_END = 30, 20
CODE = TINY.replace("EPOCHS", str(EPOCHS))


@pytest.fixture
def train(tmp_path):
    """The arguments of Python that train the preset "tiny" on 90 images, in a folder."""
    x = np.random.default_rng(0).integers(0, 256, (100, 28, 28), dtype="uint8")
    y = (np.arange(100) % 10).astype("uint8")
    digits = tmp_path / "mnist.npz"
    np.savez(digits, x_train=x[:90], y_train=y[:90], x_test=x[90:], y_test=y[90:])
    recipe = ["--preset", "tiny", "--data", digits, "--verbose", 0]
    recipe += ["--precision", "float32", "--out"]

    def command(out, *more):
        return ["-c", CODE, "train", *recipe, tmp_path / out, *more]

    return command


def interrupted(train, rank, kind):
    """Send a signal to one of two processes; return how the other one ends."""
    together = ["--coordinator", address(), "--processes", 2, "--rank"]
    with started([train(f"{r}", *together, r) for r in range(2)]) as processes:
        for line in processes[0].stdout:
            if line.startswith("epoch 3 of"):
                break
        processes[rank].send_signal(kind)
        sent = time.monotonic()
        ((code, _, stderr),) = ended([processes[1 - rank]])
        assert time.monotonic() - sent < SECONDS_TO_END + 10
    of_jax = "Terminating process because the JAX distributed service detected fatal"
    assert "Expected all processes to train until the end" in stderr or of_jax in stderr
    assert code != 0


def test_the_others_end_with_the_process_of_rank_0(train, tmp_path):
    interrupted(train, 0, KILL)
    assert not (tmp_path / "1").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be frozen")
def test_the_others_end_where_a_process_does_not_answer_any_more(train):
    interrupted(train, 1, signal.SIGSTOP)


def test_a_run_of_two_that_was_killed_goes_on_with_one_and_ends_with_a_card(
    train, tmp_path
):
    interrupted(train, 1, KILL)
    assert not (tmp_path / "1").exists()
    assert not (tmp_path / "0" / "tiny.json").exists()
    with started([train("0", "--processes", 1)]) as processes:
        ((code, stdout, stderr),) = ended(processes)
    assert code == 0, stderr
    assert "epoch 2 of" not in stdout and f"epoch {EPOCHS} of" in stdout
    card = pretrained.card("tiny", tmp_path / "0")
    assert len(card["history"]["loss"]) == EPOCHS
    assert card["rebuild"].endswith("--processes 1")
    assert card["history"]["loss"][-1] < card["history"]["loss"][0]
    assert pretrained.names(tmp_path / "0") == ["tiny"]


def test_a_run_of_two_ends_with_one_card(train, tmp_path):
    def command(rank):
        first, code, *more = train(f"{rank}", "--coordinator", there)
        code = code.replace(f", {EPOCHS}, ", ", 2, ")
        return [first, code, *more, "--processes", 2, "--rank", rank]

    there = address()
    with started([command(rank) for rank in range(2)]) as processes:
        for code, _, stderr in ended(processes):
            assert code == 0, stderr
    card = pretrained.card("tiny", tmp_path / "0")
    assert card["machine"].startswith("2 × ") and len(card["history"]["loss"]) == 2
    assert not (tmp_path / "1").exists()


IN_THE_BLOCK = """
import sys, time
from pixelcnn_edu import machines
from pixelcnn_edu.models import pixelcnn
import keras
machines.SECONDS_TO_END = 6
with machines.joined(sys.argv[1], 2, int(sys.argv[2])) as rank:
    WORK
print("left")
"""


def in_the_block(work):
    """Return how two processes end that do this work after they have joined."""
    code, there = IN_THE_BLOCK.replace("WORK", work), address()
    with started([["-c", code, there, rank] for rank in range(2)]) as processes:
        return ended(processes)


def test_a_process_that_works_on_in_the_block_does_not_end_the_others():
    for code, stdout, stderr in in_the_block("time.sleep(9 * (rank == 0))"):
        assert code == 0 and stdout.endswith("left\n"), stderr


def test_a_network_without_a_seed_is_refused_in_one_sentence():
    work = "keras.utils.set_random_seed(rank); pixelcnn((5, 5, 1), filters=2, depth=1)"
    for code, _, stderr in in_the_block(work):
        last = stderr.strip().splitlines()[-1]
        assert code != 0 and last.startswith("ValueError: Expected the same numbers")
        assert "set_random_seed" in last


@pytest.mark.parametrize("lost", [RuntimeError("Gloo: refused"), ValueError("")])
def test_machines_that_do_not_reach_each_other_are_told_what_to_look_at(
    lost, monkeypatch
):
    def broadcast(array):
        raise lost

    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **__: None)
    monkeypatch.setattr(_ranks, "broadcast", broadcast)
    with pytest.raises(ConnectionError, match="getent hosts") as refused:
        machines._connect(None, None, None)
    assert str(refused.value).endswith(str(lost) or "ValueError")


@pytest.mark.parametrize(
    ("text", "of_others"),
    [
        ("INTERNAL: Gloo all-reduce failed: Connection closed by peer", True),
        ("INTERNAL: NCCL operation ncclAllReduce failed: remote error", True),
        ("UNAVAILABLE: the coordination service has ended", True),
        ("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.", False),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_only_an_error_about_other_processes_asks_whether_one_is_gone(
    text, of_others, count
):
    error = jax.errors.JaxRuntimeError(text)
    kind = ConnectionError if of_others and count == 2 else jax.errors.JaxRuntimeError
    with pytest.raises(kind) as raised, machines.joined(processes=1):
        _ranks.here = 0, count
        raise error
    assert (raised.value is error) == (kind is not ConnectionError)
    assert ("Is one of them gone?" in str(raised.value)) == (kind is ConnectionError)


def met(*said, seconds=2.0):
    """Let a thread for each (rank, number of processes) meet; return what each is told."""
    there = address()

    def told(who):
        rank, processes = who
        try:
            return _meeting.meet(there, processes, rank, seconds)
        except ConnectionError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(told, said))


def test_processes_that_fit_together_meet_in_any_order():
    assert met((2, 3), (0, 3), (1, 3), seconds=20) == [None] * 3
    assert met((0, 1)) == [None]


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ([(1, 2)], "ConnectionRefusedError"),
        ([(0, 3), (2, 3)], "only rank 0, 2"),
        ([(0, 2), (1, 3)], "3 processes at rank 1, 2 at rank 0"),
        ([(0, 3), (1, 2)], "2 processes at rank 1, 3 at rank 0"),
        ([(0, 3), (1, 3), (1, 3)], "two processes of rank 1"),
    ],
)
def test_processes_that_do_not_all_come_or_disagree_are_refused_in_one_sentence(
    said, wrong
):
    for told, (_, processes) in zip(met(*said), said, strict=True):
        assert told.startswith(f"Expected {processes} processes of rank 0 to ")
        assert f"Received: {wrong}" in told and "\n" not in told


def connected(there):
    """Return a connection to an address at which a process soon listens."""
    host, port = there.split(":")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection((host, int(port)))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"[]\n",
        b"[[], {}]\n",
        b"\xff\n",
        b"[Infinity, 2]\n",
        b"[2, 2]\n",
        b"[-1, 2]\n",
        b'{"1": 0, "2": 0}\n',
    ],
)
def test_another_program_at_the_port_does_not_disturb(text):
    there = address()

    def knock():
        with connected(there) as other:
            other.sendall(text)
        return _meeting.meet(there, 2, 1, 5)

    with ThreadPoolExecutor() as pool:
        first, knocks = pool.submit(_meeting.meet, there, 2, 0, 5), pool.submit(knock)
        assert (knocks.result(), first.result()) == (None, None)


def test_a_process_that_ends_before_the_others_come_is_started_again():
    there = address()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(_meeting.meet, there, 3, 0, 20)
        with connected(there) as ended_early:
            ended_early.sendall(b"[1, 3]\n")
        others = [pool.submit(_meeting.meet, there, 3, rank, 20) for rank in (1, 2)]
        assert [one.result() for one in (first, *others)] == [None] * 3


def test_another_program_that_speaks_slowly_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(_meeting, "SECONDS_TO_SAY", 1, raising=False)
    there, finished = address(), threading.Event()

    def speak(slow):
        while not finished.wait(0.3):
            with contextlib.suppress(OSError):
                slow.sendall(b" ")

    with ThreadPoolExecutor() as pool:
        first = pool.submit(_meeting.meet, there, 2, 0, 8)
        with connected(there) as slow:
            pool.submit(speak, slow)
            second = pool.submit(_meeting.meet, there, 2, 1, 8)
            try:
                assert first.result(8) is second.result(8) is None
            finally:
                finished.set()


def test_a_process_of_rank_0_that_ends_before_it_answers_is_noticed():
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        there = f"127.0.0.1:{server.getsockname()[1]}"
        told = pool.submit(_meeting.meet, there, 2, 1, 5)
        server.accept()[0].close()
        with pytest.raises(ConnectionError, match="process of rank 0 has ended"):
            told.result()


@pytest.mark.parametrize("kind", [TimeoutError, socket.gaierror, ConnectionResetError])
def test_a_machine_that_does_not_answer_yet_is_asked_again(kind, monkeypatch):
    asked, connect = [], socket.create_connection

    def at_the_second_time(*arguments, **more):
        asked.append(arguments)
        if len(asked) == 1:
            raise kind("not yet")
        return connect(*arguments, **more)

    monkeypatch.setattr(_meeting.socket, "create_connection", at_the_second_time)
    assert met((0, 2), (1, 2), seconds=5) == [None, None] and len(asked) > 1


def test_a_port_that_another_program_uses_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(ConnectionError, match="in use"):
            _meeting.meet(f"127.0.0.1:{port}", 2, 0, 1)


def test_a_coordinator_that_does_not_answer_is_one_line_of_the_command(train):
    _, code, *more = train(
        "1", "--coordinator", address(), "--processes", 2, "--rank", 1
    )
    code = code.replace("SECONDS_TO_END = 20", "SECONDS_TO_JOIN = 1")
    with started([["-c", code, *more]]) as processes:
        ((code, _, stderr),) = ended(processes)
    assert code == 2
    last = stderr.strip().splitlines()[-1]
    assert last.startswith("python -m pixelcnn_edu train: error: Expected 2 processes")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rank", "1"], "--processes beside"),
        (["--coordinator", "here:1"], "--processes beside"),
        (["--processes", "0"], "positive integer"),
        (["--processes", "two"], "positive integer"),
        (["--processes", "2"], "rank"),
        (["--processes", "2", "--rank", "1"], "'HOST:PORT'"),
        (["--processes", "2", "--rank", "1", "--coordinator", "here"], "'HOST:PORT'"),
        (["--processes", "2", "--rank", "2", "--coordinator", "here:1"], "0 to 1"),
        (["--processes", "2", "--rank", "-1", "--coordinator", "here:1"], "rank"),
        (["--processes", "auto"], "launcher"),
        (["--processes", "auto", "--rank", "1"], "processes"),
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

"""Several machines: each process trains on its rows of each batch.

Keras's ``DataParallel`` on the backend JAX does the work. It needs one process on each
machine, with the same program and the same data::

    with machines.joined("10.0.0.1:4000", processes=2, rank=0):  # 1 on the other machine
        keras.utils.set_random_seed(0)
        model = models.pixelcnn(filters=32, depth=4)
        training.fit(model, images, folder="runs/mine")

Every process draws the whole batch and takes its own rows. JAX adds up the gradients, so
the weights are the same in all processes after each step. The process of rank 0 alone reads
and writes the run's folder, and sends what a resumed run needs to the others. Callbacks run
in every process: one that stops the training must decide the same everywhere, and one that
writes belongs into the process of rank 0.

``python -m pixelcnn_edu train --help`` says how to train a preset on several machines.
"""

import atexit
import contextlib
import io
import os
import sys

from pixelcnn_edu._checkpoint_file import parse, write
from pixelcnn_edu._checks import check_int, check_path
from pixelcnn_edu._checksums import network_checksum, through_json
from pixelcnn_edu._files import locked
from pixelcnn_edu._meeting import meet

import keras
import numpy as np

SECONDS_TO_JOIN = 300  # from the first process to the last
SECONDS_TO_END = 60  # after a process has died or its machine has gone

_here = None  # (rank, number of processes), while `joined` runs


def rank() -> int:
    """Return the rank of this process; 0 if it runs alone."""
    return _here[0] if _here else 0


def count() -> int:
    """Return how many processes are joined; 1 if this process runs alone."""
    return _here[1] if _here else 1


@contextlib.contextmanager
def joined(coordinator=None, processes=None, rank=None):
    """Join the processes that train one network, and leave them after the block.

    Call it before anything is computed, and build the model inside. Under a launcher that
    JAX knows (SLURM, Open MPI), leave all three arguments out: JAX finds them.

    Args:
        coordinator: ``"HOST:PORT"`` of the process of rank 0, as all others reach it.
        processes: how many. One process needs no coordinator and no rank.
        rank: of this process, 0 to ``processes - 1``; each has its own.

    Yields:
        The rank of this process.

    Raises:
        ValueError: the backend is not JAX; an argument is out of its range.
        ConnectionError: not all processes came within `SECONDS_TO_JOIN`, or they disagree
            on their number; or one of them ended before the others. They notice it within
            `SECONDS_TO_END`. (If the process of rank 0 is gone, or its machine, JAX ends
            the others with a message of its own, and raises no error.)
    """
    global _here
    if keras.config.backend() != "jax":
        raise ValueError(
            "Expected the backend jax of Keras for training on several machines: set the "
            f"environment variable KERAS_BACKEND. Received: {keras.config.backend()}"
        )
    if _here:
        raise ValueError("Expected no joined processes yet. Received: a second call")
    alone = _check_alone(coordinator, processes, rank)
    import jax

    try:
        if not alone:
            _connect(coordinator, processes, rank)
        _here = jax.process_index(), jax.process_count()
        with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
            yield _here[0]
        if not alone:
            jax.distributed.shutdown()
    except BaseException as error:
        if not alone:
            atexit.register(_end_at_once)
        if isinstance(error, jax.errors.JaxRuntimeError) or "Gloo" in str(error):
            raise ConnectionError(
                "Expected all processes to train until the end. Received: "
                f"{str(error).splitlines()[0]}. Is one of them gone? The same call goes on "
                "from the last checkpoint."
            ) from error
        raise
    finally:
        _here = None


def _end_at_once():
    """End this process with exit code 2; JAX would wait for the others, who wait for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


def _check_alone(coordinator, processes, rank):
    """Check the arguments of `joined`; return whether this process is the only one."""
    if coordinator is None and processes is None and rank is None:
        return False  # a launcher knows
    processes = check_int("processes", processes, at_least=1)
    if processes == 1 and coordinator is None and rank in (None, 0):
        return True
    rank = check_int("rank", rank, at_least=0)
    if rank >= processes:
        raise ValueError(
            f"Expected rank to be one of 0 to {processes - 1}, of {processes} processes. "
            f"Received: {rank}"
        )
    host, _, port = str(coordinator).rpartition(":")
    if not isinstance(coordinator, str) or not host or not port.isdecimal():
        raise ValueError(
            f"Expected coordinator to be 'HOST:PORT' of rank 0. Received: {coordinator!r}"
        )
    return False


def _connect(coordinator, processes, rank):
    """Connect this process with the others, by JAX."""
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # JAX would keep a process alive that is asked to end
    jax.config.update("jax_enable_preemption_service", False)
    if coordinator:
        meet(coordinator, processes, rank, SECONDS_TO_JOIN)
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            rank,
            initialization_timeout=SECONDS_TO_JOIN,
            heartbeat_timeout_seconds=SECONDS_TO_END,
            shutdown_timeout_seconds=SECONDS_TO_END,
        )
    except (RuntimeError, ValueError) as error:
        raise ConnectionError(
            "Expected JAX to connect the processes, by the coordinator or by a launcher "
            f"that it knows. Received: {str(error).splitlines()[0]}"
        ) from error


# ------------------------------------------------------------------ rows of a batch


class Rows(keras.utils.PyDataset):
    """The rows of this process, of each batch.

    Args:
        batches: `batches.Batches` or what is like them; each process draws them whole.
        score: score each image, for a validation. A batch that cannot be shared is filled
            up with rows of weight 0, and the mean stays that of all images. Otherwise a
            short last batch is dropped. So the number of steps does not depend on the
            number of processes.

    Raises:
        ValueError: the batch size is no multiple of the number of devices, or there are
            fewer images than one batch has.
    """

    def __init__(self, batches, *, score=False):
        super().__init__()
        self.batches, self.score = batches, score
        devices = len(keras.distribution.list_devices())
        images, self.size = len(batches.images), batches.batch_size
        if score:
            self.size = -(-min(images, self.size) // devices) * devices
        elif self.size % devices or images < self.size:
            raise ValueError(
                f"Expected batch_size to be a multiple of the {devices} devices of all "
                f"processes, and at most the number of images, {images}. Received: "
                f"{self.size}"
            )

    def __len__(self):
        whole = len(self.batches.images) // self.size
        return len(self.batches) if self.score else whole

    def __getitem__(self, index):
        batch = self.batches[index]
        if self.score:
            weights = np.zeros(self.size, "float32")
            scored = len(self) * self.size
            weights[: len(batch[1])] = scored / len(self.batches.images)
            batch = keras.tree.map_structure(self._filled_up, (*batch, weights))
        rank, processes = _here
        share = self.size // processes
        rows = slice(rank * share, (rank + 1) * share)
        return keras.tree.map_structure(lambda array: array[rows], batch)

    def _filled_up(self, array):
        return np.resize(array, (self.size, *array.shape[1:]))


def rows(batches, *, score=False):
    """Return the `Rows` of this process, or ``batches`` if no processes are joined."""
    return Rows(batches, score=score) if _here else batches


# ------------------------------------------------------- what rank 0 tells the others


def from_first(function):
    """Return, in each process, what ``function()`` returns in the process of rank 0.

    Only that process calls the function. A ValueError or an OSError of the function is
    raised in each process.

    Args:
        function: a function that returns a pair: what JSON can hold, and a list of arrays.
    """
    if count() == 1:
        return function()
    error, raw = None, io.BytesIO()
    if rank() == 0:
        try:
            found, arrays = function()
        except (ValueError, OSError) as refused:
            found, arrays, error = None, [], refused
        write(raw, {"found": found, "error": error and str(error)}, arrays)
    raw = np.frombuffer(raw.getvalue(), "uint8")
    (size,) = _broadcast(np.array([len(raw)], "uint32"))
    raw = _broadcast(raw if rank() == 0 else np.zeros(size, "uint8"))
    about, arrays = parse(raw.tobytes())
    if error or about["error"]:
        raise error or ValueError(about["error"])
    return about["found"], arrays


def _broadcast(array):
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.broadcast_one_to_all(array))


@contextlib.contextmanager
def locked_by_first(folder):
    """Lock a folder as `locked` does, in the process of rank 0; yield its absolute path."""
    with contextlib.ExitStack() as stack:
        from_first(lambda: (str(stack.enter_context(locked(folder))), []))
        yield check_path("folder", folder).absolute()


def check_same(model, settings):
    """Raise a ValueError in each process if one has other settings than rank 0.

    Args:
        model: a model that each process has built in the same way.
        settings: as for `checkpoints.resume`; arrays are compared by their checksums.
    """
    if count() == 1:
        return
    from jax.experimental import multihost_utils

    if any(v.value.is_fully_addressable for v in model.variables):
        raise ValueError(
            "Expected a model that is built after the processes have joined. Received: a "
            "model with variables from before"
        )
    mine = through_json({**settings, "network": network_checksum(model)})
    first, _ = from_first(lambda: (mine, []))
    differ = [name for name in mine if mine[name] != first.get(name)]
    counts = multihost_utils.process_allgather(np.array([len(differ)], "int32"))
    if counts.any():
        ranks = ", ".join(map(str, np.flatnonzero(counts)))
        named = f" Here they differ in: {', '.join(differ)}." if differ else ""
        raise ValueError(
            "Expected the same call in all processes. Received: other arguments than "
            f"those of rank 0 in the processes of rank {ranks}.{named}"
        )

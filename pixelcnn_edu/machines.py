"""Several machines: each process trains on its rows of each batch.

Keras's ``DataParallel`` on the backend JAX does the work. It needs one process on each
machine, with the same program and the same data::

    with machines.joined("10.0.0.1:4000", processes=2, rank=0):  # 1 on the other machine
        keras.utils.set_random_seed(0)
        model = models.pixelcnn(filters=32, depth=4)
        training.fit(model, images, folder="runs/mine")

Every process draws the whole batch and takes its own rows. JAX adds up the gradients, so
the weights are the same in all processes after each step. This needs processors of one
kind: others round differently. Then the run ends with an error where weights are set, by a
callback or by an optimizer that keeps a running mean. The process of rank 0 alone reads and
writes the run's folder, and sends what a resumed run needs to the others. Callbacks run in
every process: one that stops the training must decide the same everywhere, and one that
writes belongs in the process of rank 0. But what makes a Keras variable, such as Keras's
``ModelCheckpoint`` and `pretrained.save`, must run in every process, each with a file of
its own: in one process alone it waits for the others without end, or ends with an error.

``python -m pixelcnn_edu train --help`` says how to train a preset on several machines.
"""

import atexit
import contextlib
import os
import re
import sys

from pixelcnn_edu import _ranks
from pixelcnn_edu._checks import check_int
from pixelcnn_edu._meeting import meet

import keras
import numpy as np

SECONDS_TO_JOIN = 300  # from the first process to the last
SECONDS_TO_END = 60  # after a process has ended or its machine has gone
SECONDS_TO_LEAVE = 3600  # from the first process that leaves the block to the last

# an error of JAX with one of these words is about another process
_OF_OTHERS = re.compile("gloo|nccl|coordinat|heartbeat|barrier|unavailable", re.I)


def rank() -> int:
    """Return the rank of this process; 0 if it runs alone."""
    return _ranks.rank()


def count() -> int:
    """Return how many processes are joined; 1 if this process runs alone."""
    return _ranks.count()


@contextlib.contextmanager
def joined(coordinator=None, processes=None, rank=None):
    """Join the processes that train one network, and leave them after the block.

    Call it before anything is computed, and build the model inside. Leave the block soon
    after `training.fit`, and score or save after it: each process waits for the last one at
    the end of the block, at most `SECONDS_TO_LEAVE`. Under a launcher that JAX knows
    (SLURM, Open MPI), leave all three arguments out: JAX finds them.

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
            the others with a message of its own, and raises no error.) A process that
            fails but does not end is not noticed: use scripts, not notebooks.
    """
    if keras.config.backend() != "jax":
        raise ValueError(
            "Expected the backend jax of Keras for training on several machines: set the "
            f"environment variable KERAS_BACKEND. Received: {keras.config.backend()}"
        )
    if _ranks.here:
        raise ValueError("Expected no joined processes yet. Received: a second call")
    alone, processes, rank = _checked(coordinator, processes, rank)
    import jax

    try:
        if not alone:
            _connect(coordinator, processes, rank)
        _ranks.here = jax.process_index(), jax.process_count()
        with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
            yield _ranks.rank()
        if not alone:
            jax.distributed.shutdown()
    except BaseException as error:
        if jax.distributed.is_initialized():
            atexit.register(_end_at_once)
        if told := _in_one_sentence(error):
            raise told from error
        raise
    finally:
        _ranks.here = None


def _end_at_once():
    """End this process with exit code 2; JAX would wait for the others, who wait for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


def _checked(coordinator, processes, rank):
    """Return whether this process is the only one, how many there are, and its rank."""
    if coordinator is None and processes is None and rank is None:
        return False, None, None  # a launcher knows
    processes = check_int("processes", processes, at_least=1)
    if processes == 1 and coordinator is None and rank in (None, 0):
        return True, 1, 0
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
    return False, processes, rank


def _connect(coordinator, processes, rank):
    """Connect this process with the others, by JAX."""
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # JAX would keep a process alive that is asked to end
    jax.config.update("jax_enable_preemption_service", False)
    if coordinator:
        meet(coordinator, processes, rank, SECONDS_TO_JOIN)
    expected = "JAX to connect the processes, by the coordinator or a launcher it knows"
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            rank,
            initialization_timeout=SECONDS_TO_JOIN,
            heartbeat_timeout_seconds=SECONDS_TO_END,
            shutdown_timeout_seconds=SECONDS_TO_LEAVE,
        )
        expected = (
            "each machine to reach the others at all ports, at the address that "
            "`getent hosts $(hostname)` gives there"
        )
        _ranks.broadcast(np.zeros(1))  # opens these ports
    except (RuntimeError, ValueError) as error:
        raise ConnectionError(
            f"Expected {expected}. Received: {_first_line(error)}"
        ) from error


def _in_one_sentence(error):
    """Return what to say instead of an error of JAX, or None."""
    text = str(error)
    if isinstance(error, AssertionError) and "not the same on each process" in text:
        return ValueError(
            "Expected the same numbers in all processes, and no NaN. Received: a variable "
            "whose values differ or are NaN. Before you build the model, call "
            "keras.utils.set_random_seed with the same seed in each process. And all "
            "processors must be of one kind: others round differently."
        )
    import jax

    of_jax = isinstance(error, jax.errors.JaxRuntimeError) and _OF_OTHERS.search(text)
    if _ranks.count() > 1 and (of_jax or "Gloo" in text):
        return ConnectionError(
            "Expected all processes to train until the end. Received: "
            f"{_first_line(error)}. Is one of them gone? The same call goes on from the "
            "last checkpoint."
        )
    return None


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]

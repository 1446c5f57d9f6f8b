"""Several machines: each process trains on its rows of each batch.

Keras's ``DataParallel`` on the backend JAX does the work. Start one process on each
machine, with the same program and the same data::

    with machines.joined("10.0.0.1:4000", processes=2, rank=0):  # 1 on the other machine
        keras.utils.set_random_seed(0)
        model = models.pixelcnn(filters=32, depth=4)
        training.fit(model, images, folder="runs/mine")

Every process draws the whole batch and takes its own rows. JAX adds up the gradients, so
the weights are the same in all processes after each step. The process of rank 0 alone reads
and writes the run's folder, and tells the others what a resumed run needs. Callbacks run in
every process: one that stops the training must decide the same everywhere, and one that
writes belongs in the process of rank 0.

Not supported: other arguments in one process than in the others (nothing compares them),
processors of several kinds (they round differently), and callbacks that make a Keras
variable in one process alone, such as ``ModelCheckpoint``. If a process ends or does not
answer, JAX ends the others, with its own message; the same call then goes on from the last
finished epoch.

``python -m pixelcnn_edu train --help`` says how to train a preset on several machines.
"""

import atexit
import contextlib
import os
import pickle
import sys

from pixelcnn_edu._checks import check_int

import keras
import numpy as np

_joined = None  # (rank, number of processes), while `joined` runs


def rank() -> int:
    """Return the rank of this process; 0 if it runs alone."""
    return _joined[0] if _joined else 0


def count() -> int:
    """Return how many processes are joined; 1 if this process runs alone."""
    return _joined[1] if _joined else 1


@contextlib.contextmanager
def joined(coordinator=None, processes=None, rank=None):
    """Join the processes that train one network, and leave them after the block.

    Call it before JAX computes anything, and build the model inside. Score or save after
    the block: at its end, each process waits for the last one, for at most five minutes.
    Under a launcher that JAX knows (SLURM, Open MPI), leave all three arguments out.

    Args:
        coordinator: ``"HOST:PORT"`` of the process of rank 0, as all others reach it.
        processes: how many. One process needs no coordinator and no rank.
        rank: of this process, 0 to ``processes - 1``; each has its own.

    Yields:
        The rank of this process.

    Raises:
        ValueError: the backend is not JAX; an argument is out of its range; or no launcher
            says who the processes are.
    """
    global _joined
    if keras.config.backend() != "jax":
        raise ValueError(
            "Expected the backend jax of Keras for training on several machines: set the "
            f"environment variable KERAS_BACKEND. Received: {keras.config.backend()}"
        )
    if _joined:
        raise ValueError("Expected no joined processes yet. Received: a second call")
    alone = processes == 1 and coordinator is None and rank in (None, 0)
    if not alone and (coordinator, processes, rank) != (None, None, None):
        _check_arguments(coordinator, processes, rank)
    import jax

    if not alone:
        # JAX would keep a process alive that the operating system asks to end
        jax.config.update("jax_enable_preemption_service", False)
        jax.distributed.initialize(coordinator, processes, rank)
    try:
        _joined = jax.process_index(), jax.process_count()
        with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
            yield _joined[0]
        if not alone:
            jax.distributed.shutdown()
    except BaseException:
        if not alone:
            atexit.register(_end_at_once)
        raise
    finally:
        _joined = None


def _check_arguments(coordinator, processes, rank):
    processes = check_int("processes", processes, at_least=1)
    rank = check_int("rank", rank, at_least=0)
    if rank >= processes:
        raise ValueError(
            f"Expected rank to be one of 0 to {processes - 1}, of {processes} processes. "
            f"Received: {rank}"
        )
    host, _, port = str(coordinator).rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(
            f"Expected coordinator to be 'HOST:PORT' of rank 0. Received: {coordinator!r}"
        )


def _end_at_once():
    """End this process with exit code 2; JAX would wait for the others, who wait for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


def from_first(function):
    """Return, in each process, what ``function()`` returns in the process of rank 0.

    Only that process calls the function; its error is raised in each process.
    """
    if count() == 1:
        return function()
    from jax.experimental import multihost_utils

    found = error = None
    if rank() == 0:
        try:
            found = function()
        except Exception as raised:
            error = raised
    told = np.frombuffer(pickle.dumps((found, error)), "uint8")
    size = multihost_utils.broadcast_one_to_all(np.array(len(told), "uint32"))
    if rank() > 0:
        told = np.zeros(size, "uint8")
    told = np.asarray(multihost_utils.broadcast_one_to_all(told))
    found, error = pickle.loads(told.tobytes())
    if error is not None:
        raise error
    return found


def rows(batches, *, score=False):
    """Return the `Rows` of this process, or ``batches`` if no processes are joined."""
    return Rows(batches, score=score) if _joined else batches


class Rows(keras.utils.PyDataset):
    """The rows of this process, of each batch.

    Args:
        batches: `batches.Batches`; each process draws them whole.
        score: score each image, for a validation. A batch that cannot be shared is filled
            up with rows of weight 0, and the mean stays that of all images. Otherwise a
            short last batch is dropped, so that the number of steps does not depend on
            the number of processes.

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
        share = self.size // count()
        own = slice(rank() * share, (rank() + 1) * share)
        return keras.tree.map_structure(lambda array: array[own], batch)

    def _filled_up(self, array):
        return np.resize(array, (self.size, *array.shape[1:]))

"""What each of several processes does with its rank: its rows, and what rank 0 tells.

Everything here does nothing special while `machines.joined` does not run.
"""

import contextlib
import io

from pixelcnn_edu._checkpoint_file import parse, write
from pixelcnn_edu._checks import check_path
from pixelcnn_edu._checksums import through_json
from pixelcnn_edu._files import locked
from pixelcnn_edu._fingerprint import differences_of, fingerprint

import keras
import numpy as np

here = None  # (rank, number of processes), while `machines.joined` runs


def rank() -> int:
    """Return the rank of this process; 0 if it runs alone."""
    return here[0] if here else 0


def count() -> int:
    """Return how many processes are joined; 1 if this process runs alone."""
    return here[1] if here else 1


# ------------------------------------------------------------------ rows of a batch


def refuse_unequal_shares(model, batches, name):
    """Refuse batches that the devices of a `tf.distribute` strategy cannot share equally.

    The loss is the mean of the devices' means: in an unequal share, an image would count
    more or less than in another.
    """
    strategy = getattr(model, "distribute_strategy", None)
    devices = strategy.num_replicas_in_sync if strategy else 1
    images = len(batches.images)
    sizes = min(images, batches.batch_size), images % batches.batch_size
    if any(size % devices for size in sizes):
        raise ValueError(
            f"Expected {name} in batches that {devices} devices share equally. Received: "
            f"{images} images, in batches of {sizes[0]}, the last of {sizes[1] or sizes[0]}"
        )


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
        share = self.size // count()
        rows = slice(rank() * share, (rank() + 1) * share)
        return keras.tree.map_structure(lambda array: array[rows], batch)

    def _filled_up(self, array):
        return np.resize(array, (self.size, *array.shape[1:]))


def rows(batches, *, score=False):
    """Return the `Rows` of this process, or ``batches`` if no processes are joined."""
    return Rows(batches, score=score) if here else batches


# ------------------------------------------------------- what rank 0 tells the others


def from_first(function):
    """Return, in each process, what ``function()`` returns in the process of rank 0.

    Only that process calls the function. Its error is raised in each process: there as it
    is, in the others as a ValueError, an OSError, or else a RuntimeError.

    Args:
        function: a function that returns a pair: what JSON can hold, and a list of arrays.
    """
    if count() == 1:
        return function()
    error, raw = None, io.BytesIO()
    if rank() == 0:
        found, arrays, told = None, [], None
        try:
            found, arrays = function()
        except Exception as failed:
            error, told = failed, _as_told(failed)
        write(raw, {"found": found, "error": told}, arrays)
    raw = np.frombuffer(raw.getvalue(), "uint8")
    (size,) = broadcast(np.array([len(raw)], "uint32"))
    raw = broadcast(raw if rank() == 0 else np.zeros(size, "uint8"))
    about, arrays = parse(raw.tobytes())
    if error:
        raise error
    if about["error"]:
        kind, text = about["error"]
        kinds = {"ValueError": ValueError, "OSError": OSError}
        raise kinds.get(kind, RuntimeError)(text)
    return about["found"], arrays


def _as_told(error):
    """Return the kind and the text of an error, for the other processes."""
    for kind in (ValueError, OSError):
        if isinstance(error, kind):
            return kind.__name__, str(error)
    name = type(error).__name__
    return name, f"{name} in the process of rank 0: {error}"


def broadcast(array):
    """Return, in each process, the array that the process of rank 0 gives."""
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.broadcast_one_to_all(array))


@contextlib.contextmanager
def locked_by_first(folder):
    """Lock a folder as `locked` does, in the process of rank 0; yield its absolute path."""
    with contextlib.ExitStack() as stack:
        from_first(lambda: (str(stack.enter_context(locked(folder))), []))
        yield check_path("folder", folder).absolute()


def check_same(model, settings, inputs):
    """Raise a ValueError in each process if one has other settings than rank 0.

    Args:
        model: a model that each process has built in the same way.
        settings, inputs: as for `checkpoints.resume`; arrays are compared by their
            checksums.
    """
    if count() == 1:
        return
    from jax.experimental import multihost_utils

    if any(v.value.is_fully_addressable for v in model.variables):
        raise ValueError(
            "Expected a model that is built after the processes have joined. Received: a "
            "model with variables from before"
        )
    mine = through_json({**settings, "network": fingerprint(model, inputs)})
    first, _ = from_first(lambda: (mine, []))
    differ = [name for name in mine if mine[name] != first.get(name)]
    if "network" in differ and not differences_of(
        model, inputs, mine["network"], first["network"]
    ):
        differ.remove("network")
    counts = multihost_utils.process_allgather(np.array([len(differ)], "int32"))
    if counts.any():
        ranks = ", ".join(map(str, np.flatnonzero(counts)))
        named = f" Here they differ in: {', '.join(differ)}." if differ else ""
        raise ValueError(
            "Expected the same call in all processes. Received: other arguments than "
            f"those of rank 0 in the processes of rank {ranks}.{named}"
        )

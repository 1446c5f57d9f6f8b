"""Names that `training` and `checkpoints` take until they call `machines` itself."""

import contextlib

from pixelcnn_edu._checks import check_path
from pixelcnn_edu._files import locked
from pixelcnn_edu.machines import count, from_first, rank, rows  # noqa: F401


@contextlib.contextmanager
def locked_by_first(folder):
    """Lock a folder as `locked` does, in the process of rank 0; yield its absolute path."""
    with contextlib.ExitStack() as stack:
        from_first(lambda: str(stack.enter_context(locked(folder))))
        yield check_path("folder", folder).absolute()


def refuse_unequal_shares(model, batches, name):
    """Refuse batches that several devices cannot share equally."""
    strategy = getattr(model, "distribute_strategy", None)
    devices = strategy.num_replicas_in_sync if strategy else 1
    images = len(batches.images)
    sizes = min(images, batches.batch_size), images % batches.batch_size
    if any(size % devices for size in sizes):
        raise ValueError(
            f"Expected {name} in batches that {devices} devices share equally. Received: "
            f"{images} images, in batches of {sizes[0]}, the last of {sizes[1] or sizes[0]}"
        )


def check_same(model, settings, inputs):
    """Do nothing: that processes differ is not noticed any more."""

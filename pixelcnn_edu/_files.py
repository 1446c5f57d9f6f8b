"""Files: written whole or not at all."""

import contextlib
import os

from pixelcnn_edu._checks import check_path


@contextlib.contextmanager
def atomic_write(path):
    """Yield a temporary path that becomes ``path`` only if the block succeeds.

    The temporary file of ``NAME.npz`` is ``NAME.partial.npz`` in the same folder: Keras and
    NumPy choose a format by the suffix. Two processes that write one path at the same time
    are not supported.

    Raises:
        OSError: ``path`` could not be written (the disk is full, say). An older file stays.
    """
    path = check_path("path", path)
    temporary = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        yield temporary
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())  # some disks report only now that they are full
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"Could not write {path} ({error.strerror or error}). An older file is kept. "
            "Is the disk full, or the folder read-only?",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()

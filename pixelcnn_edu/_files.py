"""Files: written whole or not at all, in a folder that one process uses at a time."""

import contextlib
import errno
import os
import platform
import re
import shutil
import warnings
from pathlib import Path

from pixelcnn_edu._checks import check_path

import filelock

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextlib.contextmanager
def atomic_write(path, *, backup=None, trial=False, synced=False):
    """Yield a temporary path that becomes ``path`` only if the block succeeds.

    The temporary file of ``NAME.npz`` is ``NAME.pixelcnn_edu.partial.npz`` in the same
    folder: a name that is only used here. A file that a killed process has left there is
    overwritten. If another thread or process writes ``path`` now, this one waits.

    Args:
        path: where to write. If this is a symbolic link, its target is written.
        backup: the new path of an older file at ``path``; None to overwrite that file.
        trial: only find out whether ``path`` can be written, and leave it as it is.
        synced: the block has called `sync` with the temporary path.

    Raises:
        OSError: ``path`` could not be written (the disk is full, say). An older file is
            kept: at ``path``, or at ``backup`` if only the last renaming failed.
    """
    path = check_path("path", path)
    suffix = path.suffix  # Keras and NumPy choose a format by the name
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    temporary = path.with_name(f"{path.stem}.pixelcnn_edu.partial{suffix}")
    try:
        for one in (path, temporary):
            if one.is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{one.name} is a folder")
            if one.exists() and not one.is_file():  # renaming would remove a device
                raise OSError(errno.EINVAL, f"{one.name} is a device or a pipe")
        if path.exists() and not os.access(path, os.W_OK):  # renaming would not mind
            raise PermissionError(errno.EACCES, f"{path.name} is read-only")
        if not path.parent.is_dir():  # filelock would make it
            raise FileNotFoundError(errno.ENOENT, f"no folder {path.parent}")
        with _alone(temporary):
            try:
                yield temporary
                if not synced:
                    sync(temporary)
                if not trial:
                    # the new file gets the mode of the old one, where modes can be set
                    with contextlib.suppress(OSError):
                        shutil.copymode(path, temporary)
                    if backup and path.exists():
                        # renaming fails from one disk to another
                        near = path.parent.samefile(Path(backup).parent)
                        (os.replace if near else shutil.copyfile)(path, backup)
                    os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"Could not write {path} ({error.strerror or error}). An older file is kept. "
            "Is the disk full, or the folder read-only?",
        ) from error


def sync(temporary):
    """Store a temporary file on its disk. Some disks report only now that they are full."""
    with open(temporary, "r+b") as file:  # Windows needs the right to write
        os.fsync(file.fileno())


@contextlib.contextmanager
def _alone(temporary):
    """Let one thread or process at a time write a temporary file."""
    file = Path(f"{temporary}.lock")
    lock = filelock.FileLock(file, fallback_to_soft=False)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink()  # while the lock is held, as in `locked`
        lock.release()


@contextlib.contextmanager
def locked(folder, *, wait=False):
    """Create a folder if it does not exist, and keep other processes and threads out.

    The lock is the file ``checkpoint.lock``. The operating system releases the lock when
    the process ends, even if the process is killed. Then only the file is left.

    Args:
        folder: any path.
        wait: wait until the folder is free; otherwise a folder in use is refused.

    Yields:
        The folder's absolute path.

    Raises:
        ValueError: the folder is in use, no file can be written there, or a file
            ``checkpoint.lock`` exists that this package has not written.

    Warns:
        RuntimeWarning: the file system has no locks, as some network drives.
    """
    folder = check_path("folder", folder).absolute()  # a callback may change directory
    file = folder / "checkpoint.lock"
    lock = filelock.FileLock(file, -1 if wait else 0, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(file)
        lock.acquire()
        _sign(file)
    except filelock.Timeout:
        raise ValueError(
            f"Expected folder to be free. Received: {folder}, which {_holder(file)} uses."
        ) from None
    except OSError as error:
        lock.release()
        if error.errno not in _NO_LOCKS:
            raise ValueError(
                "Expected folder to be a folder in which files can be written. "
                f"Received: {folder} ({error.strerror or error}: {error.filename})"
            ) from error
        warnings.warn(
            f"{folder} cannot be locked ({error.strerror}). Make sure that no other "
            "process uses this folder.",
            RuntimeWarning,
            stacklevel=10,
        )
    mine = identity_of_file(file)
    try:
        yield folder
    finally:
        # Remove the file while the lock is held: a process that has opened the file
        # already then finds that the file is gone. On Windows `release` removes it. If
        # the folder was deleted meanwhile, the file may be the lock of another run.
        with contextlib.suppress(OSError):
            if identity_of_file(file) == mine:
                file.unlink()
        lock.release()


def identity_of_file(where):
    """Return what tells a file from any other, or None if there is no file.

    While the file exists, the operating system gives its inode to no other file.
    """
    try:
        found = os.stat(where)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _refuse_foreign(file):
    """Raise an error if the lock's file exists and holds what `_sign` does not write."""
    try:
        text = file.read_bytes() if file.is_file() else b""
    except OSError:  # on Windows the file of a held lock cannot be read
        return
    if text.strip(b"\0") and not re.match(rb"\0process \d+ on ", text):
        raise ValueError(
            f"Expected {file} to be the lock of a run. Received: another file of this "
            "name. Move that file, or choose another folder."
        )


def _sign(file):
    """Write which process holds the lock, after the first byte, which Windows locks."""
    with open(file, "r+b", buffering=0) as raw:
        raw.seek(1)
        raw.write(f"process {os.getpid()} on {platform.node()}\n".encode())


def _holder(file):
    """Return which process holds the lock, in words."""
    with contextlib.suppress(OSError), open(file, "rb") as raw:
        raw.seek(1)
        text = raw.readline().decode(errors="replace").strip()
        here = text == f"process {os.getpid()} on {platform.node()}"
        return f"this {text}" if here else text or "another process"
    return "another process"

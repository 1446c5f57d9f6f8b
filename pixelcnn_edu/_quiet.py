"""TensorFlow's first messages are left out, and shown if TensorFlow cannot start."""

import contextlib
import faulthandler
import os
import re
import sys
import tempfile
import threading

# The first words of TensorFlow's messages of severity I, W and E, in all versions.
_MESSAGE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+: [IWE] |"
    rb"WARNING: All log messages before absl|To enable the following instructions: "
)


def stderr_held_back():
    """Hold back file descriptor 2 during a block, and drop TensorFlow's messages.

    TensorFlow's C++ code writes to the descriptor during the import, before any setting
    of TensorFlow can silence it. After the block all other lines are written to stderr:
    those of other threads, for example. If the block fails, TensorFlow's messages are
    written too. If the block ends the whole process (an abort, a segmentation fault), all
    lines stay in a file, and Python's traceback on stderr names that file. (If another
    thread starts a process during the block, what the process writes to stderr after the
    block is lost.)

    Nothing is held back if stderr is closed, if no temporary folder is writable, or if
    `faulthandler` is enabled already: then somebody is looking for a crash.
    """
    if faulthandler.is_enabled():
        return contextlib.nullcontext()
    try:
        stderr = os.dup(2)
    except OSError:  # closed
        return contextlib.nullcontext()
    try:
        held, path = tempfile.mkstemp(prefix="tensorflow-stderr-", suffix=".txt")
    except OSError:  # no folder is writable
        os.close(stderr)
        # TensorFlow asks for the name of a temporary folder, and fails if there is none.
        os.environ.setdefault("TEST_TMPDIR", os.curdir)
        return contextlib.nullcontext()
    return _held_back(stderr, held, path)


@contextlib.contextmanager
def _held_back(stderr, held, path):
    with _named_in_a_crash(path, stderr):
        os.dup2(held, 2)
        dropped = None
        try:
            yield
            dropped = _MESSAGE
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            os.lseek(held, 0, os.SEEK_SET)
            with open(held, "rb") as file:
                lines = [one for one in file if not (dropped and dropped.match(one))]
            with contextlib.suppress(OSError), open(2, "wb", closefd=False) as file:
                file.writelines(lines)
            with contextlib.suppress(OSError):  # Windows: a child process still has it
                os.unlink(path)


@contextlib.contextmanager
def _named_in_a_crash(path, stderr):
    """Have a crash print where the messages are.

    After a crash no code of ours runs any more: `faulthandler` alone prints where each
    thread is. So a thread waits in code whose file has the path in its name. (The main
    thread cannot do it: of its frames only the last 100 are printed.)
    """
    begun, over = threading.Event(), threading.Event()
    name = f"what TensorFlow wrote is in {path}"
    wait = compile("begun.set(); over.wait()", name, "exec")
    names = {"begun": begun, "over": over}
    threading.Thread(target=exec, args=(wait, names), daemon=True).start()
    begun.wait()
    try:  # a Jupyter kernel reads descriptor 2 itself, and knows the terminal's
        terminal = os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # None, no real file, closed
        terminal = os.dup(stderr)
    faulthandler.enable(file=terminal)
    try:
        yield
    finally:
        faulthandler.disable()
        os.close(terminal)
        over.set()

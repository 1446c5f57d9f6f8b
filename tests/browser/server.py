"""A JupyterLab in a process of its own, away from the reader's settings and files."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

START = 90  # seconds that a server may take to start, or to end
SETTINGS = {
    # all cells in the page at once, or only those on view would be there to look at
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    # asks nobody whether there is news
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


NOT_INHERITED = {
    "PYTEST_CURRENT_TEST",  # with it, kernels hide what is written below Python
    *("MAKEFLAGS", "MFLAGS", "MAKELEVEL"),  # of the make that runs the tests
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lab_command(root, *more) -> list[str]:
    """The command for a JupyterLab whose page can be asked about its state."""
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *(f"--port={free_port()}", "--ServerApp.port_retries=0"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={root}"),
        *("--LabApp.expose_app_in_browser=True", *more),
    ]


def environment(home) -> dict:
    """Variables that keep all that Jupyter reads and writes inside ``home``."""
    for plugin, values in SETTINGS.items():
        file = home / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), "utf-8")
    inherited = {name: v for name, v in os.environ.items() if name not in NOT_INHERITED}
    return inherited | {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }


@contextlib.contextmanager
def serving(command, home, *, cwd=None):
    """Run a command that starts JupyterLab; end it, and its kernels, on leaving.

    Args:
        command: what to run.
        home: an empty folder for all that Jupyter keeps; the log is there, too.

    Yields:
        what the server says about itself, as a dict: "port", "token", "pid", "url".

    Raises:
        RuntimeError: with the end of the log, if no server answers.
    """
    home.mkdir()
    with open(home / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield _wait_for_server(process, home)
    finally:
        _end(process)


def _wait_for_server(process, home):
    until = time.monotonic() + START
    while process.poll() is None and time.monotonic() < until:
        for file in (home / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError, OSError):
                info = json.loads(file.read_text("utf-8"))
                socket.create_connection(("127.0.0.1", info["port"]), 2).close()
                return info
        time.sleep(0.1)
    raise RuntimeError(
        "JupyterLab did not start:\n" + (home / "log").read_text("utf-8")[-3000:]
    )


def _end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(START)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

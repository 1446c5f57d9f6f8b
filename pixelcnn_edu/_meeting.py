"""Processes that introduce themselves to that of rank 0, before JAX connects them.

Where a process is missing or two disagree, JAX would wait, and abort all of them. Here each
process gets one sentence.
"""

import contextlib
import json
import socket
import time

SECONDS_TO_SAY = 10  # of each process, who it is


def meet(coordinator, processes, rank, seconds):
    """Return when all processes have come, and agree on how many they are.

    Args:
        coordinator: ``"HOST:PORT"`` of the process of rank 0. The port is free again
            afterwards.
        processes, rank: as for `machines.joined`.
        seconds: how long to wait for the others.

    Raises:
        ConnectionError: in each process that has come, if they do not fit together.
    """
    host, _, port = coordinator.rpartition(":")
    until = time.monotonic() + seconds
    try:
        if rank == 0:
            wrong = _welcome(int(port), processes, until)
        else:
            wrong = _introduce(host.strip("[]"), int(port), [rank, processes], until)
    except (OSError, OverflowError, ValueError) as error:
        wrong = f"{type(error).__name__}: {error}"
    if wrong:
        raise ConnectionError(
            f"Expected {processes} processes of rank 0 to {processes - 1} within {seconds} "
            f"seconds, that of rank 0 at {coordinator}. Received: {wrong}"
        )


def _welcome(port, processes, until):
    """Wait for all others; tell them, and return, what is wrong, or None."""
    two_kinds = socket.has_dualstack_ipv6()
    family = {"family": socket.AF_INET6, "dualstack_ipv6": True} if two_kinds else {}
    wrong, came = None, {}
    with (
        socket.create_server(("", port), **family) as server,
        contextlib.ExitStack() as stack,
    ):
        while not wrong:
            came = {rank: one for rank, one in came.items() if not _has_left(one)}
            if len(came) == processes - 1:
                break
            if time.monotonic() >= until:
                wrong = f"only rank {', '.join(map(str, sorted([0, *came])))}"
                break
            server.settimeout(max(0.1, until - time.monotonic()))
            try:
                connection = stack.enter_context(server.accept()[0])
                who = json.loads(_line(connection, time.monotonic() + SECONDS_TO_SAY))
            except (OSError, ValueError):
                continue  # no process, or another program
            match who:
                case [int(rank), int(count)] if 0 < rank < count:
                    pass
                case _:
                    continue
            if count != processes:
                wrong = f"{count} processes at rank {rank}, {processes} at rank 0"
            elif rank in came and not _has_left(came[rank]):
                wrong = f"two processes of rank {rank}"
            if wrong:
                _tell(connection, wrong)
            else:
                came[rank] = connection
        for connection in came.values():
            _tell(connection, wrong)
    return wrong


def _tell(connection, wrong):
    """Send what is wrong, or None, to a process, if it is still there."""
    with contextlib.suppress(OSError):
        connection.settimeout(SECONDS_TO_SAY)
        connection.sendall(json.dumps(wrong).encode() + b"\n")


def _has_left(connection):
    """Whether the process at the other end has closed its connection."""
    connection.settimeout(0)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _line(connection, until, most=100):
    """Return the first line that arrives, or what has come of it by then."""
    line = b""
    while not line.endswith(b"\n") and len(line) < most:
        connection.settimeout(max(0.1, until - time.monotonic()))
        more = connection.recv(most)
        line += more
        if not more or time.monotonic() >= until:
            break
    return line


def _introduce(host, port, who, until):
    """Tell the process of rank 0 who this is; return what that says is wrong, or None."""
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=SECONDS_TO_SAY)
            break
        except OSError:  # that process or its machine has not started yet
            if time.monotonic() >= until:
                raise
            time.sleep(0.5)
    try:
        with connection:
            connection.sendall(json.dumps(who).encode() + b"\n")
            told = _line(connection, until + SECONDS_TO_SAY, 10**6)
    except ConnectionError:
        told = b""
    return json.loads(told) if told else "no answer: the process of rank 0 has ended"

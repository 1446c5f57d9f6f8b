"""Processes that introduce themselves to that of rank 0, before JAX connects them.

Where a process is missing or two disagree, JAX would wait, and abort all of them. Here each
process gets one sentence.
"""

import contextlib
import json
import socket
import time


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
    wrong, ranks, files = None, [0], []
    with (
        socket.create_server(("", port), **family) as server,
        contextlib.ExitStack() as stack,
    ):
        while len(ranks) < processes and not wrong:
            server.settimeout(max(0.1, until - time.monotonic()))
            try:
                connection = stack.enter_context(server.accept()[0])
                connection.settimeout(10)
                file = stack.enter_context(connection.makefile("rw", encoding="utf-8"))
                rank, count = map(int, json.loads(file.readline(100)))
            except TimeoutError:
                if time.monotonic() >= until:
                    wrong = f"only rank {', '.join(map(str, sorted(ranks)))}"
                continue
            except (OSError, TypeError, ValueError):
                continue  # another program
            if count != processes:
                wrong = f"{count} processes at rank {rank}, {processes} at rank 0"
            elif rank in ranks:
                wrong = f"two processes of rank {rank}"
            ranks.append(rank)
            files.append(file)
        for file in files:
            with contextlib.suppress(OSError):
                print(json.dumps(wrong), file=file, flush=True)
    return wrong


def _introduce(host, port, who, until):
    """Tell the process of rank 0 who this is; return what that says is wrong, or None."""
    while True:
        try:
            with socket.create_connection((host, port), timeout=10) as connection:
                connection.settimeout(max(0.1, until - time.monotonic()) + 10)
                with connection.makefile("rw", encoding="utf-8") as file:
                    print(json.dumps(who), file=file, flush=True)
                    return json.loads(file.readline())
        except ConnectionRefusedError:  # it has not started yet
            if time.monotonic() >= until:
                raise
            time.sleep(0.5)

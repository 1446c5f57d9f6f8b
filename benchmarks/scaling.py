"""How training scales from one process to two, with one core each.

    KERAS_BACKEND=jax python benchmarks/scaling.py          about 5 minutes on 2 cores
    KERAS_BACKEND=jax python benchmarks/scaling.py --quick  about 2: one size, fewer rounds

Prints a table and writes it as scaling.csv beside this file (or into --out). The network is
the plain one with ReLU and 6 blocks, on bundled digits (repeated, if they are too few).
"batch" counts the images of all processes: two processes share the batch of one, or have a
batch twice as large. A rate counts all that a step needs: the input pipeline, the loss, its
gradient, the sum over the processes (all-reduce) and the optimizer. "all_reduce_ms" is the
time of that sum by itself: arrays as large as the gradients, added up while nothing else
runs. "share" is its part of a step. The processes are on one machine, so no network is
measured.
"""

import argparse
import csv
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

DEPTH, STEPS = 6, 8  # blocks; steps of an epoch
COLUMNS = ["filters", "processes", "batch", "images_per_second", "step_ms"]
COLUMNS += ["all_reduce_ms", "share", "times_one_process"]


def measure(filters, batch, rounds):
    """Return the milliseconds of a step and of an all-reduce, medians of some rounds."""
    from pixelcnn_edu import data, models, training

    import keras
    import numpy as np

    times = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: times.append(-time.perf_counter()),
        on_epoch_end=lambda *_: times.append(times.pop() + time.perf_counter()),
    )
    keras.utils.set_random_seed(0)
    model = models.pixelcnn(filters=filters, depth=DEPTH, activation="relu")
    digits = data.load_mnist()[0][0]
    images = np.resize(digits, (STEPS * batch, *digits.shape[1:]))  # repeats them
    recipe = {"epochs": 2 + rounds, "batch_size": batch, "verbose": 0}
    training.fit(model, images, callbacks=[clock], **recipe)
    step = statistics.median(times[2:]) / STEPS  # the first epoch compiles
    return 1000 * step, 1000 * all_reduce(model.trainable_variables, 10 * rounds)


def all_reduce(variables, rounds):
    """Return the seconds of a sum, over all devices, of arrays shaped as the variables."""
    import jax
    import keras
    import numpy as np

    mesh = keras.distribution.distribution().device_mesh.backend_mesh
    spread, whole = (
        jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))
        for axes in (mesh.axis_names, ())
    )
    here = jax.local_device_count()
    parts = [
        jax.make_array_from_process_local_data(
            spread, np.ones((here, *variable.shape), "float32")
        )
        for variable in variables
    ]
    add = jax.jit(
        lambda parts: [part.sum(axis=0) for part in parts], out_shardings=whole
    )
    sums = jax.block_until_ready(add(parts))
    if any((np.asarray(one) != jax.device_count()).any() for one in sums):
        raise RuntimeError("The all-reduce did not add up one array of each device.")
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        jax.block_until_ready(add(parts))
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def child(coordinator, processes, rank, *settings):
    """Measure in one of some processes, on a core of its own; that of rank 0 prints."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank]})
    from pixelcnn_edu import machines

    alone = processes == 1
    with machines.joined(*((None, 1) if alone else (coordinator, processes, rank))):
        step, sum_ = measure(*settings)
    if rank == 0:
        print(json.dumps({"step_ms": step, "all_reduce_ms": sum_}))


def measure_in_children(filters, processes, batch, rounds):
    """Return a row of the table, without the ratio to one process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    run = [
        subprocess.Popen(
            [sys.executable, __file__, "--child", coordinator]
            + [str(value) for value in (processes, rank, filters, batch, rounds)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KERAS_BACKEND": "jax"},
        )
        for rank in range(processes)
    ]
    try:
        told = [process.communicate()[0] for process in run]
    finally:
        for process in run:
            process.kill()
    if any(process.returncode for process in run):
        codes = [process.returncode for process in run]
        raise RuntimeError(f"A process failed. Exit codes: {codes}")
    found = json.loads(told[0].splitlines()[-1])
    rate = batch / found["step_ms"] * 1000
    row = {"filters": filters, "processes": processes, "batch": batch, **found}
    share = found["all_reduce_ms"] / found["step_ms"]
    return {**row, "images_per_second": rate, "share": share}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--batch", type=int, default=64, help="of one process")
    parser.add_argument("--filters", type=int, nargs="+")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.child:
        coordinator, *numbers = arguments.child
        return child(coordinator, *map(int, numbers))
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) < 2:
        parser.error("Expected two cores, one for each process. Received: one core")
    rows, rounds = [], 3 if arguments.quick else 7
    print(" ".join(f"{column:>17}" for column in COLUMNS))
    batch = arguments.batch
    for filters in arguments.filters or ([32] if arguments.quick else [32, 64]):
        for processes, images in ((1, batch), (2, batch), (2, 2 * batch)):
            row = measure_in_children(filters, processes, images, rounds)
            if processes == 1:
                one = row["images_per_second"]
            row["times_one_process"] = row["images_per_second"] / one
            rows.append({column: round(row[column], 3) for column in COLUMNS})
            print(" ".join(f"{rows[-1][column]:>17}" for column in COLUMNS), flush=True)
    path = arguments.out / "scaling.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()

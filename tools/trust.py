"""The long form of the tests that look for leaks, losses and bad input.

    python tools/trust.py

Runs thousands of random models and all kinds of faults, and prints a Markdown table of
what was tried; the README shows it. Ends with an error if anything failed.
"""

import collections
import concurrent.futures
import datetime
import functools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pixelcnn_edu.machine import cores_of_process

ROOT = Path(__file__).parents[1]
ORACLES = "tests/test_oracles.py::test_"
STUDENT = (
    "tests/test_one_pixel.py::test_all_methods_draw_the_same_images_from_a_student"
)
# Each in a process of its own, the longest first, with other random cases each time: XLA
# never gives back what it has compiled, 10 MB and more for each model.
JOBS = [
    *[f"{ORACLES}the_three_methods_draw_the_same_images"] * 4,
    *[f"{STUDENT}_s_model"] * 3,
    f"{ORACLES}draws_follow_the_enumerated_probabilities",
    "tests/test_faults.py",
    "tests/test_compression.py",
    "tests/test_threads.py",
    "tests/test_runs.py",
    "tests/test_cache.py",
    "tests/test_numpy_scalars.py",
    f"{ORACLES}no_gradient_reaches_a_later_input",
    f"{ORACLES}no_output_changes_with_a_later_input",
    f"{ORACLES}the_probabilities_of_all_images_sum_to_one",
    f"{ORACLES}a_nan_reaches_no_earlier_output_where_kernels_hold_live_taps_only",
    f"{ORACLES}the_left_neighbor_matters",
    f"{ORACLES}nats_do_not_depend_on_batch_size_or_order",
    f"{ORACLES}a_saved_model_gives_the_same_logits_bit_for_bit",
    f"{ORACLES}logits_of_zero_cost_log2_of_the_levels_in_bits",
    "tests/test_page_cache.py",
    "tests/test_planted_bugs.py",
    "tests/test_bad_input.py",
]
MUTANTS = [sys.executable, "tools/mutants.py", "--sample", "200"]
AT_ONCE = 2


def what(line):
    return line.split(maxsplit=1)[1]


def counts(lines):
    """Add up lines of "count what"."""
    total = collections.Counter()
    for line in lines:
        total[what(line)] += int(line.split(maxsplit=1)[0])
    return total


def table(total, minutes, today):
    rows = [f"| {name} | {count:,} |" for name, count in total.items()]
    head = ["| what was tried, and held | cases |", "|---|---|"]
    end = [
        f"\n*{today}, {minutes:.0f} minutes on {cores_of_process()} cores; none failed.*"
    ]
    return "\n".join([*head, *rows, *end])


def environment(tally):
    return {**os.environ, "PIXELCNN_EDU_TRUST": str(tally)}


def run(job, tally):
    """Run one job; return its exit code."""
    began = time.perf_counter()
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", job]
    done = subprocess.run(
        pytest,
        cwd=ROOT,
        env=environment(tally),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        print(done.stdout)
    print(f"{time.perf_counter() - began:4.0f} s  {job}", flush=True)
    return done.returncode


def main():
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tally"
        path.touch()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            codes = list(pool.map(functools.partial(run, tally=path), JOBS))
        # after the others: the mutants themselves run two at a time
        codes.append(subprocess.call(MUTANTS, cwd=ROOT, env=environment(path)))
        total = counts(sorted(path.read_text("utf-8").splitlines(), key=what))
    if any(codes):
        return 1
    minutes = (time.perf_counter() - began) / 60
    print(table(total, minutes, datetime.date.today().isoformat()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

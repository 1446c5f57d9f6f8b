"""Run the whole suite in several processes: what `make test` does.

    python tools/suite.py            all tests, doctests and notebooks
    python tools/suite.py --quick    a few of each kind, in 90 seconds

XLA keeps what it has compiled until its process ends, and a suite in one process grows to
9 GB. Here each group of tests has a process of its own, and two run at a time: the longest
first, unless the two together would need more memory than BUDGET. `pytest --nbval` runs the
same tests in one process.

Prints a line for each group, with its seconds and its memory at most, the output of a group
that fails, the slowest tests as rows of the table in CONTRIBUTING.md, and how much memory
all processes together held at most (PSS: shared pages count once).
"""

import argparse
import collections
import functools
import itertools
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
AT_ONCE = 2
BUDGET = 2.9  # GB, of groups that run at the same time
LIGHT = 1.2  # GB: what a group may hold that is not in HEAVY
HEAVY = {  # GB of those that hold more; the line of a group says what it held
    "notebooks/07*": 1.4,
    "notebooks/10*": 1.7,
    "notebooks/11*": 1.4,
    "notebooks/15*": 1.3,
    "notebooks/17*": 1.3,
    "tests/test_compression*": 1.4,
    "tests/test_generation*": 1.4,
    "tests/test_one_pixel*": 1.3,
    "tests/test_oracles*": 1.4,
    "tests/test_pretrained*": 2.2,
    "tests/test_training*": 1.6,
}
# The longest first. A file belongs to the first group that fits; a test holds that each
# belongs to one.
ALONE = """
    notebooks/07* tests/test_runs* tests/test_training* tests/test_models*
    tests/test_pretrained* notebooks/10* notebooks/12* notebooks/06* tests/test_oracles*
    notebooks/17* notebooks/05* tests/test_compression* tests/test_generation*
    tests/test_one_pixel* tests/test_mutants* tests/test_alt* tests/test_benchmarks*
    tests/test_o* tests/test_widgets_[a-f]*
    tests/test_widgets_[g-z]* notebooks/09* notebooks/15* notebooks/19* notebooks/04*
    notebooks/08* notebooks/14* notebooks/11* notebooks/13* tests/test_cache*
    tests/test_planted* notebooks/18* notebooks/16*
    tests/test_faults* tests/test_gated* tests/test_numpy* notebooks/0[0-2]*
    tests/test_page* tests/test_ablation* tests/test_threads* tests/test_notebooks*
    tests/test_exercises*
    tests/test_[a-c]* tests/test_[d-l]* tests/test_[m-z]* notebooks/03* pixelcnn_edu/*
"""
QUICK = """
    notebooks/02* tests/test_masks* tests/test_layers* tests/test_likelihoods*
    tests/test_data* tests/test_causality* tests/test_bad_input*
"""


def everything() -> list[str]:
    """Return all test files, notebooks, and modules with doctests."""
    patterns = ["tests/test_*.py", "notebooks/**/[0-9]*.ipynb", "pixelcnn_edu/**/*.py"]
    paths = itertools.chain.from_iterable(ROOT.glob(pattern) for pattern in patterns)
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


def groups(names, patterns) -> list[list[str]]:
    """Split names into one list for each pattern: a name belongs to the first that fits.

    ``notebooks/03*`` takes the solution of notebook 03 too.
    """
    left, found = list(names), []
    for pattern in patterns:
        folder, start = pattern.split("/")
        fits = functools.partial(_fits, folder, start)
        found.append([name for name in left if fits(name)])
        left = [name for name in left if not fits(name)]
    return [group for group in found if group]


def _fits(folder, start, name):
    path = Path(name)
    return path.parts[0] == folder and Path(path.name).match(start)


def run(group, folder, memory=None) -> dict:
    """Run a group; return its name, whether it failed, its counts and its tests."""
    began = time.perf_counter()
    report = Path(tempfile.mkstemp(suffix=".xml", dir=folder)[1])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    process = subprocess.Popen(
        [*command, f"--junitxml={report}", *group],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    output, _ = process.communicate()
    tests = counts = None
    if report.stat().st_size:
        suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
        counts = {key: int(suite.get(key)) for key in ("tests", "failures", "errors")}
        counts["skipped"] = int(suite.get("skipped"))
        tests = [
            (float(case.get("time")), f"{case.get('classname')}::{case.get('name')}")
            for case in suite.iter("testcase")
        ]
    seconds = time.perf_counter() - began
    failed = process.returncode != 0 or counts is None
    if failed:
        print(output, flush=True)
    name = group[0] + (f" and {len(group) - 1} more" if len(group) > 1 else "")
    held = memory.peaks[process.pid] / 2**30 if memory else 0
    word = "FAILED " if failed else ""
    print(f"{seconds:4.0f} s {held:4.1f} GB  {word}{name}", flush=True)
    return {"name": name, "failed": failed, "counts": counts, "tests": tests or []}


class Memory(threading.Thread):
    """Each second, add up the memory of this process and of all that it started.

    ``peak`` is the most that all held together, in bytes; ``peaks`` the most of each child
    with what it started, by its process id.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()
        self.peaks = collections.Counter()

    def run(self):
        while not self.over.wait(1):
            me = psutil.Process()
            total = pss([me])
            for child in me.children():
                try:
                    held = pss([child, *child.children(recursive=True)])
                except psutil.Error:  # it ended in the meantime
                    continue
                self.peaks[child.pid] = max(self.peaks[child.pid], held)
                total += held
            self.peak = max(self.peak, total)


def pss(processes) -> int:
    """Return the memory of processes in bytes; pages that several share count once."""
    total = 0
    for process in processes:
        try:
            memory = process.memory_full_info()
        except psutil.Error:
            continue
        total += getattr(memory, "pss", memory.uss)  # PSS: Linux alone
    return total


def memory_of(group) -> float:
    """Return how many GB a group may hold, by HEAVY."""
    found = [LIGHT]
    for pattern, held in HEAVY.items():
        if groups(group, [pattern]):
            found.append(held)
    return max(found)


class Queue:
    """Hands out groups in order, but none that does not fit beside those that run."""

    def __init__(self, jobs, budget=BUDGET):
        self.waiting, self.running, self.budget = list(jobs), [], budget
        self.changed = threading.Condition()

    def take(self):
        """Return the next group, or None if none is left; wait until one fits."""
        with self.changed:
            while self.waiting:
                free = self.budget - sum(map(memory_of, self.running))
                for job in self.waiting:
                    if not self.running or memory_of(job) <= free:
                        self.waiting.remove(job)
                        self.running.append(job)
                        return job
                self.changed.wait()
        return None

    def done(self, job):
        with self.changed:
            self.running.remove(job)
            self.changed.notify_all()


def run_all(jobs, call) -> list:
    """Call a function with each job, AT_ONCE at a time; return the results."""
    queue, results = Queue(jobs), []

    def work():
        while job := queue.take():
            try:
                results.append(call(job))
            finally:
                queue.done(job)

    workers = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if len(results) < len(jobs):
        raise RuntimeError(
            f"{len(jobs) - len(results)} groups did not run to their end"
        )
    return results


def reasons() -> dict[str, str]:
    """Return why a test is slow, by its name, from the table in CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    return dict(re.findall(r"^\| *[\d–]+ \| `(.+?)` \| (.*) \|$", text, re.MULTILINE))


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few tests of each kind")
    parser.add_argument("--slowest", type=int, default=20, help="how many to list")
    arguments = parser.parse_args(argv)
    began, memory = time.perf_counter(), Memory()
    memory.start()
    jobs = groups(everything(), (QUICK if arguments.quick else ALONE).split())
    with tempfile.TemporaryDirectory() as folder:
        results = run_all(jobs, functools.partial(run, folder=folder, memory=memory))
    memory.over.set()
    slowest = sorted((test for one in results for test in one["tests"]), reverse=True)
    why = reasons()
    print("| seconds | test | why it takes so long |\n|---|---|---|")
    for seconds, name in slowest[: arguments.slowest]:
        print(f"| {seconds:.0f} | `{name}` | {why.get(name, '?')} |")
    total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for one in results:
        for key, value in (one["counts"] or {"errors": 1, "tests": 1}).items():
            total[key] += value
    failed = total["failures"] + total["errors"]
    minutes = (time.perf_counter() - began) / 60
    print(f"{minutes:.1f} minutes, at most {memory.peak / 2**30:.1f} GB at a time")
    for one in results:
        if one["failed"]:
            print(f"FAILED {one['name']}")
    passed = total["tests"] - failed - total["skipped"]
    print(f"{passed} passed, {failed} failed, {total['skipped']} skipped")
    return any(one["failed"] for one in results)


if __name__ == "__main__":
    sys.exit(main())

"""Run the whole suite in several processes: what `make test` does.

    python tools/suite.py            all tests, doctests and notebooks
    python tools/suite.py --quick    a few of each kind, in 90 seconds

XLA keeps what it has compiled until its process ends, and a suite in one process grows to
9 GB. Here each group of tests has a process of its own, and two run at a time, the longest
first. On Linux these processes and the kernels of the notebooks are forked from one that
has imported TensorFlow already. `pytest --nbval` runs the same tests in one process, with
kernels as JupyterLab starts them.

Prints a line for each group, with its seconds and its memory at most, the output of a group
that fails, the slowest tests as rows of the table in CONTRIBUTING.md, and how much memory
all processes together held at most (PSS: shared pages count once).
"""

import argparse
import atexit
import concurrent.futures
import functools
import gc
import itertools
import multiprocessing
import os
import re
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree
from pathlib import Path

import kernels
import psutil
import pytest

ROOT = Path(__file__).parents[1]
LINUX = sys.platform == "linux"  # elsewhere TensorFlow may not survive a fork
FORK = multiprocessing.get_context("forkserver" if LINUX else "spawn")
IMPORTED = ["pixelcnn_edu", "scipy.stats", "nbformat", "ipykernel.kernelapp"]
AT_ONCE = 2  # on two cores a third group makes the others slower than it saves
# More threads than cores wait for each other. (Notebooks have all threads: their trained
# networks depend on the order of sums.)
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1"}
# The longest first. A file belongs to the first group that fits; a test holds that each
# belongs to one.
ALONE = """
    tests/test_pretrained* tests/test_runs* tests/test_compression* tests/test_training*
    tests/test_models* tests/test_one_pixel* tests/test_cache* notebooks/19* notebooks/07*
    tests/test_widgets_[g-z]* notebooks/09* notebooks/08* notebooks/10* notebooks/04*
    notebooks/18* notebooks/16* tests/test_exercises* tests/test_faults* notebooks/14*
    tests/test_benchmarks* tests/test_oracles* tests/test_o*
    notebooks/15* notebooks/11* notebooks/05* tests/test_generation* notebooks/06*
    tests/test_planted* tests/test_gated* tests/test_threads* notebooks/0[0-2]*
    notebooks/13* notebooks/12* tests/test_alt* tests/test_numpy* tests/test_notebooks*
    notebooks/17* tests/test_page* tests/test_ablation* tests/test_mutants*
    tests/test_widgets_[a-f]* notebooks/03*
    tests/test_[a-c]* tests/test_[d-l]* tests/test_[m-z]* pixelcnn_edu/*
"""
QUICK = """
    notebooks/02* tests/test_masks* tests/test_layers* tests/test_likelihoods*
    tests/test_data* tests/test_causality* tests/test_bad_input*
"""


def everything() -> list[str]:
    """Return all test files, notebooks, and modules with doctests."""
    patterns = ["tests/test_*.py", "notebooks/**/[0-9]*.ipynb", "pixelcnn_edu/**/*.py"]
    paths = itertools.chain.from_iterable(ROOT.glob(pattern) for pattern in patterns)
    names = (path.relative_to(ROOT).as_posix() for path in paths)
    return sorted(name for name in names if ".ipynb_checkpoints/" not in name)


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


def run_pytest(arguments, output):
    """Run pytest in this process, and write what it says into a file."""
    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    gc.freeze()  # what is imported already need not be searched for garbage
    gc.set_threshold(50_000, 20, 50)  # a traced graph is many objects, and no garbage
    if sys.dont_write_bytecode:  # else pytest rewrites its plug-ins in each process
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(output.parent)
    if not any(name.endswith(".ipynb") for name in arguments):
        os.environ.update(ONE_THREAD)
    elif LINUX:
        kernels.fork_kernels()
    sys.path.insert(0, str(ROOT))
    code = pytest.main(arguments)
    atexit._run_exitfuncs()  # a process of multiprocessing does not do this
    sys.exit(code)


def run(group, folder, memory=None) -> dict:
    """Run a group; return its name, whether it failed, its counts and its tests."""
    began = time.perf_counter()
    report, told = (
        Path(tempfile.mkstemp(suffix=suffix, dir=folder)[1])
        for suffix in (".xml", ".txt")
    )
    options = ["--nbval", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    process = FORK.Process(target=run_pytest, args=([*options, *group], told))
    process.start()
    if memory:
        memory.peaks[process.pid] = 0
    process.join()
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
    failed = process.exitcode != 0 or counts is None
    if failed:
        print(told.read_text("utf-8", "replace"), flush=True)
    name = group[0] + (f" and {len(group) - 1} more" if len(group) > 1 else "")
    held = memory.peaks[process.pid] / 2**30 if memory else 0
    word = "FAILED " if failed else ""
    print(f"{seconds:4.0f} s {held:4.1f} GB  {word}{name}", flush=True)
    return {"name": name, "failed": failed, "counts": counts, "tests": tests or []}


class Memory(threading.Thread):
    """Each second, add up the memory of this process and of all that it started.

    ``peak`` is the most that all held together, in bytes; ``peaks`` the most of each group
    with what it started, by the process id of the group. A group enters itself there.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()
        self.peaks = {}

    def run(self):
        while not self.over.wait(1):
            held = {one.pid: pss(one) for one in family(os.getpid())}
            self.peak = max(self.peak, sum(held.values()))
            for pid, peak in list(self.peaks.items()):
                now = sum(held.get(one.pid, 0) for one in family(pid))
                self.peaks[pid] = max(peak, now)


def family(pid) -> list:
    """Return a process and all that it started, as far as they still run."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def pss(process) -> int:
    """Return the memory of a process in bytes; pages that several share count in part."""
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    return getattr(memory, "pss", memory.uss)  # PSS: Linux alone


def run_all(jobs, call) -> list:
    """Call a function with each job, AT_ONCE at a time; return the results."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, jobs))


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
    FORK.set_forkserver_preload(IMPORTED)
    memory.start()
    jobs = groups(everything(), (QUICK if arguments.quick else ALONE).split())
    jobs.sort(key=lambda group: len(group) < 5)  # those of many files are long, too
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

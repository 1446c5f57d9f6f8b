"""Plant one small fault after another in the code; count those that the tests catch.

    python tools/mutants.py                 every mutant of every module
    python tools/mutants.py --sample 200    a sample: the same one for the same --seed
    python tools/mutants.py --modules masks layers

A mutant is a module with one change: a number one larger or smaller, ``<`` for ``<=``,
``+`` for ``-``, a condition negated, a loop without a round, a decorator removed. The
operators of Cosmic Ray make the changes; `OPERATORS` names those that are used, on all
functions alike. A mutant is caught if a test fails or runs for longer than `LIMIT`.

Importing TensorFlow takes seconds. So one process imports it, and forks for each mutant.
A mutant is written into a temporary copy of the project, never into the project itself.

`survivors.toml` gives the reason of each mutant that is known to survive. The tool fails
if fewer than 95 % of the mutants are caught, or if a survivor has no reason.
"""

import argparse
import contextlib
import dataclasses
import difflib
import gc
import importlib.metadata
import os
import random
import shutil
import signal
import sys
import tempfile
import tomllib
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "pixelcnn_edu"
REASONS = Path(__file__).with_name("survivors.toml")
COPIED = (PACKAGE, "tests", "tools", "pyproject.toml", "CONTRIBUTING.md")
# The tests of each module: those that fail for most mutants first, the slow ones last.
TESTS = {
    "masks": ("masks", "layers"),
    "layers": ("layers", "models", "gated"),
    "likelihoods": ("likelihoods", "evaluation", "planted_bugs", "models"),
    "mixture": ("likelihoods", "evaluation", "planted_bugs"),
    "generation": ("generation", "first_call", "numpy_scalars"),
    "_first_call": ("first_call", "generation", "numpy_scalars"),
    "_particles": ("generation", "numpy_scalars"),
}
PRELOADED = ("hypothesis", "keras", "matplotlib.pyplot", "scipy.stats", "tensorflow")
ENOUGH = 0.95  # of the mutants
LIMIT = 120  # seconds of processor time for one test, or for importing all of them
WAIT = 5  # times LIMIT: how long that may take by the clock, on a busy machine
MEMORY = 12 * 2**30  # bytes for one mutant
AT_ONCE = 2

_BINARY = "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul FloorDiv_Div Mod_Mul Pow_Mul "
_BINARY += "LShift_RShift RShift_LShift BitOr_BitAnd BitAnd_BitOr"
_COMPARISON = (
    "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt "
)
_COMPARISON += "Is_IsNot IsNot_Is"
OPERATORS = [
    *(f"ReplaceBinaryOperator_{change}" for change in _BINARY.split()),
    *(f"ReplaceComparisonOperator_{change}" for change in _COMPARISON.split()),
    *(f"ReplaceUnaryOperator_Delete_{sign}" for sign in ("USub", "Not", "Invert")),
    *("NumberReplacer", "AddNot", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ZeroIterationForLoop"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer"),
    "RemoveDecorator",
]


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A module of the package with one change."""

    module: str
    line: int
    was: str  # the changed lines, without the spaces around them
    now: str
    code: str = dataclasses.field(repr=False)  # the whole module


@dataclasses.dataclass(frozen=True)
class Result:
    mutant: Mutant
    caught: str  # by which test, or why; empty for a survivor
    seconds: float  # of processor time
    passed: dict[str, float]  # the tests that passed, and the time that each took


def compare(module: str, source: str, code: str) -> Mutant:
    """Describe how ``code`` differs from ``source``."""
    before, after = source.splitlines(), code.splitlines()
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    changes = [change for change in changes if change[0] != "equal"]
    first, last = changes[0], changes[-1]
    was, now = before[first[1] : last[2]], after[first[3] : last[4]]
    texts = (" ".join(map(str.strip, lines)).strip() for lines in (was, now))
    return Mutant(module, first[1] + 1, *texts, code)


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """Yield each mutant of a module that Python can compile."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    nodes = list(ast_nodes(get_ast(source)))
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        places = sum(len(list(operator.mutation_positions(node))) for node in nodes)
        for occurrence in range(places):
            code = mutate_code(source, operator, occurrence)
            try:
                compile(code, module, "exec")
            except SyntaxError:  # an operator took **kwargs for a power
                continue
            yield compare(module, source, code)


def tests_for(module: str) -> list[list[str]]:
    """Return groups of tests of a module; a group runs if those before it passed."""
    first, *others = (f"tests/test_{name}.py" for name in TESTS[module])
    return [[first, f"{PACKAGE}/{module}.py"], *([other] for other in others)]


class Watch:
    """A pytest plugin: the quickest test first, each of limited time, and what failed."""

    def __init__(self, desk, quick):
        self.desk, self.quick = desk, quick

    def pytest_collection_modifyitems(self, items):
        items.sort(key=lambda item: self.quick.get(item.nodeid, 0))

    def pytest_runtest_logstart(self):
        _limit()

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.desk.failed.write_text(report.nodeid, "utf-8")
        elif report.when == "call":
            with open(self.desk.passed, "a", encoding="utf-8") as file:
                file.write(f"{report.duration} {report.nodeid}\n")

    def pytest_collectreport(self, report):
        if report.failed:
            self.desk.failed.write_text(report.nodeid, "utf-8")


def _limit():
    """Have the system end this process: compiled code hears no signal."""
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    signal.alarm(WAIT * LIMIT)


def _test(desk, groups, quick):
    """Run groups of tests in this process, a fork, and end it with pytest's exit code."""
    import resource  # Unix alone has it, as it has fork

    import pytest

    code = 4  # pytest's own, for a mistake in the call
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        os.chdir(desk.copy)
        os.environ["PYTHONPATH"] = str(desk.copy)
        sys.path.insert(0, str(desk.copy))
        with open(desk.output, "wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        options = ["-x", "-q", f"--rootdir={desk.copy}"]
        options += ["-p", "no:cacheprovider", "-p", "no:nbval"]
        options += ["-o", "addopts=--doctest-modules"]  # none of nbval
        options += ["-W", "ignore:Module already imported"]  # by the parent process
        for group in groups:
            _limit()  # for what is imported; then for each test
            code = pytest.main([*options, *group], plugins=[Watch(desk, quick)])
            if code:
                break
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Desk:
    """A copy of the project in which one mutant at a time is tested."""

    def __init__(self, root: Path, folder: Path):
        self.copy = folder / "copy"
        self.copy.mkdir(parents=True)
        for name in COPIED:
            if (root / name).is_dir():
                skipped = shutil.ignore_patterns("__pycache__", "browser")
                shutil.copytree(root / name, self.copy / name, ignore=skipped)
            else:
                shutil.copy(root / name, self.copy / name)
        self.output, self.failed = folder / "output.txt", folder / "failed.txt"
        self.passed = folder / "passed.txt"

    def start(self, mutant: Mutant, groups: list[list[str]], quick: dict) -> int:
        """Fork a process that tests a mutant, until a test fails; return its number."""
        self.mutant = mutant
        self.failed.unlink(missing_ok=True)
        self.passed.write_text("", "utf-8")
        self.path = self.copy / PACKAGE / f"{mutant.module}.py"
        self.source = self.path.read_text("utf-8")
        self.path.write_text(mutant.code, "utf-8")
        sys.stdout.flush()
        process = os.fork()
        if not process:
            _test(self, groups, quick)
        return process

    def finish(self, process: int, status: int, seconds: float) -> Result:
        """Take the mutant back, and return what the tests said.

        Raises:
            RuntimeError: pytest ran no test.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)  # what a test may have started
        self.path.write_text(self.source, "utf-8")
        caught, code = "", os.waitstatus_to_exitcode(status)
        if code in (4, 5):
            raise RuntimeError(self.output.read_text("utf-8", "replace"))
        if code:
            timed_out = -code in (signal.SIGALRM, signal.SIGPROF)
            end = "time ran out" if timed_out else f"exit code {code}"
            caught = self.failed.read_text("utf-8") if self.failed.exists() else end
        lines = (
            line.split(" ", 1) for line in self.passed.read_text("utf-8").splitlines()
        )
        passed = {name: float(duration) for duration, name in lines}
        return Result(self.mutant, caught, seconds, passed)


def run(
    mutants: Iterable[Mutant],
    root: Path = ROOT,
    *,
    at_once=AT_ONCE,
    tests=tests_for,
    quick=None,
) -> Iterator[Result]:
    """Test mutants, ``at_once`` at a time; yield each result as it comes.

    Args:
        mutants: what to test.
        root: the project's folder; nothing is written there.
        at_once: processes.
        tests: a function from a module to groups of tests, as `tests_for`.
        quick: the time that each test took before; the quickest runs first.
    """
    # A mutant of the same length and second as its source would pass for it.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no thread is there when it forks
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ.pop("PIXELCNN_EDU_TRUST", None)  # the short form of the tests
    for plugin in importlib.metadata.entry_points(group="pytest11"):
        if plugin.name != "nbval":
            plugin.load()
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # what is imported by now need not be searched for garbage
    waiting, running = iter(mutants), {}
    with tempfile.TemporaryDirectory() as folder:
        free = [Desk(root, Path(folder, str(n))) for n in range(at_once)]
        while True:
            while free and (mutant := next(waiting, run)) is not run:
                desk = free.pop()
                process = desk.start(mutant, tests(mutant.module), quick or {})
                running[process] = desk
            if not running:
                return
            process, status, usage = os.wait4(-1, 0)
            free.append(desk := running.pop(process))
            yield desk.finish(process, status, usage.ru_utime + usage.ru_stime)


def reasons(path: Path = REASONS) -> dict[tuple[str, str, str], str]:
    """Read why mutants are known to survive: {(module, was, now): reason}."""
    entries = tomllib.loads(path.read_text("utf-8")).get("survivor", [])
    return {(one["module"], one["was"], one["now"]): one["why"] for one in entries}


def report(results: list[Result], known: dict) -> bool:
    """Print the survivors and the share that was caught; return whether all is well."""
    survivors = [result.mutant for result in results if not result.caught]
    unexplained = 0
    print(f"\n{len(survivors)} mutants survive:")
    for one in sorted(survivors, key=lambda one: (one.module, one.line)):
        why = known.get((one.module, one.was, one.now))
        unexplained += why is None
        print(f"\n{one.module}.py, line {one.line}:\n- {one.was}\n+ {one.now}")
        print(f"  {why or 'NO REASON IS GIVEN'}")
    caught = len(results) - len(survivors)
    share = caught / len(results)
    seconds = sum(result.seconds for result in results) / len(results)
    print(f"\n{caught} of {len(results)} mutants caught: {share:.1%}.")
    print(f"{seconds:.1f} s of processor time for each.")
    print(f"{unexplained} survivors without a reason.")
    return share >= ENOUGH and not unexplained


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=int, help="how many mutants; all if left out")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    parser.add_argument("--modules", nargs="+", default=list(TESTS), metavar="MODULE")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="processes")
    arguments = parser.parse_args(argv)
    tally, known = os.environ.get("PIXELCNN_EDU_TRUST"), reasons()
    mutants, unchanged = [], []
    for module in arguments.modules:
        source = (ROOT / PACKAGE / f"{module}.py").read_text("utf-8")
        mutants += mutants_of(module, source)
        unchanged.append(Mutant(module, 0, "", "", source))
    count = len(mutants)
    if arguments.sample is not None:
        sample = min(arguments.sample, count)
        mutants = random.Random(arguments.seed).sample(mutants, sample)
    print(f"{len(mutants)} of {count} mutants of {', '.join(arguments.modules)}.")
    quick = {}
    for one in run(unchanged, at_once=arguments.at_once):
        print(f"{one.seconds:4.0f} s  {one.mutant.module}.py unchanged", flush=True)
        if one.caught:
            print(f"Expected tests that pass. Received: {one.caught}")
            return 1
        quick |= one.passed
    results = []
    for result in run(mutants, at_once=arguments.at_once, quick=quick):
        results.append(result)
        one = result.mutant
        by = result.caught or f"SURVIVES: {one.was} -> {one.now}"
        print(f"{result.seconds:4.0f} s  {one.module}.py:{one.line}  {by}", flush=True)
    fine = report(results, known)
    if tally and fine:
        caught = sum(bool(result.caught) for result in results)
        with open(tally, "a", encoding="utf-8") as file:
            file.write(
                f"{caught} changes of one place in the code caught, of {len(results)}\n"
            )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

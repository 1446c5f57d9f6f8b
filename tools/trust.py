"""The long form of the tests that look for leaks, losses and bad input.

    python tools/trust.py

Runs thousands of random models and all kinds of faults, and prints a Markdown table of
what was tried; the README shows it. Ends with an error if anything failed.
"""

import collections
import datetime
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
METHODS = "oracles.py::test_the_three_methods_draw_the_same_images"
PARTS = [  # at once; of about the same length
    ["oracles.py", f"--deselect=tests/test_{METHODS}"],
    [METHODS, "one_pixel.py", "faults.py", "planted_bugs.py", "bad_input.py"],
]


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
        f"\n*{today}, {minutes:.0f} minutes on {os.cpu_count()} cores; none failed.*"
    ]
    return "\n".join([*head, *rows, *end])


def main():
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tally"
        path.touch()
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        runs = [
            subprocess.Popen(
                pytest + [a if a[0] == "-" else f"tests/test_{a}" for a in part],
                cwd=ROOT,
                env={**os.environ, "PIXELCNN_EDU_TRUST": str(path)},
            )
            for part in PARTS
        ]
        codes = [run.wait() for run in runs]
        total = counts(sorted(path.read_text().splitlines(), key=what))
    if any(codes):
        return 1
    minutes = (time.perf_counter() - began) / 60
    print(table(total, minutes, datetime.date.today().isoformat()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

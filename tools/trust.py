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
FILES = ["oracles", "one_pixel", "faults", "planted_bugs", "bad_input"]


def counts(lines):
    """Add up lines of "count what", in the order of their first appearance."""
    total = collections.Counter()
    for line in lines:
        count, what = line.split(maxsplit=1)
        total[what] += int(count)
    return total


def table(total, minutes, today):
    rows = [f"| {what} | {count:,} |" for what, count in total.items()]
    head = ["| what was tried, and held | cases |", "|---|---|"]
    end = [
        f"\n*{today}, {minutes:.0f} minutes on {os.cpu_count()} cores; none failed.*"
    ]
    return "\n".join([*head, *rows, *end])


def main():
    began = time.perf_counter()
    files = [f"tests/test_{name}.py" for name in FILES]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tally"
        code = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
            cwd=ROOT,
            env={**os.environ, "PIXELCNN_EDU_TRUST": str(path)},
        ).returncode
        total = counts(path.read_text().splitlines() if path.exists() else [])
    if code:
        return code
    minutes = (time.perf_counter() - began) / 60
    print(table(total, minutes, datetime.date.today().isoformat()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

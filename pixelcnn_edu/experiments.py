"""Results of experiments that take too long for a page.

A script in ``benchmarks/`` makes each table and writes it as ``bundled/NAME.csv``. A test
computes some of its rows again.
"""

import csv
import numbers
from pathlib import Path

from pixelcnn_edu._checks import check_one_of
from pixelcnn_edu._files import atomic_write

import numpy as np

FOLDER = Path(__file__).with_name("bundled")


def names() -> list[str]:
    """Return the names of all tables."""
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


def table(name: str) -> np.ndarray:
    """Return a table as a structured array: ``rows[3]``, or ``rows["nats"]``.

    Args:
        name: one of `names`.

    Raises:
        ValueError: there is no table of that name.

    Example:
        >>> runs = table("two_stacks")
        >>> gates = runs[(runs["network"] == "gate") & (runs["seed"] == 0)]
        >>> bool(gates["nats"].min() < 98)
        True
    """
    check_one_of("name", name, names())
    rows = np.genfromtxt(
        FOLDER / f"{name}.csv",
        None,
        comments=None,
        delimiter=",",
        names=True,
        encoding="utf-8",
    )
    return np.atleast_1d(rows)


def record(name: str, rows: list[dict]) -> None:
    """Write a table, whole or not at all.

    Args:
        name: of the table.
        rows: numbers and texts by column. The name of a column is one of letters, digits
            and underscores. A text has no comma, quote or line break, and is no number.

    Raises:
        ValueError: the rows have different keys, or a value is of another kind.
    """
    if any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError(f"Expected rows with the same keys. Received: {rows}")
    for value in (value for row in rows for value in row.values()):
        plain_text = isinstance(value, str) and not set(value) & set(",\"'\n\r")
        if not plain_text and not isinstance(value, numbers.Real):
            raise ValueError(
                "Expected numbers, and texts without commas, quotes and line breaks. "
                f"Received: {value!r}"
            )
    with (
        atomic_write(FOLDER / f"{name}.csv") as path,
        open(path, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

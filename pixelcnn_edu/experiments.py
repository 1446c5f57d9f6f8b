"""Results of experiments that take too long for a page.

A script in ``benchmarks/`` makes each table and writes it as ``bundled/NAME.csv``. A test
computes some of its rows again.
"""

import csv
import io
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
    return _read(FOLDER / f"{name}.csv")


def _read(source) -> np.ndarray:
    rows = np.genfromtxt(
        source, None, comments=None, delimiter=",", names=True, encoding="utf-8"
    )
    return np.atleast_1d(rows)


def record(name: str, rows: list[dict]) -> None:
    """Write a table, whole or not at all.

    Args:
        name: of the table.
        rows: numbers and texts by column. The name of a column is one of letters, digits
            and underscores; a text has no comma, quote or line break.

    Raises:
        ValueError: the rows have different keys, or a key or a value that `table` would
            read as another one: a text of digits as a number, for example.
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
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _check_what_is_read(text.getvalue(), rows)
    with atomic_write(FOLDER / f"{name}.csv") as path:
        path.write_text(text.getvalue(), "utf-8", newline="\n")


def _check_what_is_read(text, rows):
    """Refuse rows that do not come back from their text as they are."""
    names = tuple(rows[0])
    try:
        found = _read(io.StringIO(text))
    except ValueError:  # the name of a column has a comma
        found = np.empty(0)
    if found.dtype.names != names:
        raise ValueError(
            "Expected names of columns of letters, digits and underscores, other than "
            f"'file', 'print' and 'return'. Received: {names}"
        )
    for row, line in zip(rows, found, strict=len(found) > 0):
        for name, value in row.items():
            read = line[name].item()
            text = isinstance(value, str) or isinstance(read, str)
            number = read if text else type(value)(read)
            if number != value and (text or value == value):  # NaN comes back as NaN
                raise ValueError(
                    f"Expected column {name!r} to hold numbers alone or texts alone, and "
                    "texts that do not read as numbers, without spaces around them. "
                    f"Received: {value!r}, which is read as {read!r}"
                )

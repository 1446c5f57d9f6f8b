"""The scoreboard: nats per image of test digits, from many notebooks.

Each row names the notebook that measures it, on the 1,000 bundled test digits,
binarized once with seed 0 (one draw of the dynamic protocol). The board stores the
result. When the notebook runs again, `show` compares the new result with the stored
one. No row was trained on these digits. But they were used to choose the settings of
the row *preset minutes, 4 epochs*, so that row may be a little too good. The settings
of `coffee` and `night` were chosen with 10,000 validation digits.
"""

import json
import math
from pathlib import Path

from pixelcnn_edu import plots
from pixelcnn_edu._checks import check_notebook, check_number, check_one_of
from pixelcnn_edu._files import atomic_write
from pixelcnn_edu.evaluation import mean_and_standard_error

import numpy as np

FILE = Path(__file__).with_name("scoreboard.json")


def rows(until: str = "99") -> list[dict]:
    """Return the rows of all notebooks up to and including a number, in order.

    Each row is a dict: ``notebook``, ``name``, ``nats_per_image``, ``standard_error``
    and ``tolerance`` (the largest allowed difference of a new measurement).

    Raises:
        ValueError: ``until`` is not a notebook's two digits, such as ``"03"``.
    """
    until = check_notebook("until", until)
    return [row for row in _board() if row["notebook"] <= until]


def _board():
    return json.loads(FILE.read_text("utf-8"))


def show(notebook: str, measured: dict | None = None, *, ax=None):
    """Compare new measurements with the board, then draw the board up to a notebook.

    Args:
        notebook: number, such as ``"03"``; its own rows are orange.
        measured: dict from row names to nats per image of the test digits, (N,).
        ax: where to draw.

    Raises:
        ValueError: a row of that name is not on the board, or ``notebook`` is not two
            digits.
        AssertionError: a measurement differs too much from the stored one.
    """
    notebook = check_notebook("notebook", notebook)
    board = {row["name"]: row for row in rows(notebook)}
    for name, nats in (measured or {}).items():
        check_one_of("a row of the scoreboard", name, board)
        mean, row = float(np.mean(nats)), board[name]
        if not math.isclose(mean, row["nats_per_image"], abs_tol=row["tolerance"]):
            raise AssertionError(
                f"{name}: the board says {row['nats_per_image']:.1f} nats, "
                f"± {row['tolerance']}. Measured: {mean:.1f}"
            )
    names = list(board)
    values = [row["nats_per_image"] for row in board.values()]
    errors = [row["standard_error"] for row in board.values()]
    blue, orange, *_ = plots.plt.rcParams["axes.prop_cycle"].by_key()["color"]
    colors = [orange if r["notebook"] == notebook else blue for r in board.values()]
    if ax is None:
        _, ax = plots.plt.subplots(figsize=(9, 0.45 * len(names) + 1.1))
    ax.barh(names, values, color=colors, xerr=errors, error_kw={"linewidth": 1.2})
    for i, row in enumerate(board.values()):
        text = f" {row['nats_per_image']:.1f} ± {row['standard_error']:.1f}"
        ax.text(values[i] + errors[i] + 4, i, text, va="center", size=11)
    ax.invert_yaxis()
    ax.set(xlabel="nats per image on 1,000 test digits (lower is better)")
    ax.set_xlim(0, max(values) * 1.2)
    told = [
        f"{row['name']} {row['nats_per_image']:.1f} ± {row['standard_error']:.1f}"
        for row in board.values()
    ]
    return plots.describe(ax, f"Scoreboard: {', '.join(told)}")


def record(notebook: str, name: str, nats, *, tolerance: float) -> dict:
    """Write a row to the board. Authors call this once after they change a notebook.

    Two processes that write at the same time are not supported.

    Args:
        notebook: number, such as ``"03"``.
        name: what was measured, in a few words.
        nats: nats per image of the 1,000 test digits, (N,).
        tolerance: the largest allowed difference of a measurement on another machine, in
            nats.

    Raises:
        ValueError: an argument is out of its range.
        OSError: the file cannot be written. The board keeps all its rows.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"Expected name to be a few words. Received: {name!r}")
    mean, error = mean_and_standard_error(nats)
    row = {
        "notebook": check_notebook("notebook", notebook),
        "name": name,
        "nats_per_image": round(mean, 2),
        "standard_error": round(error, 2),
        "tolerance": check_number("tolerance", tolerance, "[0, inf)"),
    }
    with atomic_write(FILE) as temporary:
        board = _board()
        others = [old["name"] for old in board if old["notebook"] != row["notebook"]]
        if name in others:
            raise ValueError(
                f"Expected a name that no other notebook uses. Received: {name!r}"
            )
        board = [*(old for old in board if old["name"] != name), row]
        board.sort(key=lambda r: (r["notebook"], -r["nats_per_image"]))
        text = json.dumps(board, indent=1, ensure_ascii=False) + "\n"
        temporary.write_text(text, "utf-8")
    return row

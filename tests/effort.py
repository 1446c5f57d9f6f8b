"""How much the tests try: a short form for `make test`, a long one for `make trust`.

`make trust` sets PIXELCNN_EDU_TRUST to a file, and tests tally there, line by line, what
they have tried.
"""

import os

TALLY = os.environ.get("PIXELCNN_EDU_TRUST")
LONG = TALLY is not None


def examples(short: int, long: int) -> int:
    """How many examples a property is tried on."""
    return long if LONG else short


def tally(what: str, count: int = 1) -> None:
    """Note that ``count`` cases of ``what`` were tried and held."""
    if LONG and count:
        with open(TALLY, "a", encoding="utf-8") as file:
            file.write(f"{int(count)} {what}\n")

"""Checks for notebook 05: what a stack of masked layers sees, counted without a network."""

from pixelcnn_edu.exercises._check import Blank, Wrong, called, check, count_of_pixels

import numpy as np

_SIZE, _ROW, _COL = 28, 14, 14


@check(
    "Offsets add up in both places: rows to rows, columns to columns.",
    "From (r1, c1) and (r2, c2) comes (r1 + r2, c1 + c2).",
)
def two_layers(answer):
    """Judge ``two_layers(first, second)``: the offsets that two layers see together.

    ``first``, ``second``: sets of offsets (rows, columns), what each layer reads around
    its own position. Returns the set of all offsets reached by a step of ``second`` and
    then one of ``first``.
    """
    rng = np.random.default_rng(5)
    cases = [({(-1, 1), (0, -1)}, {(-2, 3), (-1, 0), (0, -1)})]
    for _ in range(6):
        first, second = (
            {tuple(map(int, pair)) for pair in rng.integers(-3, 3, (4, 2))}
            for _ in range(2)
        )
        cases.append((first, second))
    for first, second in cases:
        expected = _sums(first, second)
        actual = _pairs(called(answer, set(first), set(second)))
        if actual == expected:
            continue
        one_column = (
            "The rows are added, but the column is that of one step alone.",
            [{(r1 + r2, c1) for r1, c1 in first for r2, _ in second}]
            + [{(r1 + r2, c2) for r1, _ in first for r2, c2 in second}],
        )
        mistakes = (
            (
                "These are the offsets that one of the layers reads alone. Through both, "
                "each step of the one is followed by a step of the other.",
                [first | second, first, second],
            ),
            ("Only offsets that both layers share are kept.", [first & second]),
            one_column,
            (
                "The steps are subtracted: the second one walks back.",
                [{(r1 - r2, c1 - c2) for r1, c1 in first for r2, c2 in second}],
            ),
            (
                "The offsets of single layers are in it too. They belong there only if "
                "the other layer may stand still, by its offset (0, 0).",
                [expected | first | second],
            ),
        )
        diagnosis = "These are not the sums of one offset from each layer."
        for text, wrong in mistakes:
            if actual in wrong:
                diagnosis = text
                break
        raise Wrong(
            diagnosis,
            case=f"first = {sorted(first)}, second = {sorted(second)}",
            expected=sorted(expected),
            actual=sorted(actual),
        )
    return "It does not matter which layer comes first: sums commute."


@check(
    "Keep a set of pixels that starts as {(14, 14)}. Each layer turns it into the set "
    "of all pixels one step further on that lie on the page.",
    "n steps with the offsets of a 3×3 mask B, one with those of a 7×7 mask A, and "
    "after each: 0 <= row < 28 and 0 <= col < 28. The answer is the length of the set.",
)
def seen(answer):
    """Judge ``seen(n)``: how many pixels the output at (14, 14) of 28×28 can see.

    The stack is one 7×7 layer of type A, then ``n`` 3×3 layers of type B; ``n`` from 0.
    Returns a whole number.
    """
    for n in (5, 10, 12, 0, 1, 7):
        expected = len(_seen(n))
        actual = called(answer, n)
        mistakes = {
            "The pixel itself is counted. The first layer is of type A, so no path ends "
            "where it began.": expected + 1,
            "Type A in every layer. Later layers are of type B: they may stand still.": (
                len(_seen(n, later="A"))
            ),
            "A rectangle as wide as the reach. One row up, the stack does not get that "
            "far to the right.": _rectangle(n),
            "Positions off the page are counted.": len(_seen(n, size=10**6)),
            "Only the blocks' steps are here; the 7×7 A step is missing.": (
                len(_seen(n, first=None))
            ),
            "The first layer is 7×7, not 3×3.": len(_seen(n, first=3)),
            "No masks: pixels that come later are counted.": _unmasked(n),
            "The page only grew to n - 1 blocks.": len(_seen(max(n - 1, 0))),
            "One 3×3 layer too many.": len(_seen(n + 1)),
            "All earlier pixels are counted; not all of them can be reached.": (
                _ROW * _SIZE + _COL
            ),
        }
        count_of_pixels(actual, expected, mistakes, case=f"n = {n}")
    return "Found with sets alone; the network agrees, pixel for pixel."


@check(
    "A pixel `up` rows above and `right` columns to the right is blind if "
    "right > up + first // 2 - 1, whatever the depth.",
    "Go through all pairs (output, earlier pixel) of the page: count the blind ones, "
    "count all, and divide once, at the end.",
)
def blind_share(answer):
    """Judge ``blind_share(height, width, first)``: what no depth will ever see.

    The stack is one ``first`` × ``first`` layer of type A, then any number of 3×3 layers
    of type B. Of all pairs (output, pixel before it) on a page of ``height`` × ``width``,
    returns the share (0 to 1) in which the output can never see the pixel.
    """
    cases = ((2, 5, 3), (5, 2, 3), (9, 6, 7), (6, 9, 5), (28, 28, 3), (28, 28, 7))
    for height, width, first in cases:
        blind, earlier = _blind(height, width, first // 2 - 1)
        expected = blind.sum() / earlier.sum()
        actual = np.asarray(called(answer, height, width, first), "float64")
        if actual.shape == () and abs(actual - expected) <= 1e-6:
            continue
        some = earlier > 0
        wide = _blind(height, width, first // 2 - 2)[0].sum() / earlier.sum()
        narrow = _blind(height, width, first // 2)[0].sum() / earlier.sum()
        mistakes = {
            "This is the share that is seen.": 1 - expected,
            "This is in percent.": 100 * expected,
            "This is the mean of each pixel's own share. Add up all pairs first and "
            "divide once.": (blind[some] / earlier[some]).mean(),
            "The mean of each pixel's own share, the first pixel included as 0.": (
                blind[some] / earlier[some]
            ).sum()
            / earlier.size,
            "Divided by all pairs of pixels; only those count in which one is "
            "earlier.": (blind.sum() / earlier.size**2),
            "This is the share for the pixel in the middle alone.": (
                blind[height // 2, width // 2] / earlier[height // 2, width // 2]
            ),
            "This is the number of pairs, not their share.": blind.sum(),
            "The border of the blind spot is one column off: too many are blind.": wide,
            "The border of the blind spot is one column off: too few are blind.": narrow,
            "This is the share for a first layer of 3×3; a larger one reaches further "
            "to the right.": _blind(height, width, 0)[0].sum() / earlier.sum(),
        }
        words = {
            "case": f"a page of {height} × {width}, first layer {first}×{first}",
            "expected": float(expected),
            "actual": actual if actual.shape else float(actual),
        }
        for diagnosis, wrong in mistakes.items():
            if actual.shape == () and abs(actual - wrong) <= 1e-6:
                raise Wrong(diagnosis, **words)
        raise Wrong("That is not the share of blind pairs.", **words)
    return (
        "On 28×28, 22.1 % of all pairs are blind after a 3×3 layer, 18.0 % after 7×7."
    )


def _offsets(size, mask_type):
    half = size // 2
    above = {(r, c) for r in range(-half, 0) for c in range(-half, half + 1)}
    left = {(0, c) for c in range(-half, 0)}
    return above | left | ({(0, 0)} if mask_type == "B" else set())


def _sums(first, second):
    return {(r1 + r2, c1 + c2) for r1, c1 in first for r2, c2 in second}


def _seen(n, *, first=7, later="B", size=_SIZE):
    """The pixels that (14, 14) sees; a large ``size`` lets the page go on for ever."""
    low = 0 if size == _SIZE else -size
    found = {(_ROW, _COL)}
    last = [_offsets(first, "A")] if first else []
    for offsets in [_offsets(3, later)] * n + last:
        found = {
            (r, c)
            for r, c in _sums(found, offsets)
            if low <= r < size and low <= c < size
        }
    return found


def _rectangle(n):
    reach = 3 + n
    left, right = min(reach, _COL), min(reach, _SIZE - 1 - _COL)
    return min(reach, _ROW) * (left + 1 + right) + left


def _unmasked(n):
    reach = 3 + n
    up, down = min(reach, _ROW), min(reach, _SIZE - 1 - _ROW)
    return (up + 1 + down) ** 2


def _blind(height, width, margin):
    """How many earlier pixels are blind, and how many there are, (H, W) each."""
    rows, cols = np.indices((height, width))
    blind = np.zeros((height, width))
    earlier = np.zeros((height, width))
    for row, col in np.ndindex(height, width):
        up, right = row - rows, cols - col
        before = (up > 0) | ((up == 0) & (right < 0))
        earlier[row, col] = before.sum()
        blind[row, col] = (before & (up > 0) & (right > up + margin)).sum()
    return blind, earlier


def _pairs(result):
    pairs = set()
    for pair in result:
        if pair is ... or any(part is ... for part in pair):
            raise Blank
        row, col = pair
        pairs.add((int(row), int(col)))
    return pairs

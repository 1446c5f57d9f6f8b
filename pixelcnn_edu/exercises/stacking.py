"""Exercises of notebook 05: what a stack of masked layers sees, without a network."""

from pixelcnn_edu.exercises._answers import Wrong, numbers
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np

_SIZE, _ROW, _COL = 28, 14, 14


def _two_layers(first, second):
    """The offsets that two layers see together.

    ``first``, ``second``: sets of offsets (rows, columns), what each layer reads around
    its own position. The result is the set of all offsets reached by a step of
    ``second`` and then one of ``first``.
    """
    return {(r1 + r2, c1 + c2) for r1, c1 in first for r2, c2 in second}


def _pairs_of_sets():
    rng = np.random.default_rng(5)
    yield {(-1, 1), (0, -1)}, {(-2, 3), (-1, 0), (0, -1)}
    for _ in range(6):
        yield tuple(
            {tuple(map(int, pair)) for pair in rng.integers(-3, 3, (4, 2))}
            for _ in range(2)
        )
    yield {(-1, 0), (0, 0)}, {(0, -1), (0, 0)}
    yield set(), {(0, -1)}


def _as_sorted_pairs(result):
    try:
        pairs = {(int(row), int(col)) for row, col in result}
    except (TypeError, ValueError):
        actual = type(result).__name__
        raise Wrong("Return a set of pairs (rows, columns).", actual=actual) from None
    return np.array(sorted(pairs)).reshape(-1, 2)


def _as_lists(expected, actual, *case):
    words = {"expected": expected, "actual": actual}
    return {word: str([*map(tuple, a.tolist())]) for word, a in words.items()}


two_layers = Exercise(
    _two_layers,
    cases=_pairs_of_sets,
    describe=lambda *sets: "first = {}, second = {}".format(*map(sorted, sets)),
    read=_as_sorted_pairs,
    mistakes={
        "These are the offsets that one of the layers reads alone. Through both, each "
        "step of the one is followed by a step of the other.": Mistake(
            lambda first, second: first | second,
            lambda first, second: first,
            lambda first, second: second,
        ),
        "The rows are added, but the column is that of one step alone.": Mistake(
            lambda first, second: {(r1 + r2, c) for r1, c in first for r2, _ in second},
            lambda first, second: {(r1 + r2, c) for r1, _ in first for r2, c in second},
        ),
        "The offsets of single layers are in it too. They belong there only if the other "
        "layer may stand still, by its offset (0, 0).": (
            lambda first, second: _two_layers(first, second) | first | second
        ),
    },
    hints=(
        "Offsets add up in both places: rows to rows, columns to columns.",
        "From (r1, c1) and (r2, c2) comes (r1 + r2, c1 + c2).",
    ),
    otherwise="These are not the sums of one offset from each layer.",
    praise="It does not matter which layer comes first: sums commute.",
    show=_as_lists,
)


def _offsets(size, mask_type):
    half = size // 2
    square = [(r, c) for r in range(-half, half + 1) for c in range(-half, half + 1)]
    return set(square[: len(square) // 2 + (mask_type == "B")])


def _seen(n, *, first=7, masks="AB", size=_SIZE):
    """How many pixels the output at (14, 14) of 28×28 can see.

    The stack is one 7×7 layer of type A, then ``n`` 3×3 layers of type B; ``n`` from 0.
    The result is a whole number.
    """
    low = 0 if size == _SIZE else -size  # a large page goes on for ever
    found = {(_ROW, _COL)}
    for offsets in [_offsets(3, masks[1])] * n + [_offsets(first, masks[0])]:
        found = {
            (row, col)
            for row, col in _two_layers(found, offsets)
            if low <= row < size and low <= col < size
        }
    return len(found)


def _rectangle(n):
    reach = 3 + n
    left, right = min(reach, _COL), min(reach, _SIZE - 1 - _COL)
    return min(reach, _ROW) * (left + 1 + right) + left


def a_count(result):
    """Read a number of pixels; a collection of them is not counted yet."""
    if isinstance(result, set | list | tuple):
        actual = f"a {type(result).__name__} of {len(result)}"
        raise Wrong(
            "This is the collection of pixels. How many are there?", actual=actual
        )
    return numbers("That is not how many pixels are seen.")(result)


seen = Exercise(
    _seen,
    cases=[(n,) for n in (5, 10, 12, 0, 1, 7)],
    read=a_count,
    mistakes={
        "The pixel itself is counted. The first layer is of type A, so no path ends where "
        "it began.": then(lambda right: right + 1),
        "Type A in every layer. Later layers are of type B: they may stand still.": but(
            masks="AA"
        ),
        "A rectangle as wide as the reach. One row up, the stack does not get that far to "
        "the right.": _rectangle,
        "Positions off the page are counted.": but(size=10**6),
        "Only the blocks' steps are here; the 7×7 A step is missing.": Mistake(
            but(first=1, masks="BB"), hint=2
        ),
    },
    hints=(
        "Keep a set of pixels that starts as {(14, 14)}. Each layer turns it into the set "
        "of all pixels one step further on that lie on the page.",
        "n steps with the offsets of a 3×3 mask B, one with those of a 7×7 mask A, and "
        "after each: 0 <= row < 28 and 0 <= col < 28. The answer is the length of the "
        "set.",
    ),
    otherwise="That is not how many pixels are seen.",
    praise="Found with sets alone; the network agrees, pixel for pixel.",
)


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


def _blind_share(
    height,
    width,
    first,
    *,
    margin=0,
    share=lambda blind, earlier: blind.sum() / earlier.sum(),
):
    """What no depth will ever see.

    The stack is one ``first`` × ``first`` layer of type A (odd, at least 3), then any
    number of 3×3 layers of type B. Of all pairs (output, pixel before it) on a page of
    ``height`` × ``width``, the result is the share (0 to 1) in which the output can
    never see the pixel.
    """
    return share(*_blind(height, width, first // 2 - 1 + margin))


blind_share = Exercise(
    _blind_share,
    cases=[
        *((9, 12, 7), (6, 9, 5), (2, 5, 3), (5, 2, 3), (9, 6, 7), (2, 12, 9)),
        *((28, 28, 3), (28, 28, 7)),
    ],
    describe="a page of {0} × {1}, first layer {2}×{2}",
    mistakes={
        "This is the mean of each pixel's own share. Add up all pairs first and divide "
        "once.": but(
            share=lambda blind, all_: (blind[all_ > 0] / all_[all_ > 0]).mean()
        ),
        "The border of the blind spot is one column off.": Mistake(
            but(margin=-1), but(margin=1)
        ),
        "This is the share for a first layer of 3×3; a larger one reaches further to the "
        "right.": lambda height, width, first: _blind_share(height, width, 3),
    },
    hints=(
        "A pixel `up` rows above and `right` columns to the right is blind if "
        "right > up + first // 2 - 1, whatever the depth.",
        "Go through all pairs (output, earlier pixel) of the page: count the blind ones, "
        "count all, and divide once, at the end.",
    ),
    otherwise="That is not the share of blind pairs.",
    praise="On 28×28, 22.1 % of all pairs are blind after a 3×3 layer, 18.0 % after 7×7.",
)

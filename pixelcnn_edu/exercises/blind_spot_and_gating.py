"""Checks for notebook 11: taps of two stacks, what they see, the recipe with a shift."""

from pixelcnn_edu import causality
from pixelcnn_edu.exercises._check import Blank, Wrong, called, check, count_of_pixels

import keras
import numpy as np

_SIZE, _ROW, _COL = 28, 14, 14


@check(
    "The horizontal kernel is one row: the pixels to the left, and from the second layer "
    "on the place itself.",
    "size // 2 pixels lie to the left. Type B adds 1, as it adds a row to the vertical "
    "kernel.",
)
def stack_taps(answer):
    """Judge ``stack_taps(size, mask_type)``: the live taps of the two kernels.

    ``size``: odd. Returns (vertical, horizontal): how many places the two kernels of one
    layer read, on type ``"A"`` (the first layer) or ``"B"`` (later ones).
    """
    for size, mask_type in ((3, "B"), (7, "A"), (3, "A"), (5, "B"), (7, "B")):
        own = mask_type == "B"
        half = size // 2
        expected = (half + own) * size, half + own
        actual = _pair(called(answer, size, mask_type), "(vertical, horizontal)")
        if actual == expected:
            continue
        vertical, horizontal = actual
        mistakes = (
            (
                "The two are swapped: the vertical kernel first.",
                actual[::-1] == expected,
            ),
            (
                "The vertical kernel leaves out the current row in every layer. From the "
                "second layer on it reads that row too: of features, which know rows "
                "above only.",
                own and vertical == half * size,
            ),
            (
                "The first layer's kernel reads pixels, not features: its own row (or its "
                "own pixel) is left out.",
                not own and vertical == (half + 1) * size,
            ),
            (
                "The vertical kernel reads its rows from end to end, `size` places each.",
                vertical in (half + own, (half + own) * (half + 1)),
            ),
            (
                "The vertical kernel is whole, rows below and all.",
                vertical == size * size,
            ),
            (
                "The horizontal kernel reads to the left only: what lies to the right in "
                "its row comes later.",
                horizontal in (size, size - 1),
            ),
            (
                "Type A hides the place itself from the horizontal kernel, type B does "
                "not.",
                horizontal in (half, half + 1) and horizontal != expected[1],
            ),
        )
        named = (text for text, fits in mistakes if fits)
        raise Wrong(
            next(named, "Those are not the taps of the two kernels."),
            case=f"size = {size}, type {mask_type}",
            expected=expected,
            actual=actual,
        )
    return (
        "In the first layer that is mask A cut in two: 21 + 3 = 24 taps of 7×7. Later it "
        "is 6 + 2 = 8 against 5: three places more, in the row of features."
    )


@check(
    "Go from the output back to the image, with a set for each stack: `vertical` starts "
    "empty, `horizontal` as {(14, 14)}. The features of the vertical stack are read by "
    "both stacks, those of the horizontal one by the horizontal one alone.",
    "In each later layer: vertical = step(vertical | horizontal, above(3, own_row=1)), "
    "because the horizontal stack adds the vertical features at its own place, and "
    "horizontal = step(horizontal, left_of(3, own_place=1)). The first layer does the "
    "same with size 7 and zeros; both then read the image, so join the two and count.",
)
def seen_by_two(answer):
    """Judge ``seen_by_two(n)``: how many pixels (14, 14) of 28×28 sees with two stacks.

    One 7×7 layer of both stacks (type A), then ``n`` 3×3 layers (type B); ``n`` from 0.
    Returns a whole number.
    """
    for n in (5, 8, 12, 0, 1, 11):
        expected = len(_seen(n))
        actual = called(answer, n)
        mistakes = {
            "The pixel itself is counted. No path ends where it began: the vertical "
            "stack ends above, the horizontal one to the left.": expected + 1,
            "The vertical stack's first layer reads its own row too. That row holds the "
            "pixel itself and later ones; type A leaves it out.": (
                len(_seen(n, first_own=True))
            ),
            "This is what one stack of masked layers sees, or two of which the vertical "
            "never steps within its row. From the second layer on it does: (0, +1) is "
            "free there, among features of the rows above.": len(_seen(n, own=False)),
            "Here the vertical stack reads the horizontal one. Then features of the row "
            "reach the vertical stack, and with them the pixel itself.": (
                len(_seen(n, back=True))
            ),
            "The horizontal stack takes over vertical features at its own place in every "
            "layer: step from `horizontal` too.": len(_seen(n, source="vertical")),
            "The vertical stack reads its own features as well: step from `vertical` "
            "too.": len(_seen(n, source="horizontal")),
            "Both steps of a layer start from the two sets as they were. Here `horizontal` "
            "is replaced before `vertical` has read it.": len(_seen(n, in_turn=True)),
            "The first layer is left out. These are the places whose features it has to "
            "give; it reads the image around them, with size 7.": (
                len(_seen(n, parts="features"))
            ),
            "This is what the vertical stack alone sees. The pixels to the left come "
            "through the horizontal one.": len(_seen(n, parts="v")),
            "This is what the horizontal stack sees in its own row. The rows above come "
            "through the vertical one.": len(_seen(n, parts="h")),
            "Positions off the page are counted.": len(_seen(n, size=10**6)),
            "The first layer is 7×7, not 3×3.": len(_seen(n, first=3)),
            "One 3×3 layer is missing.": len(_seen(n - 1)) if n else None,
            "One 3×3 layer too many.": len(_seen(n + 1)),
            "All earlier pixels are counted. None is blind for good, but so few layers do "
            "not reach them all.": _ROW * _SIZE + _COL,
        }
        count_of_pixels(actual, expected, mistakes, case=f"n = {n}")
    return "All 406 from eleven layers on. The network agrees, pixel for pixel."


@check(
    "Vertical convolution: the current row and the rows above it, in the first layer too "
    "(pad size // 2 rows above, none below). On its way to the horizontal stack, and only "
    "there, it is moved down one row: pad one row above, drop the last.",
    "down = keras.layers.ZeroPadding2D(((1, 0), (0, 0)))(v)[:, :height]. Then the 1×1 of "
    "`down` is added before the horizontal gate; the vertical stack goes on with v "
    "itself. `first` changes the horizontal stack only: no own pixel, no residual sum.",
)
def shifted_layer(answer):
    """Judge ``shifted_layer(vertical, horizontal, filters, first)``: with a shift.

    One layer of the recipe that shifts the vertical features down one row on their way to
    the horizontal stack. ``vertical``, ``horizontal``: Keras tensors (N, H, W, channels);
    ``first``: whether both are the image. Returns the next two, of ``filters`` channels.
    Kernels are 3×3 and 1×3, cut to what may be read.
    """
    page = (4, 4, 1)
    image = keras.Input(page)
    vertical, horizontal, firsts = image, image, None
    for first in (True, False, False, False):
        result = called(answer, vertical, horizontal, 6, first)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Wrong(
                "Return a pair: the next vertical and the next horizontal tensor."
            )
        if any(part is ... for part in result):
            raise Blank
        if not all(keras.backend.is_keras_tensor(part) for part in result):
            raise Wrong("Return two Keras tensors, from calls of Keras layers.")
        vertical, horizontal = result
        for name, part in (("vertical", vertical), ("horizontal", horizontal)):
            if tuple(part.shape[1:]) != (*page[:2], 6):
                raise Wrong(
                    f"The {name} tensor has another shape.",
                    case="a page of 4×4, filters = 6",
                    expected=(None, *page[:2], 6),
                    actual=tuple(part.shape),
                )
        firsts = firsts or (vertical, horizontal)
    first_v, first_h, last_v, last_h = (
        _reads(image, tensor) for tensor in (*firsts, vertical, horizontal)
    )
    _judge_the_first_layer(first_v, first_h)
    _judge_the_stack(last_v, last_h)
    return (
        "Causal, and every earlier pixel is seen: the same as without a shift. The "
        "recipes differ in where the row is hidden: in the first kernel, or on the way "
        "across."
    )


def _judge_the_first_layer(v, h):
    """Judge what one layer reads: (H, W, H, W), output then input."""
    at = (2, 1)
    shown = {"case": "what the first layer reads at row 2, column 1 of 4×4 (1: read)"}
    reads_v, reads_h = v[at], h[at]
    if reads_v[3].any():
        raise Wrong(
            "The vertical convolution reads the row below.",
            **shown,
            actual=reads_v.astype(int),
        )
    if not reads_v[2].any():
        raise Wrong(
            "This vertical convolution leaves out the current row, as in the recipe "
            "without a shift. Never mix the two: here it reads the row, and the shift "
            "hides it from the horizontal stack.",
            **shown,
            actual=reads_v.astype(int),
        )
    if reads_h[2, 1]:
        later = reads_h[2, 2:].any()
        raise Wrong(
            "The row of the vertical features reaches the horizontal stack: the shift is "
            "missing, or goes the wrong way."
            if later
            else "The horizontal tensor sees its own pixel: in the first layer the kernel "
            "leaves it out, and there is no residual sum.",
            **shown,
            actual=reads_h.astype(int),
        )
    if reads_h[2, 2:].any() or reads_h[3].any():
        raise Wrong(
            "The horizontal tensor sees later pixels.",
            **shown,
            actual=reads_h.astype(int),
        )
    if not reads_h[2, 0]:
        raise Wrong(
            "The horizontal tensor does not see the pixel to its left.",
            **shown,
            actual=reads_h.astype(int),
        )
    if not reads_h[1].any():
        raise Wrong(
            "The horizontal tensor does not see the row above. Moved down one row, the "
            "vertical features at a place are those of the row above it: all of it that "
            "the kernel reads should arrive.",
            **shown,
            actual=reads_h.astype(int),
        )


def _judge_the_stack(v, h):
    """Judge what four layers see on a page of 4×4."""
    size = v.shape[0] * v.shape[1]
    matrix = h.reshape(size, size)
    earlier = np.tri(size, k=-1, dtype=bool)
    leaks, blind = np.argwhere(matrix & ~earlier), np.argwhere(earlier & ~matrix)
    case = "four layers on a page of 4×4"
    if len(leaks):
        output, source = (tuple(map(int, divmod(i, 4))) for i in leaks[0])
        rows = np.arange(4)
        below = rows > rows[:, None]  # input rows below an output's row
        raise Wrong(
            "The vertical stack sees later rows."
            if (v & below[:, None, :, None]).any()
            else "The first layer is right, a later one leaks. The vertical features know "
            "their whole row in every layer, so they are shifted in every layer.",
            case=case,
            expected="no output sees its own or a later pixel",
            actual=f"the output at {output} sees {source}",
        )
    if len(blind):
        output, source = (tuple(map(int, divmod(i, 4))) for i in blind[0])
        raise Wrong(
            "Causal, but an earlier pixel is blind. Hand the vertical stack on as it is: "
            "only the horizontal stack gets the shifted copy, and a later horizontal "
            "kernel includes its own place (or a residual sum keeps it).",
            case=case,
            expected="every output sees all earlier pixels",
            actual=f"the output at {output} does not see {source}",
        )


def _reads(image, tensor):
    """Which pixels change a tensor of a network with random weights: (H, W, H, W)."""
    model = keras.Model(image, tensor)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.weights])
    matrix = causality.dependency_matrix(model, trials=6)
    return matrix.reshape(*model.input_shape[1:3], *model.input_shape[1:3])


def _pair(result, what):
    if not isinstance(result, tuple | list | np.ndarray) or len(result) != 2:
        raise Wrong(f"Return a pair: {what}.", actual=result)
    if any(part is ... for part in result):
        raise Blank
    numbers = [float(part) for part in result]
    return tuple(int(n) if n.is_integer() else n for n in numbers)


def _above(size, own):
    half = size // 2
    return {(r, c) for r in range(-half, own) for c in range(-half, half + 1)}


def _left(size, own):
    return {(0, c) for c in range(-(size // 2), own)}


def _seen(
    n,
    *,
    first=7,
    first_own=False,
    own=True,
    back=False,
    source="both",
    in_turn=False,
    parts="vh",
    size=_SIZE,
):
    """The pixels that (14, 14) sees; each argument plants a mistake."""
    low = 0 if size == _SIZE else -size

    def step(pixels, offsets):
        sums = {(r + down, c + right) for r, c in pixels for down, right in offsets}
        return {(r, c) for r, c in sums if low <= r < size and low <= c < size}

    vertical, horizontal = set(), {(_ROW, _COL)}
    for _ in range(n):
        both = vertical | horizontal
        read = {"both": both, "vertical": vertical, "horizontal": horizontal}[source]
        horizontal = step(both if back else horizontal, _left(3, True))
        vertical = step(vertical | horizontal if in_turn else read, _above(3, own))
    if parts == "features":
        return vertical | horizontal
    above = step(vertical | horizontal, _above(first, first_own))
    left = step(horizontal, _left(first, False))
    return (above if "v" in parts else set()) | (left if "h" in parts else set())

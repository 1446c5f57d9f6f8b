"""Exercises of notebook 12: taps of two stacks, what they see, the recipe with a shift."""

from pixelcnn_edu.exercises._answers import Raised, Wrong, asking, pair
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then
from pixelcnn_edu.exercises.stacking import a_count
from pixelcnn_edu.gated import Gate, StackConv2D

import keras
import numpy as np


def _stack_taps(size, mask_type):
    """The live taps of the two kernels: (vertical, horizontal).

    ``size``: odd. How many places the two kernels of one layer read, on type ``"A"``
    (the first layer) or ``"B"`` (later ones).
    """
    own = int(mask_type == "B")
    return (size // 2 + own) * size, size // 2 + own


def _vertical(size, mask_type):
    return _stack_taps(size, mask_type)[0]


def _horizontal(size, mask_type):
    return _stack_taps(size, mask_type)[1]


stack_taps = Exercise(
    _stack_taps,
    cases=[(7, "B"), (7, "A"), (3, "A"), (3, "B"), (5, "B"), (9, "A"), (1, "B")],
    read=pair("Return a pair: (vertical, horizontal)."),
    describe="size = {}, type {}",
    mistakes={
        "The vertical kernel leaves out the current row in every layer. From the second "
        "layer on it reads that row too: of features, which know rows above only.": Mistake(
            lambda size, kind: (_vertical(size, "A"), _horizontal(size, kind)), hint=2
        ),
        "The first layer's kernel reads pixels, not features: its own row (or its own "
        "pixel) is left out.": Mistake(
            lambda size, kind: (_vertical(size, "B"), _horizontal(size, kind)),
            lambda size, kind: (_vertical(size, kind), _horizontal(size, "B")),
        ),
        "The horizontal kernel reads to the left only: what lies to the right in its row "
        "comes later.": Mistake(
            lambda size, kind: (_vertical(size, kind), size),
            lambda size, kind: (_vertical(size, kind), size - 1),
        ),
    },
    hints=(
        "The horizontal kernel is one row: the pixels to the left, and from the second "
        "layer on the place itself.",
        "size // 2 pixels lie to the left. Type B adds 1, as it adds a row to the vertical "
        "kernel.",
    ),
    shape="Return a pair: (vertical, horizontal).",
    otherwise="Those are not the taps of the two kernels.",
    praise="In the first layer that is mask A cut in two: 21 + 3 = 24 taps of 7×7. Later "
    "it is 6 + 2 = 8 against 5: three places more, in the row of features.",
)


def _above(size, own_row):
    half = size // 2
    return {(r, c) for r in range(-half, own_row) for c in range(-half, half + 1)}


def _left_of(size, own_place):
    return {(0, c) for c in range(-(size // 2), own_place)}


def _step(pixels, offsets):
    moved = {(r + down, c + right) for r, c in pixels for down, right in offsets}
    return {(r, c) for r, c in moved if 0 <= r < 28 and 0 <= c < 28}


def _seen_by_two(n, *, first_own=0, own=1, reads_itself=True, back=False):
    """How many pixels (14, 14) of 28×28 sees with two stacks.

    One 7×7 layer of both stacks (type A), then ``n`` 3×3 layers (type B); ``n`` from 0.
    The result is a whole number.
    """
    vertical, horizontal = set(), {(14, 14)}
    for _ in range(n):
        both = vertical | horizontal
        vertical = _step(both if reads_itself else horizontal, _above(3, own))
        horizontal = _step(both if back else horizontal, _left_of(3, 1))
    above = _step(vertical | horizontal, _above(7, first_own))
    return len(above | _step(horizontal, _left_of(7, 0)))


seen_by_two = Exercise(
    _seen_by_two,
    cases=[(n,) for n in (5, 8, 12, 0, 1, 11)],
    read=a_count,
    mistakes={
        "The pixel itself is counted. No path ends where it began: the vertical stack ends "
        "above, the horizontal one to the left.": then(lambda right: right + 1),
        "The vertical stack's first layer reads its own row too. That row holds the pixel "
        "itself and later ones; type A leaves it out.": but(first_own=1),
        "This is what one stack of masked layers sees, or two of which the vertical never "
        "steps within its row. From the second layer on it does: (0, +1) is free there, "
        "among features of the rows above.": but(own=0),
        "Here the vertical stack reads the horizontal one. Then features of the row reach "
        "the vertical stack, and with them the pixel itself.": but(back=True),
        "The vertical stack reads its own features as well: step from `vertical` too.": but(
            reads_itself=False
        ),
    },
    hints=(
        "Go from the output back to the image, with a set for each stack: `vertical` "
        "starts empty, `horizontal` as {(14, 14)}. The features of the vertical stack are "
        "read by both stacks, those of the horizontal one by the horizontal one alone.",
        "In each later layer: vertical = step(vertical | horizontal, above(3, own_row=1)), "
        "because the horizontal stack adds the vertical features at its own place, and "
        "horizontal = step(horizontal, left_of(3, own_place=1)). The first layer does the "
        "same with size 7 and zeros; both then read the image, so join the two and count.",
    ),
    otherwise="That is not how many pixels are seen.",
    praise="All 406 from eleven layers on. The network agrees, pixel for pixel.",
)


def _moved_down(x, rows=1):
    return keras.layers.ZeroPadding2D(((rows, 0), (0, 0)))(x)[:, : x.shape[1]]


def _as_it_is(x):
    return x


def _shifted_layer(
    vertical,
    horizontal,
    filters,
    first,
    *,
    first_vertical="B",
    move=_moved_down,
    later_move=None,
    sum_in_first=False,
):
    """One layer of the recipe with a shift: the next vertical and horizontal tensor.

    The recipe shifts the vertical features down one row on their way to the horizontal
    stack. ``vertical``, ``horizontal``: Keras tensors (N, H, W, channels); ``first``:
    whether both are the image. The result is the next two, of ``filters`` channels.
    Kernels are 3×3 and 1×3, cut to what may be read.
    """
    if later_move and not first:
        move = later_move
    mask_types = (first_vertical, "A") if first else ("B", "B")
    v = StackConv2D(2 * filters, 3, "vertical", mask_types[0])(vertical)
    h = StackConv2D(2 * filters, 3, "horizontal", mask_types[1])(horizontal)
    h = keras.layers.add([h, keras.layers.Conv2D(2 * filters, 1)(move(v))])
    v, h = Gate()(v), keras.layers.Conv2D(filters, 1)(Gate()(h))
    with_sum = sum_in_first or not first
    return v, keras.layers.add([horizontal, h]) if with_sum else h


_PAGE = (4, 4, 1)


def _judge_layer(answer):
    """Raise `Wrong` unless the layer is causal and four layers see every earlier pixel.

    The sizes of the kernels are not looked at.
    """
    image = keras.Input(_PAGE)
    vertical, horizontal, tensors = image, image, []
    for first in (True, False, False, False):
        vertical, horizontal = _next_layer(answer, vertical, horizontal, first, 6)
        tensors += vertical, horizontal
    wide = keras.Input((5, 6, 1))
    _next_layer(answer, wide, wide, True, 4)
    first_v, first_h, *_, last_v, last_h = _reads(image, tensors)
    _judge_one_place(first_v[2, 1], first_h[2, 1])
    rows = np.arange(4)
    below = (rows > rows[:, None])[:, None, :, None]  # input rows below an output's
    if (first_v & below).any() or (last_v & below).any():
        raise Wrong("The vertical stack sees later rows.")
    earlier = np.tri(16, k=-1, dtype=bool).reshape(4, 4, 4, 4)
    for words, case, wrong in (
        ("The horizontal tensor sees later pixels.", "one layer", first_h & ~earlier),
        ("a later one leaks", "four layers", last_h & ~earlier),
        ("an earlier pixel is blind", "four layers", earlier & ~last_h),
    ):
        if wrong.any():
            row, col, *source = np.argwhere(wrong)[0].tolist()
            sees = "sees" if not earlier[row, col, *source] else "does not see"
            actual = f"the output at {row, col} {sees} {tuple(source)}"
            raise Wrong(words, case=f"{case} on a page of 4×4", actual=actual)


def _next_layer(answer, vertical, horizontal, first, filters):
    """Return the pair that the answer makes; refuse anything else."""
    height, width = vertical.shape[1:3]
    case = f"a page of {height}×{width}, filters = {filters}"
    try:
        result = asking(answer)(vertical, horizontal, filters, first)
    except Raised as raised:
        raised.details = {"case": case}
        raise
    of_two = isinstance(result, tuple | list) and len(result) == 2
    if not of_two or not all(map(keras.backend.is_keras_tensor, result)):
        raise Wrong(
            "Return a pair of Keras tensors, from calls of Keras layers: the next vertical "
            "and the next horizontal one.",
            actual=type(result).__name__,
        )
    for name, part in zip(("vertical", "horizontal"), result, strict=True):
        expected, actual = (None, height, width, filters), tuple(part.shape)
        if actual != expected:
            words = {"expected": expected, "actual": actual}
            raise Wrong(f"The {name} tensor has another shape.", case=case, **words)
    return result


def _reads(image, tensors):
    """Which pixels change each tensor, whatever its weights: (H, W, H, W), output first.

    A ReLU can be off for all pages under some weights, so several are tried. In the
    last ones all weights are positive: there every ReLU is on.
    """
    model = asking(keras.Model)(image, keras.layers.concatenate(tensors))
    rng, size = np.random.default_rng(1), np.prod(_PAGE)
    reads = np.zeros((len(tensors), size, size), bool)
    for positive in (False, False, False, True):
        for weight in model.trainable_variables:
            values = rng.normal(0, 0.5, weight.shape)
            weight.assign(np.abs(values) / 5 if positive else values)
        for _ in range(4):
            page, other = rng.random((2, size), dtype="float32")
            pages = np.where(np.eye(size + 1, size), other, page)  # the last as it is
            out = np.asarray(asking(model)(pages.reshape(-1, *_PAGE)))
            out = out.reshape(size + 1, size, len(tensors), -1)
            reads |= (out[:-1] != out[-1]).any(axis=-1).transpose(2, 1, 0)
    return reads.reshape(-1, *_PAGE[:2], *_PAGE[:2])


def _judge_one_place(v, h):
    """Judge what the two tensors of the first layer read at row 2, column 1."""
    case = "what the first layer reads at row 2, column 1 of 4×4 (1: read)"
    of_v = {"case": case, "actual": v.astype(int)}
    of_h = {"case": case, "actual": h.astype(int)}
    if v[1].any() and not (v[0].any() or v[2].any()):
        raise Wrong("leaves out the current row", **of_v)
    if v[2].tolist() == [1, 0, 0, 0] and h[2, :3].all():
        raise Wrong(
            "The two tensors are swapped: return the vertical one first.", **of_v
        )
    # row 0 comes through moved features only
    if v[2].any() and h[2, v[2]].all() and not h[0].any():
        raise Wrong("the shift is missing", **of_h)
    if h[2, 1] and h[1, 2] and not h[2, 2:].any():
        raise Wrong("sees its own pixel", **of_h)


shifted_layer = Exercise(
    _shifted_layer,
    judge=_judge_layer,
    mistakes={
        "This vertical convolution leaves out the current row, as in the recipe without a "
        "shift. Never mix the two: here it reads the row, and the shift hides it from the "
        "horizontal stack.": Mistake(
            but(first_vertical="A"), but(first_vertical="A", move=_as_it_is)
        ),
        "The row of the vertical features reaches the horizontal stack: the shift is "
        "missing, or goes the wrong way.": but(move=_as_it_is),
        "The horizontal tensor sees its own pixel: in the first layer the kernel leaves it "
        "out, and there is no residual sum.": but(sum_in_first=True),
        "The first layer is right, a later one leaks. The vertical features know their "
        "whole row in every layer, so they are shifted in every layer.": but(
            later_move=_as_it_is
        ),
        "Causal, but an earlier pixel is blind. Hand the vertical stack on as it is: only "
        "the horizontal stack gets the shifted copy, and a later horizontal kernel "
        "includes its own place (or a residual sum keeps it).": Mistake(
            but(move=lambda v: _moved_down(v, rows=2)), hint=2
        ),
    },
    hints=(
        "Vertical convolution: the current row and the rows above it, in the first layer "
        "too (pad size // 2 rows above, none below). On its way to the horizontal stack, "
        "and only there, it is moved down one row: pad one row above, drop the last.",
        "down = keras.layers.ZeroPadding2D(((1, 0), (0, 0)))(v)[:, :height]. Then the 1×1 "
        "of `down` is added before the horizontal gate; the vertical stack goes on with v "
        "itself. `first` changes the horizontal stack only: no own pixel, no residual sum.",
    ),
    praise="Causal, and every earlier pixel is seen: the same as without a shift. The "
    "recipes differ in where the row is hidden: in the first kernel, or on the way across.",
)

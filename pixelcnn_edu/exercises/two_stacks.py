"""Exercises of notebook 12: taps of two stacks, what they see, the recipe with a shift."""

from pixelcnn_edu._compiled import logits_function
from pixelcnn_edu.exercises._answers import Raised, Wrong, asking, pair
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then
from pixelcnn_edu.exercises.stacking import a_count
from pixelcnn_edu.gated import Gate, StackConv2D, gated_block

import keras
import numpy as np

_SIZE, _ROW, _COL = 28, 14, 14


def _stack_taps(size, mask_type, *, own=None, columns=None, left=None):
    """The live taps of the two kernels: (vertical, horizontal).

    ``size``: odd. How many places the two kernels of one layer read, on type ``"A"``
    (the first layer) or ``"B"`` (later ones).
    """
    half, type_b = size // 2, mask_type == "B"
    rows = half + (type_b if own is None else own)
    vertical = rows * (size if columns is None else columns(size))
    return vertical, half + type_b if left is None else left(size)


stack_taps = Exercise(
    _stack_taps,
    cases=[(7, "B"), (7, "A"), (3, "A"), (3, "B"), (5, "B"), (9, "A"), (1, "B")],
    read=pair("Return a pair: (vertical, horizontal)."),
    describe="size = {}, type {}",
    mistakes={
        "The two are swapped: the vertical kernel first.": then(
            lambda right: right[::-1]
        ),
        "The vertical kernel leaves out the current row in every layer. From the second "
        "layer on it reads that row too: of features, which know rows above only.": Mistake(
            but(own=False), hint=2
        ),
        "The first layer's kernel reads pixels, not features: its own row (or its own "
        "pixel) is left out.": Mistake(but(own=True)),
        "The vertical kernel reads its rows from end to end, `size` places each.": Mistake(
            but(columns=lambda size: size // 2 + 1), but(columns=lambda size: 1), hint=0
        ),
        "The vertical kernel is whole, rows below and all.": Mistake(
            lambda size, mask_type: (size * size, _stack_taps(size, mask_type)[1]),
            hint=0,
        ),
        "The horizontal kernel reads to the left only: what lies to the right in its row "
        "comes later.": Mistake(
            but(left=lambda size: size), but(left=lambda size: size - 1)
        ),
        "Type A hides the place itself from the horizontal kernel, type B does "
        "not.": Mistake(
            but(left=lambda size: size // 2), but(left=lambda size: size // 2 + 1)
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


def _above(size, own):
    half = size // 2
    return {(r, c) for r in range(-half, own) for c in range(-half, half + 1)}


def _left(size, own):
    return {(0, c) for c in range(-(size // 2), own)}


def _seen_by_two(
    n,
    *,
    first=7,
    first_own=False,
    own=True,
    free=True,
    back=False,
    source="both",
    in_turn=False,
    parts="vh",
    size=_SIZE,
    count=len,
):
    """How many pixels (14, 14) of 28×28 sees with two stacks.

    One 7×7 layer of both stacks (type A), then ``n`` 3×3 layers (type B); ``n`` from 0.
    The result is a whole number.
    """
    low = 0 if size == _SIZE else -size  # a large page goes on for ever

    def step(pixels, offsets):
        sums = {(r + down, c + right) for r, c in pixels for down, right in offsets}
        return {(r, c) for r, c in sums if low <= r < size and low <= c < size}

    rows = _above(3, own) - (set() if free else {(0, 1)})
    vertical, horizontal = set(), {(_ROW, _COL)}
    for _ in range(n):
        both = vertical | horizontal
        read = {"both": both, "vertical": vertical, "horizontal": horizontal}[source]
        horizontal = step(both if back else horizontal, _left(3, True))
        vertical = step(vertical | horizontal if in_turn else read, rows)
    if parts == "features":
        return count(vertical | horizontal)
    above = step(vertical | horizontal, _above(first, first_own))
    left = step(horizontal, _left(first, False))
    return count((above if "v" in parts else set()) | (left if "h" in parts else set()))


seen_by_two = Exercise(
    _seen_by_two,
    cases=[(n,) for n in (5, 8, 12, 0, 1, 11)],
    read=a_count,
    mistakes={
        "This is the collection of pixels. How many are there?": but(count=set),
        "The pixel itself is counted. No path ends where it began: the vertical stack ends "
        "above, the horizontal one to the left.": then(lambda right: right + 1),
        "The vertical stack's first layer reads its own row too. That row holds the pixel "
        "itself and later ones; type A leaves it out.": but(first_own=True),
        "This is what one stack of masked layers sees, or two of which the vertical never "
        "steps within its row. From the second layer on it does: (0, +1) is free there, "
        "among features of the rows above.": Mistake(but(own=False), but(free=False)),
        "Here the vertical stack reads the horizontal one. Then features of the row reach "
        "the vertical stack, and with them the pixel itself.": but(back=True),
        "The horizontal stack takes over vertical features at its own place in every "
        "layer: step from `horizontal` too.": but(source="vertical"),
        "The vertical stack reads its own features as well: step from `vertical` too.": but(
            source="horizontal"
        ),
        "Both steps of a layer start from the two sets as they were. Here `horizontal` is "
        "replaced before `vertical` has read it.": Mistake(but(in_turn=True), hint=2),
        "The first layer is left out. These are the places whose features it has to give; "
        "it reads the image around them, with size 7.": Mistake(
            but(parts="features"), hint=2
        ),
        "This is what the vertical stack alone sees. The pixels to the left come through "
        "the horizontal one.": Mistake(but(parts="v"), hint=2),
        "This is what the horizontal stack sees in its own row. The rows above come "
        "through the vertical one.": Mistake(but(parts="h"), hint=2),
        "Positions off the page are counted.": Mistake(but(size=10**6), hint=0),
        "The first layer is 7×7, not 3×3.": Mistake(but(first=3), hint=2),
        "One 3×3 layer is missing.": Mistake(
            lambda n: _seen_by_two(max(n - 1, 0)), hint=2
        ),
        "One 3×3 layer too many.": Mistake(lambda n: _seen_by_two(n + 1), hint=2),
        "All earlier pixels are counted. None is blind for good, but so few layers do not "
        "reach them all.": lambda n: _ROW * _SIZE + _COL,
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


def _shifted_layer(
    vertical,
    horizontal,
    filters,
    first,
    *,
    sizes=(3, 3),
    shift=1,
    rows=True,
    activation=Gate,
    residual="later",
    left=True,
    across=True,
    carry=False,
):
    """One layer of the recipe with a shift: the next vertical and horizontal tensor.

    The recipe shifts the vertical features down one row on their way to the horizontal
    stack. ``vertical``, ``horizontal``: Keras tensors (N, H, W, channels); ``first``:
    whether both are the image. The result is the next two, of ``filters`` channels.
    Kernels are 3×3 and 1×3, cut to what may be read.
    """
    channels = 2 * filters if activation is Gate else filters
    mask_type = "B" if rows or not first else "A"
    v = StackConv2D(channels, sizes[0], "vertical", mask_type)(vertical)
    down = shift(v) if callable(shift) else _moved(v, shift)
    mask_type = "A" if first else "B"
    h = StackConv2D(channels, sizes[1], "horizontal", mask_type)(horizontal)
    parts = [h] * left + [keras.layers.Conv2D(channels, 1)(down)] * across
    h = parts[0] if len(parts) == 1 else keras.layers.add(parts)
    v, h = activation()(down if carry else v), activation()(h)
    if residual == "always" or (residual == "later" and not first):
        h = keras.layers.add([horizontal, keras.layers.Conv2D(filters, 1)(h)])
    return v, h


def _moved(x, rows_down):
    height = x.shape[1]
    if rows_down < 0:
        return keras.layers.ZeroPadding2D(((0, 1), (0, 0)))(x)[:, 1:]
    return keras.layers.ZeroPadding2D(((rows_down, 0), (0, 0)))(x)[:, :height]


def _reads_below(vertical, horizontal, filters, first):
    _, h = _shifted_layer(vertical, horizontal, filters, first)
    return keras.layers.Conv2D(filters, 3, padding="same")(vertical), h


def _reads_the_right(vertical, horizontal, filters, first):
    v, h = _shifted_layer(vertical, horizontal, filters, first)
    right = keras.layers.ZeroPadding2D(((0, 0), (0, 1)))(horizontal)[:, :, 1:]
    return v, h + keras.layers.Conv2D(filters, 1)(right)


def _reads_its_whole_row(vertical, horizontal, filters, first):
    v, h = _shifted_layer(vertical, horizontal, filters, first)
    row = keras.layers.Conv2D(filters, (1, 3), padding="same")(horizontal)
    return v, keras.layers.add([h, row])


def _jumps_over_its_place(vertical, horizontal, filters, first):
    """Later layers of the horizontal stack leave out their own place, too."""
    v = StackConv2D(filters, 3, "vertical", "B")(vertical)
    h = StackConv2D(filters, 3, "horizontal", "A")(horizontal)
    return v, keras.layers.add([h, keras.layers.Conv2D(filters, 1)(_moved(v, 1))])


def _with_a_wide_later_kernel(vertical, horizontal, filters, first):
    sizes = (3, 3) if first else (3, 7)
    return _shifted_layer(vertical, horizontal, filters, first, sizes=sizes)


def _of_another_shape(vertical, horizontal, filters, first):
    v, h = _shifted_layer(vertical, horizontal, filters, first)
    return v, h[:, :, 1:]


_PAGE = (4, 4, 1)


def _judge_layer(answer):
    image = keras.Input(_PAGE)
    vertical, horizontal, tensors = image, image, []
    for first in (True, False, False, False):
        vertical, horizontal = _next_layer(answer, vertical, horizontal, first)
        tensors += vertical, horizontal
    wide = keras.Input((5, 6, 1))
    _next_layer(answer, wide, wide, True, filters=4)
    features = keras.layers.Conv2D(6, 1)(image)
    tensors += asking(answer)(features, features, 6, False)
    first_v, first_h, *_, last_v, last_h, later_v, later_h = _reads(image, tensors)
    _judge_the_first_layer(first_v, first_h)
    _judge_the_vertical_kernel("first", first_v)
    _judge_the_stack(last_v, last_h)
    _judge_the_horizontal_kernel("first", first_h, own_place=False)
    _judge_the_vertical_kernel("later", later_v)
    later_h[2, 3, 2, 3] &= _moves_more(image, tensors[-1], features)
    _judge_the_horizontal_kernel("later", later_h, own_place=True)


def _next_layer(answer, vertical, horizontal, first, filters=6):
    """Return the pair that the answer makes; refuse anything else."""
    height, width = vertical.shape[1:3]
    case = f"a page of {height}×{width}, filters = {filters}"
    try:
        result = asking(answer)(vertical, horizontal, filters, first)
    except Raised as raised:
        raised.details = {"case": case}
        raise
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Return a pair", actual=type(result).__name__)
    if not all(keras.backend.is_keras_tensor(part) for part in result):
        raise Wrong("Return two Keras tensors")
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
    outputs = logits_function(model)
    size = np.prod(_PAGE)
    rng = np.random.default_rng(1)
    reads = np.zeros((len(tensors), size, size), bool)
    for positive in (False, False, False, True):
        for weight in model.trainable_variables:
            values = rng.normal(0, 0.5, weight.shape)
            weight.assign(np.abs(values) / 5 if positive else values)
        for _ in range(4):
            page, other = rng.random((2, size), dtype="float32")
            pages = np.where(
                np.eye(size + 1, size), other, page
            )  # the last one as it is
            out = asking(outputs)(pages.reshape(-1, *_PAGE))
            out = out.reshape(size + 1, size, len(tensors), -1)
            reads |= (out[:-1] != out[-1]).any(axis=-1).transpose(2, 1, 0)
    return reads.reshape(-1, *_PAGE[:2], *_PAGE[:2])


def _judge_the_first_layer(v, h):
    reads_v, reads_h = v[2, 1], h[2, 1]
    case = "what the first layer reads at row 2, column 1 of 4×4 (1: read)"
    of_v = {"case": case, "actual": reads_v.astype(int)}
    of_h = {"case": case, "actual": reads_h.astype(int)}
    if reads_v[3].any():
        raise Wrong("The vertical convolution reads the row below.", **of_v)
    if not reads_v[2].any() and reads_v[0].any():
        raise Wrong("goes on moved down", **of_v)
    if not reads_v[2].any():
        raise Wrong("leaves out the current row", **of_v)
    if reads_v[2].tolist() == [1, 0, 0, 0] and reads_h[2, :3].all():
        raise Wrong("The two tensors are swapped", **of_v)
    later = h[0, 1, 0, 1:].any() or h[0, 1, 1:].any()  # also of row 2 and column 1
    if later and not (reads_h[2, 1:].any() or reads_h[3].any()):
        of_h["case"] = "what the first layer reads at row 0, column 1 of 4×4 (1: read)"
        raise Wrong("are not 0 in row 0", **of_h | {"actual": h[0, 1].astype(int)})
    if reads_h[2, 1] and reads_h[1, 1] and not reads_h[1, 2]:
        raise Wrong("moved by a column", **of_h)
    if reads_h[2, 1]:
        later = reads_h[2, 2:].any()
        # only what is moved down reads row 0
        missing = (
            "the shift is missing" if not reads_h[0].any() else "sees later pixels"
        )
        raise Wrong(missing if later else "sees its own pixel", **of_h)
    if reads_h[2, 2:].any() or reads_h[3].any():
        raise Wrong("The horizontal tensor sees later pixels.", **of_h)
    if not reads_h[2, 0]:
        raise Wrong("does not see the pixel to its left", **of_h)
    if not reads_h[1].any():
        raise Wrong("does not see the row above", **of_h)


def _judge_the_stack(v, h):
    """Judge what four layers see."""
    size = np.prod(_PAGE)
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
            else "a later one leaks",
            case=case,
            expected="no output sees its own or a later pixel",
            actual=f"the output at {output} sees {source}",
        )
    if len(blind):
        output, source = (tuple(map(int, divmod(i, 4))) for i in blind[0])
        raise Wrong(
            "an earlier pixel is blind",
            case=case,
            expected="every output sees all earlier pixels",
            actual=f"the output at {output} does not see {source}",
        )


def _judge_the_vertical_kernel(layer, v):
    """Judge what one layer reads at a place around which a larger kernel reads more."""
    expected = np.zeros(_PAGE[:2], int)
    expected[1:3, 1:] = 1
    _judge_a_place(f"{layer} layer: what the vertical tensor", v[2], 2, expected)


def _judge_the_horizontal_kernel(layer, h, own_place):
    """The kernel may hold one or two pixels to the left: 1×3 can be cut in two ways."""
    expected = np.zeros(_PAGE[:2], int)
    expected[:2, 2:] = expected[2, 2] = 1
    expected[2, 1], expected[2, 3] = h[2, 3, 2, 1], own_place
    _judge_a_place(f"{layer} layer: what the horizontal tensor", h[2], 3, expected)


def _moves_more(image, tensor, part):
    """Whether a pixel moves the tensor at its place by more than a residual sum does."""
    outputs = logits_function(keras.Model(image, keras.layers.subtract([tensor, part])))
    pages = np.full((2, *_PAGE), 0.25, "float32")
    pages[1, 2, 3] = 0.75
    before, after = outputs(pages)[:, 2, 3]
    return not np.allclose(before, after, 0, 1e-5)


def _judge_a_place(what, reads, col, expected):
    if (reads[col] != expected).any():
        case = f"{what} reads at row 2, column {col} of 4×4 (1: read)"
        words = {"expected": expected, "actual": reads[col].astype(int)}
        raise Wrong("A kernel has", case=case, **words)


shifted_layer = Exercise(
    _shifted_layer,
    judge=_judge_layer,
    mistakes={
        "Return a pair: the next vertical and the next horizontal tensor.": (
            lambda vertical, horizontal, filters, first: vertical
        ),
        "Return two Keras tensors, from calls of Keras layers.": lambda *arguments: (
            1,
            2,
        ),
        "The vertical tensor has another shape.": (
            lambda vertical, horizontal, filters, first: (vertical, horizontal)
        ),
        "The horizontal tensor has another shape.": _of_another_shape,
        "The vertical convolution reads the row below.": _reads_below,
        "This vertical convolution leaves out the current row, as in the recipe without a "
        "shift. Never mix the two: here it reads the row, and the shift hides it from the "
        "horizontal stack.": Mistake(
            lambda vertical, horizontal, filters, first: gated_block(
                vertical, horizontal, filters, 3, "A" if first else "B"
            ),
            but(rows=False),
        ),
        "The vertical tensor that is returned goes on moved down. Only the horizontal "
        "stack gets the moved copy; the vertical stack goes on with its own rows.": Mistake(
            but(carry=True), hint=2
        ),
        "The row of the vertical features reaches the horizontal stack: the shift is "
        "missing, or goes the wrong way.": Mistake(but(shift=0), but(shift=-1)),
        "The horizontal tensor sees its own pixel: in the first layer the kernel leaves it "
        "out, and there is no residual sum.": but(residual="always"),
        "The moved features are not 0 in row 0: they hold another row there. (A roll, for "
        "example, puts the last row there.) To move down, add a row of zeros above and "
        "drop the last row.": Mistake(
            but(shift=lambda v: keras.ops.roll(v, 1, axis=1)),
            but(shift=lambda v: keras.ops.concatenate([v[:, :1], v[:, :-1]], axis=1)),
            hint=2,
        ),
        "The two tensors are swapped: return the vertical one first.": Mistake(
            lambda *arguments: _shifted_layer(*arguments)[::-1], hint=0
        ),
        "The vertical features are moved by a column. They need to move down one row: pad "
        "a row above, drop the last row.": Mistake(
            but(
                shift=lambda v: keras.layers.ZeroPadding2D(((0, 0), (1, 0)))(v)[
                    :, :, :-1
                ]
            ),
            hint=2,
        ),
        "The horizontal tensor sees later pixels.": Mistake(
            _reads_the_right,
            _reads_its_whole_row,
            hint=0,
        ),
        "The horizontal tensor does not see the pixel to its left.": Mistake(
            but(left=False), hint=0
        ),
        "The horizontal tensor does not see the row above. Moved down one row, the "
        "vertical features at a place are those of the row above it: all of it that the "
        "kernel reads should arrive.": Mistake(but(shift=2), but(across=False), hint=2),
        "The first layer is right, a later one leaks. The vertical features know their "
        "whole row in every layer, so they are shifted in every layer.": (
            lambda vertical, horizontal, filters, first: _shifted_layer(
                vertical, horizontal, filters, first, shift=1 if first else 0
            )
        ),
        "The vertical stack sees later rows.": (
            lambda vertical, horizontal, filters, first: (
                _shifted_layer if first else _reads_below
            )(vertical, horizontal, filters, first)
        ),
        "Causal, but an earlier pixel is blind. Hand the vertical stack on as it is: only "
        "the horizontal stack gets the shifted copy, and a later horizontal kernel "
        "includes its own place (or a residual sum keeps it).": Mistake(
            _jumps_over_its_place, hint=2
        ),
        "A kernel has another size, or a tensor reads what it should not. The vertical "
        "kernel has two rows of 3×3; the horizontal one reads one or two pixels to the "
        "left, in later layers its own place too.": (
            Mistake(but(sizes=(5, 3)), but(sizes=(3, 7)), _with_a_wide_later_kernel)
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

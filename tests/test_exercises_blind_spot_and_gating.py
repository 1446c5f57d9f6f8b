"""The checks of notebook 11: right answers pass, classic wrong ones are named."""

from pixelcnn_edu import causality
from pixelcnn_edu.exercises import seen_by_two, shifted_layer, stack_taps
from pixelcnn_edu.gated import Gate, GatedBlock, StackConv2D
from pixelcnn_edu.models import gated_pixelcnn
from pixelcnn_edu.widgets import fields

import keras
import numpy as np
import pytest


def taps(size, mask_type, *, own=None, columns=None, left=None):
    own = (mask_type == "B") if own is None else own
    half = size // 2
    vertical = (half + own) * (columns(size) if columns else size)
    return vertical, left(size) if left else half + (mask_type == "B")


def taps_of_the_package(size, mask_type):
    return [
        int(np.prod(StackConv2D(1, size, stack, mask_type).kernel_size))
        for stack in ("vertical", "horizontal")
    ]


@pytest.mark.parametrize("answer", [taps, taps_of_the_package])
def test_stack_taps_accepts_right_answers(answer):
    assert stack_taps(answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda size, kind: taps(size, kind)[::-1], "swapped"),
        (lambda size, kind: taps(size, kind, own=False), "in every layer"),
        (lambda size, kind: taps(size, kind, own=True), "reads pixels, not features"),
        (
            lambda size, kind: taps(size, kind, columns=lambda k: k // 2 + 1),
            "from end to end",
        ),
        (lambda size, kind: taps(size, kind, columns=lambda k: 1), "from end to end"),
        (lambda size, kind: (size**2, taps(size, kind)[1]), "rows below and all"),
        (lambda size, kind: taps(size, kind, left=lambda k: k), "to the left only"),
        (lambda size, kind: taps(size, kind, left=lambda k: k // 2), "Type A hides"),
        (
            lambda size, kind: taps(size, kind, left=lambda k: k // 2 + 1),
            "Type A hides",
        ),
        (lambda size, kind: (0, 0), "not the taps"),
        (lambda size, kind: 8, "a pair"),
        (lambda size, kind: size / 0, "raised ZeroDivisionError"),
    ],
)
def test_stack_taps_names_the_mistake(answer, words):
    verdict = stack_taps(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def above(size, own):
    half = size // 2
    return {(r, c) for r in range(-half, own) for c in range(-half, half + 1)}


def left(size, own):
    return {(0, c) for c in range(-(size // 2), own)}


def counting(
    *,
    own=True,
    first_own=False,
    free=True,
    first=7,
    page=True,
    joined=False,
    source="vh",
    turns=False,
    keep=None,
):
    """Count as the right answer does, unless an argument plants a mistake."""

    def step(pixels, offsets):
        sums = {(r + s, c + d) for r, c in pixels for s, d in offsets}
        return {(r, c) for r, c in sums if not page or {r, c} <= set(range(28))}

    def seen(n):
        vertical, horizontal = set(), {(14, 14)}
        rows = above(3, own) - (set() if free else {(0, 1)})
        for _ in range(n):
            both = vertical | horizontal
            read = set().union(*({"v": vertical, "h": horizontal}[s] for s in source))
            horizontal = step(both if joined else horizontal, left(3, True))
            vertical = step(vertical | horizontal if turns else read, rows)
        if keep == "features":
            return len(vertical | horizontal)
        top = step(vertical | horizontal, above(first, first_own))
        row = step(horizontal, left(first, False))
        found = {None: top | row, "top": top, "row": row}[keep]
        return len(found)

    return seen


def by_forward_offsets(n):
    """What a feature of either stack knows, as offsets from its own place."""
    v = above(7, False)
    h = left(7, False) | v
    for _ in range(n):
        v = {(r + s, c + d) for r, c in v for s, d in above(3, True)}
        h = {(r + s, c + d) for r, c in h for s, d in left(3, True)} | v
    return sum(0 <= 14 + r < 28 and 0 <= 14 + c < 28 for r, c in h)


def by_the_explorer(n):
    return fields.seen((28, 28), (14, 14), further=n, gated=True).sum()


@pytest.mark.parametrize("answer", [counting(), by_forward_offsets, by_the_explorer])
def test_seen_by_two_accepts_right_answers(answer):
    verdict = seen_by_two(answer)
    assert verdict.passed, verdict.text


def test_the_counts_are_those_of_a_network():
    assert [by_forward_offsets(n) for n in (0, 5, 8, 11, 12)] == [
        24,
        144,
        264,
        406,
        406,
    ]
    keras.utils.set_random_seed(0)
    for n in (1, 5):
        network = gated_pixelcnn(filters=4, depth=n)
        seen = causality.receptive_field(network, 14, 14).sum()
        assert seen == by_forward_offsets(n)


def test_the_mistakes_give_the_numbers_that_the_check_knows():
    assert counting(source="v")(5) == 44 and counting(source="h")(5) == 60
    assert counting(keep="features")(5) == 66 and counting(turns=True)(5) == 152


def by_one_stack(n):
    return fields.seen((28, 28), (14, 14), further=n).sum()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: counting()(n) + 1, "itself is counted"),
        (counting(first_own=True), "reads its own row too"),
        (counting(free=False), "one stack"),
        (by_one_stack, "one stack"),
        (counting(own=False), "one stack"),
        (counting(joined=True), "reads the horizontal one"),
        (counting(source="v"), "step from `horizontal` too"),
        (counting(source="h"), "step from `vertical` too"),
        (counting(turns=True), "replaced before `vertical` has read it"),
        (counting(keep="features"), "first layer is left out"),
        (counting(keep="top"), "vertical stack alone"),
        (counting(keep="row"), "in its own row"),
        (counting(page=False), "off the page"),
        (counting(first=3), "7×7, not 3×3"),
        (lambda n: counting()(n - 1) if n else 24, "layer is missing"),
        (lambda n: counting()(n + 1), "too many"),
        (lambda n: 406, "All earlier pixels"),
        (lambda n: {(0, 0)}, "How many are there"),
        (lambda n: 7, "not how many"),
        (lambda n: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_seen_by_two_names_the_mistake(answer, words):
    verdict = seen_by_two(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def layer_with(*, shift=1, rows=True, sum_in_first=False, back=False, carry=False):
    """A layer of the recipe with a shift, unless an argument plants a mistake.

    ``shift``: rows down; ``rows``: whether the first vertical kernel holds its own row;
    ``back``: the vertical stack reads the horizontal one, which knows less of the row
    than the vertical one does; ``carry``: it goes on shifted.
    """

    def moved(x, rows_down):
        height = x.shape[1]
        if rows_down < 0:
            return keras.layers.ZeroPadding2D(((0, 1), (0, 0)))(x)[:, 1:]
        pads = ((rows_down, 0), (0, 0))
        return keras.layers.ZeroPadding2D(pads)(x)[:, :height]

    def layer(vertical, horizontal, filters, first):
        if back and not first:
            vertical = keras.layers.add([vertical, horizontal])
        kind = "A" if first and not rows else "B"
        v = StackConv2D(2 * filters, 3, "vertical", kind)(vertical)
        h = StackConv2D(2 * filters, 3, "horizontal", "A" if first else "B")(horizontal)
        down = moved(v, shift)
        h = keras.layers.add([h, keras.layers.Conv2D(2 * filters, 1)(down)])
        v, h = Gate()(down if carry else v), Gate()(h)
        h = keras.layers.Conv2D(filters, 1)(h)
        if (first and sum_in_first) or not first:
            h = keras.layers.add([horizontal, h])
        return v, h

    return layer


def with_plain_layers(vertical, horizontal, filters, first):
    """Kernels cut by padding; ReLU instead of gates; no residual connection at all."""
    height, width = vertical.shape[1:3]
    pad, convolution = keras.layers.ZeroPadding2D, keras.layers.Conv2D
    v = convolution(filters, (2, 3))(pad(((1, 0), (1, 1)))(vertical))
    down = pad(((1, 0), (0, 0)))(v)[:, :height]
    h = convolution(filters, (1, 2 - first))(pad(((0, 0), (1, 0)))(horizontal))
    h = h[:, :, :width] + convolution(filters, 1)(down)
    return keras.layers.LeakyReLU()(v), keras.layers.LeakyReLU()(h)


@pytest.mark.parametrize(
    "answer", [layer_with(), with_plain_layers], ids=["gate", "own"]
)
def test_shifted_layer_accepts_right_answers(answer):
    verdict = shifted_layer(answer)
    assert verdict.passed, verdict.text


def the_other_recipe(vertical, horizontal, filters, first):
    return GatedBlock(filters, 3, "A" if first else "B")(vertical, horizontal)


def residual_from_the_first(vertical, horizontal, filters, first):
    v, h = layer_with()(vertical, horizontal, filters, first)
    return v, keras.layers.add([h, horizontal]) if first else h


def no_left(vertical, horizontal, filters, first):
    v, _ = layer_with()(vertical, horizontal, filters, first)
    down = keras.layers.ZeroPadding2D(((1, 0), (0, 0)))(v)[:, :4]
    return v, keras.layers.Conv2D(filters, 1)(down)


def no_rows(vertical, horizontal, filters, first):
    v, _ = layer_with()(vertical, horizontal, filters, first)
    return v, StackConv2D(filters, 3, "horizontal", "A" if first else "B")(horizontal)


def whole_kernels(vertical, horizontal, filters, first):
    _, h = layer_with()(vertical, horizontal, filters, first)
    return keras.layers.Conv2D(filters, 3, padding="same")(vertical), h


def reads_the_right(vertical, horizontal, filters, first):
    v, h = layer_with()(vertical, horizontal, filters, first)
    right = keras.layers.ZeroPadding2D(((0, 0), (0, 1)))(horizontal)[:, :, 1:]
    return v, h + keras.layers.Conv2D(filters, 1)(right)


def shifted_in_the_first_only(vertical, horizontal, filters, first):
    layer = layer_with(shift=1 if first else 0)
    return layer(vertical, horizontal, filters, first)


def later_rows(vertical, horizontal, filters, first):
    v, h = layer_with()(vertical, horizontal, filters, first)
    whole = keras.layers.Conv2D(filters, 3, padding="same")(vertical)
    return v if first else whole, h


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (the_other_recipe, "Never mix the two"),
        (layer_with(rows=False), "Never mix the two"),
        (layer_with(shift=0), "the shift is missing"),
        (layer_with(shift=-1), "the shift is missing"),
        (layer_with(shift=2), "does not see the row above"),
        (layer_with(sum_in_first=True), "no residual sum"),
        (residual_from_the_first, "no residual sum"),
        (shifted_in_the_first_only, "a later one leaks"),
        (later_rows, "sees later rows"),
        (layer_with(carry=True), "Never mix the two"),
        (no_left, "pixel to its left"),
        (no_rows, "does not see the row above"),
        (whole_kernels, "reads the row below"),
        (reads_the_right, "later pixels"),
        (lambda v, h, filters, first: v, "Return a pair"),
        (lambda v, h, filters, first: (v, h), "another shape"),
        (lambda v, h, filters, first: (1, 2), "Keras tensors"),
        (lambda v, h, filters, first: v / [], "raised"),
    ],
)
def test_shifted_layer_names_the_mistake(answer, words):
    verdict = shifted_layer(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def without_the_own_place(vertical, horizontal, filters, first):
    """Later layers of the horizontal stack jump over their own place."""
    v = StackConv2D(filters, 3, "vertical", "B")(vertical)
    down = keras.layers.ZeroPadding2D(((1, 0), (0, 0)))(v)[:, :4]
    h = StackConv2D(filters, 3, "horizontal", "A")(horizontal)
    return v, keras.layers.add([h, keras.layers.Conv2D(filters, 1)(down)])


def test_a_stack_that_is_causal_and_blind_is_refused():
    verdict = shifted_layer(without_the_own_place)
    assert verdict.status == "wrong" and "an earlier pixel is blind" in verdict.text


@pytest.mark.parametrize("judge", [stack_taps, seen_by_two, shifted_layer])
def test_a_blank_is_not_yet(judge):
    for blank in (..., lambda *arguments: ..., lambda *arguments: None):
        assert judge(blank).status == "not yet"
    assert "Hint 2" in judge(..., hint=2).text


def test_a_blank_in_a_pair_is_not_yet():
    assert stack_taps(lambda size, kind: (size, ...)).status == "not yet"
    assert shifted_layer(lambda v, h, filters, first: (v, ...)).status == "not yet"

"""The checks of notebook 05: right answers accepted, classic mistakes named."""

import itertools

from pixelcnn_edu import exercises
from pixelcnn_edu.masks import causal_mask

import numpy as np
import pytest


def sums_by_comprehension(first, second):
    return {(r1 + r2, c1 + c2) for r1, c1 in first for r2, c2 in second}


def sums_by_loop(first, second):
    found = []
    for a, b in itertools.product(first, second):
        found.append(np.add(a, b))
    return found


def taps(size, mask_type):
    return [
        tuple(tap - size // 2)
        for tap in np.argwhere(causal_mask(size, mask_type)[:, :, 0, 0])
    ]


def seen_with(first=7, later="B", page=True, first_layer_last=True, pixels=len):
    """Count as the right answer does, unless an argument plants a mistake."""

    def seen(n):
        steps = [taps(3, later)] * n
        steps = (
            [*steps, taps(first, "A")] if first_layer_last else [taps(7, "A"), *steps]
        )
        found = {(14, 14)}
        for offsets in steps:
            found = sums_by_comprehension(found, offsets)
            if page:
                found = {(r, c) for r, c in found if 0 <= r < 28 and 0 <= c < 28}
        return pixels(found)

    return seen


def seen_in_blocks_only(n):
    found = {(14, 14)}
    for _ in range(n):
        found = sums_by_comprehension(found, taps(3, "B"))
        found = {(r, c) for r, c in found if 0 <= r < 28 and 0 <= c < 28}
    return len(found)


def seen_by_growing_an_array(n):
    page = np.zeros((28, 28), bool)
    page[14, 14] = True
    for offsets in [taps(3, "B")] * n + [taps(7, "A")]:
        padded = np.pad(page, 3)
        page = np.any([np.roll(padded, o, (0, 1))[3:-3, 3:-3] for o in offsets], axis=0)
    return np.int64(page.sum())


def blind_share_with(margin=0, scale=1.0, pooled=True, of=lambda blind, all_: blind):
    def blind_share(height, width, first):
        blind, earlier = [], []
        for row, col in np.ndindex(height, width):
            rows, cols = np.indices((height, width))
            up, right = row - rows, cols - col
            before = rows * width + cols < row * width + col
            blind.append((before & (right > up + first // 2 - 1 + margin)).sum())
            earlier.append(before.sum())
        blind, earlier = np.array(blind), np.array(earlier)
        if not pooled:
            return (blind[1:] / earlier[1:]).mean()
        return scale * of(blind.sum(), earlier.sum()) / earlier.sum()

    return blind_share


def blind_share_by_walking(height, width, first):
    """By brute force: walk until nothing new is found, then one step of the first."""
    blind = earlier = 0
    for row, col in np.ndindex(height, width):
        found, before = {(row, col)}, None
        while found != before:
            before = found
            found = {
                (r, c)
                for r, c in sums_by_comprehension(found, taps(3, "B"))
                if 0 <= r < height and 0 <= c < width
            }
        found = {
            (r, c)
            for r, c in sums_by_comprehension(found, taps(first, "A"))
            if 0 <= r < height and 0 <= c < width
        }
        earlier += row * width + col
        blind += row * width + col - len(found)
    return blind / earlier


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.two_layers, sums_by_comprehension),
        (exercises.two_layers, sums_by_loop),
        (exercises.seen, seen_with()),
        (exercises.seen, seen_by_growing_an_array),
        (exercises.blind_share, blind_share_with()),
    ],
)
def test_right_answers_are_accepted(check, answer):
    verdict = check(answer)
    assert verdict.passed, verdict.text


def test_the_rule_of_the_blind_spot_is_what_walking_finds():
    for page in ((2, 5, 3), (5, 2, 3), (6, 9, 5), (9, 6, 7)):
        assert blind_share_by_walking(*page) == pytest.approx(blind_share_with()(*page))


@pytest.mark.parametrize(
    "check", [exercises.two_layers, exercises.seen, exercises.blind_share]
)
def test_a_blank_is_not_yet(check):
    for blank in (..., lambda *args: ..., lambda *args: None):
        assert check(blank).status == "not yet"
    assert "Hint 2" in check(..., hint=2).text


def test_a_blank_inside_an_offset_is_not_yet():
    def two_layers(first, second):
        return {(r1 + r2, ...) for r1, c1 in first for r2, c2 in second}

    assert exercises.two_layers(two_layers).status == "not yet"


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.two_layers, lambda a, b: a | b, "reads alone"),
        (exercises.two_layers, lambda a, b: a & b, "both layers share"),
        (
            exercises.two_layers,
            lambda a, b: {(r + s, c) for r, c in a for s, _ in b},
            "column",
        ),
        (
            exercises.two_layers,
            lambda a, b: {(r + s, c) for r, _ in a for s, c in b},
            "column",
        ),
        (
            exercises.two_layers,
            lambda a, b: {(r - s, c - d) for r, c in a for s, d in b},
            "subtracted",
        ),
        (
            exercises.two_layers,
            lambda a, b: a | b | sums_by_comprehension(a, b),
            "stand still",
        ),
        (exercises.two_layers, lambda a, b: {(0, 0)}, "not the sums"),
        (exercises.seen, lambda n: seen_with()(n) + 1, "itself is counted"),
        (exercises.seen, seen_with(later="A"), "Type A in every layer"),
        (exercises.seen, seen_with(page=False), "off the page"),
        (exercises.seen, seen_with(first=3), "7×7, not 3×3"),
        (exercises.seen, seen_in_blocks_only, "7×7 A step is missing"),
        (exercises.seen, seen_with(pixels=set), "How many"),
        (
            exercises.seen,
            lambda n: min(3 + n, 14) * (28 if n > 10 else 7 + 2 * n) + min(3 + n, 14),
            "rectangle",
        ),
        (exercises.seen, lambda n: (7 + 2 * n) ** 2, "come later"),
        (exercises.seen, lambda n: seen_with()(n - 1), "n - 1"),
        (exercises.seen, lambda n: seen_with()(n + 1), "too many"),
        (exercises.seen, lambda n: 406, "All earlier pixels"),
        (exercises.seen, lambda n: 7, "not how many"),
        (exercises.blind_share, blind_share_with(scale=100), "percent"),
        (exercises.blind_share, blind_share_with(pooled=False), "own share"),
        (exercises.blind_share, blind_share_with(of=lambda b, e: e - b), "is seen"),
        (exercises.blind_share, blind_share_with(margin=-1), "too many are blind"),
        (exercises.blind_share, blind_share_with(margin=1), "too few are blind"),
        (
            exercises.blind_share,
            lambda h, w, f: blind_share_with()(h, w, 3),
            "first layer of 3×3",
        ),
        (exercises.blind_share, lambda h, w, f: 0.5, "not the share"),
        (exercises.seen, lambda n: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_classic_mistake_is_named(check, answer, words):
    verdict = check(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def test_the_published_counts():
    assert [seen_with()(n) for n in (5, 7, 10, 11, 12)] == [129, 192, 309, 351, 351]
    assert seen_with(later="A")(10) == 244
    assert [seen_with(first=3)(n) for n in (5, 10, 13, 14)] == [69, 209, 328, 328]
    assert blind_share_with()(28, 28, 3) == pytest.approx(0.221, abs=5e-4)
    assert blind_share_with()(28, 28, 7) == pytest.approx(0.180, abs=5e-4)

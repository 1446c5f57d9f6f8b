"""The checks of notebook 16: right answers pass, classic wrong ones are named."""

from fractions import Fraction
from itertools import accumulate

from pixelcnn_edu.compression import quantize
from pixelcnn_edu.exercises import decode_stream, interval, whole_counts

import numpy as np
import pytest


def part(p, symbol, low, width):
    return low + sum(p[:symbol]) * width, p[symbol] * width


def part_in_floats(p, symbol, low, width):
    edges = np.cumsum([0.0, *map(float, p)])
    return float(low) + edges[symbol] * float(width), float(p[symbol] * width)


@pytest.mark.parametrize("answer", [part, part_in_floats, lambda *a: list(part(*a))])
def test_interval_accepts_right_answers(answer):
    verdict = interval(answer)
    assert verdict.passed, verdict.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, s, low, w: (low, p[s] * w), "begins at `low`"),
        (lambda p, s, low, w: (low + sum(p[: s + 1]) * w, p[s] * w), "part ends"),
        (lambda p, s, low, w: (low + sum(p[:s]), p[s] * w), "not multiplied"),
        (lambda p, s, low, w: (low + sum(p[:s]) * w, p[s]), "share of the old one"),
        (lambda p, s, low, w: (sum(p[:s]) * w, p[s] * w), "`low` is left out"),
        (lambda p, s, low, w: (low + w * s / len(p), w / len(p)), "same size"),
        (
            lambda p, s, low, w: (low + sum(p[:s]) * w, low + sum(p[: s + 1]) * w),
            "upper end",
        ),
        (lambda p, s, low, w: (low + sum(p[s + 1 :]) * w, p[s] * w), "other end"),
        (
            lambda p, s, low, w: (low + (p[s - 1] if s else 0) * w, p[s] * w),
            "one symbol before",
        ),
        (lambda p, s, low, w: (sum(p[:s]), p[s] * w), "begins in [0, 1)"),
        (lambda p, s, low, w: (low + s * p[s] * w, p[s] * w), "own share"),
        (lambda p, s, low, w: ((low + sum(p[:s])) * w, p[s] * w), "multiplied by the"),
        (lambda p, s, low, w: (0, 0), "not the symbol's part"),
        (lambda p, s, low, w: low, "Return a pair"),
        (lambda p, s, low, w: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_interval_names_the_mistake(answer, words):
    verdict = interval(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def counts(p, total):
    counts = 1 + np.floor(p * (total - len(p))).astype(int)
    counts[p.argmax()] += total - counts.sum()
    return counts


def leftover_to(choose):
    """The leftover goes to the level that ``choose(p)`` names."""

    def answer(p, total):
        counts = 1 + np.floor(p * (total - len(p))).astype(int)
        counts[choose(p)] += total - counts.sum()
        return counts

    return answer


def counts_by_largest_remainders(p, total):
    share = p * (total - len(p))
    counts = 1 + np.floor(share).astype(int)
    for level in np.argsort(np.floor(share) - share)[: total - counts.sum()]:
        counts[level] += 1
    return counts.tolist()


def counts_of_a_scaled_copy(p, total):
    return counts(p / p.sum(), total).astype(float)


@pytest.mark.parametrize("answer", [counts, counts_of_a_scaled_copy, quantize])
def test_whole_counts_accepts_right_answers(answer):
    verdict = whole_counts(answer)
    assert verdict.passed, verdict.text


def even(p, total):
    result = np.ones(len(p), int)
    result[p.argmax()] += total - len(p)
    return result


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, total: p * total + 0.01, "not whole"),
        (lambda p, total: p * np.nan, "not whole"),
        (lambda p, total: np.floor(p * total).astype(int), "count 0"),
        (lambda p, total: np.round(p * total).astype(int), "count 0"),
        (lambda p, total: 1 + np.floor(p * (total - len(p))), "most likely level"),
        (lambda p, total: 1 + np.floor(p * total).astype(int), "too many"),
        (lambda p, total: np.maximum(1, np.round(p * total)), "must be the total"),
        (lambda p, total: counts(p, total) * 2, "do not sum"),
        (even, "far from p"),
        (leftover_to(np.argmin), "went to another level"),
        (leftover_to(lambda p: 0), "went to another level"),
        (leftover_to(lambda p: -1), "went to another level"),
        (counts_by_largest_remainders, "went to another level"),
        (lambda p, total: total, "one for each level"),
        (lambda p, total: ["a"] * len(p), "one for each level"),
        (lambda p, total: p[9], "IndexError"),
    ],
)
def test_whole_counts_names_the_mistake(answer, words):
    verdict = whole_counts(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def streaming(bits, model, count, *, ends=True, past=True, flip=False, late=0):
    """Decode as the right answer does, unless an argument plants a mistake."""
    low, width, start, size, used = (
        Fraction(0),
        Fraction(1),
        Fraction(0),
        Fraction(1),
        0,
    )
    symbols, read = [], []
    while len(symbols) < count:
        p = model(symbols if past else [])
        edges = [low + width * edge for edge in accumulate(p, initial=Fraction(0))]
        high = start + size
        for s in range(len(p)):
            inside = edges[s] <= start and high <= edges[s + 1]
            if inside and (ends or high < edges[s + 1]):
                low, width = edges[s], p[s] * width
                symbols.append(s)
                read.append(used + late)
                break
        else:
            bit = bits[used] if used < len(bits) else 0
            size /= 2
            start += size * (1 - bit if flip else bit)
            used += 1
            if used > 300:
                break
    symbols += [0] * (count - len(symbols))
    return symbols, read + [used] * (count - len(read))


def read_all_first(bits, model, count):
    return streaming(bits, model, count)[0], [len(bits)] * count


def per_symbol(bits, model, count):
    symbols, read = streaming(bits, model, count)
    return symbols, np.diff([0, *read]).tolist()


def before_any_bit(bits, model, count):
    return [0] * count, [0] * count


def too_early(bits, model, count):
    symbols, read = streaming(bits, model, count)
    return symbols, [max(0, n - 1) for n in read]


@pytest.mark.parametrize(
    "answer", [streaming, lambda *a: tuple(map(np.array, streaming(*a)))]
)
def test_decode_stream_accepts_right_answers(answer):
    verdict = decode_stream(answer)
    assert verdict.passed, verdict.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (read_all_first, "all bits were read first"),
        (lambda *a: streaming(*a, late=1), "One bit too many"),
        (lambda *a: streaming(*a, ends=False), "Read too far"),
        (lambda *a: streaming(*a, past=False), "without the symbols so far"),
        (lambda *a: streaming(*a, flip=True), "upside down"),
        (per_symbol, "between two symbols"),
        (before_any_bit, "before a bit was read"),
        (too_early, "Too early"),
        (lambda *a: ([1] * 7, [1] * 7), "not the symbols"),
        (lambda *a: ([1], [1]), "7 entries"),
        (lambda *a: (1, 2), "7 entries"),
        (lambda *a: [1, 0, 1], "Return a pair"),
        (lambda bits, model, count: bits[99], "IndexError"),
    ],
)
def test_decode_stream_names_the_mistake(answer, words):
    verdict = decode_stream(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize("judge", [interval, whole_counts, decode_stream])
def test_a_blank_is_not_yet(judge):
    for blank in (..., lambda *arguments: ..., lambda *arguments: None):
        assert judge(blank).status == "not yet"
    assert "Hint 2" in judge(..., hint=2).text


def test_a_blank_inside_a_result_is_not_yet():
    assert interval(lambda p, s, low, w: (..., p[s] * w)).status == "not yet"
    assert whole_counts(lambda p, total: [...] * len(p)).status == "not yet"
    assert decode_stream(lambda *arguments: ([0] * 7, ...)).status == "not yet"
    assert decode_stream(lambda *arguments: ([...] * 7, [0] * 7)).status == "not yet"

"""Exercises of notebook 19: intervals, whole counts, a decoder that reads as it goes."""

from fractions import Fraction
from numbers import Rational

from pixelcnn_edu.compression import quantize
from pixelcnn_edu.exercises._answers import Wrong, numbers, pair
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but

import numpy as np


def _interval(probabilities, symbol, low, width):
    """A symbol's part of an interval: its low end and its width.

    ``probabilities``: a list of Fractions that sum to 1, in order; ``low``, ``width``:
    Fractions, the interval [low, low + width). The results are Fractions, too.
    """
    return low + sum(probabilities[:symbol]) * width, probabilities[symbol] * width


def _fractions(values):
    return "(" + ", ".join(map(str, values)) + ")"


def _as_fractions(expected, actual, *case):
    """Show floats as the Fractions that they came from."""
    limit = 10**4
    words = {"expected": expected, "actual": actual}
    return {
        word: _fractions(
            Fraction(value.item()).limit_denominator(limit) for value in part
        )
        for word, part in words.items()
        if np.isfinite(part).all()
    }


def _parts():
    half, fourth = Fraction(1, 2), Fraction(1, 4)
    unlike = [Fraction(n, 15) for n in (1, 2, 5, 7)]
    eighths = [Fraction(n, 8) for n in (1, 4, 3)]
    return (
        (unlike, 2, fourth, Fraction(1, 3)),  # each mistake below gives another part
        ([half, fourth, fourth], 1, Fraction(0), Fraction(1)),
        ([Fraction(n, 5) for n in (1, 2, 2)], 2, half, fourth),
        (eighths, 0, fourth, half),
        (eighths, 1, Fraction(3, 8), Fraction(1, 8)),
        (eighths, 2, Fraction(3, 8), Fraction(1, 8)),
        ([fourth] * 4, 3, fourth, half),
        (
            [Fraction(9, 29), Fraction(20, 29)],
            1,
            Fraction(1, 3**20),
            Fraction(1, 7**20),
        ),
    )


def _from(low_end):
    """The right width, from another low end."""
    return lambda p, s, low, width: (low_end(p, s, low, width), p[s] * width)


_LOW_AND_WIDTH = "Return a pair: the low end and the width."
_FLOATS = (
    "A float is among the results, or a Fraction was rounded. A float keeps 53 bits, too "
    "few for an image; stay with exact Fractions. (`np.sum([])` is the float 0.0, "
    "`sum([])` the integer 0.)"
)


def _exact_pair(result):
    arrays = pair(_LOW_AND_WIDTH, ())(result)
    if any(np.asarray(part).dtype.kind not in "iuO" for part in result):
        kinds = ", ".join(type(part).__name__ for part in result)
        raise Wrong(_FLOATS, actual=kinds)
    return arrays


def _not_rounded(answer, *case):
    """The result; an error if it is a pair of numbers that are nearly right."""
    result, right = answer(*case), _interval(*case)
    pairs = zip(result, right, strict=False) if isinstance(result, tuple | list) else ()
    for part, exact in pairs:
        if isinstance(part, Rational) and 0 < abs(part - exact) < 1e-9:
            raise Wrong(_FLOATS, expected=_fractions(right), actual=_fractions(result))
    return result


interval = Exercise(
    _interval,
    cases=_parts,
    run=_not_rounded,
    read=_exact_pair,
    describe=lambda p, symbol, low, width: (
        f"probabilities {_fractions(p)}, symbol {symbol}, low = {low}, width = {width}"
    ),
    mistakes={
        _FLOATS: Mistake(
            lambda p, s, low, width: (low + np.sum(p[:s]) * width, p[s] * width),
            lambda p, s, low, width: (
                low + Fraction(float(sum(p[:s]))) * width,
                p[s] * width,
            ),
            hint=0,
        ),
        "Each symbol begins at `low` here. The parts lie side by side, so those of the "
        "symbols before come first.": _from(lambda p, s, low, width: low),
        "The symbol itself is counted among those before it, so this is where its part "
        "ends.": _from(lambda p, s, low, width: low + sum(p[: s + 1]) * width),
        "The share of the symbols before is not multiplied by the width. It is a share of "
        "this interval, not of [0, 1).": _from(
            lambda p, s, low, width: low + sum(p[:s])
        ),
        "The new width is a share of the old one: multiply by it.": Mistake(
            lambda p, s, low, width: (low + sum(p[:s]) * width, p[s]), hint=0
        ),
        "`low` is left out: the part lies in this interval, which begins there.": _from(
            lambda p, s, low, width: sum(p[:s]) * width
        ),
        "All symbols get parts of the same size. A part's share is the symbol's "
        "probability.": Mistake(
            lambda p, s, low, width: (low + width * s / len(p), width / len(p)), hint=0
        ),
        "The second number is the part's upper end. Return its width.": (
            lambda p, s, low, width: (
                low + sum(p[:s]) * width,
                low + sum(p[: s + 1]) * width,
            )
        ),
        "Counted from the other end: symbol 0 lies first, at `low`.": _from(
            lambda p, s, low, width: low + sum(p[s + 1 :]) * width
        ),
        "The share is that of one symbol before. All of those before count.": Mistake(
            _from(lambda p, s, low, width: low + (p[s - 1] if s else 0) * width), hint=2
        ),
        "That is where the part begins in [0, 1). Here everything begins at `low` and is "
        "as wide as `width`.": _from(lambda p, s, low, width: sum(p[:s])),
        "The symbol's own share is taken for each of those before it. They have shares of "
        "their own.": Mistake(
            _from(lambda p, s, low, width: low + s * p[s] * width), hint=2
        ),
        "`low` is multiplied by the width, too. It is a place; only the share of the "
        "symbols before is a share of the width.": _from(
            lambda p, s, low, width: (low + sum(p[:s])) * width
        ),
    },
    hints=(
        "The symbols lie side by side from `low` on, symbol 0 first. Which of them lie "
        "before this one, and how much of the width do they take together?",
        "before = sum(probabilities[:symbol]).",
    ),
    shape=_LOW_AND_WIDTH,
    otherwise="That is not the symbol's part.",
    praise="After all symbols the width is the product of their probabilities: that of the "
    "image.",
    rtol=0,
    atol=1e-9,
    show=_as_fractions,
)


def _whole_counts(p, total):
    """Probabilities as integers.

    ``p``: float (K,), sums to 1; ``total``: an integer, larger than K. The result is
    whole numbers (K,), each at least 1, that sum to ``total`` and lie within K of
    ``p * total``; what rounding down leaves over goes to the most likely level.
    """
    return quantize(p, total)


def _floors(p, total):
    return 1 + np.floor(p * (total - len(p))).astype(int)


def _leftover_to(choose, counted=_floors):
    """What ``counted(p, total)`` leaves over goes to level ``choose(p, counts)``."""

    def answer(p, total):
        counts = counted(p, total).astype(int)
        counts[choose(p, counts)] += total - counts.sum()
        return counts

    return answer


_raised_to_1, _by_nearest, _all_to_one = (
    _leftover_to(lambda p, counts: p.argmax(), counted)
    for counted in (
        lambda p, total: np.maximum(1, np.floor(p * total)),
        lambda p, total: np.maximum(1, np.round(p * total)),
        lambda p, total: np.ones(len(p)),
    )
)


def _to_each_likeliest(p, total):
    counts = _floors(p, total)
    counts[p == p.max()] += total - counts.sum()
    return counts


def _by_largest_remainders(p, total):
    counts, share = _floors(p, total), p * (total - len(p))
    for level in np.argsort(np.floor(share) - share)[: total - counts.sum()]:
        counts[level] += 1
    return counts


def _distributions():
    rng = np.random.default_rng(3)
    yield np.array([0.5, 0.25, 0.25]), 16
    yield np.array([0.999, 0.001]), 16
    yield np.array([0.7, 0.2, 0.1, 0.0]), 60
    for k in (2, 3, 5, 8) * 5:
        yield rng.dirichlet(np.full(k, 0.4)), 2**10
    yield np.array([0.31, 0.3, 0.29, *[0.02] * 5]), 9
    yield np.array([0.34, 0.36, 0.30]), 8
    yield np.full(4, 0.25), 5


def _or_as_good(answer, p, total):
    """The counts; those that keep all other rules as well are taken for the right ones."""
    counts = numbers("Return whole numbers, one for each level.")(answer(p, total))
    if counts.shape != p.shape:
        return counts
    more = counts - _floors(p, total)
    if (more >= 0).all():
        to_one_level = counts.sum() == total and np.count_nonzero(more) == 1
        likeliest = to_one_level and p[more.argmax()] == p.max()
        return quantize(p, total) if likeliest else counts
    whole = (counts == np.floor(counts)).all() and (counts >= 1).all()
    near = (abs(counts - p * total) <= len(p)).all()
    return quantize(p, total) if whole and near and counts.sum() == total else counts


def _rounded(values):
    return [round(float(value), 3) for value in values]


def _what_is_wanted(expected, actual, p, total):
    if actual.shape != p.shape:
        return {"expected": None}
    if not (np.floor(actual) == actual).all() or (actual < 1).any():
        return {"expected": None}
    if actual.sum() != total:
        return {"expected": f"a sum of {total}, not {int(actual.sum())}"}
    if (abs(actual - p * total) > len(p)).any():
        return {"expected": f"within {len(p)} of {_rounded(p * total)}"}
    return {}


_LEFTOVER = (
    "The sum is right, but the shares of total - K are not rounded down, or what is left "
    "over did not all go to the most likely level."
)


whole_counts = Exercise(
    _whole_counts,
    cases=_distributions,
    run=_or_as_good,
    describe=lambda p, total: f"p = {_rounded(p)}, total = {total}",
    mistakes={
        "These are not whole. Two processors may differ in the last bit of a float; that "
        "is why the coder gets integers.": Mistake(
            lambda p, total: p * total + 0.01,
            lambda p, total: p * np.nan,
            fits=lambda counts, *_: not (counts == np.floor(counts)).all(),
            hint=2,
        ),
        "A level has count 0. Its part of the interval has no width, so this level "
        "can never be written. Each level gets at least 1, also after the sum is "
        "corrected.": Mistake(
            lambda p, total: np.round(p * total).astype(int),
            lambda p, total: np.floor(p * total).astype(int),
            _raised_to_1,
            fits=lambda counts, *_: (counts < 1).any(),
        ),
        "Rounding down leaves something over; give it to the most likely level.": Mistake(
            _floors, hint=2
        ),
        "Rounded and raised to 1, counts sum to something near the total. It must be the "
        "total, or the parts do not fill the interval.": (
            lambda p, total: np.maximum(1, np.round(p * total))
        ),
        "Several levels share the highest probability, and each got all that is left over. "
        "Give it to one of them.": _to_each_likeliest,
        "1 for each level and then shares of the whole total: that is K too many. Share "
        "out what is left, total - K.": lambda p, total: 1 + np.floor(p * total),
        "The counts do not sum to the total.": Mistake(
            lambda p, total: 2 * quantize(p, total),
            fits=lambda counts, expected, p, total: counts.sum() != total,
        ),
        "The sum is right, but a count is far from p · total: its level would cost more "
        "bits than it must.": Mistake(
            _all_to_one,
            fits=lambda counts, expected, p, total: (
                abs(counts - p * total) > len(p)
            ).any(),
        ),
        "Other levels than the most likely one get a part of what is left over, for "
        "example by rounding to the nearest integer. Round down, and give all of it to the "
        "most likely level.": _by_nearest,
        _LEFTOVER: Mistake(
            _leftover_to(lambda p, counts: p.argmin()),
            _leftover_to(lambda p, counts: 0),
            _leftover_to(lambda p, counts: -1),
            _leftover_to(lambda p, counts: counts.argmax()),
            _by_largest_remainders,
            fits=lambda counts, expected, p, total: (counts >= _floors(p, total)).all(),
            hint=2,
        ),
    },
    hints=(
        "Set 1 aside for each level. The rest, total - K, is shared out by probability, "
        "rounded down.",
        "counts = 1 + np.floor(p * (total - len(p))).astype(int). Rounding down leaves "
        "total - counts.sum(); add that to counts[p.argmax()].",
    ),
    shape="Return whole numbers, one for each level.",
    otherwise=_LEFTOVER,
    praise="The coder can write every level, and the integers sum to the total.",
    show=_what_is_wanted,
)


def _decode_stream(
    bits, model, count, *, ends=True, past=list, flip=False, late=0, floats=0
):
    """A decoder that reads as it goes.

    ``bits``: a list of 0 and 1, a number in [0, 1) written in binary. ``model``: a
    function from the list of symbols so far to the Fractions of the next ones, in order.
    The result is two lists of ``count`` entries: the symbols, and for each how many bits
    had to be read until it was settled, that is, until no further bit could change it.
    """
    low, width = (0.0, 1.0) if floats > 1 else (Fraction(0), Fraction(1))
    start, size = (0.0, 1.0) if floats else (Fraction(0), Fraction(1))
    symbols, read, used = [], [], 0
    while len(symbols) < count and used < 500:
        p = model(past(symbols))
        edges = [low + sum(p[:s]) * width for s in range(len(p) + 1)]
        inside = [
            s
            for s in range(len(p))
            if edges[s] <= start
            and (start + size <= edges[s + 1] if ends else start + size < edges[s + 1])
        ]
        if inside:
            (s,) = inside
            low, width = edges[s], p[s] * width
            symbols.append(s)
            read.append(used + late)
        else:
            bit = bits[used] if used < len(bits) else 0  # past the end come zeros
            size /= 2
            start += size * (1 - bit if flip else bit)
            used += 1
    missing = count - len(symbols)
    return symbols + [0] * missing, read + [used] * missing


def _read_changed(change):
    """The symbols are right, the numbers of bits are not."""

    def answer(bits, model, count):
        symbols, read = _decode_stream(bits, model, count)
        return symbols, change(read, bits)

    return answer


def _again(past):
    return [Fraction(9, 10), Fraction(1, 10)][:: -1 if past and past[-1] else 1]


def _counting(past):
    ones = int(sum(past))
    return [Fraction(1 + n, 2 + len(past)) for n in (len(past) - ones, ones)]


_MOST = 7  # symbols in a stream
_MODELS = {
    "p = 1/2, 1/4, 1/4 always": lambda past: [Fraction(n, 4) for n in (2, 1, 1)],
    "the last symbol again with p = 9/10": _again,
    "p = (1 + its count so far) / (2 + symbols so far)": _counting,
    "the first symbol is 0 for sure, then p = 1/2, 1/2": lambda past: (
        [Fraction(1, 2)] * 2 if past else [Fraction(1)]
    ),
    "p = 97/100, 3/100 always": lambda past: [Fraction(97, 100), Fraction(3, 100)],
    "p = 1 - 1/2^24, 1/2^24 always": lambda past: [
        1 - Fraction(2**-24),
        Fraction(2**-24),
    ],
}


def _streams():
    """Draw symbols, and write them: ⌈-log2 p⌉ + 1 bits, all settled."""
    for name, model in _MODELS.items():
        for seed in range(4):
            rng, low, width = np.random.default_rng(seed), Fraction(0), Fraction(1)
            symbols = []
            for _ in range(_MOST):
                p = model(symbols)
                s = int(rng.integers(len(p)))  # each alike, so that rare ones come too
                low, width = low + sum(p[:s]) * width, p[s] * width
                symbols.append(s)
            k = 1
            while Fraction(2, 2**k) > width:
                k += 1
            number = -(-low.numerator * 2**k // low.denominator)
            count = 5 if seed == 3 else _MOST
            yield name, [number >> i & 1 for i in reversed(range(k))], model, count


def _symbols_or_bits(expected, actual, name, bits, model, count):
    if any(part.shape != (count,) for part in actual):
        return {}
    part = int((actual[0] == expected[0]).all())
    case = f"{name}; {count} symbols; bits {''.join(map(str, bits))}"
    case += f"; they are {expected[0].tolist()}" if part else ""
    shown = {"expected": expected[part].tolist(), "actual": actual[part].tolist()}
    return {"case": case} | shown


def _symbols_right(test):
    return lambda actual, expected, *_: bool(
        (actual[0] == expected[0]).all() and test(actual[1], expected[1])
    )


decode_stream = Exercise(
    _decode_stream,
    cases=_streams,
    run=lambda answer, name, *case: answer(*case),
    read=pair("Return a pair: the symbols, and the bits read for each."),
    describe=lambda name, bits, model, count: f"{name}; {count} symbols",
    mistakes={
        "Return two lists of `count` entries.": Mistake(
            lambda *a: ([1], [1]),
            lambda *a: (1, 2),
            lambda bits, model, count: _decode_stream(bits, model, _MOST),
            hint=0,
        ),
        "The model was asked without the symbols so far: model(symbols).": but(
            past=lambda symbols: []
        ),
        "The model got only the last symbol. It needs all so far: model(symbols).": but(
            past=lambda symbols: symbols[-1:]
        ),
        "An interval is kept in floats, which have 53 bits. A long stream needs "
        "Fractions.": Mistake(but(floats=1), but(floats=2), hint=0),
        "Decided before a bit was read. Wait until every continuation agrees.": (
            lambda bits, model, count: ([0] * count, [0] * count)
        ),
        "The bits are read upside down: a 1 keeps the upper half.": Mistake(
            but(flip=True), hint=2
        ),
        "The symbols are right, but all bits were read first. Most settle sooner.": (
            _read_changed(lambda read, bits: [len(bits)] * len(read))
        ),
        "One bit too many each time: count the bits read when it is settled.": Mistake(
            but(late=1), hint=2
        ),
        "Those are the bits read between two symbols. Count them from the start.": Mistake(
            _read_changed(lambda read, bits: np.diff([0, *read])), hint=0
        ),
        "Read too far: a symbol is settled as soon as all numbers that begin with the bits "
        "lie in its part, ends included: low <= start and start + size <= high, in exact "
        "Fractions.": Mistake(
            but(ends=False),
            fits=_symbols_right(lambda read, right: (read >= right).all()),
            hint=2,
        ),
        "Too early: some number that begins with the bits read lies in another part.": (
            Mistake(
                _read_changed(lambda read, bits: [max(0, n - 1) for n in read]),
                fits=_symbols_right(lambda read, right: (read < right).any()),
                hint=2,
            )
        ),
    },
    hints=(
        "Keep two intervals: that of the symbols so far (its parts are the next symbols), "
        "and that of all numbers that begin with the bits read. A bit halves the second.",
        "If the second lies inside one part, that symbol is settled: narrow the first to "
        "it and read nothing. If not, read a bit: size /= 2, start += bit * size.",
    ),
    shape="Return two lists of `count` entries.",
    otherwise="Those are not the symbols.",
    praise="Several symbols may come for one bit, and none for several. Every decoder of "
    "this kind keeps such a pair of intervals, in integers of fixed size.",
    show=_symbols_or_bits,
)

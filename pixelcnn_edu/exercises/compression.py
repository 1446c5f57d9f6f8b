"""Exercises of notebook 19: intervals, whole counts, a decoder that reads as it goes."""

from fractions import Fraction

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
    words = {"expected": expected, "actual": actual}
    return {
        word: _fractions(Fraction(float(v)).limit_denominator(10**4) for v in part)
        for word, part in words.items()
        if np.isfinite(part).all()
    }


def _parts():
    half, fourth = Fraction(1, 2), Fraction(1, 4)
    unlike = [Fraction(n, 15) for n in (1, 2, 5, 7)]
    eighths = [Fraction(n, 8) for n in (1, 4, 3)]
    return (
        (unlike, 2, fourth, Fraction(1, 3)),
        ([half, fourth, fourth], 1, Fraction(0), Fraction(1)),
        (eighths, 0, fourth, half),
        (eighths, 2, Fraction(3, 8), Fraction(1, 8)),
        ([fourth] * 4, 3, fourth, half),
    )


def _low_at(low_end):
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
    if any(np.asarray(part).dtype.kind == "f" for part in result):
        kinds = ", ".join(type(part).__name__ for part in result)
        raise Wrong(_FLOATS, actual=kinds)
    return arrays


interval = Exercise(
    _interval,
    cases=_parts,
    read=_exact_pair,
    describe=lambda p, symbol, low, width: (
        f"probabilities {_fractions(p)}, symbol {symbol}, low = {low}, width = {width}"
    ),
    mistakes={
        _FLOATS: Mistake(_low_at(lambda p, s, low, w: low + np.sum(p[:s]) * w), hint=0),
        "Each symbol begins at `low` here. The parts lie side by side, so those of the "
        "symbols before come first.": _low_at(lambda p, s, low, w: low),
        "The symbol itself is counted among those before it, so this is where its part "
        "ends.": _low_at(lambda p, s, low, w: low + sum(p[: s + 1]) * w),
        "The share of the symbols before is not multiplied by the width. It is a share of "
        "this interval, not of [0, 1).": _low_at(lambda p, s, low, w: low + sum(p[:s])),
        "The second number is the part's upper end. Return its width.": (
            lambda p, s, low, w: (low + sum(p[:s]) * w, low + sum(p[: s + 1]) * w)
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


def _distributions():
    rng = np.random.default_rng(3)
    yield np.array([0.5, 0.25, 0.25]), 16
    yield np.array([0.999, 0.001]), 16
    yield np.array([0.7, 0.2, 0.1, 0.0]), 60
    for k in (2, 3, 5, 8) * 3:
        yield rng.dirichlet(np.full(k, 0.4)), 2**10
    yield np.array([0.31, 0.3, 0.29, *[0.02] * 5]), 9
    yield np.full(4, 0.25), 5


def _are_whole(counts):
    return bool((counts == np.floor(counts)).all())


def _or_as_good(answer, p, total):
    """The counts; others that a coder could use as well are taken for the right ones.

    So it does not count which level gets what is left over.
    """
    counts = numbers("Return whole numbers, one for each level.")(answer(p, total))
    as_good = (
        counts.shape == p.shape
        and _are_whole(counts)
        and (counts >= 1).all()
        and counts.sum() == total
        and (abs(counts - p * total) <= len(p)).all()
    )
    return quantize(p, total) if as_good else counts


def _what_is_wanted(expected, actual, p, total):
    if actual.shape != p.shape or not _are_whole(actual) or (actual < 1).any():
        return {"expected": None}
    if actual.sum() != total:
        return {"expected": f"a sum of {total}, not {int(actual.sum())}"}
    return {}


def _rounded(values):
    return [round(float(value), 3) for value in values]


whole_counts = Exercise(
    _whole_counts,
    cases=_distributions,
    run=_or_as_good,
    describe=lambda p, total: f"p = {_rounded(p)}, total = {total}",
    mistakes={
        "These are not whole. Two processors may differ in the last bit of a float; that "
        "is why the coder gets integers.": Mistake(
            lambda p, total: p * total + 0.01,
            fits=lambda counts, *_: not _are_whole(counts),
            hint=2,
        ),
        "A level has count 0. Its part of the interval has no width, so this level "
        "can never be written. Each level gets at least 1, also after the sum is "
        "corrected.": Mistake(
            lambda p, total: np.round(p * total).astype(int),
            fits=lambda counts, *_: (counts < 1).any(),
        ),
        "Rounding down leaves something over; give it to the most likely level.": Mistake(
            lambda p, total: 1 + np.floor(p * (total - len(p))).astype(int), hint=2
        ),
        "Rounded and raised to 1, counts sum to something near the total. It must be the "
        "total, or the parts do not fill the interval.": (
            lambda p, total: np.maximum(1, np.round(p * total))
        ),
    },
    hints=(
        "Set 1 aside for each level. The rest, total - K, is shared out by probability, "
        "rounded down.",
        "counts = 1 + np.floor(p * (total - len(p))).astype(int). Rounding down leaves "
        "total - counts.sum(); add that to counts[p.argmax()].",
    ),
    shape="Return whole numbers, one for each level.",
    otherwise="The counts do not sum to the total, or one is far from p · total.",
    praise="The coder can write every level, and the integers sum to the total.",
    show=_what_is_wanted,
)


def _decode_stream(bits, model, count, *, past=list, ends=True):
    """A decoder that reads as it goes.

    ``bits``: a list of 0 and 1, a number in [0, 1) written in binary. ``model``: a
    function from the list of symbols so far to the Fractions of the next ones, in order.
    The result is two lists of ``count`` entries: the symbols, and for each how many bits
    had to be read until it was settled, that is, until no further bit could change it.
    """
    low, width = Fraction(0), Fraction(1)  # of the symbols so far
    start, size, used = Fraction(0), Fraction(1), 0  # of the bits so far
    symbols, read = [], []
    while len(symbols) < count:
        p = model(past(symbols))
        for symbol in range(len(p)):
            its_low, its_width = _interval(p, symbol, low, width)
            high, stop = its_low + its_width, start + size
            if its_low <= start and (stop <= high if ends else stop < high):
                symbols.append(symbol)
                read.append(used)
                low, width = its_low, its_width
                break
        else:  # the bits so far leave more than one symbol open
            size /= 2
            start += size * (bits[used] if used < len(bits) else 0)
            used += 1
    return symbols, read


def _read_changed(change):
    """The symbols are right, the numbers of bits are not."""

    def answer(bits, model, count):
        symbols, read = _decode_stream(bits, model, count)
        return symbols, change(read, bits)

    return answer


def _again(past):
    return [Fraction(9, 10), Fraction(1, 10)][:: -1 if past and past[-1] else 1]


def _counting(past):
    ones = sum(past)
    return [Fraction(1 + n, 2 + len(past)) for n in (len(past) - ones, ones)]


_MODELS = {
    "p = 1/2, 1/4, 1/4 always": lambda past: [Fraction(n, 4) for n in (2, 1, 1)],
    "the last symbol again with p = 9/10": _again,
    "p = (1 + its count so far) / (2 + symbols so far)": _counting,
    "the first symbol is 0 for sure, then p = 1/2, 1/2": lambda past: (
        [Fraction(1, 2)] * 2 if past else [Fraction(1)]
    ),
    "p = 1 - 1/2^24, 1/2^24 always": lambda past: [  # more than a float holds
        1 - Fraction(2**-24),
        Fraction(2**-24),
    ],
}


def _streams():
    """Draw symbols, and write them: ⌈-log2 p⌉ + 1 bits, all settled."""
    for name, model in _MODELS.items():
        for seed in range(4):
            count = 5 if seed == 3 else 7
            rng, low, width, past = np.random.default_rng(seed), 0, 1, []
            for _ in range(7):
                p = model(past)
                symbol = int(rng.integers(len(p)))  # each alike, so rare ones come too
                low, width = _interval(p, symbol, low, width)
                past.append(symbol)
            k = 1
            while Fraction(2, 2**k) > width:
                k += 1
            number = -(-low.numerator * 2**k // low.denominator)
            yield name, [number >> i & 1 for i in reversed(range(k))], model, count


def _symbols_or_bits(expected, actual, name, bits, model, count):
    if any(part.shape != (count,) for part in actual):
        return {}
    part = int((actual[0] == expected[0]).all())
    case = f"{name}; {count} symbols; bits {''.join(map(str, bits))}"
    case += f"; they are {expected[0].tolist()}" if part else ""
    shown = {"expected": expected[part].tolist(), "actual": actual[part].tolist()}
    return {"case": case} | shown


decode_stream = Exercise(
    _decode_stream,
    cases=_streams,
    run=lambda answer, name, *case: answer(*case),
    read=pair("Return a pair: the symbols, and the bits read for each."),
    describe=lambda name, bits, model, count: f"{name}; {count} symbols",
    mistakes={
        "The model was asked without the symbols so far: model(symbols).": but(
            past=lambda symbols: []
        ),
        "The model got only the last symbol. It needs all so far: model(symbols).": but(
            past=lambda symbols: symbols[-1:]
        ),
        "The symbols are right, but all bits were read first. Most settle sooner.": (
            _read_changed(lambda read, bits: [len(bits)] * len(read))
        ),
        "Read too far: a symbol is settled as soon as all numbers that begin with the bits "
        "lie in its part, ends included: low <= start and start + size <= high, in exact "
        "Fractions.": Mistake(
            but(ends=False),
            fits=lambda actual, expected, *_: (
                (actual[0] == expected[0]).all() and (actual[1] >= expected[1]).all()
            ),
            hint=2,
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

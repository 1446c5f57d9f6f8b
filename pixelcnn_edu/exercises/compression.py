"""Checks for notebook 16: intervals, whole counts, a decoder that reads as it goes."""

from fractions import Fraction

from pixelcnn_edu.compression import quantize
from pixelcnn_edu.exercises._check import Blank, Wrong, called, check

import numpy as np


@check(
    "The symbols lie side by side from `low` on, symbol 0 first. Which of them lie before "
    "this one, and how much of the width do they take together?",
    "before = sum(probabilities[:symbol]).",
)
def interval(answer):
    """Judge ``interval(probabilities, symbol, low, width)``: a symbol's part.

    ``probabilities``: a list of Fractions that sum to 1, in order; ``low``, ``width``:
    Fractions, the interval [low, low + width). Returns the low end and the width of the
    part that belongs to ``symbol``.
    """
    half, fourth = Fraction(1, 2), Fraction(1, 4)
    unlike = [Fraction(n, 15) for n in (1, 2, 5, 7)]
    eighths = [Fraction(n, 8) for n in (1, 4, 3)]
    for p, symbol, low, width in (
        (unlike, 2, fourth, Fraction(1, 3)),  # each mistake below gives another part
        ([half, fourth, fourth], 1, Fraction(0), Fraction(1)),
        ([half, fourth, fourth], 2, half, fourth),
        (eighths, 0, fourth, half),
        (eighths, 1, Fraction(3, 8), Fraction(1, 8)),
        (eighths, 2, Fraction(3, 8), Fraction(1, 8)),
    ):
        part = _pair(called(answer, p, symbol, low, width), "the low end and the width")
        before, own = sum(p[:symbol]), p[symbol]
        expected = (low + before * width, own * width)
        if _equal(part, expected):
            continue
        up_to = before + own
        mistakes = {
            "Each symbol begins at `low` here. The parts lie side by side, so those of "
            "the symbols before come first.": (low, own * width),
            "The symbol itself is counted among those before it, so this is where its "
            "part ends.": (low + up_to * width, own * width),
            "The share of the symbols before is not multiplied by the width. It is a "
            "share of this interval, not of [0, 1).": (low + before, own * width),
            "The new width is a share of the old one: multiply by it.": (
                low + before * width,
                own,
            ),
            "`low` is left out: the part lies in this interval, which begins there.": (
                before * width,
                own * width,
            ),
            "All symbols get parts of the same size. A part's share is the symbol's "
            "probability.": (low + width * symbol / len(p), width / len(p)),
            "The second number is the part's upper end. Return its width.": (
                low + before * width,
                low + up_to * width,
            ),
            "Counted from the other end: symbol 0 lies first, at `low`.": (
                low + sum(p[symbol + 1 :]) * width,
                own * width,
            ),
            "The share is that of one symbol before. All of those before count.": (
                low + (p[symbol - 1] if symbol else 0) * width,
                own * width,
            ),
            "That is where the part begins in [0, 1). Here everything begins at `low` "
            "and is as wide as `width`.": (before, own * width),
            "The symbol's own share is taken for each of those before it. They have "
            "shares of their own.": (low + symbol * own * width, own * width),
            "`low` is multiplied by the width, too. It is a place; only the share of the "
            "symbols before is a share of the width.": (
                (low + before) * width,
                own * width,
            ),
        }
        named = (text for text, wrong in mistakes.items() if _equal(part, wrong))
        raise Wrong(
            next(named, "That is not the symbol's part."),
            case=f"probabilities {_shown(p)}, symbol {symbol}, "
            f"low = {low}, width = {width}",
            expected=_shown(expected),
            actual=_shown(part),
        )
    return (
        "After all symbols the width is the product of their probabilities: that of "
        "the image."
    )


@check(
    "Set 1 aside for each level. The rest, total - K, is shared out by probability, "
    "rounded down.",
    "counts = 1 + np.floor(p * (total - len(p))).astype(int). Rounding down leaves "
    "total - counts.sum(); add that to counts[p.argmax()].",
)
def whole_counts(answer):
    """Judge ``whole_counts(p, total)``: probabilities as integers.

    ``p``: float (K,), sums to 1; ``total``: an integer, larger than K. Returns integers
    (K,), each at least 1, that sum to ``total`` and lie within K of ``p * total``; what
    rounding down leaves over goes to the most likely level.
    """
    rng = np.random.default_rng(3)
    cases = [([0.5, 0.25, 0.25], 16), ([0.999, 0.001], 16), ([0.7, 0.2, 0.1, 0.0], 60)]
    cases += [(rng.dirichlet(np.full(k, 0.4)), 2**10) for k in (2, 3, 5, 8) * 5]
    for p, total in cases:
        p = np.array(p, float)
        result = called(answer, p.copy(), total)
        parts = result if isinstance(result, tuple | list) else []
        if any(part is ... for part in parts):
            raise Blank
        counts = np.asarray(result)
        shown = {"case": f"p = {_rounded(p)}, total = {total}", "actual": counts}
        if counts.shape != p.shape or counts.dtype.kind not in "iuf":
            raise Wrong(f"Return {len(p)} integers, one for each level.", **shown)
        if not np.isfinite(counts).all() or (counts != np.floor(counts)).any():
            raise Wrong(
                "These are not whole. Two processors may differ in the last bit of a "
                "float; that is why the coder gets integers.",
                **shown,
            )
        if (counts < 1).any():
            raise Wrong(
                "A level has count 0. Its part of the interval has no width, so the day "
                "it comes it cannot be written. Each level gets at least 1.",
                **shown,
            )
        if counts.sum() != total:
            _judge_the_sum(counts, p, total, shown)
        if (abs(counts - p * total) > len(p)).any():
            raise Wrong(
                "The sum is right, but a count is far from p · total: its level would "
                "cost more bits than it must.",
                **shown,
                expected=f"within {len(p)} of {_rounded(p * total)}",
            )
        expected = quantize(p, total)
        floors = 1 + np.floor(p * (total - len(p)))
        if (counts >= floors).all() and not np.array_equal(counts, expected):
            raise Wrong(
                "The leftover went to another level; the most likely one takes it with "
                "the least harm.",
                **shown,
                expected=expected,
            )
    return "The coder can write every level, and both sides share the same integers."


def _judge_the_sum(counts, p, total, shown):
    spare = total - len(p)
    raised = np.maximum(1, np.round(p * total))
    if np.array_equal(counts, 1 + np.floor(p * spare)):
        why = "Rounding down leaves something over; give it to the most likely level."
    elif np.array_equal(counts, raised):
        why = (
            "Rounded and raised to 1, counts sum to something near the total. It must "
        )
        why += "be the total, or the parts do not fill the interval."
    elif np.array_equal(counts, 1 + np.floor(p * total)):
        why = (
            "1 for each level and then shares of the whole total: that is K too many. "
        )
        why += "Share out what is left, total - K."
    else:
        why = "The counts do not sum to the total."
    raise Wrong(why, **shown, expected=f"a sum of {total}, not {int(counts.sum())}")


@check(
    "Keep two intervals: that of the symbols so far (its parts are the next symbols), and "
    "that of all numbers that begin with the bits read. A bit halves the second.",
    "If the second lies inside one part, that symbol is settled: narrow the first to it "
    "and read nothing. If not, read a bit: size /= 2, start += bit * size.",
)
def decode_stream(answer):
    """Judge ``decode_stream(bits, model, count)``: a decoder that reads as it goes.

    ``bits``: a list of 0 and 1, a number in [0, 1) written in binary. ``model``: a
    function from the list of symbols so far to the Fractions of the next ones, in order.
    Returns two lists of ``count`` entries: the symbols, and for each how many bits had to
    be read until it was settled, that is, until no further bit could change it.
    """
    for name, model in _MODELS.items():
        for seed in range(4):
            bits, symbols = _written(model, 7, seed)
            case = f"{name}; bits {''.join(map(str, bits))}"
            result = called(answer, list(bits), model, len(symbols))
            found, read = _pair(result, "the symbols, and the bits read for each")
            if found is ... or read is ...:
                raise Blank
            found, read = (_integers(part, len(symbols)) for part in (found, read))
            if found != symbols:
                raise Wrong(
                    _why_wrong(found, bits, model),
                    case=case,
                    expected=symbols,
                    actual=found,
                )
            expected = _decoded(bits, model, len(symbols))[1]
            if read != expected:
                raise Wrong(
                    _why_read(read, expected, len(bits)),
                    case=case + f"; symbols {symbols}",
                    expected=expected,
                    actual=read,
                )
    return (
        "Several symbols may come for one bit, and none for several. Every decoder of "
        "this kind keeps such a pair of intervals, in integers of fixed size."
    )


def _why_wrong(found, bits, model):
    count = len(found)
    without_past = _decoded(bits, lambda past: model([]), count)[0]
    if found == without_past:
        return "The model was asked without the symbols so far: model(symbols)."
    if found == _by_the_point([], model, count):
        return "Decided before a bit was read. Wait until every continuation agrees."
    if found == _decoded([1 - bit for bit in bits], model, count)[0]:
        return "The bits are read upside down: a 1 keeps the upper half."
    return "Those are not the symbols."


def _why_read(read, expected, length):
    if read == [length] * len(read):
        return (
            "The symbols are right, but all bits were read first. Most settle sooner."
        )
    if read == [n + 1 for n in expected]:
        return "One bit too many each time: count the bits read when it is settled."
    if read == list(np.diff([0, *expected])):
        return "Those are the bits read between two symbols. Count them from the start."
    if all(a >= b for a, b in zip(read, expected, strict=True)):
        return (
            "Read too far: a symbol is settled as soon as all numbers that begin with the "
            "bits lie in its part, ends included: low <= start and start + size <= high."
        )
    return "Too early: some number that begins with the bits read lies in another part."


def _coin_and_copy(past):
    return [Fraction(9, 10), Fraction(1, 10)][:: -1 if past and past[-1] else 1]


_MODELS = {
    "p = 1/2, 1/4, 1/4 always": lambda past: [Fraction(n, 4) for n in (2, 1, 1)],
    "like the last with 9/10": _coin_and_copy,
    "p = 97/100, 3/100 always": lambda past: [Fraction(97, 100), Fraction(3, 100)],
}


def _written(model, count, seed):
    """Draw symbols, and return their bits and them: ⌈-log2 p⌉ + 1 bits, all settled."""
    rng, low, width, symbols = np.random.default_rng(seed), Fraction(0), Fraction(1), []
    for _ in range(count):
        p = model(symbols)
        s = int(rng.integers(len(p)))  # each alike, so that rare ones come too
        low, width = low + sum(p[:s]) * width, p[s] * width
        symbols.append(s)
    k = 1
    while Fraction(2, 2**k) > width:
        k += 1
    number = -(-low.numerator * 2**k // low.denominator)
    return [number >> i & 1 for i in reversed(range(k))], symbols


def _decoded(bits, model, count):
    """The right answer; past the end of the bits come zeros."""
    low, width, start, size = Fraction(0), Fraction(1), Fraction(0), Fraction(1)
    symbols, read, used = [], [], 0
    while len(symbols) < count:
        p = model(symbols)
        edges = [low + sum(p[:s]) * width for s in range(len(p) + 1)]
        inside = [
            s
            for s in range(len(p))
            if edges[s] <= start and start + size <= edges[s + 1]
        ]
        if inside:
            (s,) = inside
            low, width = edges[s], p[s] * width
            symbols.append(s)
            read.append(used)
        else:
            size /= 2
            start += size * (bits[used] if used < len(bits) else 0)
            used += 1
            if used > 500:
                return symbols, read
    return symbols, read


def _by_the_point(bits, model, count):
    """Symbols by the number that the bits make, however many bits are still to come."""
    number = sum((Fraction(bit, 2**i) for i, bit in enumerate(bits, 1)), Fraction(0))
    low, width, symbols = Fraction(0), Fraction(1), []
    for _ in range(count):
        p = model(symbols)
        s = max(s for s in range(len(p)) if low + sum(p[:s]) * width <= number)
        low, width = low + sum(p[:s]) * width, p[s] * width
        symbols.append(s)
    return symbols


def _pair(result, what):
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong(f"Return a pair: {what}.", actual=result)
    if any(part is ... for part in result):
        raise Blank
    return tuple(result)


def _integers(values, count):
    if not isinstance(values, list | tuple | np.ndarray) or len(values) != count:
        raise Wrong(f"Return two lists of {count} entries.", actual=values)
    if any(value is ... for value in values):
        raise Blank
    return [int(value) for value in values]


def _equal(pair, other):
    return all(
        abs(float(a) - float(b)) < 1e-9 for a, b in zip(pair, other, strict=True)
    )


def _shown(values):
    return "(" + ", ".join(map(str, values)) + ")"


def _rounded(values):
    return [round(float(value), 3) for value in values]

"""Checks for notebook 12: the center tap, the price of independence, another layout."""

from pixelcnn_edu.exercises._check import Blank, NoReturn, Wrong, called, check, close

import numpy as np

_A, _B = "A", "B"


@check(
    "Type B shows a group itself as well: compare again, with equality allowed.",
    "return read <= written",
)
def center_tap(answer):
    """Judge ``center_tap(mask_type, filters)``: which groups the center tap connects.

    ``mask_type``: ``"A"`` or ``"B"``; ``filters``: channels on either side, in thirds:
    red, green, blue. Returns (filters, filters), [read, written]: 1 (or True) where the
    channel written may read the other at its own pixel.
    """
    for filters in (6, 3, 12):
        for mask_type in (_B, _A):
            color = np.arange(filters) * 3 // filters
            read, written = color[:, None], color
            expected = _tap(color, color, mask_type)
            actual = _zeros_and_ones(called(answer, mask_type, filters))
            seen = {
                "case": f"mask_type = {mask_type!r}, filters = {filters}",
                "expected": expected,
                "actual": actual,
            }
            if actual.shape != expected.shape:
                raise Wrong("The matrix has another shape.", **seen)
            if np.array_equal(actual, expected):
                continue
            turns = np.arange(filters) % 3
            other = _B if mask_type == _A else _A
            mistakes = {
                "Read and written are exchanged: rows are read, columns are written.": (
                    expected.T
                ),
                "This is type A. In type B a group also reads itself."
                if mask_type == _B
                else "This is type B. In type A no group reads itself: at the center of "
                "the first layer that would be the value to be predicted.": (
                    _tap(color, color, other)
                ),
                "Every group reads every other: that mask orders no colors.": (
                    np.ones_like(expected)
                ),
                "Each group reads itself alone. Green may read red, and blue both.": (
                    read == written
                ),
                "Compared are channels, not their colors. Two channels of one color are "
                "treated alike.": _tap(
                    np.arange(filters), np.arange(filters), mask_type
                ),
                "The groups take turns here, R G B R G B. The package has them in "
                "thirds, R R G G B B.": _tap(turns, turns, mask_type),
            }
            if mask_type == _B:
                mistakes[
                    "The diagonal of channels: each reads itself, but not its color's "
                    "other channels. Compare colors: equality allowed."
                ] = np.maximum(_tap(color, color, _A), np.eye(filters))
            _name(mistakes, actual, "Those are not the groups that may be read.", seen)
    return (
        "A has 0, 1, 2 groups to read, B one more each. Other taps show all nine pairs."
    )


@check(
    "In order: once red has told ink from paper, green and blue are certain. If both have "
    "the same red, green tells, and so on. Independently: each channel in which the two "
    "differ tosses the coin for itself.",
    "in_order = coin, because ink and paper differ somewhere. independent = coin * "
    "np.sum(ink != paper).",
)
def two_prices(answer):
    """Judge ``two_prices(ink, paper, q)``: the expected nats of a pixel, two ways.

    ``ink``, ``paper``: two different colors, three levels each, both known; ``q``: the
    probability of ink, in (0, 1). Returns (in_order, independent): the lowest expected
    nats of the pixel if channels are predicted in order, and if each is by itself.
    """
    cases = (
        ((3, 1, 0), (0, 2, 2), 0.2),  # all differ: all but one mistake show, none agree
        ((3, 1, 0), (0, 1, 2), 0.3),
        ((1, 2, 3), (1, 2, 0), 0.1),
        ((0, 2, 2), (1, 2, 2), 0.6),
        ((2, 0, 1), (0, 0, 3), 0.45),
    )
    for ink, paper, q in cases:
        coin = -q * np.log(q) - (1 - q) * np.log(1 - q)
        differ = int(np.sum(np.not_equal(ink, paper)))
        result = called(answer, np.array(ink), np.array(paper), q)
        if not isinstance(result, tuple | list | np.ndarray) or len(result) != 2:
            raise Wrong("Return a pair: (in_order, independent).", actual=result)
        if any(part is ... for part in result):
            raise Blank
        if any(part is None for part in result):
            raise NoReturn
        if any(np.shape(part) != () for part in result):
            raise Wrong(
                "Return two numbers, each for the whole pixel: sum over the channels.",
                case=f"ink = {ink}, paper = {paper}, q = {q}",
                actual=tuple(np.shape(part) for part in result),
            )
        actual, expected = np.array(result, float), np.array([coin, differ * coin])
        if close(actual, expected):
            continue
        seen = {
            "case": f"ink = {ink}, paper = {paper}, q = {q}: {differ} of 3 differ",
            "expected": expected,
            "actual": actual,
        }
        mistakes = (
            ("The two are exchanged: in order first.", close(actual[::-1], expected)),
            (
                "These are bits: np.log, not np.log2.",
                close(actual * np.log(2), expected),
            ),
            (
                "A channel with one and the same level in both colors costs nothing, since "
                "it is certain. Count the channels that differ.",
                close(actual[1], 3 * coin) and differ < 3,
            ),
            (
                "Counted are the channels that agree. They are certain; the others cost.",
                close(actual[1], (3 - differ) * coin) and differ != 3 - differ,
            ),
            (
                "Independent channels: each one that differs tosses its own coin.",
                close(actual[1], coin) and differ > 1,
            ),
            (
                "This measures how far the levels are apart. A softmax over levels knows "
                "no distance: a channel differs or it does not.",
                close(actual[1], coin * np.abs(np.subtract(ink, paper)).sum()),
            ),
            (
                "In order, the coin is paid once: the first channel that differs tells "
                "which color it is, and the rest is certain.",
                close(actual[0], expected[1]) and differ > 1,
            ),
            (
                "In order, the coin is paid once, and not divided: one channel pays all "
                "of it.",
                close(actual[0], coin / 3) or close(actual[0], coin / differ),
            ),
            (
                "In order is not free. Ink or paper? The first channel that differs "
                "has to say.",
                close(actual[0], 0),
            ),
        )
        named = (text for text, fits in mistakes if fits)
        raise Wrong(next(named, "Those are not the two prices."), **seen)
    return (
        "Over all pairs of different colors, 16/7 = 2.29 channels differ on average: so "
        "much dearer is a shape without the order."
    )


@check(
    "Mask: color = np.arange(channels) % 3 on both sides; then compare as in center_tap. "
    "Reading: number j of the last axis is level j // 3 of color j % 3. Split that axis "
    "first, then exchange the two new ones.",
    "logits.reshape(*logits.shape[:-1], levels, 3) has the levels first; np.swapaxes(…, "
    "-1, -2) puts the colors first.",
)
def other_layout(answer):
    """Judge ``(turns_tap, by_channel)``: the mask and the reading of the other layout.

    Groups take turns: channel j belongs to color j % 3. ``turns_tap(mask_type,
    in_channels, out_channels)`` returns the center tap, (in_channels, out_channels);
    ``by_channel(logits, levels)`` turns (N, H, W, 3·levels) into (N, H, W, 3, levels).
    """
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong("Give the two functions as a pair: (turns_tap, by_channel).")
    if any(part is ... for part in answer):
        raise Blank
    tap, read = answer
    first = _zeros_and_ones(called(tap, _B, 6, 12))
    read_first = np.asarray(called(read, _spy(4)[0], 4))
    thirds = np.array_equal(first, _tap(*_colors(6, 12, turns=False), _B))
    as_thirds = _same(read_first, _as_thirds(4))
    if thirds and as_thirds:
        raise Wrong(
            "The two fit each other and nothing leaks: this is the layout of the package, "
            "in thirds. Asked for is the other one, in which the colors take turns."
        )
    _judge_turns_tap(tap)
    _judge_by_channel(read)
    return (
        "Either layout is right, as long as the masks and the reading agree on it. "
        "Nothing in the shapes would have told you."
    )


def _judge_turns_tap(tap):
    for ins, outs in ((3, 6), (6, 6), (6, 12)):
        for mask_type in (_B, _A):
            c_in, c_out = _colors(ins, outs, turns=True)
            expected = _tap(c_in, c_out, mask_type)
            actual = _zeros_and_ones(called(tap, mask_type, ins, outs))
            seen = {
                "case": f"turns_tap({mask_type!r}, {ins}, {outs})",
                "expected": expected,
                "actual": actual,
            }
            if actual.shape != expected.shape:
                raise Wrong("The mask has another shape: (in, out).", **seen)
            if np.array_equal(actual, expected):
                continue
            other = _B if mask_type == _A else _A
            mistakes = {
                "This mask has its groups in thirds, and red would be shown itself once "
                "the logits take turns: the layout trap.": _tap(
                    *_colors(ins, outs, turns=False), mask_type
                ),
                "Read and written are exchanged: green may read red, not red green.": (
                    _tap(-c_in, -c_out, mask_type)
                ),
                "Type A and type B are exchanged: B shows a group itself.": (
                    _tap(c_in, c_out, other)
                ),
                "This takes channels 0, 1 and 2 for one color. Color is j % 3, not "
                "j // 3.": _tap(np.arange(ins) // 3, np.arange(outs) // 3, mask_type),
            }
            _name(mistakes, actual, "Those are not the groups that may be read.", seen)


def _judge_by_channel(read):
    for levels in (4, 3, 2):
        logits, expected = _spy(levels)
        actual = np.asarray(called(read, logits, levels))
        case = f"levels = {levels}, logits of shape {logits.shape}"
        if _same(actual, np.swapaxes(expected, -1, -2)):
            raise Wrong(
                "Levels and colors are exchanged: the colors come first in the result.",
                case=case,
                expected=expected.shape,
                actual=f"{actual.shape}; levels come first",
            )
        if actual.shape != expected.shape:
            raise Wrong(
                "The result has another shape.",
                case=case,
                expected=expected.shape,
                actual=actual.shape,
            )
        if _same(actual, expected):
            continue
        one = (0, 0, 0)
        j = np.round(np.asarray(actual[one])).astype(int)
        seen = {
            "case": f"{case}; number j of a pixel is logit j",
            "expected": np.round(expected[one]).astype(int),
            "actual": j,
        }
        if _same(actual, _as_thirds(levels)):
            raise Wrong(
                "The shape is right, and red takes the first logits: that is the reading "
                "for groups in thirds. The layout trap.",
                **seen,
            )
        raise Wrong("The logits end up in wrong places.", **seen)


def _colors(ins, outs, *, turns):
    """Return the color of each channel on either side."""
    return tuple(
        np.arange(n) % 3 if turns else np.arange(n) * 3 // n for n in (ins, outs)
    )


def _tap(color_in, color_out, mask_type):
    read, written = color_in[:, None], color_out
    return (read <= written if mask_type == _B else read < written).astype(int)


def _spy(levels):
    """Return logits that carry their own number j, and the right reading of them.

    Pixels differ by multiples of 100, so that a reading which mixes them is caught.
    """
    logits = np.arange(3 * levels) + 100.0 * np.arange(2 * 2 * 5).reshape(2, 2, 5, 1)
    level, color = np.meshgrid(np.arange(levels), np.arange(3))
    return logits, logits[..., level * 3 + color]


def _as_thirds(levels):
    logits, right = _spy(levels)
    return logits.reshape(right.shape)


def _same(actual, expected):
    try:
        return close(actual, expected)
    except (TypeError, ValueError):
        return False


def _zeros_and_ones(result):
    array = np.asarray(result)
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise Wrong("Return an array of zeros and ones.", actual=result)
    if not np.isin(array, (0, 1)).all():
        raise Wrong("Return zeros and ones only.", actual=array)
    return array.astype(int)


def _name(mistakes, actual, otherwise, seen):
    for diagnosis, wrong in mistakes.items():
        if np.array_equal(actual, np.asarray(wrong).astype(int)):
            raise Wrong(diagnosis, **seen)
    raise Wrong(otherwise, **seen)

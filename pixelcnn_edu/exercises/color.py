"""Exercises of notebook 15: the center tap, the price of independence, another layout."""

from pixelcnn_edu.exercises._answers import Blank, Wrong, asking, close, numbers, pair
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np

_A, _B = "A", "B"


def _thirds(channels):
    """The color of each channel: red first, then green, then blue."""
    return np.arange(channels) * 3 // channels


def _turns(channels):
    """The color of each channel if the colors take turns."""
    return np.arange(channels) % 3


def _tap_by(color, *, types="AB"):
    """A center tap by the colors of the channels."""

    def tap(mask_type, ins, outs=None):
        read, written = color(ins)[:, None], color(outs or ins)
        return (read < written if mask_type == types[0] else read <= written).astype(
            int
        )

    return tap


def _center_tap(mask_type, filters):
    """Which groups the center tap connects.

    ``mask_type``: ``"A"`` or ``"B"``; ``filters``: channels on either side, in thirds:
    red, green, blue. The result is (filters, filters), [read, written]: 1 (or True)
    where the channel written may read the other at its own pixel.
    """
    return _tap_by(_thirds)(mask_type, filters)


def _zeros_and_ones(result):
    array = numbers("Return an array of zeros and ones.")(result)
    if not np.isin(array, (0, 1)).all():
        raise Wrong("Return zeros and ones only.", actual=array)
    return array.astype(int)


center_tap = Exercise(
    _center_tap,
    cases=[(kind, filters) for filters in (6, 3, 12) for kind in (_B, _A)],
    read=_zeros_and_ones,
    describe="mask_type = {!r}, filters = {}",
    mistakes={
        "Return an array of zeros and ones.": lambda kind, n: "triangle",
        "Return zeros and ones only.": lambda kind, n: np.full((n, n), 0.5),
        "Read and written are exchanged: rows are read, columns are written.": then(
            lambda right: right.T
        ),
        "This is type A. In type B a group also reads itself.": Mistake(
            lambda kind, n: _center_tap(_A, n),
            _tap_by(_thirds, types="BA"),
            fits=lambda actual, expected, kind, n: (
                kind == _B and np.array_equal(actual, _center_tap(_A, n))
            ),
        ),
        "This is type B. In type A no group reads itself: at the center of the first layer "
        "that would be the value to be predicted.": Mistake(
            lambda kind, n: _center_tap(_B, n), hint=0
        ),
        "Every group reads every other: that mask orders no colors.": (
            lambda kind, n: np.ones((n, n))
        ),
        "Each group reads itself alone. Green may read red, and blue both.": (
            lambda kind, n: _thirds(n)[:, None] == _thirds(n)
        ),
        "This compares channels, not their colors. Two channels of one color are treated "
        "alike.": Mistake(_tap_by(np.arange), hint=0),
        "The groups take turns here, R G B R G B. The package has them in thirds, "
        "R R G G B B.": Mistake(_tap_by(_turns), hint=0),
        "The diagonal of channels: each reads itself, but not its color's other channels. "
        "Compare colors: equality allowed.": lambda kind, n: (
            _center_tap(_A, n) + np.eye(n)
        ),
    },
    hints=(
        "Type B shows a group itself as well: compare again, with equality allowed.",
        "return read <= written",
    ),
    shape="The matrix has another shape.",
    otherwise="Those are not the groups that may be read.",
    praise="A has 0, 1, 2 groups to read, B one more each. Other taps show all nine pairs.",
)


def _two_prices(ink, paper, q, *, log=np.log, in_order=1, independent=None):
    """The expected nats of a pixel, two ways: (in_order, independent).

    ``ink``, ``paper``: two different colors, three levels each, both known; ``q``: the
    probability of ink, in (0, 1). The results are the lowest expected nats of the pixel
    if channels are predicted in order, and if each is by itself.
    """
    coin = -q * log(q) - (1 - q) * log(1 - q)
    differ = np.sum(ink != paper)
    independent = differ if independent is None else independent(ink, paper)
    return coin * (
        in_order(differ) if callable(in_order) else in_order
    ), coin * independent


_PER_PIXEL = "Return two numbers, each for the whole pixel: sum over the channels."

two_prices = Exercise(
    _two_prices,
    cases=[
        (np.array(ink), np.array(paper), q)
        for ink, paper, q in (
            ((3, 2, 1), (0, 1, 0), 0.2),  # all differ: all but one mistake show
            ((3, 1, 0), (0, 1, 2), 0.3),
            ((1, 2, 3), (1, 2, 0), 0.1),
            ((0, 2, 2), (1, 2, 2), 0.6),
            ((2, 0, 1), (0, 0, 3), 0.45),
            ((1, 1, 0), (0, 0, 1), 0.25),
        )
    ],
    read=pair("Return a pair: (in_order, independent).", (), _PER_PIXEL),
    describe=lambda ink, paper, q: (
        f"ink = {tuple(ink.tolist())}, paper = {tuple(paper.tolist())}, q = {q}: "
        f"{np.sum(ink != paper)} of 3 differ"
    ),
    mistakes={
        _PER_PIXEL: lambda ink, paper, q: (ink * 1.0, ink * 1.0),
        "The two are exchanged: in order first.": then(lambda right: right[::-1]),
        "These are bits: np.log, not np.log2.": Mistake(but(log=np.log2), hint=0),
        "A channel with one and the same level in both colors costs nothing, since it is "
        "certain. Count the channels that differ.": but(independent=lambda *_: 3),
        "This counts the channels that agree. They are certain; the others cost.": Mistake(
            but(independent=lambda ink, paper: np.sum(ink == paper)), hint=2
        ),
        "Independent channels: each one that differs tosses its own coin.": Mistake(
            but(independent=lambda *_: 1), hint=2
        ),
        "This measures how far the levels are apart. A softmax over levels knows no "
        "distance: a channel differs or it does not.": Mistake(
            but(independent=lambda ink, paper: np.abs(ink - paper).sum()), hint=2
        ),
        "In order, the coin is paid once: the first channel that differs tells which color "
        "it is, and the rest is certain.": but(in_order=lambda differ: differ),
        "In order, the coin is paid once, and not divided: one channel pays all of it.": (
            Mistake(but(in_order=1 / 3), but(in_order=lambda differ: 1 / differ))
        ),
        "In order is not free. Ink or paper? The first channel that differs has to "
        "say.": but(in_order=0),
    },
    hints=(
        "In order: if red differs, it decides between ink and paper, and green and "
        "blue are certain. If red is the same, green decides, and so on. "
        "Independently: each channel in which "
        "the two differ tosses the coin for itself.",
        "in_order = coin, because ink and paper differ somewhere. independent = coin * "
        "np.sum(ink != paper).",
    ),
    shape="Return a pair: (in_order, independent).",
    otherwise="Those are not the two prices.",
    praise=(
        "Over all pairs of different colors, 16/7 = 2.29 channels differ on "
        "average: without the order a shape costs so many times as much."
    ),
    show=lambda expected, actual, *case: {
        "expected": np.array(expected),
        "actual": np.array(actual),
    },
)


def _in_turns(logits, levels):
    return np.swapaxes(logits.reshape(*logits.shape[:-1], levels, 3), -1, -2)


def _in_thirds(logits, levels):
    return np.reshape(logits, (*logits.shape[:-1], 3, levels))


def _spy(levels):
    """Logits that carry their own number j.

    Pixels differ by multiples of 100, so that a reading which mixes them is caught. A
    quarter is added, so that rounding to whole numbers shows.
    """
    return (
        np.arange(3 * levels) + 100.0 * np.arange(2 * 3 * 5).reshape(2, 3, 5, 1) + 0.25
    )


def _judge_other_layout(answer):
    """The mask and the reading of the other layout: ``(turns_tap, by_channel)``.

    Groups take turns: channel j belongs to color j % 3. ``turns_tap(mask_type,
    in_channels, out_channels)`` returns the center tap, (in_channels, out_channels);
    ``by_channel(logits, levels)`` turns (N, H, W, 3·levels) into (N, H, W, 3, levels).
    """
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong("as a pair")
    tap, read = (asking(part) if part is not ... else _blank for part in answer)
    first = _zeros_and_ones(tap(_B, 6, 12))
    as_array = numbers("The result has another shape.")
    read_first = as_array(read(_spy(4), 4))
    fits = close(first, _tap_by(_thirds)(_B, 6, 12))
    if fits and close(read_first, _in_thirds(_spy(4), 4)):
        raise Wrong("The two fit each other")
    for sizes in ((6, 3), (3, 6), (6, 6), (6, 12)):
        for case in ((_B, *sizes), (_A, *sizes)):
            actual, expected = _zeros_and_ones(tap(*case)), _turns_tap(*case)
            if not close(actual, expected):
                raise other_layout.diagnosed(actual, expected, case)
    for levels in (4, 3, 2):
        _judge_reading(as_array(read(_spy(levels), levels)), levels)


def _blank(*arguments):
    raise Blank


def _judge_reading(actual, levels):
    logits = _spy(levels)
    expected = _in_turns(logits, levels)
    case = f"levels = {levels}, logits of shape {logits.shape}"
    shapes = {"expected": expected.shape, "actual": actual.shape}
    if close(actual, np.swapaxes(expected, -1, -2)):
        shapes["actual"] = f"{actual.shape}; levels come first"
        raise Wrong("Levels and colors are exchanged", case=case, **shapes)
    if actual.shape != expected.shape:
        raise Wrong("The result has another shape.", case=case, **shapes)
    if close(actual, expected):
        return
    words = {
        "case": f"{case}; where each logit of pixel (0, 0) goes",
        "expected": np.round(expected[0, 0, 0]).astype(int),
        "actual": np.round(actual[0, 0, 0]),
    }
    if np.isfinite(words["actual"]).all():
        words["actual"] = words["actual"].astype(int)
    if close(actual, _in_thirds(logits, levels)):
        raise Wrong("The shape is right, and red", **words)
    raise Wrong("The logits end up in wrong places.", **words)


_turns_tap = _tap_by(_turns)

other_layout = Exercise(
    (_turns_tap, _in_turns),
    name="other_layout",
    judge=_judge_other_layout,
    describe="turns_tap({!r}, {}, {})",
    run=lambda answer, *case: answer[0](*case),  # mistakes of the tap
    read=_zeros_and_ones,
    mistakes={
        "Give the two functions as a pair: (turns_tap, by_channel).": Mistake(
            _in_turns, (_turns_tap,)
        ),
        "Return an array of zeros and ones.": ((lambda *a: "triangle", _in_turns)),
        "Return zeros and ones only.": (
            (lambda kind, ins, outs: np.full((ins, outs), 2), _in_turns)
        ),
        "The mask has another shape: (in, out).": (
            (lambda kind, ins, outs: _turns_tap(kind, ins, outs).T, _in_turns)
        ),
        "This mask has its groups in thirds, and red would be shown itself once the logits "
        "take turns: the layout trap.": (_tap_by(_thirds), _in_turns),
        "The two fit each other and nothing leaks: this is the layout of the package, in "
        "thirds. The exercise asks for the other one, in which the colors take turns.": (
            (_tap_by(_thirds), _in_thirds)
        ),
        "Read and written are exchanged: green may read red, not red green.": (
            (_tap_by(lambda channels: -_turns(channels)), _in_turns)
        ),
        "Type A and type B are exchanged, or they are the same: in B a group sees itself, "
        "in A it does not.": ((_tap_by(_turns, types="BA"), _in_turns)),
        "This takes channels 0, 1 and 2 for one color. Color is j % 3, not j // 3.": (
            (_tap_by(lambda channels: np.arange(channels) // 3), _in_turns)
        ),
        "Those are not the groups that may be read.": (
            (lambda kind, ins, outs: np.zeros((ins, outs)), _in_turns)
        ),
        "Levels and colors are exchanged: the colors come first in the result.": Mistake(
            (_turns_tap, lambda *a: np.swapaxes(_in_turns(*a), -1, -2)), hint=2
        ),
        "The result has another shape.": Mistake(
            (_turns_tap, lambda logits, levels: logits), hint=2
        ),
        "The shape is right, and red takes the first logits: that is the reading for "
        "groups in thirds. The layout trap.": (_turns_tap, _in_thirds),
        "The logits end up in wrong places.": (
            (_turns_tap, lambda *a: _in_turns(*a)[::-1])
        ),
    },
    hints=(
        "Mask: color = np.arange(channels) % 3 on both sides; then compare as in "
        "center_tap. Reading: number j of the last axis is level j // 3 of color j % 3. "
        "Split that axis first, then exchange the two new ones.",
        "logits.reshape(*logits.shape[:-1], levels, 3) has the levels first; "
        "np.swapaxes(…, -1, -2) puts the colors first.",
    ),
    shape="The mask has another shape: (in, out).",
    otherwise="Those are not the groups that may be read.",
    praise="Either layout is right, as long as the masks and the reading agree on it. "
    "Nothing in the shapes would have told you.",
)

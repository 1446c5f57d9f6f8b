"""Exercises of notebook 15: the center tap, the price of independence, another layout."""

from pixelcnn_edu.exercises._answers import Wrong, asking, close, numbers, pair
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _thirds(channels):
    """The color of each channel: red first, then green, then blue."""
    return np.arange(channels) * 3 // channels


def _turns(channels):
    """The color of each channel if the colors take turns."""
    return np.arange(channels) % 3


def _tap_by(color):
    """A center tap by the colors of the channels."""

    def tap(mask_type, ins, outs):
        read, written = color(ins)[:, None], color(outs)
        return (read < written if mask_type == "A" else read <= written).astype(int)

    return tap


def _center_tap(mask_type, filters):
    """Which groups the center tap connects.

    ``mask_type``: ``"A"`` or ``"B"``; ``filters``: channels on either side, in thirds:
    red, green, blue. The result is (filters, filters), [read, written]: 1 (or True)
    where the channel written may read the other at its own pixel.
    """
    return _tap_by(_thirds)(mask_type, filters, filters)


def _whole(otherwise):
    """A reader that shows True as 1, and 2.0 as 2."""

    def read(result):
        array = numbers(otherwise)(result)
        whole = np.isfinite(array).all() and (array == np.round(array)).all()
        return array.astype(int) if whole else array

    return read


center_tap = Exercise(
    _center_tap,
    cases=[(kind, filters) for filters in (6, 3, 12) for kind in "BA"],
    read=_whole("Return an array of zeros and ones."),
    describe="mask_type = {!r}, filters = {}",
    mistakes={
        "Read and written are exchanged: rows are read, columns are written.": then(
            lambda right: right.T
        ),
        "This is type A. In type B a group also reads itself.": (
            lambda kind, n: _center_tap("A", n)
        ),
        "Each group reads itself alone. Green may read red, and blue both.": (
            lambda kind, n: _thirds(n)[:, None] == _thirds(n)
        ),
        "The diagonal of channels: each reads itself, but not its color's other channels. "
        "Compare colors: equality allowed.": lambda kind, n: (
            _center_tap("A", n) + np.eye(n)
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


def _count_of_different(ink, paper):
    return np.sum(ink != paper)


def _two_prices(
    ink, paper, q, *, in_order=lambda differ: 1, independent=_count_of_different
):
    """The expected nats of a pixel, two ways: (in_order, independent).

    ``ink``, ``paper``: two different colors, three levels each, both known; ``q``: the
    probability of ink, in (0, 1). The results are the lowest expected nats of the pixel
    if channels are predicted in order, and if each is by itself.
    """
    coin = -q * np.log(q) - (1 - q) * np.log(1 - q)
    differ = _count_of_different(ink, paper)
    return coin * in_order(differ), coin * independent(ink, paper)


two_prices = Exercise(
    _two_prices,
    cases=[
        (np.array(ink), np.array(paper), q)
        for ink, paper, q in (
            ((3, 2, 1), (0, 1, 0), 0.2),
            ((3, 1, 0), (0, 1, 2), 0.3),
            ((1, 2, 3), (1, 2, 0), 0.1),
            ((0, 2, 2), (1, 2, 2), 0.6),
            ((1, 1, 0), (0, 0, 1), 0.25),
        )
    ],
    read=pair(
        "Return a pair: (in_order, independent).",
        (),
        "Return two numbers, each for the whole pixel: sum over the channels.",
    ),
    describe=lambda ink, paper, q: (
        f"ink = {tuple(ink.tolist())}, paper = {tuple(paper.tolist())}, q = {q}: "
        f"{_count_of_different(ink, paper)} of 3 differ"
    ),
    mistakes={
        "The two are exchanged: in order first.": then(lambda right: right[::-1]),
        "A channel with one and the same level in both colors costs nothing, since it is "
        "certain. Count the channels that differ.": but(independent=lambda *_: 3),
        "In order, the coin is paid once: the first channel that differs tells which color "
        "it is, and the rest is certain.": but(in_order=lambda differ: differ),
        "In order, the coin is paid once, and not divided: one channel pays all of it.": (
            Mistake(
                but(in_order=lambda differ: 1 / 3),
                but(in_order=lambda differ: 1 / differ),
            )
        ),
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


def _numbered(levels):
    """Logits that are their own number j, and 100 more in each next pixel."""
    pixels = np.arange(2 * 3 * 5).reshape(2, 3, 5, 1)
    return np.arange(3 * levels) + 100.0 * pixels


_turns_tap = _tap_by(_turns)
_TAP, _READING = 0, 1  # the places of the two functions in an answer


def _judge_other_layout(answer):
    """The mask and the reading of the other layout: ``(turns_tap, by_channel)``.

    Groups take turns: channel j belongs to color j % 3. ``turns_tap(mask_type,
    in_channels, out_channels)`` returns the center tap, (in_channels, out_channels);
    ``by_channel(logits, levels)`` turns (N, H, W, 3·levels) into (N, H, W, 3, levels).
    """
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong("Give the two functions as a pair: (turns_tap, by_channel).")
    tap, read = (asking(part) for part in answer)
    tap_in_thirds = close(
        other_layout.read(tap("B", 6, 12)), _tap_by(_thirds)("B", 6, 12)
    )
    logits = _numbered(4)
    if tap_in_thirds and close(
        other_layout.read(read(logits, 4)), _in_thirds(logits, 4)
    ):
        raise Wrong("The two fit each other")
    other_layout.judge_by_cases(lambda place, *case: answer[place](*case))


def _ask_one(answer, place, *case):
    """Ask one of a pair of functions, or what the judge has made of a pair."""
    return answer[place](*case) if isinstance(answer, tuple) else answer(place, *case)


def _about(place, *case):
    if place == _TAP:
        return "turns_tap({!r}, {}, {})".format(*case)
    logits, levels = case
    return f"levels = {levels}, logits of shape {logits.shape}"


def _first_pixel(expected, actual, place, *case):
    if place == _TAP or actual.shape != expected.shape:
        return {}
    return {
        "case": f"{_about(place, *case)}; where each logit of pixel (0, 0) goes",
        "expected": expected[0, 0, 0],
        "actual": actual[0, 0, 0],
    }


other_layout = Exercise(
    (_turns_tap, _in_turns),
    name="other_layout",
    judge=_judge_other_layout,
    cases=[
        *(
            (_TAP, kind, *sizes)
            for sizes in ((6, 3), (3, 6), (6, 6), (6, 12))
            for kind in "BA"
        ),
        *((_READING, _numbered(levels), levels) for levels in (4, 3, 2)),
    ],
    describe=_about,
    run=_ask_one,
    read=_whole("Return arrays of numbers."),
    show=_first_pixel,
    mistakes={
        "This mask has its groups in thirds, and red would be shown itself once the logits "
        "take turns: the layout trap.": (_tap_by(_thirds), _in_turns),
        "Read and written are exchanged: green may read red, not red green.": (
            (_tap_by(lambda channels: -_turns(channels)), _in_turns)
        ),
        "Levels and colors are exchanged: the colors come first in the result.": Mistake(
            (_turns_tap, lambda *case: np.swapaxes(_in_turns(*case), -1, -2)), hint=2
        ),
        "The shape is right, and red takes the first logits: that is the reading for "
        "groups in thirds. The layout trap.": (_turns_tap, _in_thirds),
        "The two fit each other and nothing leaks: this is the layout of the package, in "
        "thirds. The exercise asks for the other one, in which the colors take turns.": (
            (_tap_by(_thirds), _in_thirds)
        ),
    },
    hints=(
        "Mask: color = np.arange(channels) % 3 on both sides; then compare as in "
        "center_tap. Reading: number j of the last axis is level j // 3 of color j % 3. "
        "Split that axis first, then exchange the two new ones.",
        "logits.reshape(*logits.shape[:-1], levels, 3) has the levels first; "
        "np.swapaxes(…, -1, -2) puts the colors first.",
    ),
    shape="The result has another shape.",
    otherwise="Those are not the groups that may be read, or not the places of the logits.",
    praise="Either layout is right, as long as the masks and the reading agree on it. "
    "Nothing in the shapes would have told you.",
)

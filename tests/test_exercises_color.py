"""The checks of notebook 12: right answers pass, classic wrong ones are named."""

from pixelcnn_edu.exercises.color import center_tap, other_layout, two_prices
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.masks import causal_mask

import keras
import numpy as np
import pytest


def thirds(channels):
    return np.arange(channels) * 3 // channels


def turns(channels):
    return np.arange(channels) % 3


def tap_by(color, *, types="AB", swap=False):
    """A center tap by the colors of the channels, unless an argument plants a mistake."""

    def tap(mask_type, ins, outs=None):
        read, written = color(ins)[:, None], color(outs or ins)[None, :]
        read, written = (written, read) if swap else (read, written)
        strict = mask_type == types[0]
        return read < written if strict else read <= written

    return tap


def of_the_package(mask_type, filters):
    channels = {"in_channels": filters, "out_channels": filters, "colors": 3}
    return causal_mask(1, mask_type, **channels)[0, 0]


def by_blocks(mask_type, filters):
    block = np.triu(np.ones((3, 3)), k=1 if mask_type == "A" else 0)
    return np.kron(block, np.ones((filters // 3, filters // 3))).tolist()


@pytest.mark.parametrize("answer", [tap_by(thirds), of_the_package, by_blocks])
def test_center_tap_accepts_right_answers(answer):
    verdict = center_tap(answer)
    assert verdict.passed, verdict.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (tap_by(thirds, swap=True), "rows are read"),
        (lambda kind, n: tap_by(thirds)("A", n), "This is type A"),
        (lambda kind, n: tap_by(thirds)("B", n), "This is type B"),
        (tap_by(thirds, types="BA"), "This is type A"),
        (lambda kind, n: np.ones((n, n)), "orders no colors"),
        (lambda kind, n: thirds(n)[:, None] == thirds(n), "itself alone"),
        (tap_by(np.arange), "Compared are channels"),
        (lambda kind, n: tap_by(thirds)("A", n) + np.eye(n), "diagonal of channels"),
        (tap_by(turns), "take turns here"),
        (lambda kind, n: of_the_package(kind, 3), "another shape"),
        (lambda kind, n: np.zeros((n, n)), "not the groups"),
        (lambda kind, n: np.full((n, n), 0.5), "zeros and ones only"),
        (lambda kind, n: "triangle", "an array of zeros and ones"),
        (lambda kind, n: n / 0, "raised ZeroDivisionError"),
    ],
)
def test_center_tap_names_the_mistake(answer, words):
    verdict = center_tap(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def prices(
    ink,
    paper,
    q,
    *,
    log=np.log,
    count=lambda ink, paper: np.sum(ink != paper),
    in_order=lambda coin, differ: coin,
):
    coin = -q * log(q) - (1 - q) * log(1 - q)
    return in_order(coin, np.sum(ink != paper)), coin * count(ink, paper)


def priced(**mistake):
    return lambda ink, paper, q: prices(ink, paper, q, **mistake)


def from_the_joint_table(ink, paper, q):
    """Both prices from the whole table of 4³ colors, without knowing the trick."""
    joint = np.zeros((4, 4, 4))
    joint[tuple(ink)], joint[tuple(paper)] = q, 1 - q

    def entropy(p):
        p = p[p > 0]
        return -np.sum(p * np.log(p))

    axes = [(1, 2), (0, 2), (0, 1)]
    return entropy(joint), sum(entropy(joint.sum(axis=other)) for other in axes)


@pytest.mark.parametrize("answer", [prices, from_the_joint_table])
def test_two_prices_accepts_right_answers(answer):
    verdict = two_prices(answer)
    assert verdict.passed, verdict.text


def test_the_average_number_of_channels_that_differ_is_16_7():
    colors = np.stack(np.unravel_index(np.arange(64), (4, 4, 4)), axis=-1)
    differ = (colors[:, None] != colors).sum(axis=-1)
    assert differ.sum() / (64 * 63) == pytest.approx(16 / 7)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda ink, paper, q: prices(ink, paper, q)[::-1], "exchanged"),
        (priced(log=np.log2), "bits"),
        (priced(count=lambda ink, paper: 3), "costs nothing"),
        (priced(count=lambda ink, paper: np.sum(ink == paper)), "that agree"),
        (priced(count=lambda ink, paper: 1), "its own coin"),
        (priced(count=lambda ink, paper: np.abs(ink - paper).sum()), "no distance"),
        (priced(in_order=lambda coin, differ: coin * differ), "paid once: the first"),
        (priced(in_order=lambda coin, differ: coin / 3), "not divided"),
        (priced(in_order=lambda coin, differ: coin / differ), "not divided"),
        (priced(in_order=lambda coin, differ: 0.0), "not free"),
        (lambda ink, paper, q: (7, 8), "not the two prices"),
        (lambda ink, paper, q: 1.0, "a pair"),
        (lambda ink, paper, q: (ink * 1.0, ink * 1.0), "two numbers"),
        (lambda ink, paper, q: [][0], "raised IndexError"),
    ],
)
def test_two_prices_names_the_mistake(answer, words):
    verdict = two_prices(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def in_turns(logits, levels):
    split = np.reshape(logits, (*logits.shape[:-1], levels, 3))
    return np.swapaxes(split, -1, -2)


def in_turns_with_keras(logits, levels):
    split = keras.ops.reshape(logits, (*logits.shape[:-1], levels, 3))
    return keras.ops.swapaxes(split, -1, -2)


def in_turns_by_slices(logits, levels):
    return np.stack([logits[..., color::3] for color in range(3)], axis=-2)


def in_thirds(logits, levels):
    return np.reshape(logits, (*logits.shape[:-1], 3, levels))


@pytest.mark.parametrize("reading", [in_turns, in_turns_with_keras, in_turns_by_slices])
def test_other_layout_accepts_right_answers(reading):
    verdict = other_layout((tap_by(turns), reading))
    assert verdict.passed, verdict.text


@pytest.mark.parametrize(
    ("tap", "reading", "words"),
    [
        (tap_by(thirds), in_thirds, "fit each other"),
        (tap_by(thirds), in_turns, "the layout trap"),
        (tap_by(turns), in_thirds, "for groups in thirds. The layout trap"),
        (tap_by(turns, types="BA"), in_turns, "A and type B are exchanged"),
        (tap_by(lambda n: -turns(n)), in_turns, "not red green"),
        (tap_by(lambda n: np.arange(n) // 3), in_turns, "not j // 3"),
        (lambda kind, i, o: np.zeros((o, i)), in_turns, "(in, out)"),
        (lambda kind, i, o: np.zeros((i, o)), in_turns, "not the groups"),
        (lambda kind, i, o: np.full((i, o), 2), in_turns, "zeros and ones only"),
        (
            tap_by(turns),
            lambda x, levels: np.swapaxes(in_turns(x, levels), -1, -2),
            "colors come first",
        ),
        (tap_by(turns), lambda x, levels: x, "another shape"),
        (tap_by(turns), lambda x, levels: in_turns(x, levels)[::-1], "wrong places"),
        (tap_by(turns), lambda x, levels: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_other_layout_names_the_mistake(tap, reading, words):
    verdict = other_layout((tap, reading))
    assert verdict.status == "wrong"
    assert words in verdict.text


def test_other_layout_wants_a_pair():
    assert "as a pair" in other_layout(in_turns).text


def test_the_reading_in_thirds_is_that_of_the_package():
    logits = np.random.default_rng(0).normal(size=(2, 3, 3, 12)).astype("float32")
    image = np.zeros((2, 3, 3, 3), "float32")
    package = Categorical(4).probabilities(logits, image)
    exp = np.exp(in_thirds(logits, 4))
    assert np.allclose(package, exp / exp.sum(axis=-1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("judge", [center_tap, two_prices])
def test_a_blank_is_not_yet(judge):
    for blank in (..., lambda *arguments: ..., lambda *arguments: None):
        assert judge(blank).status == "not yet"
    assert "Hint 2" in judge(..., hint=2).text


def test_a_blank_in_a_pair_is_not_yet():
    def blank(*arguments):
        return ...

    assert two_prices(lambda ink, paper, q: (..., 1.0)).status == "not yet"
    for pair in (
        ...,
        (..., in_turns),
        (blank, blank),
        (tap_by(turns), blank),
        (blank, in_turns),
    ):
        assert other_layout(pair).status == "not yet"
    assert "Hint 2" in other_layout(..., hint=2).text

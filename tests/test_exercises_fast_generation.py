"""The checks of notebook 10: right answers pass, classic wrong ones are named."""

import math

from pixelcnn_edu.exercises import most_rounds, next_output, particle_weights
from pixelcnn_edu.exercises.fast_generation import (
    _particle_cases,
    _pixel_by_pixel,
    _step,
    _weights,
    _whole_row,
)

import numpy as np
import pytest


def simulated_rounds(n, back):
    """The fixed point of a chain in which every value copies one, so nothing is easy."""
    values, rounds = np.zeros(n), 0
    while not values.all():
        values = np.append(np.ones(back), values)[:n]
        rounds += 1
    return rounds


@pytest.mark.parametrize(
    "answer",
    [
        lambda n, back: math.ceil(n / back),
        lambda n, back: -(-n // back),
        lambda n, back: np.ceil(n / back),
        simulated_rounds,
    ],
)
def test_most_rounds_accepts_right_answers(answer):
    assert most_rounds(answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, back: n, "may read all earlier ones"),
        (lambda n, back: n // back, "left over"),
        (lambda n, back: n / back, "round up"),
        (lambda n, back: math.ceil(n / back) + 1, "finds nothing"),
        (lambda n, back: back, "one round settles"),
        (lambda n, back: n - back, "Not a difference"),
        (lambda n, back: round(n / back), "left over"),
        (lambda n, back: 5, "not how many rounds"),
        (lambda n, back: n / 0, "raised ZeroDivisionError"),
    ],
)
def test_most_rounds_names_the_mistake(answer, words):
    verdict = most_rounds(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def step(kernels, windows, *, own=lambda x: max(0, x), join=None, keep=None, last=None):
    join = join or (lambda window, value: np.append(window, value))
    value, kept = windows[0] @ kernels[0], [windows[0]]
    for kernel, window in zip(kernels[1:], windows[1:], strict=True):
        inputs = join(window, own(value))
        kept.append(inputs[1:] if keep is None else keep(inputs, window))
        value = inputs @ kernel
    return (value if last is None else last(value)), kept


def in_plain_loops(kernels, windows):
    value = sum(w * k for w, k in zip(windows[0], kernels[0], strict=True))
    kept = [windows[0]]
    for kernel, window in zip(kernels[1:], windows[1:], strict=True):
        inputs = [*window, value if value > 0 else 0]
        kept.append(inputs[1:])
        value = sum(i * k for i, k in zip(inputs, kernel, strict=True))
    return value, tuple(kept)


@pytest.mark.parametrize("answer", [step, in_plain_loops, _step])
def test_next_output_accepts_right_answers(answer):
    assert next_output(answer).passed


def value_first(window, value):
    return np.append(value, window)


def no_memory(kernels, windows):
    return step(kernels, windows, keep=lambda inputs, window: 0 * window)


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ({"keep": lambda inputs, window: window}, "stay as they were"),
        ({"keep": lambda inputs, window: inputs[:-1]}, "stay as they were"),
        ({"keep": lambda inputs, window: inputs}, "wrong length"),
        ({"keep": lambda inputs, window: inputs[-len(window) :]}, "wrong length"),
        ({"join": value_first}, "stands first"),
        (
            {"join": value_first, "keep": lambda inputs, window: inputs[:-1]},
            "newest first",
        ),
        ({"own": lambda x: x}, "ReLU between"),
        ({"last": lambda x: max(0, x)}, "may be negative"),
        ({"last": lambda x: x + 1}, "not the outputs"),
        ({"join": lambda window, value: window}, "raised ValueError"),
    ],
)
def test_next_output_names_the_mistake(variant, words):
    verdict = next_output(lambda kernels, windows: step(kernels, windows, **variant))
    assert verdict.status == "wrong"
    assert words in verdict.text


def relu_after(kernels, windows):
    value, kept = windows[0] @ kernels[0], [windows[0]]
    for kernel, window in zip(kernels[1:], windows[1:], strict=True):
        inputs = np.append(window, value)
        kept.append(inputs[1:])
        value = max(0, inputs @ kernel)
    return value, kept


def test_next_output_names_a_relu_after_the_kernels():
    assert "after the kernels" in next_output(relu_after).text


def test_next_output_wants_a_pair_and_the_windows_of_the_step_before():
    assert "a pair" in next_output(lambda k, w: step(k, w)[0]).text
    assert next_output(no_memory).status == "wrong"
    assert next_output(lambda k, w: (..., w)).status == "not yet"
    blank = next_output(lambda k, w: (w[0] @ k[0], [w[0], ...]))
    assert blank.status == "not yet"


def test_the_whole_row_is_the_stack_written_out():
    a, b = np.array([1.0, -2.0]), np.array([3.0, 1.0])
    row = np.array([1.0, 1.0, 0.0, 1.0])
    hidden = np.maximum(
        0, [0, -2 * 1, 1 * 1 - 2 * 1, 1 * 1]
    )  # 2 taps before each pixel
    expected = [hidden[0], 3 * hidden[0] + hidden[1], 3 * hidden[1] + hidden[2],
                3 * hidden[2] + hidden[3]]  # fmt: skip
    np.testing.assert_array_equal(_whole_row([a, b], row), expected)
    np.testing.assert_array_equal(_pixel_by_pixel(_step, [a, b], row, {}), expected)


def weigh(probs, images, known, *, over="known", p_only=False, power=1):
    p = probs(images)[..., 0]
    factors = p if p_only else np.where(images[..., 0] == 1, p, 1 - p)
    chosen = {"known": known, "unknown": ~known, "all": known | True}[over]
    logs = power * np.log(factors[:, chosen]).sum(axis=1)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    return weights, 1 / (weights**2).sum()


def product(probs, images, known):
    p = probs(images)[..., 0]
    weights = np.where(images[..., 0] == 1, p, 1 - p)[:, known].prod(axis=1)
    return weights / weights.sum(), weights.sum() ** 2 / (weights**2).sum()


def with_keras_shapes(probs, images, known):
    weights, ess = weigh(probs, images, known)
    return weights.astype("float32"), np.float32(ess)


@pytest.mark.parametrize("answer", [weigh, with_keras_shapes])
def test_particle_weights_accepts_right_answers(answer):
    assert particle_weights(answer).passed


def variant(**arguments):
    return lambda probs, images, known: weigh(probs, images, known, **arguments)


def changed(function):
    return lambda probs, images, known: function(*weigh(probs, images, known))


def undivided(probs, images, known):
    p = probs(images)[..., 0]
    factors = np.where(images[..., 0] == 1, p, 1 - p)[:, known]
    return factors.prod(axis=1), 1


def largest_is_one(probs, images, known):
    weights, ess = weigh(probs, images, known)
    return weights / weights.max(), ess


def logarithms(probs, images, known):
    return np.log(undivided(probs, images, known)[0]), 1


def added(probs, images, known):
    p = probs(images)[..., 0]
    factors = np.where(images[..., 0] == 1, p, 1 - p)[:, known]
    weights = factors.sum(axis=1)
    if not known.any():
        weights = weights + 1
    return weights / weights.sum(), 1 / ((weights / weights.sum()) ** 2).sum()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (variant(over="all"), "must not count twice"),
        (variant(over="unknown"), "known ones are missing"),
        (variant(p_only=True), "1 - p, not p"),
        (variant(power=-1), "Reversed"),
        (undivided, "divide by their total"),
        (largest_is_one, "The largest is 1"),
        (logarithms, "Those are logarithms"),
        (added, "Factors multiply"),
        (product, "can be 0 in floating point"),
        (changed(lambda weights, ess: (weights, len(weights))), "effective number"),
        (changed(lambda weights, ess: (weights, 1 / ess)), "effective number"),
        (changed(lambda weights, ess: (weights[::-1], ess)), "Not these weights"),
        (changed(lambda weights, ess: (weights[:-1], ess)), "one weight per image"),
        (changed(lambda weights, ess: weights), "a pair"),
        (lambda probs, images, known: probs(known), "raised"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_particle_weights_names_the_mistake(answer, words):
    verdict = particle_weights(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def test_the_particles_of_the_check_are_told_apart_and_underflow_is_among_them():
    for about, probs, images, known in _particle_cases(np.random.default_rng(6)):
        p = probs(images)
        assert ((0 < p) & (p < 1)).all(), about
        assert known.any() == (len(set(_weights(probs, images, known).round(6))) > 1)
    assert np.where(images == 1, p, 1 - p)[:, known].prod(axis=(1, 2)).max() == 0


@pytest.mark.parametrize("judge", [most_rounds, next_output, particle_weights])
def test_a_blank_is_not_yet(judge):
    assert judge(...).status == "not yet"
    assert judge(lambda *arguments: ...).status == "not yet"
    assert judge(lambda *arguments: None).status == "not yet"


def test_a_blank_among_the_parts_of_a_pair_is_not_yet():
    assert particle_weights(lambda f, x, k: (..., ...)).status == "not yet"
    assert particle_weights(lambda f, x, k: (np.ones(len(x)), ...)).status == "not yet"

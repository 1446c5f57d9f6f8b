"""The checks of notebook 01: right answers accepted, classic mistakes named."""

import itertools

from pixelcnn_edu import exercises

import numpy as np
import pytest


def nats_right(p, x):
    return -np.log(np.where(x == 1, p, 1 - p)).sum()


def nats_in_float32(p, x):
    total = np.float32(0)
    for chance, value in zip(p.ravel(), x.ravel(), strict=True):
        total -= np.log(np.float32(chance if value else 1 - chance))
    return total


def chain_right(joint, x):
    beginnings = [1, joint[x[0]].sum(), joint[x[0], x[1]].sum(), joint[x]]
    return [b / a for a, b in itertools.pairwise(beginnings)]


def chain_as_array(joint, x):
    a, b, c = x
    pair = joint.sum(axis=2)
    single = pair.sum(axis=1)
    return np.array([single[a], pair[a, b] / single[a], joint[a, b, c] / pair[a, b]])


def draw_right(joint, u):
    drawn = ()
    for value in u:
        p = joint[(*drawn, 1)].sum() / joint[drawn].sum()
        drawn += (int(value < p),)
    return drawn


def draw_by_steps(joint, u):
    pair = joint.sum(axis=2)
    x = np.zeros(3, bool)
    x[0] = u[0] < pair[1].sum()
    x[1] = u[1] < pair[int(x[0]), 1] / pair[int(x[0])].sum()
    pixel = joint[int(x[0]), int(x[1])]
    x[2] = u[2] < pixel[1] / pixel.sum()
    return x


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.image_nats, nats_right),
        (exercises.image_nats, nats_in_float32),
        (exercises.chain, chain_right),
        (exercises.chain, chain_as_array),
        (exercises.draw_pixels, draw_right),
        (exercises.draw_pixels, draw_by_steps),
    ],
)
def test_right_answers_are_accepted(check, answer):
    verdict = check(answer)
    assert verdict.passed, verdict.text


@pytest.mark.parametrize(
    "check", [exercises.image_nats, exercises.chain, exercises.draw_pixels]
)
def test_a_blank_is_not_yet(check):
    for blank in (..., lambda *args: ..., lambda *args: None):
        assert check(blank).status == "not yet"
    assert "Hint 2" in check(..., hint=2).text


def full_conditionals(joint, x):
    a, b, c = x
    return [
        joint[x] / joint[:, b, c].sum(),
        joint[x] / joint[a, :, c].sum(),
        joint[x] / joint[a, b, :].sum(),
    ]


def marginals(joint, x):
    return [joint[x[0]].sum(), joint[:, x[1]].sum(), joint[:, :, x[2]].sum()]


def ink(joint, x):
    return [
        joint[1].sum(),
        joint[x[0], 1].sum() / joint[x[0]].sum(),
        joint[x[0], x[1], 1] / joint[x[0], x[1]].sum(),
    ]


def backwards(joint, x):
    return chain_right(joint.transpose(), x[::-1])[::-1]


def draw_with(rule):
    def draw(joint, u):
        drawn = ()
        for i, value in enumerate(u):
            p = joint[(*drawn, 1)].sum() / joint[drawn].sum()
            marginal = np.moveaxis(joint, i, 0)[1].sum()
            drawn += (int(rule(value, p, marginal)),)
        return drawn

    return draw


def draw_undivided(joint, u):
    drawn = ()
    for value in u:
        drawn += (int(value < joint[(*drawn, 1)].sum()),)
    return drawn


def draw_forgetting(pixel):
    def draw(joint, u):
        first, second, _ = draw_right(joint, u)
        pair = joint.sum(axis=pixel)[(first, second)[1 - pixel]]
        return first, second, u[2] < pair[1] / pair.sum()

    return draw


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.image_nats, lambda p, x: -np.log(p).sum(), "1 - p"),
        (
            exercises.image_nats,
            lambda p, x: -(x * np.log(p)).sum(),
            "paper are missing",
        ),
        (exercises.image_nats, lambda p, x: nats_right(p, 1 - x), "swapped"),
        (exercises.image_nats, lambda p, x: -nats_right(p, x), "The sign"),
        (exercises.image_nats, lambda p, x: nats_right(p, x) / np.log(2), "bits"),
        (exercises.image_nats, lambda p, x: nats_right(p, x) / p.size, "per pixel"),
        (exercises.image_nats, lambda p, x: np.exp(-nats_right(p, x)), "itself"),
        (exercises.image_nats, lambda p, x: -np.log(p), "one number"),
        (exercises.image_nats, lambda p, x: 7.0, "not the sum"),
        (
            exercises.image_nats,
            lambda p, x: nats_right(p, x) if p.size < 700 else np.inf,
            "underflows to 0",
        ),
        (
            exercises.image_nats,
            lambda p, x: -np.log(np.where(x == 1, p, 1 - p).prod()),
            "underflows to 0",
        ),
        (exercises.chain, marginals, "another distribution"),
        (exercises.chain, full_conditionals, "Entry 0 moved when pixel 2 changed"),
        (exercises.chain, ink, "x = 0 needs 1 - p"),
        (exercises.chain, backwards, "from last to first"),
        (
            exercises.chain,
            lambda joint, x: np.cumprod(chain_right(joint, x)),
            "beginnings",
        ),
        (
            exercises.chain,
            lambda joint, x: chain_right(joint, x)[:2] + [joint[x] / joint[x[0]].sum()],
            "divided by p(x[0], x[1])",
        ),
        (exercises.chain, lambda joint, x: joint[x], "three numbers"),
        (exercises.chain, lambda joint, x: [joint[x], 1, 1], "three factors"),
        (exercises.chain, lambda joint, x: [0.5, 0.5, 0.5], "not joint[x]"),
        (exercises.draw_pixels, draw_with(lambda u, p, m: u > p), "swapped"),
        (exercises.draw_pixels, draw_with(lambda u, p, m: p > 0.5), "argmax"),
        (exercises.draw_pixels, draw_with(lambda u, p, m: u < m), "does not look"),
        (exercises.draw_pixels, draw_undivided, "must be divided"),
        (exercises.draw_pixels, draw_forgetting(0), "predecessors, pixel 1"),
        (exercises.draw_pixels, draw_forgetting(1), "predecessors, pixel 0"),
        (exercises.draw_pixels, draw_with(lambda u, p, m: 1 - u < p), "convention"),
        (exercises.draw_pixels, lambda joint, u: u, "each 0 or 1"),
        (exercises.draw_pixels, lambda joint, u: [0, 1, 0], "not the pixels"),
        (exercises.chain, lambda joint, x: joint[9], "raised IndexError"),
    ],
)
def test_mistakes_are_named(check, answer, words):
    verdict = check(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text
    assert "Hint 1" in verdict.text

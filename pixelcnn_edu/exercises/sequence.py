"""Checks for notebook 01: nats, the chain rule, and drawing with ``u < p``."""

import itertools

from pixelcnn_edu.exercises._check import Wrong, called, check, close

import numpy as np

_IMAGES = list(itertools.product((0, 1), repeat=3))


@check(
    "A pixel of ink has the probability p, a pixel of paper 1 - p.",
    "np.where(x == 1, p, 1 - p) picks the right one for each pixel; take the natural "
    "logarithm of each, add them all, change the sign.",
)
def image_nats(answer):
    """Judge ``image_nats(p, x)``: the nats of an image, given its conditionals.

    ``p``: (H, W), the probability of ink at each pixel given the earlier ones, in (0, 1).
    ``x``: (H, W) of 0 and 1. Returns one number: -log p(x), in nats.
    """
    rng = np.random.default_rng(1)
    for shape, faint in (((1, 3), 0), ((2, 2), 0), ((3, 4), 0), ((28, 28), 1)):
        p = rng.uniform(0.05, 0.95, shape)
        x = (rng.random(shape) < 0.5).astype("float32")
        x.flat[:2] = 0, 1  # both kinds, so that no two mistakes look the same
        if faint:
            p[x == 1] = 0.01  # the product of all pixels is below any float
        of_value = np.where(x == 1, p, 1 - p)
        expected = -np.log(of_value).sum()
        with np.errstate(divide="ignore"):  # log(0) is judged below
            actual = np.asarray(called(answer, p.copy(), x.copy()), "float64")
        if actual.shape == () and abs(actual - expected) <= 1e-5 * expected:
            continue
        small = p.size < 13
        seen = {
            "case": f"p = {p.round(2).tolist()}, x = {x.astype(int).tolist()}"
            if small
            else f"an image of {shape[0]} × {shape[1]} pixels",
            "expected": expected,
            "actual": actual,
        }
        mistakes = {
            "Every pixel got the probability of ink. x = 0 needs 1 - p.": (
                -np.log(p).sum()
            ),
            "The pixels of paper are missing: x = 0 costs -log(1 - p), not nothing.": (
                -(x * np.log(p)).sum()
            ),
            "Ink and paper are swapped: p is the probability of ink, x = 1.": (
                -np.log(np.where(x == 1, 1 - p, p)).sum()
            ),
            "The sign: log p(x) is negative, nats are -log p(x).": -expected,
            "That is bits (log2). Nats use the natural logarithm.": (
                expected / np.log(2)
            ),
            "That is per pixel. The nats of an image are the sum, not the mean.": (
                expected / p.size
            ),
            "That is the probability itself. Take its logarithm, and change the sign.": (
                np.exp(-expected)
            ),
        }
        if actual.shape != ():
            raise Wrong("The answer is one number for the whole image.", **seen)
        for diagnosis, wrong in mistakes.items():
            if np.isclose(actual, wrong, rtol=1e-5, atol=0):
                raise Wrong(diagnosis, **seen)
        if np.isinf(actual):
            raise Wrong(
                f"The product of {p.size} probabilities underflows to 0. Take the "
                "logarithm of each pixel, then add.",
                **seen,
            )
        raise Wrong("That is not the sum of -log of each pixel's probability.", **seen)
    return "A pixel that the model gave 1/2 costs ln 2 = 0.693 nats, ink or paper."


@check(
    "p(second | first) = p(first, second) / p(first). What is p(first, second), when "
    "the table has three pixels? A sum over the pixel not yet read.",
    "joint[x[0], x[1]].sum() is the probability of the beginning x[0], x[1]. Each "
    "conditional is the probability of one beginning over that of the one before.",
)
def chain(answer):
    """Judge ``chain(joint, x)``: the three conditionals of x under a joint table.

    ``joint``: (2, 2, 2), positive, sums to 1; ``joint[x]`` is the probability of x.
    ``x``: a tuple of three pixels, each 0 or 1.
    Returns three numbers: p(x[0]), p(x[1] | x[0]), p(x[2] | x[0], x[1]).
    """
    rng = np.random.default_rng(2)
    for _ in range(5):
        joint = rng.uniform(0.2, 1, (2, 2, 2)) ** 2
        joint /= joint.sum()
        actual = []
        for x in _IMAGES:
            result = np.asarray(called(answer, joint.copy(), x), "float64")
            if result.shape != (3,):
                raise Wrong(
                    "The answer needs three numbers, one conditional for each pixel.",
                    case=f"x = {x}",
                    expected="shape (3,)",
                    actual=f"shape {result.shape}",
                )
            actual.append(result)
        _judge_chain(joint, np.array(actual))
    return "The product of the three is joint[x], for every x: the chain rule is exact."


def _judge_chain(joint, actual):
    expected = _for_all(joint, _conditionals)
    if close(actual, expected):
        return
    ones = _for_all(joint, lambda j, x: [_conditionals(j, x[:i] + (1,) + x[i + 1 :])[i]
                                         for i in range(3)])  # fmt: skip
    mistakes = {
        "Each pixel forgot those before it. The product of each pixel's own "
        "probabilities sums to 1, but it is another distribution.": _for_all(
            joint, _marginals
        ),
        "Entry 0 moved when pixel 2 changed. Each pixel reads all the others; it may "
        "read only those before it.": _for_all(joint, _full_conditionals),
        "Entry 0 moved when pixel 2 changed. The product is right, but the pixels are "
        "read from last to first.": _for_all(joint, _backwards),
        "These are the probabilities of ink, whatever x is. x = 0 needs 1 - p.": ones,
        "These are the probabilities of the beginnings. Divide each by the one before "
        "it.": np.cumprod(expected, axis=1),
    }
    row = int(np.argmax(~np.isclose(actual, expected, rtol=0, atol=1e-6).all(axis=1)))
    seen = {
        "case": f"x = {_IMAGES[row]}, joint = {joint.round(3).tolist()}",
        "expected": expected[row],
        "actual": actual[row],
    }
    for diagnosis, wrong in mistakes.items():
        if close(actual, wrong):
            raise Wrong(diagnosis, **seen)
    if np.allclose(actual.prod(axis=1), joint.ravel(), rtol=0, atol=1e-6):
        raise Wrong("The product is right, but the three factors are not.", **seen)
    if close(actual[:, :2], expected[:, :2]):
        raise Wrong(
            "The first two are right. The last factor must be joint[x] divided by "
            "p(x[0], x[1]).",
            **seen,
        )
    raise Wrong("The product of the three is not joint[x].", **seen)


def _for_all(joint, function):
    return np.array([function(joint, x) for x in _IMAGES])


def _conditionals(joint, x):
    beginnings = [1.0] + [joint[x[:i]].sum() for i in (1, 2, 3)]
    return [beginnings[i + 1] / beginnings[i] for i in range(3)]


def _marginals(joint, x):
    return [np.moveaxis(joint, i, 0)[x[i]].sum() for i in range(3)]


def _full_conditionals(joint, x):
    return [
        joint[x] / joint[x[:i] + (slice(None),) + x[i + 1 :]].sum() for i in range(3)
    ]


def _backwards(joint, x):
    return _conditionals(joint.transpose(), x[::-1])[::-1]


@check(
    "For pixel i you need p(ink | the pixels drawn so far), and then x[i] = u[i] < p.",
    "With the drawn pixels in a tuple: joint[drawn + (1,)].sum() / joint[drawn].sum() "
    "is that p. Append, and go on to the next pixel.",
)
def draw_pixels(answer):
    """Judge ``draw_pixels(joint, u)``: one image, drawn pixel by pixel.

    ``joint``: (2, 2, 2), as for `chain`. ``u``: (3,), uniform numbers in [0, 1).
    Returns three pixels, 0 or 1 each: ink where ``u[i] <`` p(ink | pixels before i).
    """
    rng = np.random.default_rng(3)
    cases, drawn, by_mistake = [], [], {}
    for _ in range(300):
        joint = rng.uniform(0.1, 1, (2, 2, 2)) ** 3
        joint /= joint.sum()
        u = rng.random(3)
        result = np.asarray(called(answer, joint.copy(), u.copy()))
        if result.shape != (3,) or not np.isin(result, (0, 1)).all():
            raise Wrong(
                "The answer needs three pixels, each 0 or 1.",
                case=f"u = {u.round(2)}",
                expected="three of 0 and 1",
                actual=result,
            )
        cases.append((joint, u))
        drawn.append(result.astype(int))
        for name, rule in _RULES.items():
            by_mistake.setdefault(name, []).append(_draw(joint, u, rule))
    drawn = np.array(drawn)
    wrong = (drawn != by_mistake["right"]).any(axis=1)
    if not wrong.any():
        return "Over many u, each image comes up as often as joint[x] says."
    joint, u = cases[int(wrong.argmax())]
    seen = {
        "case": f"u = {u.round(3)}, joint = {joint.round(3).tolist()}",
        "expected": np.array(by_mistake["right"])[wrong.argmax()],
        "actual": drawn[wrong.argmax()],
    }
    for diagnosis, images in by_mistake.items():
        if np.array_equal(drawn, images):
            raise Wrong(diagnosis, **seen)
    raise Wrong("These are not the pixels that u < p gives.", **seen)


def _ink(joint, drawn):
    return joint[(*drawn, 1)].sum() / joint[tuple(drawn)].sum()


def _forget(joint, drawn, pixel):
    """The table without one of two drawn pixels, and what is left of them."""
    if len(drawn) < 2:
        return joint, drawn
    return joint.sum(axis=pixel), drawn[:pixel] + drawn[pixel + 1 :]


_RULES = {
    "right": lambda joint, drawn, u: u < _ink(joint, drawn),
    "Ink and paper are swapped: u < p happens with probability p, u > p with 1 - p.": (
        lambda joint, drawn, u: u >= _ink(joint, drawn)
    ),
    "u is never used: every draw takes the more likely value (argmax), so a joint table "
    "has a single image.": lambda joint, drawn, u: _ink(joint, drawn) > 0.5,
    "Each pixel is drawn from its own probability of ink and does not look at the pixels "
    "drawn before it.": (
        lambda joint, drawn, u: u < np.moveaxis(joint, len(drawn), 0)[1].sum()
    ),
    "p must be divided by the probability of the pixels already drawn.": (
        lambda joint, drawn, u: u < joint[(*drawn, 1)].sum()
    ),
    "Pixel 2 reads only one of its two predecessors, pixel 1.": (
        lambda joint, drawn, u: u < _ink(*_forget(joint, drawn, 0))
    ),
    "Pixel 2 reads only one of its two predecessors, pixel 0.": (
        lambda joint, drawn, u: u < _ink(*_forget(joint, drawn, 1))
    ),
    "A right sampler with another convention (ink for *large* u). This series draws "
    "ink where u < p, so that everyone's seed gives the same image.": (
        lambda joint, drawn, u: 1 - u < _ink(joint, drawn)
    ),
}


def _draw(joint, u, rule):
    drawn = []
    for value in u:
        drawn.append(int(rule(joint, drawn, value)))
    return drawn

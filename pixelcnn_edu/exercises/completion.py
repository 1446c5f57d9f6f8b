"""Exercises of notebook 11: the exact conditional, and the weights of particles."""

from pixelcnn_edu.evaluation import all_images
from pixelcnn_edu.exercises._answers import first_wrong_part, numbers, pair
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but

import numpy as np


def _factors(images, p, known):
    return np.where(images == 1, p, 1 - p)[..., 0]


def _exact_conditional(probs, image, known, *, weigh=_factors, total=np.sum):
    """The probability of ink at each pixel given *all* known ones, by enumeration.

    ``probs(images)``: from (N, H, W, 1) of 0 and 1 to the probability of ink of each
    pixel given those before it, same shape. ``image``: (H, W, 1), at most 9 pixels; its
    unknown pixels hold 0. ``known``: boolean (H, W). The result is (H, W); 0 or 1 at the
    known pixels.
    """
    images = all_images(image.shape)
    images = images[(images == image)[:, known].all(axis=(1, 2))]
    p = np.asarray(probs(images), "float64")
    weights = weigh(images, p, known).prod(axis=(1, 2))
    return np.tensordot(weights / total(weights), images[..., 0].astype("float64"), 1)


def _random_world(rng, size, spread):
    weights = np.tril(rng.normal(0, spread, (size, size)), -1)
    bias = rng.normal(0, 1, size)

    def probs(images):
        flat = np.asarray(images, "float64").reshape(len(images), size)
        p = 1 / (1 + np.exp(-(flat @ weights.T + bias)))
        return p.reshape(np.shape(images))

    return probs


def _parts_of_images():
    rng = np.random.default_rng(3)
    bottom, corner = np.zeros((3, 3), bool), np.zeros((2, 4), bool)
    bottom[2], corner[1, 3] = True, True
    for about, known in (
        ("the bottom row is given", bottom),
        ("the last pixel is given", corner),
        ("nothing is given", np.zeros((2, 2), bool)),
    ):
        probs = _random_world(rng, known.size, 2)
        image = (rng.random((*known.shape, 1)) < 0.5).astype("float32")
        image[known, 0] = np.arange(known.sum()) % 2 == 0  # ink among the given
        image *= known[..., None]
        yield about, probs, image, known


def _without_channel(result):
    array = numbers("The answer needs one probability for each pixel.")(result)
    return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array


exact_conditional = Exercise(
    _exact_conditional,
    cases=_parts_of_images,
    run=lambda answer, about, *case: answer(*case),
    read=_without_channel,
    describe=lambda about, probs, image, known: (
        f"{about}, {known.shape[0]} × {known.shape[1]} pixels"
    ),
    mistakes={
        "The factors of the known pixels are missing. That is what clamping draws: nothing "
        "asks how well the rest explains what is given.": but(
            weigh=lambda images, p, known: np.where(
                known, 1, _factors(images, p, known)
            )
        ),
        "Those are the probabilities of one pass: each given the pixels before it, with "
        "the unknown ones at 0.": lambda probs, image, known: probs(image[None])[0],
        "The weights do not sum to 1: divide by p(known), the sum of the weights.": but(
            total=lambda weights: 1
        ),
        "All images that agree count alike. Weight each by its probability.": but(
            weigh=lambda images, p, known: np.ones(images.shape[:3])
        ),
        "Paper was given the probability of ink. A pixel that is 0 has 1 - p.": Mistake(
            but(weigh=lambda images, p, known: p[..., 0]), hint=2
        ),
    },
    hints=(
        "Enumerate: write every possible value into the unknown pixels. What is p(x) of "
        "each such image? The chain rule multiplies over all pixels, the known ones too.",
        "images = those of evaluation.all_images that agree with the known pixels; "
        "p = probs(images); weight = np.where(images == 1, p, 1 - p) multiplied over each "
        "image; divide the weights by their sum; the answer is the images' weighted mean.",
    ),
    shape="The answer needs one probability for each pixel.",
    otherwise="That is not the exact conditional.",
    praise="For 28 × 28 with the lower half given there are 2^392 images to enumerate, "
    "which is why no one does it.",
    atol=1e-5,
)


def _normalized(logs):
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _particle_weights(
    probs,
    images,
    known,
    *,
    factors=_factors,
    total=lambda logs, known: logs[:, known].sum(axis=1),
    weigh=_normalized,
):
    """What clamping left out: the weights of particles.

    ``probs(images)``: from (n, H, W, 1) of 0 and 1 to the probability of ink of each
    pixel given those before it, same shape. ``images``: n drawings, the pixels of
    ``known``, boolean (H, W), clamped. The result is the weights (n,), which sum to 1,
    each in proportion to Π p(known pixel | its past); and the effective number of
    particles.
    """
    logs = np.log(factors(images, np.asarray(probs(images), float), known))
    weights = weigh(total(logs, known))
    return weights, 1 / (weights**2).sum()


def _second_copies_first(images):
    p = np.full(np.shape(images), 0.6)
    p[:, 0, 1] = 0.1 + 0.8 * np.asarray(images)[:, 0, 0]
    return p


def _ink_by_share(images):
    """The more ink in the upper half, the likelier is a pixel of the lower one."""
    images = np.asarray(images)
    p = np.full(images.shape, 0.1)
    p[:, 14:] = 1e-6 + 0.01 * images[:, :14].mean(axis=(1, 2, 3), keepdims=True)
    return p


def _particles():
    rng = np.random.default_rng(6)
    ink, paper = [[[1.0], [1.0]]], [[[0.0], [1.0]]]
    yield (
        "first pixel ink with p = 0.6, the second copies it with p = 0.9 and is ink",
        _second_copies_first,
        np.array([ink, paper, paper]),
        np.array([[False, True]]),
    )
    bottom = np.zeros((3, 3), bool)
    bottom[2] = True
    images = (rng.random((5, 3, 3, 1)) < 0.5).astype(float)
    images[:, bottom] = [[0], [1], [1]]
    world = _random_world(rng, 9, 1.5)
    yield "the bottom row is known, 3 × 3 pixels", world, images, bottom
    yield "nothing is known", world, images, bottom & False
    page = np.zeros((28, 28), bool)
    page[14:] = True
    images = (rng.random((8, 28, 28, 1)) < 0.1).astype(float)
    images[:, page] = np.arange(392)[:, None] % 2  # far from what is expected
    images[:4, :14] = np.array([1, 0, 0, 0])[:, None, None, None]  # e^1800 apart
    yield "the lower half is known, 28 × 28 pixels", _ink_by_share, images, page


particle_weights = Exercise(
    _particle_weights,
    cases=_particles,
    run=lambda answer, about, *case: answer(*case),
    read=pair("Return a pair: the weights, and the effective number."),
    describe=lambda about, probs, images, known: f"{about}; {len(images)} particles",
    mistakes={
        "A product of hundreds of probabilities can be 0 in floating point, and 0 / 0 is "
        "no weight. Sum logarithms, and subtract the largest before np.exp.": Mistake(
            but(weigh=lambda logs: np.exp(logs) / np.exp(logs).sum()),
            fits=lambda actual, expected, about, probs, images, known: (
                known.sum() > 99
                and not (np.isfinite(actual[0]).all() and actual[0].any())
            ),
        ),
        "Those are the probabilities of whole images, divided. Clamping drew with the "
        "factors of the unknown pixels: they must not count twice.": but(
            total=lambda logs, known: logs.sum(axis=(1, 2))
        ),
        "A known pixel of paper has the factor 1 - p, not p.": but(
            factors=lambda images, p, known: p[..., 0]
        ),
        "Those do not sum to 1: divide by their total.": Mistake(
            but(weigh=np.exp), hint=2
        ),
    },
    hints=(
        "One pass gives p(ink) of every pixel of every image. A known pixel's factor is p "
        "if it is ink and 1 - p if it is paper. Clamping drew with the other factors "
        "already.",
        "Sum np.log(factor) over the known pixels, subtract the largest sum, np.exp, "
        "divide by the total. The effective number is 1 / (weights ** 2).sum().",
    ),
    shape="The answer needs one weight per image, and one effective number.",
    otherwise=(
        "Not these weights.",
        "The weights are right, the effective number is not. If all n weights are 1/n it "
        "is n; if one of them is 1, it is 1.",
    ),
    praise="The more there is to explain, the fewer particles compete.",
    rtol=(0, 2e-3),
    atol=1e-3,
    show=first_wrong_part(1e-3),
)

"""Exercise of notebook 13: the gradients of a gate."""

from pixelcnn_edu.exercises._answers import first_wrong_part, pair
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _gate_gradients(
    a, b, *, by_a=lambda t, s: (1 - t**2) * s, by_b=lambda t, s: t * s * (1 - s)
):
    """The gradients of a gate, tanh(a) · σ(b): by ``a``, and by ``b``.

    ``a`` and ``b`` are float arrays of one shape, and so are both results.
    """
    t, s = np.tanh(a), 1 / (1 + np.exp(-b))
    return by_a(t, s), by_b(t, s)


def _numbers_of_gates():
    rng = np.random.default_rng(0)
    for shape in ((4,), (1,), (2, 3)):
        yield rng.normal(0, 1.5, (2, *shape)).round(2)


gate_gradients = Exercise(
    _gate_gradients,
    cases=_numbers_of_gates,
    describe=lambda a, b: f"a = {a.tolist()}, b = {b.tolist()}",
    read=pair("Return a pair: the gradient by a, and the gradient by b."),
    mistakes={
        "The two are exchanged: the gradient by a comes first.": then(
            lambda right: right[::-1]
        ),
        "By a: the factor σ(b) is missing. It does not depend on a, so it stays.": but(
            by_a=lambda t, s: 1 - t**2
        ),
        "By b: the factor tanh(a) is missing. It does not depend on b, so it stays.": but(
            by_b=lambda t, s: s * (1 - s)
        ),
        "By b: the derivative of σ is σ · (1 - σ); one of the two is missing.": Mistake(
            but(by_b=lambda t, s: t * (1 - s)), hint=2
        ),
    },
    hints=(
        "A gate is a product of two factors. a is in the first one only, b in the second "
        "one only: the other factor stays as it is.",
        "tanh' = 1 - tanh², and σ' = σ · (1 - σ).",
    ),
    shape="Both gradients need the shape of a and b.",
    otherwise=(
        "The gradient by a is another one.",
        "The gradient by b is another one.",
    ),
    praise="A gate that is shut, σ(b) near 0, passes hardly any gradient either.",
    show=first_wrong_part(1e-6),
)

"""What the free step and the gate are worth, at several learning rates and seeds.

    python benchmarks/two_stacks.py      about 15 minutes of one core

Notebook 13 describes the five networks. Each run makes two passes over the 4,000 bundled
digits. The loss is that of the bundled test digits, binarized once with seed 0; each run is
also compared with the gated network of the same rate and seed, digit by digit. Writes
`pixelcnn_edu/bundled/two_stacks.csv` after all networks of a rate and seed (2 to 5). They
are trained anew if the script is stopped between them. What stands in the file is kept:
delete the file after a change of a network. The rows of TRIAL digits are short runs for the
tests.
"""

from pixelcnn_edu import data, evaluation, experiments, models
from pixelcnn_edu.gated import Gate, StackConv2D
from pixelcnn_edu.likelihoods import Bernoulli
from pixelcnn_edu.training import fit

import keras
import numpy as np

NAME = "two_stacks"
ALL, TRIAL = 4000, 256  # training digits
TRIED = 100  # test digits of a trial
SEEDS = (0, 1, 2)
RATES = (0.03, 0.04, 0.01, 0.004, 0.02, 0.06, 0.08)
CLOSELY = RATES[:3]  # rates with more seeds and more networks


class NoFreeStep(StackConv2D):
    """A later vertical kernel, 2 rows of 3 taps, without its last tap: (0, +1)."""

    off = (1, 2)

    def convolution_op(self, inputs, kernel):
        live = np.ones((2, 3, 1, 1), "float32")
        live[self.off] = 0
        return super().convolution_op(inputs, kernel * live)


class NoLeftTap(NoFreeStep):
    """The same without the tap (0, -1)."""

    off = (1, 0)


class DoubledGate(Gate):
    """A gate whose output is multiplied by 2."""

    def call(self, inputs):
        return 2 * super().call(inputs)


def two_stack_network(filters, *, bend=Gate, later=StackConv2D):
    """Build a network of two stacks: a layer of 7×7 and three of 3×3."""
    wide = filters if bend is keras.layers.ReLU else 2 * filters
    v = h = image = keras.Input((28, 28, 1))
    for size, kind in ((7, "A"), (3, "B"), (3, "B"), (3, "B")):
        vertical = StackConv2D if kind == "A" else later
        v = vertical(wide, size, "vertical", kind)(v)
        b = StackConv2D(wide, size, "horizontal", kind)(h)
        b = keras.layers.add([b, keras.layers.Conv2D(wide, 1)(v)])
        v, b = bend()(v), keras.layers.Conv2D(filters, 1)(bend()(b))
        h = b if kind == "A" else keras.layers.add([h, b])
    h = keras.layers.ReLU()(h)
    h = keras.layers.ReLU()(keras.layers.Conv2D(filters, 1)(h))
    logits = keras.layers.Conv2D(1, 1)(h)
    return models.ImageModel(image, logits, likelihood=Bernoulli())


VARIANTS = {
    "gate": {"filters": 10},
    "no free step": {"filters": 10, "later": NoFreeStep},
    "ReLU": {"filters": 14, "bend": keras.layers.ReLU},
    "no left tap": {"filters": 10, "later": NoLeftTap},
    "gate × 2": {"filters": 10, "bend": DoubledGate},
}


def learn(arguments, images, held_out, *, learning_rate, seed):
    """Train a network for two passes; return the nats of each held-out digit."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    network = two_stack_network(**arguments)
    how = {"epochs": 2, "batch_size": 32, "seed": seed, "verbose": 0}
    fit(network, images, learning_rate=learning_rate, **how)
    return evaluation.nats_per_image(network, held_out)


def runs():
    """Yield (digits, rate, seed, networks): the gated network first, then the others."""
    yield TRIAL, 0.03, 0, list(VARIANTS)
    for rate in RATES:
        others = ["no free step"] if rate in CLOSELY else []
        others += {0.01: ["gate × 2"], 0.04: ["no left tap"]}.get(rate, [])
        for seed in SEEDS if rate in CLOSELY else SEEDS[:1]:
            yield ALL, rate, seed, ["gate", "ReLU", *others]


def rows_of(digits, rate, seed, networks, images, held_out):
    """Train the networks of one rate and seed; yield a row for each."""
    gate = None
    for name in networks:
        how = {"learning_rate": rate, "seed": seed}
        nats = learn(VARIANTS[name], images, held_out, **how)
        gate = nats if gate is None else gate
        mean, error = evaluation.mean_and_standard_error(nats)
        more, more_error = evaluation.mean_and_standard_error(nats - gate)
        yield {
            "network": name,
            "learning_rate": rate,
            "seed": seed,
            "digits": digits,
            "nats": round(mean, 3),
            "standard_error": round(error, 3),
            "minus_gate": round(more, 3),
            "minus_gate_error": round(more_error, 3),
        }


def digits_of(digits):
    """Return the training and the test digits of a run: fewer in a trial."""
    (x_train, _), (x_test, _) = data.load_mnist()
    held_out = data.binarize(x_test, seed=0)
    return x_train[:digits], held_out if digits == ALL else held_out[:TRIED]


def main():
    rows, keys = [], ("digits", "learning_rate", "seed")
    if NAME in experiments.names():
        done = experiments.table(NAME)
        rows = [dict(zip(done.dtype.names, row.item(), strict=True)) for row in done]
    for digits, rate, seed, networks in runs():
        key = (digits, rate, seed)
        if sum(key == tuple(row[k] for k in keys) for row in rows) == len(networks):
            continue
        rows = [row for row in rows if key != tuple(row[k] for k in keys)]
        for row in rows_of(digits, rate, seed, networks, *digits_of(digits)):
            print(row, flush=True)
            rows.append(row)
        experiments.record(NAME, rows)


if __name__ == "__main__":
    main()

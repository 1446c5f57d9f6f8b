"""What happens when a network has few digits to learn from.

    python benchmarks/few_digits.py      about two minutes of one core

Notebook 08 shows both tables. Each run takes 300 steps of 20 digits. The first 100 digits
are drawn once (static) or afresh in each epoch (dynamic); then the same network learns from
400 and from 1,500 digits. Writes two tables into `pixelcnn_edu/bundled/`:
`few_digits_curves.csv`, the loss of each epoch, and `few_digits_nats.csv`, the nats of each
bundled test digit, binarized once with seed 0, after each dynamic run.
"""

from pixelcnn_edu import data, evaluation, experiments, models, training

import keras
import numpy as np

CURVES, NATS = "few_digits_curves", "few_digits_nats"
EPOCHS = {100: 60, 400: 15, 1500: 4}  # digits: epochs, 300 steps each


def train_on(images, epochs, validation, *, last=None):
    """Train in batches of 20 digits; return the network and its history.

    ``last`` ends the run after that epoch; the learning rates are those of the whole run.
    """
    keras.utils.set_random_seed(0)
    model = models.pixelcnn(filters=32, depth=2, activation="relu", position=True)
    recipe = {"epochs": epochs, "batch_size": 20, "learning_rate": 4e-3}
    if last:
        recipe["callbacks"] = [
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: setattr(
                    model, "stop_training", epoch + 1 == last
                )
            )
        ]
    history = training.fit(
        model, images, validation_images=validation, verbose=0, **recipe
    )
    return model, history.history


def digits():
    """Return training, validation and test digits, as in notebook 08."""
    (x_all, y_all), (x_test, _) = data.load_mnist()
    (x_train, _), (x_val, _) = data.hold_out(x_all, y_all, 400)
    return x_train, x_val[:200], data.binarize(x_test, seed=0)


def curve(name, images, validation, *, last=None):
    """Train on 100 digits; return the network and the rows of its curve."""
    model, history = train_on(images, EPOCHS[100], validation, last=last)
    losses = zip(history["loss"], history["val_loss"], strict=True)
    return model, [
        {"draws": name, "epoch": i, "loss": round(a, 3), "val_loss": round(b, 3)}
        for i, (a, b) in enumerate(losses, 1)
    ]


def rows_of(nats):
    """Return the rows of {number of digits: nats of each test digit}."""
    names = [f"nats_{count}" for count in nats]
    rows = np.stack([*nats.values()], axis=1).astype("float64").round(4).tolist()
    return [dict(zip(names, row, strict=True)) for row in rows]


def main():
    x_train, validation, held_out = digits()
    few = x_train[:100]
    # 0 and 1 stay what they are if they are drawn again
    _, rows = curve("static", data.binarize(few, seed=0), validation)
    network, more = curve("dynamic", few, validation)
    nats = {100: evaluation.nats_per_image(network, held_out)}
    for count in (400, 1500):
        network, _ = train_on(x_train[:count], EPOCHS[count], validation)
        nats[count] = evaluation.nats_per_image(network, held_out)
    experiments.record(CURVES, rows + more)
    experiments.record(NATS, rows_of(nats))


if __name__ == "__main__":
    main()

"""What each test digit costs when `conditional` is told each of the ten labels.

    python benchmarks/told_labels.py      about a minute of one core

Notebook 16 reads the table. Each row is one of the bundled test digits, binarized once with
seed 0: its label, its nats from `gated`, and its nats from `conditional` with each label.
Writes `pixelcnn_edu/bundled/told_labels.csv`.
"""

from pixelcnn_edu import data, evaluation, experiments, pretrained

NAME = "told_labels"


def rows_of(images, labels):
    """Return a row for each image."""
    gated, conditional = pretrained.load("gated"), pretrained.load("conditional")
    columns = {"gated": evaluation.nats_per_image(gated, images)}
    for y in range(10):
        nats = evaluation.nats_per_image(conditional, images, labels=y)
        columns[f"told_{y}"] = nats
    return [
        {"label": int(label)}
        | {key: round(float(nats[i]), 4) for key, nats in columns.items()}
        for i, label in enumerate(labels)
    ]


def main():
    _, (x_test, y_test) = data.load_mnist()
    experiments.record(NAME, rows_of(data.binarize(x_test, seed=0), y_test))


if __name__ == "__main__":
    main()

"""How fast a PixelCNN trains: the package, the tutorial's way, and PyTorch.

    python benchmarks/training.py            about 10 minutes on 2 cores
    python benchmarks/training.py --quick    about 3: fewer rounds, fewer sizes

Prints tables and writes training.csv and training.png beside this file (or into --out).
Each contender has a process of its own; they take turns, round by round, and medians are
given, so that only ratios within one run should be compared. PyTorch, which nothing else
here needs, is left out if it is not installed (pip install torch).

The network is the plain one with ReLU and 6 blocks; all start from random weights and see
the bundled digits, binarized. A contender's rate counts everything a step needs: the input
pipeline, the loss, its gradient and the optimizer.
"""

import argparse
import contextlib
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

DEPTH, IMAGES, SIDE = 6, 2048, 28


# ------------------------------------------------------------------ contenders
# Each is a function from (filters, batch_size, images) to a function that trains one
# epoch. They import what they need themselves: it is their process.


def package(filters, batch_size, images, **how):
    from pixelcnn_edu import models, training

    model = models.pixelcnn(filters=filters, depth=DEPTH, activation="relu")
    recipe = {"epochs": 1, "batch_size": batch_size, "verbose": 0, **how}
    training.fit(model, images[:batch_size], **recipe)
    batches = training.Batches(images, batch_size, binarize=True)
    return lambda: model.fit(batches, verbose=0, shuffle=False)


def tutorial(filters, batch_size, images):
    """The whole kernel is masked and Keras's defaults are kept (XLA on "auto")."""
    import pixelcnn_edu  # noqa: F401  (first, so that TensorFlow starts quietly)

    from generation import WholeMaskedConv2D

    import keras

    relu = keras.layers.Activation("relu")
    image = keras.Input((SIDE, SIDE, 1))
    x = WholeMaskedConv2D(filters, 7, "A")(image)
    for _ in range(DEPTH):
        y = keras.layers.Conv2D(filters // 2, 1)(relu(x))
        y = WholeMaskedConv2D(filters // 2, 3, "B")(relu(y))
        x = keras.layers.add([x, keras.layers.Conv2D(filters, 1)(relu(y))])
    for _ in range(2):
        x = WholeMaskedConv2D(filters, 1, "B")(relu(x))
    outputs = keras.layers.Conv2D(1, 1, activation="sigmoid")(relu(x))
    model = keras.Model(image, outputs)
    model.compile(optimizer=keras.optimizers.Nadam(), loss="binary_crossentropy")
    ink = (images > 0.5).astype("float32")
    return lambda: model.fit(ink, ink, batch_size=batch_size, epochs=1, verbose=0)


def pytorch(filters, batch_size, images):
    """Channels last, the whole kernel masked, as PyTorch code on the web has it."""
    import torch
    from torch import nn

    class Masked(nn.Conv2d):
        def __init__(self, inputs, outputs, size, mask_type):
            super().__init__(inputs, outputs, size, padding=size // 2)
            mask = torch.ones(1, 1, size, size)
            mask[:, :, size // 2, size // 2 + (mask_type == "B") :] = 0
            mask[:, :, size // 2 + 1 :] = 0
            self.register_buffer("mask", mask)

        def forward(self, x):
            return self._conv_forward(x, self.weight * self.mask, self.bias)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            half = filters // 2
            self.inside = nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(filters, half, 1),
                nn.ReLU(inplace=True),
                Masked(half, half, 3, "B"),
                nn.ReLU(inplace=True),
                nn.Conv2d(half, filters, 1),
            )

        def forward(self, x):
            return x + self.inside(x)

    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count())
    head = [nn.ReLU(inplace=True), nn.Conv2d(filters, filters, 1)] * 1
    model = nn.Sequential(
        Masked(1, filters, 7, "A"),
        *[Block() for _ in range(DEPTH)],
        *head,
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, 1, 1),
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.NAdam(model.parameters(), 2e-3)
    ink = torch.from_numpy((images > 0.5).astype("float32")).permute(0, 3, 1, 2)
    loss_of = nn.BCEWithLogitsLoss(reduction="sum")

    def epoch():
        for batch in ink[torch.randperm(len(ink))].split(batch_size):
            batch = batch.to(memory_format=torch.channels_last)
            loss = loss_of(model(batch), batch) / len(batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    return epoch


CONTENDERS = {"package": package, "tutorial": tutorial, "pytorch": pytorch}

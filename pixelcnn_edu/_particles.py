"""Importance sampling: completions, drawn again in proportion to their weights.

`generation.complete` uses this module. Taught by notebook 11.
"""

import warnings

from pixelcnn_edu._compiled import logits_function
from pixelcnn_edu._drawing import images_at_a_time, probabilities_of

import numpy as np


def resample(model, likelihood, drawn, known, labels, count, root):
    """Weigh (N, particles, H, W, C) by p(known | past), and draw ``count`` of each."""
    logits = logits_function(model)
    flat = drawn.reshape(-1, *drawn.shape[2:])
    log_weights = []
    size = images_at_a_time(probabilities_of(likelihood, flat.shape[1:]))
    for at in range(0, len(flat), size):
        rows = slice(at, at + size)
        out = logits(flat[rows], *[label[rows] for label in labels])
        log_p = np.asarray(likelihood.log_prob_of_pixels(out, flat[rows]), "float64")
        log_weights.append(log_p[:, known].sum(axis=1))
    log_weights = np.concatenate(log_weights).reshape(drawn.shape[:2])
    if not np.isfinite(log_weights.max(axis=1)).all():
        raise ValueError(
            "Expected known pixels to which the model gives a probability above 0. "
            f"Received: log-probabilities {log_weights.max(axis=1)}"
        )
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    ess = 1 / (weights**2).sum(axis=1)
    if ess.min() < min(5, weights.shape[1] / 2):
        warnings.warn(
            f"Only {ess.min():.1f} of {weights.shape[1]} particles are effective: few "
            "of them fit the known pixels. Completions repeat; try more particles.",
            RuntimeWarning,
            stacklevel=3,
        )
    chosen = []
    for i, cumulative in enumerate(weights.cumsum(axis=1)):
        # a stream of its own, apart from those that drew the particles
        own = np.random.SeedSequence(root.entropy, spawn_key=(i, 0))
        u = np.random.default_rng(own).random(count)
        edges = cumulative[:-1]  # without the last, which rounding may leave below 1
        chosen.append(drawn[i, np.searchsorted(edges, u, side="right")])
    return np.stack(chosen), ess

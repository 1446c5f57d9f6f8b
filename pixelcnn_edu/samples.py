"""Samples: what a model draws while it learns.

Taught by notebook 07.
"""

import warnings

from pixelcnn_edu import generation
from pixelcnn_edu._checks import check_one_of, check_positive_int, check_seed

import keras


class SampleGrid(keras.callbacks.Callback):
    """Draw samples while the model learns.

    Every grid is drawn with the same uniform numbers. So image i of one grid and image i
    of the next differ only by what was learned in between. Drawing does not disturb the
    run: the final weights are the same with this callback and without it.

    Args:
        count: images per grid.
        every: draw after epochs ``every``, ``2 * every``, …
        seed: an integer, the seed for the uniform numbers.
        labels, image_shape, likelihood, method: as for `generation.generate`.

    Attributes:
        grids: dict from the number of epochs trained to images (count, H, W, C). Take a
            new object for another run.

    Raises:
        ValueError: an argument is out of its range; before the first batch: samples
            cannot be drawn from this model with these arguments.

    Warns:
        RuntimeWarning: weights or logits are not finite; no samples are drawn.

    Example:
        >>> import numpy as np
        >>> from pixelcnn_edu.models import pixelcnn
        >>> from pixelcnn_edu.training import fit
        >>> samples = SampleGrid(4, every=2)
        >>> history = fit(
        ...     pixelcnn((5, 5, 1), filters=2, depth=1),
        ...     np.zeros((8, 5, 5, 1)),
        ...     epochs=4,
        ...     callbacks=[samples],
        ...     verbose=0,
        ... )
        >>> {epoch: images.shape for epoch, images in samples.grids.items()}
        {2: (4, 5, 5, 1), 4: (4, 5, 5, 1)}
    """

    def __init__(
        self,
        count=8,
        *,
        every=1,
        seed=0,
        labels=None,
        image_shape=None,
        likelihood=None,
        method="cached",
    ):
        super().__init__()
        self.count = check_positive_int("count", count)
        self.every = check_positive_int("every", every)
        self.recipe = {
            "seed": check_seed(seed, optional=False),
            "labels": labels,
            "image_shape": image_shape,
            "likelihood": likelihood,
            "method": check_one_of("method", method, generation.METHODS),
        }
        self.grids = {}

    def _draw(self):
        return generation.generate(self.model, self.count, **self.recipe)

    def on_train_begin(self, logs=None):
        self._draw()  # what cannot be drawn is noticed now, not after hours

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            try:
                self.grids[epoch + 1] = self._draw()
            except ValueError as error:  # the run itself goes on, with its history
                warnings.warn(
                    f"SampleGrid draws no samples. {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )

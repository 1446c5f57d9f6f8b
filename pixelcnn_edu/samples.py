"""Samples: what a model draws while it learns.

Taught by notebook 07.
"""

import contextlib
import warnings

from pixelcnn_edu import generation
from pixelcnn_edu._checks import (
    NaNLogits,
    check_image_shape_of,
    check_labels,
    check_one_of,
    check_positive_int,
    check_seed,
    not_finite,
)
from pixelcnn_edu._pixel_loop import pixel_loop
from pixelcnn_edu.models import likelihood_of

import keras


class SampleGrid(keras.callbacks.Callback):
    """Draw samples while the model learns.

    Every grid is drawn with the same uniform numbers. So image i of one grid and image i
    of the next differ only by what was learned in between. Drawing does not disturb the
    run: the final weights are the same with this callback and without it. (This does not
    hold if a layer draws random numbers at inference.)

    Args:
        count: images per grid.
        every: draw after epochs ``every``, ``2 * every``, …
        seed: an integer, the seed for the uniform numbers.
        labels: as for `generation.generate`, for a model that takes labels.
        image_shape: (H, W, C), for a model that leaves its size open.
        likelihood: for a model that carries none.
        method: as for `generation.generate`. ``"naive"`` and ``"fixed_point"`` draw from
            any causal model, also from a model that ``"cached"`` refuses.

    Attributes:
        grids: dict from the number of epochs trained to images (count, H, W, C). A run
            from epoch 0 empties ``grids``; a resumed run adds to them. So resume another
            run with a new object.

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
        self.seed = check_seed(seed, optional=False)
        self.labels = labels
        self.image_shape = image_shape
        self.likelihood = likelihood
        self.method = check_one_of("method", method, generation.METHODS)
        self.grids = {}

    def on_train_begin(self, logs=None):
        try:
            check_image_shape_of(self.model, self.image_shape)
            check_labels(self.model, self.labels, self.count)
            likelihood = likelihood_of(self.model, self.likelihood)
            diverged = not_finite(self.model) is not None
            if self.method == "cached" and not diverged:
                pixel_loop(self.model, likelihood)  # raises if a layer cannot run
            # Draw as a trial, because a layer of the user may raise an error. Draw twice
            # with "cached": the first call may use the method "fixed_point" instead.
            for _ in range(0 if diverged else 1 + (self.method == "cached")):
                with contextlib.suppress(NaNLogits):
                    self._draw()
        except ValueError as error:
            raise ValueError(
                f"SampleGrid cannot draw from this model. {error}"
            ) from error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:  # of a run that is not resumed
            self.grids = {}

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        if done % self.every == 0:
            diverged = "weights" if not_finite(self.model) is not None else None
            if not diverged:
                try:
                    self.grids[done] = self._draw()
                except NaNLogits:  # in half precision, Keras skips steps
                    diverged = "logits"
            if diverged:  # the run itself goes on, with its history
                warnings.warn(
                    f"SampleGrid draws no samples: {diverged} are not finite. Has training "
                    "diverged? Try a lower learning rate.",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _draw(self):
        return generation.generate(
            self.model,
            self.count,
            seed=self.seed,
            labels=self.labels,
            image_shape=self.image_shape,
            likelihood=self.likelihood,
            method=self.method,
        )

"""Models are trained, saved, loaded, cloned and copied with the Keras that is installed.

`test_bundle_elsewhere` runs this script, which needs nothing else of the repository.
"""

import copy
import tempfile
from pathlib import Path

from pixelcnn_edu import evaluation, labels, models, training

import keras
import numpy as np

keras.utils.set_random_seed(0)
images = np.random.default_rng(0).integers(2, size=(8, 8, 8, 1)).astype("float32")
small = {"image_shape": (8, 8, 1), "filters": 4, "depth": 1}
for model in (models.pixelcnn(**small), models.gated_pixelcnn(**small, num_classes=3)):
    given = {"labels": np.arange(8) % 3} if model.num_classes else {}
    for optimizer in ("nadam", "muon"):
        how = {"optimizer": optimizer, "epochs": 1, "verbose": 0}
        with tempfile.TemporaryDirectory() as folder:
            training.fit(model, images, folder=folder, **how, **given)
    copies = [copy.deepcopy(model), models.ImageModel.from_config(model.get_config())]
    copies[1].set_weights(model.get_weights())
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        copies.append(keras.models.load_model(Path(folder) / "model.keras"))
    if model.num_classes:
        copies.append(labels.with_labels(model, np.eye(3)))
    expected = evaluation.nats_per_image(model, images, **given)
    for one in copies:
        found = evaluation.nats_per_image(one, images, **given)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
print("saved and loaded")

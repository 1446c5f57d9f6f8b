"""Pages with a network: what is written, and what is refused."""

import base64
import json
import re
from pathlib import Path

from pixelcnn_edu import export, pretrained
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, pixelcnn

import keras
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


KINDS = {  # between two convolutions, a layer that is refused
    "LayerNormalization": lambda x: keras.layers.LayerNormalization()(x),
    "'mish'": lambda x: keras.layers.Activation("mish", name="mish")(x),
    "'own' (MaskedConv2D)": lambda x: MaskedConv2D(2, 1, name="own", activation="mish")(
        x
    ),
    "'dense' (Dense)": lambda x: keras.layers.Dense(2, name="dense")(x),
    "'times' (Multiply)": lambda x: keras.layers.Multiply(name="times")([x, x]),
}


def small(between=lambda x: x, size=(5, 6), **more):
    image = keras.Input((*size, 1))
    x = between(MaskedConv2D(2, 3, "A", activation="relu")(image))
    logits = MaskedConv2D(1, 1, name="logits")(x)
    return ImageModel(image, logits, **{"likelihood": Bernoulli(), **more})


def check_refused(model, tmp_path, words, **arguments):
    """Check that no page is written, and that an older one is left as it was."""
    path = tmp_path / "page.html"
    for before in ([], ["page.html"]):
        with pytest.raises(ValueError, match="Expected .* Received: ") as error:
            export.page(model, path, **arguments)
        assert words in str(error.value)
        assert [file.name for file in tmp_path.iterdir()] == before
        path.write_text("mine", "utf-8")
    path.unlink()


@pytest.mark.parametrize("name", KINDS)
def test_a_layer_that_cannot_run_in_a_page_is_refused_by_name(tmp_path, name):
    check_refused(small(KINDS[name]), tmp_path, name)


def test_a_path_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected path .* Received: "):
        export.page(small(), "")
    with pytest.raises(OSError, match="Could not write"):
        export.page(small(), tmp_path / "none" / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_other_models_and_arguments_are_refused(tmp_path):
    mixture = DiscretizedLogisticMixture(2, 4)
    other = pixelcnn((4, 5, 1), filters=2, depth=1, likelihood=mixture)
    check_refused(other, tmp_path, "DiscretizedLogisticMixture")
    check_refused("coffee", tmp_path, "Received: str")
    check_refused(small(), tmp_path, "title", title=3)
    broken = small()
    broken.set_weights([np.nan * weight for weight in broken.get_weights()])
    check_refused(broken, tmp_path, "finite")


def parts(path):
    """Return a page's text without its weights, its graph, and its weights."""
    text = path.read_text("utf-8")
    (graph,) = re.findall(r'id="graph">(.*?)</script>', text)
    pattern = r'(id="weights">)(.*?)(</script>)'
    ((_, found, _),) = re.findall(pattern, text)
    weights = np.frombuffer(base64.b64decode(found), "<f4")
    return re.sub(pattern, r"\1\3", text), json.loads(graph), weights


@pytest.mark.parametrize(
    "title",
    ["</title><script>alert(1)</script>", '"><img src=x>', "$graph ${weights} $$", ""],
)
def test_a_title_is_text_and_nothing_else(tmp_path, title):
    model = small()
    export.page(model, tmp_path / "page.html", title=title)
    export.page(model, tmp_path / "other.html", title="TITLE")
    text, other = (parts(tmp_path / f"{name}.html")[0] for name in ("page", "other"))
    escaped = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
    shown = "".join(escaped.get(letter, letter) for letter in title)
    assert f"<title>{shown}</title>" in text and f"<h1>{shown}</h1>" in text
    assert text.replace(f">{shown}</", ">TITLE</", 2) == other


def test_a_name_of_a_layer_ends_no_script(tmp_path):
    name = "</script><script>alert(1)</script>"
    try:
        model = small(lambda x: keras.layers.Activation("tanh", name=name)(x))
    except ValueError:  # this Keras takes no "/" in a name
        name = "<!--<script>"
        model = small(lambda x: keras.layers.Activation("tanh", name=name)(x))
    export.page(model, tmp_path / "page.html")
    text, graph, _ = parts(tmp_path / "page.html")
    assert name in [tensor["name"] for tensor in graph["tensors"]]
    assert name not in text


def test_a_model_of_an_open_size_needs_image_shape(tmp_path):
    model = small(size=(None, None))
    check_refused(model, tmp_path, "image_shape")
    check_refused(model, tmp_path, "image_shape", image_shape=(4, 5, 3))
    export.page(model, tmp_path / "page.html", image_shape=(4, 7, 1))
    text, graph, _ = parts(tmp_path / "page.html")
    assert graph["image_shape"] == [4, 7, 1]
    assert all(tensor["size"] == [4, 7] for tensor in graph["tensors"])
    assert "4 × 7 pixels" in text


def test_a_page_is_small_and_names_nothing_outside_it(tmp_path):
    path = tmp_path / "night.html"
    export.page(pretrained.load("night"), path)
    assert path.stat().st_size < 1_000_000
    text, graph, weights = parts(path)
    assert re.findall(r"https?:|//\w+\.\w|src=|href=|url\(|import\(", text) == []
    for place in (ROOT, Path.home(), tmp_path, Path(keras.__file__).parents[1]):
        assert str(place) not in text
    expected, array = export.network(pretrained.load("night"))
    assert np.array_equal(weights, array)
    assert [t["layer"] for t in graph["tensors"]] == [
        t["layer"] for t in expected["tensors"]
    ]


def test_the_policy_allows_the_page_s_own_script_alone(tmp_path):
    export.page(small(), tmp_path / "page.html")
    text, _, _ = parts(tmp_path / "page.html")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    assert "'unsafe-eval'" not in policy


def test_which_explorers_a_page_has(tmp_path):
    kinds = {
        "ink": pixelcnn((4, 5, 1), filters=2, depth=1),
        "levels": pixelcnn((4, 5, 1), filters=2, depth=1, likelihood=Categorical(3)),
        "colors": pixelcnn((4, 5, 3), filters=6, depth=1, likelihood=Categorical(2)),
        "labels": gated_pixelcnn((4, 5, 1), filters=2, depth=1, num_classes=3),
    }
    for kind, model in kinds.items():
        export.page(model, tmp_path / "page.html")
        shown = re.findall(
            r'data-explorer="(\w+)"', (tmp_path / "page.html").read_text("utf-8")
        )
        assert {"temperature", "inside"} <= set(shown)
        assert ("fork" in shown) == (kind == "ink")
        assert not {"guess", "bits"} & set(shown)


def test_images_are_written_and_shown(tmp_path):
    images = np.random.default_rng(0).integers(0, 2, (3, 4, 5, 1))
    model, path = pixelcnn((4, 5, 1), filters=2, depth=1), tmp_path / "page.html"
    export.page(model, path, images=images)
    text = path.read_text("utf-8")
    (written,) = re.findall(r'id="images">(.*?)</script>', text)
    assert base64.b64decode(written) == images.astype("uint8").tobytes()
    assert {"guess", "bits"} <= set(re.findall(r'data-explorer="(\w+)"', text))
    assert "CC BY-SA 3.0" in text
    export.page(model, path)
    text = path.read_text("utf-8")
    assert 'id="images"></script>' in text and "CC BY-SA" not in text


def test_images_that_the_page_cannot_show_are_refused(tmp_path):
    images = np.zeros((2, 4, 5, 1))
    model = pixelcnn((4, 5, 1), filters=2, depth=1)
    for wrong in (
        images[..., 0],
        images[:, :3],
        images + 0.5,
        [],
        np.tile(images, (51, 1, 1, 1)),
    ):
        check_refused(model, tmp_path, "images", images=wrong)
    levels = pixelcnn((4, 5, 1), filters=2, depth=1, likelihood=Categorical(2))
    labels = gated_pixelcnn((4, 5, 1), filters=2, depth=1, num_classes=3)
    for other in (levels, labels):
        check_refused(other, tmp_path, "images for a Bernoulli", images=images)

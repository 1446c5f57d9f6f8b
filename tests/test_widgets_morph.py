"""The morph explorer: label vectors mixed by hand, images and odds another way."""

from pixelcnn_edu import evaluation, generation, models, plots, pretrained, widgets
from pixelcnn_edu.labels import with_labels
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets.morph import Morph, posterior, readings

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest


def conditional(seed=0, **arguments):
    """A small conditional model with random weights."""
    keras.utils.set_random_seed(seed)
    model = models.gated_pixelcnn(
        (5, 6, 1), **{"filters": 4, "depth": 1, "num_classes": 4, **arguments}
    )
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


def images(count=6):
    return np.random.default_rng(1).integers(0, 2, (count, 5, 6, 1)).astype("float32")


@pytest.fixture(scope="module")
def model():
    return conditional()


# ------------------------------------------------------------------------- with_labels


@pytest.mark.parametrize("label_map", [0, 2])
def test_pure_mixtures_are_the_old_labels_in_another_order(label_map):
    model = conditional(label_map=label_map, position=True)
    copy = with_labels(model, np.eye(4)[[3, 1]])
    assert copy.num_classes == 2 and copy.likelihood == model.likelihood
    for new, old in enumerate((3, 1)):
        ours = evaluation.nats_per_image(copy, images(), labels=new)
        theirs = evaluation.nats_per_image(model, images(), labels=old)
        np.testing.assert_array_equal(ours, theirs)


def test_a_mixture_adds_the_mean_of_what_its_labels_add(model):
    share = np.array([[0.1, 0.2, 0.3, 0.4]])
    copy = with_labels(model, share)
    pairs = zip(model.layers, copy.layers, strict=True)
    seen = 0
    for old, new in pairs:
        if isinstance(old, keras.layers.Embedding):
            rows, seen = old.get_weights()[0], seen + 1
            by_hand = sum(s * row for s, row in zip(share[0], rows, strict=True))
            np.testing.assert_allclose(new.get_weights()[0][0], by_hand, atol=1e-6)
    assert seen == 3  # two stacks, less the last vertical gate, which nothing reads


def test_the_one_hot_vector_is_all_a_label_is(model):
    # the whole network written once more with a matrix product for the label
    for layer in model.layers:
        if isinstance(layer, keras.layers.Embedding):
            one_hot = np.eye(4, dtype="float32")[[2, 0]]
            expected = np.asarray(layer(np.array([2, 0])))
            np.testing.assert_array_equal(one_hot @ layer.get_weights()[0], expected)


def test_no_label_is_the_unconditional_network_of_the_same_weights(model):
    copy = with_labels(model, np.zeros((1, 4)))
    plain = models.gated_pixelcnn((5, 6, 1), filters=4, depth=1)
    plain.set_weights(
        [
            weight
            for layer in copy.layers
            if not isinstance(layer, keras.layers.Embedding)
            for weight in layer.get_weights()
        ]
    )
    ours = logits_function(copy)(images(), np.zeros(6, "int32"))
    np.testing.assert_allclose(ours, logits_function(plain)(images()), atol=1e-5)
    told = logits_function(model)(images(), np.zeros(6, "int32"))
    assert abs(told - ours).max() > 0.1  # the planted bug: a label that was left in


@pytest.mark.parametrize("name", ["painter's hand", "a\\b", "a\tb", 'a"b'])
def test_a_name_of_the_label_may_have_quotes_and_backslashes(name):
    image, label = keras.Input((5, 6, 1)), keras.Input((), dtype="int32", name=name)
    of_label = keras.layers.Embedding(4, 2, embeddings_initializer="normal")(label)
    of_label = keras.layers.Reshape((1, 1, 2))(of_label)
    x = keras.layers.Add()([MaskedConv2D(2, 3, "A")(image), of_label])
    model = models.ImageModel(
        [image, label], MaskedConv2D(1, 1)(x), likelihood=Bernoulli(), num_classes=4
    )
    copy = with_labels(model, np.eye(4)[[2]])
    np.testing.assert_array_equal(
        logits_function(copy)(images(), np.zeros(6, "int32")),
        logits_function(model)(images(), np.full(6, 2, "int32")),
    )


def test_the_still_picture_has_one_network_after_training_too():
    model = conditional()
    explorer = widgets.Morph(model, first=0, second=1)
    model.set_weights(conditional(seed=1).get_weights())
    fresh = widgets.Morph(model, first=0, second=1)
    assert explorer.still()[1] == fresh.still()[1]


def test_a_copy_and_its_model_do_not_change_each_other(model):
    before = evaluation.nats_per_image(model, images(), labels=0)
    copy = with_labels(model, np.eye(4)[:1])
    copy.set_weights([0 * w for w in copy.get_weights()])
    np.testing.assert_array_equal(
        before, evaluation.nats_per_image(model, images(), labels=0)
    )


@pytest.mark.parametrize(
    ("mixtures", "words"),
    [
        (np.eye(3), "Expected mixtures of shape .K, 4."),
        (np.ones(4), "Expected mixtures"),
        (np.ones((0, 4)), "Expected mixtures"),
    ],
)
def test_mixtures_of_another_shape_are_refused(model, mixtures, words):
    with pytest.raises(ValueError, match=words):
        with_labels(model, mixtures)


@pytest.mark.parametrize(
    "model",
    ["conditional", lambda: models.gated_pixelcnn((5, 6, 1), filters=4, depth=1)],
    ids=["a name", "no labels"],
)
def test_a_model_without_labels_is_refused(model):
    model = model() if callable(model) else model
    with pytest.raises(ValueError, match="Expected model .* takes labels. Received: "):
        with_labels(model, np.eye(4))


def reads_levels(of_levels, of_label):
    """Return a model whose pixels go through an Embedding of 4 levels."""
    image, label = keras.Input((5, 6, 1)), keras.Input((), dtype="int32")
    levels = keras.ops.cast(keras.ops.round(image[..., 0]), "int32")
    features = MaskedConv2D(8, 3, "A")(of_levels(levels))
    features += keras.layers.Reshape((1, 1, 8))(of_label(label))
    inputs, logits = [image, label], MaskedConv2D(1, 1)(features)
    return models.ImageModel(inputs, logits, likelihood=Bernoulli(), num_classes=4)


def test_an_embedding_of_pixels_stays_as_it_is():
    model = reads_levels(*[keras.layers.Embedding(4, 8) for _ in range(2)])
    copy = with_labels(model, np.eye(4)[[1, 0, 2, 3]])
    ours, theirs = (
        evaluation.nats_per_image(one, images(), labels=k)
        for one, k in ((copy, 0), (model, 1))
    )
    np.testing.assert_array_equal(ours, theirs)


def test_an_embedding_of_labels_and_pixels_is_refused():
    shared = keras.layers.Embedding(4, 8)
    with pytest.raises(ValueError, match="Embedding layers of their own"):
        with_labels(reads_levels(shared, shared), np.eye(4))


def test_labels_that_another_layer_reads_are_refused():
    image, label = keras.Input((5, 6, 1)), keras.Input((), dtype="int32")
    features = MaskedConv2D(4, 3, "A")(image)
    told = keras.layers.Dense(4)(keras.ops.one_hot(label, 4))
    features += keras.layers.Reshape((1, 1, 4))(told)
    inputs, logits = [image, label], MaskedConv2D(1, 1)(features)
    model = models.ImageModel(inputs, logits, likelihood=Bernoulli(), num_classes=4)
    with pytest.raises(
        ValueError, match="labels go into Embedding layers of their own"
    ):
        with_labels(model, np.eye(4))


# ------------------------------------------------------------------------ the explorer


def test_the_page_is_told_what_the_arguments_say(model):
    explorer = Morph(model, first=1, second=2, share=0.3, seed=2)
    assert explorer.settings == {"from": 1, "to": 2, "share": 0.3, "morph": 2}
    assert widgets.Morph is Morph


def shown(explorer):
    """Return what the still picture shows: the images, and what is read above them."""
    figure = plt.figure(figsize=explorer.size)
    explorer.draw(figure)
    (ax,) = figure.axes
    texts = [text.get_text() for text in ax.texts]
    told = figure.texts[0].get_text()
    plt.close(figure)
    return np.asarray(ax.images[0].get_array()), texts, told


def grid(images):
    ax = plots.image_grid(images)
    picture = np.asarray(ax.images[0].get_array())
    plt.close(ax.figure)
    return picture


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_the_still_picture_shows_the_digits_of_the_mixture_and_their_readings(
    model, share
):
    explorer = Morph(model, first=1, second=2, share=share, seed=4)
    if share in (0, 1):
        drawn = generation.generate(model, 8, seed=4, labels=1 + share, method="naive")
    else:
        copy = with_labels(model, [[0, 1 - share, share, 0]])
        drawn = generation.generate(copy, 8, seed=4, labels=0, method="naive")
    picture, texts, told = shown(explorer)
    np.testing.assert_array_equal(picture, grid(drawn))
    assert texts == readings(posterior(model, drawn, 1, 2), 1, 2)
    assert told == f"told {1 - share:.2f} of 1 and {share:.2f} of 2"


def test_a_mixture_of_a_label_with_itself_is_that_label(model):
    explorer = Morph(model, first=3, second=3, share=0.35)
    drawn = generation.generate(model, 8, seed=0, labels=3, method="naive")
    picture, texts, _ = shown(explorer)
    np.testing.assert_array_equal(picture, grid(drawn))
    assert texts == ["3: 50%"] * 8


def test_the_readings_follow_bayes_rule(model):
    p = [
        np.exp(-evaluation.nats_per_image(model, images(), labels=label))
        for label in (1, 2)
    ]
    by_hand = p[1] / (p[0] + p[1])
    assert posterior(model, images(), 1, 2) == pytest.approx(by_hand, abs=1e-6)
    assert abs(by_hand - 0.5).max() > 0.1  # so turned odds would be told apart
    for text, probability in zip(readings(by_hand, 1, 2), by_hand, strict=True):
        label, percent = text.split(": ")
        assert int(label) == 1 + (probability >= 0.5)
        sure = max(probability, 1 - probability)
        assert float(percent.rstrip("%")) == pytest.approx(100 * sure, abs=0.51)


def test_its_text_and_its_still_picture_are_always_the_same(model):
    first, again = (Morph(model, first=0, second=3) for _ in range(2))
    (bundle, _), (other, _) = first._repr_mimebundle_(), again._repr_mimebundle_()
    assert bundle["text/html"] == other["text/html"]
    assert bundle["text/plain"] == other["text/plain"] == repr(first)
    assert repr(first).startswith("Morph: ")


def test_the_digits_that_notebook_16_reads_back():
    model = pretrained.load("conditional")
    shares = np.array([0.0, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.8, 1.0])
    one_hot = np.eye(10)[[4, 9]]
    copy = with_labels(model, np.stack([1 - shares, shares], axis=1) @ one_hot)
    # the eight digits of seed 0 for each share, all in one call
    rngs = (np.random.SeedSequence(0, spawn_key=(i,)) for i in range(8))
    uniforms = [np.random.default_rng(rng).random((28, 28, 1), "f4") for rng in rngs]
    labels, uniforms = np.repeat(np.arange(9), 8), np.tile(uniforms, (9, 1, 1, 1))
    drawn = generation.generate(copy, 72, uniforms=uniforms, labels=labels)
    read_as_nine, reading = {}, {}
    for share, p in zip(
        shares, np.split(posterior(model, drawn, 4, 9), 9), strict=True
    ):
        read_as_nine[share], reading[share] = (p >= 0.5).sum(), readings(p, 4, 9)
    assert read_as_nine[0.0] == 0
    assert read_as_nine[0.6] == read_as_nine[0.8] == read_as_nine[1.0] == 8
    assert (reading[0.3][6], reading[0.35][6]) == ("4: 100%", "9: 100%")
    assert (reading[0.4][3], reading[0.5][3]) == ("4: 92%", "9: 58%")
    nines = [text for text in reading[0.5] if text.startswith("9")]
    assert sorted(nines) == ["9: 100%"] * 4 + ["9: 58%", "9: 91%", "9: 91%"]
    assert [reading[share][7][0] for share in (0.4, 0.45, 0.5)] == ["9", "4", "9"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"first": 4, "second": 0}, "Expected first .* 0 to 3. Received: 4"),
        ({"first": 0, "second": -1}, "Expected second .* Received: -1"),
        ({"first": 0, "second": True}, "Expected second .* Received: bool"),
        ({"first": 0, "second": 1, "share": 1.5}, "Expected share .* Received: 1.5"),
        ({"first": 0, "second": 1, "share": True}, "Expected share .* Received: True"),
        ({"first": 0, "second": 1, "share": "1"}, "Expected share .* Received: '1'"),
        ({"first": 0, "second": 1, "seed": -1}, "Expected seed .* Received: -1"),
    ],
)
def test_a_wrong_argument_is_refused(model, arguments, words):
    with pytest.raises(ValueError, match=words):
        Morph(model, **arguments)


def test_a_model_that_takes_no_labels_is_refused():
    plain = models.gated_pixelcnn((5, 6, 1), filters=4, depth=1)
    with pytest.raises(ValueError, match="Expected model to take images and labels"):
        Morph(plain)
    with pytest.raises(ValueError, match="Expected model to take images"):
        Morph("conditional")

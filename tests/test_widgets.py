"""The explorers in Python: their numbers another way, still pictures, refusals.

What they do in a page: see browser.
"""

from pixelcnn_edu import (
    evaluation,
    export,
    generation,
    models,
    plots,
    pretrained,
    widgets,
)
from pixelcnn_edu.labels import with_labels
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets import drawing
from pixelcnn_edu.widgets._base import bits, first_of_seed
from pixelcnn_edu.widgets.reading import LATER, steps, uncertain_pixels

import ipywidgets
import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import stills
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

SHAPE = 5, 6, 1
SIZE = 30  # pixels
EVERYWHERE = [(row, col) for row in range(5) for col in range(6)]


def with_random_weights(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def model():
    return with_random_weights(models.pixelcnn(SHAPE, filters=8, depth=1))


@pytest.fixture(scope="module")
def conditional():
    return with_random_weights(
        models.gated_pixelcnn(SHAPE, filters=4, depth=1, num_classes=4)
    )


@pytest.fixture(scope="module")
def digits(model):
    return generation.generate(model, 3, seed=11)


@pytest.fixture(scope="module")
def coffee():
    return pretrained.load("coffee")


@pytest.fixture(scope="module")
def all_explorers(model, conditional, digits):
    return [
        widgets.BeatTheNetwork(model, digits),
        widgets.BitReader(model, digits),
        widgets.FinishMyDigit(model, digits, seed=5),
        widgets.Fork(model, seed=3),
        widgets.GenerationStepper(model, seed=3),
        widgets.Morph(conditional, first=1, second=2, share=0.3, seed=2),
        widgets.TemperatureAndSeed(model, temperature=0.6, seed=2),
        widgets.TouchableDigit(model, seed=3),
    ]


def drawn_by(explorer):
    """Return the figure of the still picture."""
    figure = Figure(figsize=explorer.size)
    explorer.draw(figure)
    return figure


def shown_on(ax):
    return np.asarray(ax.images[0].get_array())


# ------------------------------------------------------------------- what all of them do


def test_every_explorer_is_tried_here(all_explorers):
    assert [type(one).__name__ for one in all_explorers] == widgets.__all__


def test_a_page_without_widgets_gets_the_still_picture_and_a_text(all_explorers):
    for explorer in all_explorers:
        data, _ = explorer._repr_mimebundle_()
        width, height = explorer.size
        assert stills.pixels(data).shape[:2] == (
            round(100 * height),
            round(100 * width),
        )
        assert data["text/plain"] == repr(explorer)
        assert repr(explorer) == f"{type(explorer).__name__}: {explorer.about}"
        assert "application/vnd.jupyter.widget-view+json" in data
        assert explorer.still() == explorer.still()
    assert plt.get_fignums() == []  # no figure of pyplot is left open


def test_ipywidgets_7_gets_the_still_picture_too(all_explorers, monkeypatch):
    shown = []
    name = "_ipython_display_"
    monkeypatch.setattr(ipywidgets.Widget, name, shown.append, raising=False)
    data, _ = DisplayFormatter().format(all_explorers[0])
    assert "text/html" in data and not shown


def test_the_page_gets_the_network_the_settings_and_the_images(all_explorers, digits):
    for explorer in all_explorers:
        state = explorer.get_state()
        graph, weights = export.network(explorer.model)
        assert state["graph"] == graph
        assert np.array_equal(np.frombuffer(state["weights"], "float32"), weights)
        reads = isinstance(explorer, widgets.FinishMyDigit | widgets.BitReader)
        if reads or isinstance(explorer, widgets.BeatTheNetwork):
            assert np.array_equal(
                np.frombuffer(explorer.images, "uint8"), digits.ravel()
            )
        else:
            assert explorer.images == b""
    settings = {type(one).__name__: one.settings for one in all_explorers}
    assert settings == {
        "BeatTheNetwork": {"questions": 20, "among": 160},
        "BitReader": {},
        "FinishMyDigit": {"given": "0.2", "particles": 1, "future": 5},
        "Fork": {"seed": 3, "flip": ""},
        "GenerationStepper": {"step": "", "stepped": 3},
        "Morph": {"from": 1, "to": 2, "share": 0.3, "morph": 2},
        "TemperatureAndSeed": {"temperature": 0.6, "sixteen": 2, "label": 0},
        "TouchableDigit": {"touch": 3, "touched": ""},
    }


@pytest.mark.parametrize("name", widgets.__all__)
def test_another_model_is_refused(name, digits):
    two = models.pixelcnn(SHAPE, filters=2, depth=1, likelihood=Categorical(2))
    given = [digits] * (name in ("BeatTheNetwork", "BitReader", "FinishMyDigit"))
    wrong = ["coffee"] if name == "TemperatureAndSeed" else ["coffee", two]
    for model in wrong:
        with pytest.raises(ValueError, match="Expected model .* Received: "):
            getattr(widgets, name)(model, *given)


@pytest.mark.parametrize("name", ["BeatTheNetwork", "BitReader", "FinishMyDigit"])
def test_other_images_are_refused(name, model, digits):
    for wrong in (digits[..., 0], digits[:, :3], digits * 0.5, digits[:0]):
        with pytest.raises(ValueError, match="Expected .* Received: "):
            getattr(widgets, name)(model, wrong)


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, "1", 2**32])
def test_another_seed_is_refused(model, seed):
    for kind in (widgets.Fork, widgets.GenerationStepper, widgets.TouchableDigit):
        with pytest.raises(ValueError, match="Expected seed .* Received: "):
            kind(model, seed=seed)


@pytest.mark.parametrize(
    "temperature", [-0.1, 2.1, True, "1", None, float("nan"), 0.33]
)
def test_another_temperature_is_refused(model, temperature):
    with pytest.raises(ValueError, match="Expected temperature .* Received: "):
        widgets.TemperatureAndSeed(model, temperature=temperature)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"first": 4, "second": 0}, "Expected first .* Received: 4"),
        ({"first": 0, "second": -1}, "Expected second .* Received: -1"),
        ({"first": 0, "second": 1, "share": 1.5}, "Expected share .* Received: 1.5"),
        ({"first": 0, "second": 1, "share": "1"}, "Expected share .* Received: '1'"),
    ],
)
def test_other_arguments_of_the_morph_are_refused(conditional, arguments, words):
    with pytest.raises(ValueError, match=words):
        widgets.Morph(conditional, **arguments)


# --------------------------------------------------------- in reading order: reading.py


def p_with_only_the_past(network, image):
    """Return p(ink) of each pixel, all later pixels being blank."""
    pages = [np.where(np.arange(SIZE) < at, image.ravel(), 0) for at in range(SIZE)]
    logits = np.asarray(network(np.reshape(pages, (SIZE, *SHAPE))), "float64")
    return 1 / (1 + np.exp(-np.diag(logits.reshape(SIZE, SIZE))))


def ahead_of(model):
    """The planted bug: the image's last pixel is an input of every probability."""
    page = keras.Input(SHAPE)
    last = keras.layers.Lambda(lambda x: x[:, -1:, -1:])(page)
    return models.ImageModel(page, model(page) + last, likelihood=Bernoulli())


def test_each_pixel_costs_what_the_network_says_with_only_the_past_seen(model, digits):
    image = digits[0].copy()
    image[-1, -1] = 1
    leaky = ahead_of(model)
    for network, tolerance in ((model, 1e-4), (leaky, None)):
        p = p_with_only_the_past(network, image)
        by_hand = -np.log2(np.where(image.ravel() == 1, p, 1 - p))
        error = abs(by_hand - bits(network, image[None], image[None]).ravel()).max()
        assert error < tolerance if tolerance else error > 0.01
    nats = evaluation.nats_per_image(model, digits)
    of_images = bits(model, digits, digits).sum(axis=(1, 2))
    assert np.allclose(of_images * np.log(2), nats, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 57])
def test_the_image_is_that_of_generate_and_u_decides(model, seed):
    image, p, u = steps(model, seed)
    drawn = generation.generate(model, 1, seed=seed, method="naive")
    assert np.array_equal(drawn.ravel(), image)
    assert np.array_equal(image == 1, u < p)
    assert abs(p_with_only_the_past(model, image) - p).max() < 1e-5


def test_the_first_ink_that_notebook_09_reads_back(coffee):
    image, p, _ = steps(coffee, 2)
    first = int(image.argmax())
    assert divmod(first, 28) == (3, 18)
    assert p[first : first + 2] == pytest.approx([0.01, 0.74], abs=0.005)


def test_the_stepper_shows_the_image_up_to_its_most_doubtful_pixel(model):
    image, p, u = steps(model, 3)
    at = int(abs(p - 0.5).argmin())
    left, right = drawn_by(widgets.GenerationStepper(model, seed=3)).axes
    page = shown_on(left).ravel()
    assert np.array_equal(page[:at], image[:at]) and set(page[at:]) == {0.25}
    assert left.get_title() == "next: row {}, column {}".format(*divmod(at, 6))
    value = "< p = {:.2f}: ink" if image[at] else "≥ p = {:.2f}: paper"
    assert right.get_title() == f"u = {u[at]:.2f} {value.format(p[at])}"


def test_the_bit_reader_shows_the_first_image_up_to_its_dearest_pixel(model, digits):
    cost = bits(model, digits[:1], digits[:1])[0]
    at = int(cost.argmax())
    page, costs, paid = drawn_by(widgets.BitReader(model, digits)).axes
    seen = shown_on(page).ravel()
    assert np.array_equal(seen[:at], digits[0].ravel()[:at])
    assert set(seen[at:]) == {0.25}
    assert np.array_equal(shown_on(costs), cost)
    before = cost.ravel()[:at].sum()
    assert paid.get_title() == f"{before:.1f} of {cost.sum():.1f} bits"


def test_questions_are_taken_at_equal_steps_from_the_uncertain_pixels(model, digits):
    for digit in digits:
        p = 2 ** -bits(model, digit[None], 1)[0]
        entropy = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
        ranked = np.argsort(-entropy.ravel(), kind="stable")
        expected = sorted(ranked[[0, 4, 8, 12, 16]])
        assert list(uncertain_pixels(p, 5, 20)) == expected
        assert len(uncertain_pixels(p, 99, 160)) == SIZE


def test_the_game_asks_the_first_question_and_hides_what_follows(model, digits):
    figure = drawn_by(widgets.BeatTheNetwork(model, digits))
    (ax,) = figure.axes
    place = uncertain_pixels(2 ** -bits(model, digits[:1], 1)[0], 20, 160)[0]
    page = shown_on(ax).ravel()
    assert np.array_equal(page[:place], digits[0].ravel()[:place])
    assert (page[place:] == np.float32(LATER)).all()
    (square,) = ax.patches
    assert tuple(np.add(square.get_xy(), 0.5)) == (place % 6, place // 6)
    assert figure.texts[0].get_text() == "Question 1 of 20: is the framed pixel ink?"


# ------------------------------------------------------------- drawn anew: drawing.py


def slow_forks(model, image, uniforms, pixels):
    """The forks of some pixels: one number changed by hand, and the slowest method."""
    changed = np.repeat(uniforms[None], len(pixels), axis=0)
    for fork, pixel in enumerate(pixels):
        changed[fork][pixel] = 0 if image[pixel] == 0 else 1 - 1e-7
    return generation.generate(model, len(pixels), uniforms=changed, method="naive")


def test_a_fork_keeps_what_is_before_flips_the_pixel_and_draws_the_rest(model):
    image, uniforms = first_of_seed(model, 3)
    assert np.array_equal(image, generation.generate(model, 1, seed=3)[0])
    forks = drawing.draw_forks(model, image, uniforms, EVERYWHERE)
    assert np.array_equal(forks, slow_forks(model, image, uniforms, EVERYWHERE))
    for place, fork in enumerate(forks):
        old, new = image.ravel(), fork.ravel()
        assert np.array_equal(new[:place], old[:place])
        assert new[place] == 1 - old[place]
    later = (forks != image).sum(axis=(1, 2, 3)) - 1
    assert later.max() > 2 and later[-1] == 0


def test_forks_with_other_numbers_or_of_a_neighbor_are_told_apart(model):
    image, uniforms = first_of_seed(model, 3)
    slow = slow_forks(model, image, uniforms, EVERYWHERE[:20])
    neighbors = drawing.draw_forks(model, image, uniforms, EVERYWHERE[1:21])
    fresh = np.random.default_rng(2).random(uniforms.shape, dtype="float32")
    fresh[:1] = uniforms[:1]
    others = drawing.draw_forks(model, image, fresh, EVERYWHERE[:6])
    assert (neighbors != slow).any(axis=(1, 2, 3)).all()
    assert (others != slow[:6]).any(axis=(1, 2, 3)).all()


def test_the_price_is_that_of_the_flipped_pixel_after_the_same_past(model):
    image, _ = first_of_seed(model, 3)
    price = bits(model, image[None], 1 - image[None])[0]
    for row, col in EVERYWHERE[::7]:
        flipped = image.copy()
        flipped[row, col] = 1 - flipped[row, col]
        log_p = model.likelihood.log_prob_of_pixels(model(flipped[None]), flipped[None])
        by_hand = -float(log_p[0, row, col]) / np.log(2)
        assert price[row, col] == pytest.approx(by_hand, rel=1e-4)


def test_flips_one_after_another_are_forks_of_forks(model):
    image, uniforms = first_of_seed(model, 3)
    for pixel in ((1, 2), (4, 5)):
        (fork,) = slow_forks(model, image, uniforms, [pixel])
        uniforms[pixel] = 0 if image[pixel] == 0 else 1 - 1e-7
        image = fork
    assert np.array_equal(drawing.draw_flipped(model, 3, [(1, 2), (4, 5)]), image)


def test_red_and_blue_mark_the_changed_pixels_and_no_others(model):
    old, uniforms = first_of_seed(model, 3)
    (new,) = drawing.draw_forks(model, old, uniforms, [(1, 4)])
    page = drawing.difference(old, new)
    for color, before, after in (
        (drawing.GAINED, 0, 1),
        (drawing.LOST, 1, 0),
        (drawing.UNCHANGED, 1, 1),
        ("white", 0, 0),
    ):
        expected = ((old == before) & (new == after))[..., 0]
        assert np.array_equal((page == to_rgb(color)).all(axis=-1), expected)


def test_the_finished_digits_have_given_ink_in_blue_and_drawn_ink_in_black(
    model, digits
):
    page = shown_on(drawn_by(widgets.FinishMyDigit(model, digits, seed=5)).axes[0])
    known = np.arange(5)[:, None].repeat(6, axis=1) < 2
    (futures,) = generation.complete(
        model, digits[:1], known, count=16, seed=5, method="naive"
    )
    blue = np.isclose(page, to_rgb(plots.SEEN)).all(axis=-1).sum()
    assert blue == futures[:, known].sum() == 16 * digits[0, known].sum() > 0
    assert (page == 0).all(axis=-1).sum() == futures[:, ~known].sum() > 0


def test_a_model_of_one_row_cannot_be_finished():
    row = models.pixelcnn((1, 5, 1), filters=2, depth=1)
    with pytest.raises(ValueError, match="at least 2 rows.* Received: "):
        widgets.FinishMyDigit(row, np.zeros((1, 1, 5, 1)))


@pytest.mark.parametrize("temperature", [0, 1])
def test_the_images_are_those_of_generate_and_the_nats_at_temperature_one(
    model, temperature
):
    images, nats = drawing.drawn(model, temperature, 4)
    by_hand = generation.generate(
        model, 16, seed=4, temperature=temperature, method="naive"
    )
    assert np.array_equal(images, by_hand)
    assert nats == pytest.approx(evaluation.nats_per_image(model, by_hand))
    explorer = widgets.TemperatureAndSeed(model, temperature=temperature, seed=4)
    assert stills.sentence(explorer) == (
        f"T = {temperature:.2f}: {100 * images.mean():.1f} % ink. "
        + "Every pixel takes its most probable value.\n" * (temperature == 0)
        + f"Measured at temperature 1, they cost {nats.mean():.0f} nats on average."
    )


def test_colors_have_no_ink():
    colored = models.pixelcnn((4, 5, 3), filters=6, depth=1, likelihood=Categorical(2))
    assert "ink" not in stills.sentence(widgets.TemperatureAndSeed(colored))


def test_the_empty_pages_that_notebook_09_reads_back(coffee):
    for temperature, empty in ((0.5, 1), (0.2, 16)):
        images, nats = drawing.drawn(coffee, temperature, 0)
        assert (images.sum(axis=(1, 2, 3)) == 0).sum() == empty
    assert nats.mean() == pytest.approx(24, abs=0.5)


# ------------------------------------------------------------------- mixtures of labels


@pytest.mark.parametrize("share", [0, 0.25])
def test_the_morph_shows_the_digits_of_the_mixture_and_their_readings(
    conditional, share
):
    explorer = widgets.Morph(conditional, first=1, second=2, share=share, seed=4)
    copy = with_labels(conditional, [[0, 1 - share, share, 0]])
    drawn = generation.generate(copy, 8, seed=4, labels=0, method="naive")
    figure = drawn_by(explorer)
    (ax,) = figure.axes
    grid = plots.image_grid(drawn)
    assert np.array_equal(shown_on(ax), shown_on(grid))
    plt.close(grid.figure)
    p = drawing.posterior(conditional, drawn, 1, 2)
    assert [text.get_text() for text in ax.texts] == drawing.readings(p, 1, 2)
    told = f"told {1 - share:.2f} of 1 and {share:.2f} of 2"
    assert figure.texts[0].get_text() == told


def test_the_readings_follow_bayes_rule(conditional, digits):
    p = [
        np.exp(-evaluation.nats_per_image(conditional, digits, labels=label))
        for label in (1, 2)
    ]
    by_hand = p[1] / (p[0] + p[1])
    found = drawing.posterior(conditional, digits, 1, 2)
    assert found == pytest.approx(by_hand, abs=1e-6)
    assert abs(by_hand - 0.5).max() > 0.1  # so turned odds would be told apart
    assert drawing.readings(np.array([0.2, 0.9]), 1, 2) == ["1: 80%", "2: 90%"]


def test_the_digits_that_notebook_16_reads_back():
    model = pretrained.load("conditional")
    mixture = 0.5 * np.eye(10)[[4]] + 0.5 * np.eye(10)[[9]]
    drawn = generation.generate(with_labels(model, mixture), 8, seed=0, labels=0)
    reading = drawing.readings(drawing.posterior(model, drawn, 4, 9), 4, 9)
    assert (reading[3], reading[7][0]) == ("9: 58%", "9")
    nines = [text for text in reading if text.startswith("9")]
    assert sorted(nines) == ["9: 100%"] * 4 + ["9: 58%", "9: 91%", "9: 91%"]


@pytest.mark.parametrize("label_map", [0, 2])
def test_pure_mixtures_are_the_old_labels_in_another_order(label_map, digits):
    model = with_random_weights(
        models.gated_pixelcnn(
            SHAPE, filters=4, depth=1, num_classes=4, label_map=label_map, position=True
        )
    )
    copy = with_labels(model, np.eye(4)[[3, 1]])
    assert copy.num_classes == 2
    for new, old in enumerate((3, 1)):
        ours = evaluation.nats_per_image(copy, digits, labels=new)
        theirs = evaluation.nats_per_image(model, digits, labels=old)
        assert np.array_equal(ours, theirs)


def test_no_label_is_the_unconditional_network_of_the_same_weights(conditional, digits):
    copy = with_labels(conditional, np.zeros((1, 4)))
    plain = models.gated_pixelcnn(SHAPE, filters=4, depth=1)
    own = [one for one in copy.layers if not isinstance(one, keras.layers.Embedding)]
    plain.set_weights([weight for one in own for weight in one.get_weights()])
    zeros = np.zeros(len(digits), "int32")
    expected = logits_function(plain)(digits)
    assert np.allclose(logits_function(copy)(digits, zeros), expected, atol=1e-5)
    told = logits_function(conditional)(digits, zeros)
    assert (
        abs(told - expected).max() > 0.02
    )  # the planted bug: a label that was left in


def test_a_copy_and_its_model_do_not_change_each_other(conditional, digits):
    before = evaluation.nats_per_image(conditional, digits, labels=0)
    copy = with_labels(conditional, np.eye(4)[:1])
    copy.set_weights([0 * w for w in copy.get_weights()])
    after = evaluation.nats_per_image(conditional, digits, labels=0)
    assert np.array_equal(before, after)


@pytest.mark.parametrize("mixtures", [np.eye(3), np.ones(4), np.ones((0, 4))])
def test_mixtures_of_another_shape_are_refused(conditional, mixtures):
    with pytest.raises(ValueError, match="Expected mixtures .* Received: "):
        with_labels(conditional, mixtures)


def test_a_model_without_labels_has_no_mixtures(model):
    with pytest.raises(ValueError, match="Expected model .* Received: "):
        with_labels(model, np.eye(4))

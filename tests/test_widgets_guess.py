"""The guessing game: the stakes, the questions and the bill, computed another way."""

from pixelcnn_edu import data, models, pretrained, widgets
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.widgets.guess import LATER

import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return models.pixelcnn((5, 6, 1), filters=8, depth=1)


@pytest.fixture(scope="module")
def digits():
    return (np.random.default_rng(0).random((3, 5, 6, 1)) < 0.5).astype("float32")


@pytest.fixture
def game(small, digits):
    return widgets.BeatTheNetwork(small, digits, questions=4, among=10)


def p_ink(model, digit):
    """p(ink) of every pixel, from the model alone."""
    logits = model.predict_on_batch(digit[None]).astype("float64")[0, ..., 0]
    return 1 / (1 + np.exp(-logits))


def entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def bill_is_right(game, model, digit, guesses):
    """Play to the end; whether the three totals are what the probabilities cost."""
    expected, p = np.zeros(3), p_ink(model, digit)
    for said in guesses:
        row, col = np.unravel_index(game.place, digit.shape[:2])
        game.guess.value = said
        game.reveal.click()
        of_ink = np.array([said / 100, p[row, col], 0.5])
        expected -= np.log2(of_ink if digit[row, col, 0] == 1 else 1 - of_ink)
    return np.allclose(list(game.paid.values()), expected, atol=1e-5)


def test_the_bill_is_minus_log2_of_what_each_gave_to_what_it_was(game, small, digits):
    assert list(game.paid) == ["you", "network", "coin"]
    assert bill_is_right(game, small, digits[0], (99, 1, 30, 50))
    assert game.paid["coin"] == 4
    assert game.place is None and game.reveal.disabled


def test_a_game_that_pays_for_the_wrong_side_is_caught(small, digits):
    class Wrong(widgets.BeatTheNetwork):
        def is_ink(self, place):
            return not super().is_ink(place)

    game = Wrong(small, digits, questions=4, among=10)
    assert not bill_is_right(game, small, digits[0], (99, 1, 30, 50))


def test_the_twenty_most_uncertain_pixels_are_asked_in_reading_order():
    model = pretrained.load("coffee")
    digit = data.binarize(data.load_mnist()[1][0][3:4], seed=0)
    game = widgets.BeatTheNetwork(model, digit[0], among=20)
    doubt = entropy(p_ink(model, digit[0])).ravel()
    asked = game.places[0]
    assert len(set(asked)) == 20 and list(asked) == sorted(asked)
    others = np.delete(doubt, asked)
    assert doubt[asked].min() >= others.max() - 1e-6


def test_the_bill_that_notebook_01_reads_back():
    digit = data.binarize(data.load_mnist()[1][0][:1], seed=0)
    game = widgets.BeatTheNetwork(pretrained.load("coffee"), digit)
    while game.place is not None:
        game.reveal.click()
    assert game.paid["network"] == pytest.approx(17.46, abs=0.05)
    assert game.paid["coin"] == 20


def test_questions_are_taken_at_equal_steps_from_the_uncertain_pixels(small, digits):
    game = widgets.BeatTheNetwork(small, digits, questions=5, among=20)
    for digit, places in zip(digits, game.places, strict=True):
        ranked = np.argsort(-entropy(p_ink(small, digit)).ravel(), kind="stable")
        assert list(places) == sorted(ranked[[0, 4, 8, 12, 16]])


def test_a_small_page_has_as_many_questions_as_pixels(small, digits):
    assert len(widgets.BeatTheNetwork(small, digits, questions=99).places[0]) == 30


def test_the_network_answers_with_what_it_says_when_later_pixels_are_hidden(
    game, small, digits
):
    for place in game.places[0]:
        page = digits[0].ravel().copy()
        page[place:] = 0
        alone = p_ink(small, page.reshape(5, 6, 1)).ravel()[place]
        assert abs(game.p_ink[0].flat[place] - alone) < 1e-6


def test_only_pixels_before_the_asked_one_are_shown(game, digits):
    for _ in range(4):
        before = np.arange(30) < game.place
        shown, digit = game.shown.ravel(), digits[0].ravel()
        assert np.array_equal(shown[before], digit[before])
        assert np.all(shown[~before] == np.float32(LATER))
        game.reveal.click()
    assert np.array_equal(game.shown, digits[0, ..., 0])


def test_what_is_hidden_does_not_change_the_picture(small, digits):
    game = widgets.BeatTheNetwork(small, digits, questions=4, among=10)
    picture = game.picture.value
    game.digits = game.digits.copy()
    game.digits[0].flat[game.place :] = 1 - game.digits[0].flat[game.place :]
    game.refresh()
    assert game.picture.value == picture


def test_the_stakes_say_what_each_outcome_costs(game):
    assert game.stakes.value == "you pay 1.0 bits if it is ink, 1.0 if paper"
    game.guess.value = 99
    assert game.stakes.value == "you pay 0.0 bits if it is ink, 6.6 if paper"


def test_a_wrong_99_percent_costs_6_6_bits_and_the_picture_says_so(game):
    sure_and_wrong = 1 if game.is_ink(game.place) else 99
    wrong, was = ("paper", "ink") if sure_and_wrong == 1 else ("ink", "paper")
    game.guess.value = sure_and_wrong
    game.reveal.click()
    first, bill, warning = game.message
    assert first.startswith(f"The blue pixel was {was};")
    network = game.paid["network"]
    assert bill == f"you 6.6 bits, network {network:.1f} bits, coin 1 bit"
    assert warning == f"99 % on {wrong}, wrong: −log₂ 0.01 = 6.6 bits"
    game.guess.value = 50
    game.reveal.click()
    assert len(game.message) == 2


def test_start_again_clears_the_bill_and_asks_the_same_question(game):
    first, picture = game.place, game.picture.value
    game.guess.value = 80
    game.reveal.click()
    assert game.picture.value != picture and game.place > first
    game.again.click()
    assert (game.place, game.guess.value, set(game.paid.values())) == (first, 50, {0})
    assert game.picture.value == picture


def test_next_digit_goes_round_all_of_them(game, small, digits):
    assert game.other in game.children[1].children
    for number in (1, 2, 0):
        game.other.click()
        assert game.number == number and game.asked == 0
        assert bill_is_right(game, small, digits[number], (20, 20, 20, 90))
    one = widgets.BeatTheNetwork(small, digits[0])
    assert one.other not in one.children[1].children


def test_after_the_end_nothing_more_is_charged(game):
    for _ in range(9):
        game.reveal.click()
    assert game.asked == 4 and game.paid["coin"] == 4
    game.again.click()
    assert not game.reveal.disabled and not game.guess.disabled


def test_the_repr_is_always_the_same(small, digits):
    reprs = {repr(widgets.BeatTheNetwork(small, one)) for one in digits}
    assert len(reprs) == 1 and "0x" not in reprs.pop()


def test_wrong_arguments_are_refused(small, digits):
    with pytest.raises(ValueError, match="model"):
        widgets.BeatTheNetwork("coffee", digits)
    many = models.pixelcnn((5, 6, 1), filters=4, depth=1, likelihood=Categorical(4))
    with pytest.raises(ValueError, match="model"):
        widgets.BeatTheNetwork(many, digits)
    two = models.pixelcnn((5, 6, 1), filters=4, depth=1, likelihood=Categorical(2))
    with pytest.raises(ValueError, match=r"likelihood=Bernoulli\(\).*Categorical"):
        widgets.BeatTheNetwork(two, digits)
    for wrong in (digits[0, ..., 0], digits / 2, digits[:, :4]):
        with pytest.raises(ValueError, match="digits"):
            widgets.BeatTheNetwork(small, wrong)
    with pytest.raises(ValueError, match="questions"):
        widgets.BeatTheNetwork(small, digits, questions=0)
    with pytest.raises(ValueError, match=r"among.*19"):
        widgets.BeatTheNetwork(small, digits, among=19)

"""A game: give the next pixel a probability, and pay in bits. Notebook 01."""

from pixelcnn_edu import plots
from pixelcnn_edu._checks import check_images, check_positive_int
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape

import ipywidgets
import numpy as np
from matplotlib.patches import Rectangle

LATER = 0.3  # the gray of pixels not read yet; paper is 0, ink is 1
PLAYERS = {"you": plots.SEEN, "network": "#E69F00", "coin": "#777777"}


def bits(probability):
    """Return the cost of a value that has this probability: −log₂ of it.

    Example:
        >>> [round(float(bits(p)), 1) for p in (0.99, 0.5, 0.01)]
        [0.0, 1.0, 6.6]
    """
    return -np.log2(probability)


class BeatTheNetwork(Explorer):
    """You and a network bet on the same pixels of a real digit, in reading order.

    You see all pixels before the next one. You choose p(ink), press *reveal*, and pay
    −log₂ of the probability that you gave to the true value. The network pays by the
    same rule, and so does a coin, which always says one half.

    The game asks for pixels of which the network is unsure. It sorts the pixels by the
    entropy of p(ink | earlier pixels), takes the ``among`` most uncertain ones, and
    asks for ``questions`` of them at equal steps. With ``among=questions`` it asks for
    the most uncertain pixels only, and nobody can beat the coin there: over 200 test
    digits the network *coffee* then pays 19.7 bits for 20 questions. With the default
    it pays 13.6.

    Args:
        model: a `Bernoulli` model for images (H, W, 1), for example from `pretrained.load`.
        digits: (N, H, W, 1), or one digit (H, W, 1), of zeros and ones.
        questions: pixels asked for each digit.
        among: the questions come from this many most uncertain pixels.

    Raises:
        ValueError: if an argument is out of its range.
    """

    size = (9, 4.4)

    def __init__(self, model, digits, *, questions=20, among=160):
        shape = (*bernoulli_image_shape(model), 1)
        digits = np.asarray(digits)
        digits = digits[None] if digits.ndim == 3 else digits
        digits = check_images(digits, name="digits", levels=2, image_shape=shape)
        questions = check_positive_int("questions", questions)
        among = check_positive_int("among", among)
        if among < questions:
            raise ValueError(
                f"Expected among to be at least questions={questions}. Received: {among}"
            )
        super().__init__()
        self.digits = digits[..., 0]
        # one pass is enough, because each p(ink) depends on earlier pixels only
        self.logits = logits_function(model)(digits)[..., 0].astype("float64")
        self.p_ink = 1 / (1 + np.exp(-self.logits))
        self.places = [_uncertain(p, questions, among) for p in self.p_ink]

        self.guess = ipywidgets.IntSlider(50, 1, 99, description="p(ink) in %")
        self.guess.style.description_width = "initial"
        self.guess.layout.width = "420px"
        self.stakes = ipywidgets.Label()
        self.reveal = ipywidgets.Button(description="reveal", button_style="primary")
        self.again = ipywidgets.Button(description="start again")
        self.other = ipywidgets.Button(description="next digit")
        self.guess.observe(self._show_stakes, "value")
        self.reveal.on_click(self._reveal)
        self.again.on_click(lambda _: self._begin(self.number))
        self.other.on_click(lambda _: self._begin((self.number + 1) % len(self.digits)))
        buttons = [self.reveal, self.again, self.other][: 2 + (len(digits) > 1)]
        self._restart(0)
        self.start(
            ipywidgets.HBox([self.guess, self.stakes]),
            ipywidgets.HBox(buttons),
            about="you, a network and a coin bet on the next pixel.",
        )

    def _restart(self, number):
        self.number = number
        self.asked = 0  # how many questions have been answered
        self.paid = dict.fromkeys(PLAYERS, 0.0)  # bits, all answers together
        self.last = None  # bits of the last answer, by player
        self.said = None  # p(ink) of the last answer
        self._next()

    def _begin(self, number):
        self._restart(number)
        self.refresh()

    def _next(self):
        over = self.asked == len(self.places[self.number])
        self.reveal.disabled = self.guess.disabled = over
        self.guess.value = 50
        self._show_stakes()

    def _show_stakes(self, _change=None):
        p = self.guess.value / 100
        text = f"you pay {bits(p):.1f} bits if it is ink, {bits(1 - p):.1f} if paper"
        self.stakes.value = "" if self.guess.disabled else text

    def _reveal(self, _button):
        if self.reveal.disabled:
            return
        ink, logit = self.is_ink(self.place), self.logits[self.number].flat[self.place]
        self.said = self.guess.value / 100
        self.last = {
            "you": float(bits(self.said if ink else 1 - self.said)),
            # from the logit, because p itself may round to 0
            "network": float(np.logaddexp(0, -logit if ink else logit) / np.log(2)),
            "coin": 1.0,
        }
        self.paid = {name: self.paid[name] + self.last[name] for name in PLAYERS}
        self.asked += 1
        self._next()
        self.refresh()

    def is_ink(self, place):
        """Whether the current digit has ink at this place in reading order."""
        return bool(self.digits[self.number].flat[place] == 1)

    @property
    def place(self):
        """The next pixel, as its place in reading order; None at the end."""
        places = self.places[self.number]
        return int(places[self.asked]) if self.asked < len(places) else None

    @property
    def shown(self):
        """(H, W): the digit up to the next pixel; later pixels are gray."""
        digit = self.digits[self.number]
        before = np.arange(digit.size).reshape(digit.shape) < (
            digit.size if self.place is None else self.place
        )
        return np.where(before, digit, LATER)

    @property
    def message(self):
        """The cost of the last answer, as lines of text."""
        if self.last is None:
            return ["Say how probable ink is, then reveal."]
        ink = self.is_ink(self.places[self.number][self.asked - 1])
        was, network = ("ink" if ink else "paper"), self._network_said()
        lines = [
            f"The blue pixel was {was}; the network said {network} ink.",
            f"you {self.last['you']:.1f} bits, network {self.last['network']:.1f} bits, "
            "coin 1 bit",
        ]
        gave = self.said if ink else 1 - self.said  # to what it was
        if gave < 0.1:
            wrong = "paper" if ink else "ink"
            lines.append(
                f"{100 * (1 - gave):.0f} % on {wrong}, wrong: "
                f"−log₂ {gave:.2f} = {bits(gave):.1f} bits"
            )
        return lines

    def _network_said(self):
        p = self.p_ink[self.number].flat[self.places[self.number][self.asked - 1]]
        return f"{100 * p:.0f} %"

    def draw(self, figure):
        ax = figure.add_axes((0.01, 0.02, 0.45, 0.86))
        ax.imshow(self.shown, vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
        places, width = self.places[self.number], self.shown.shape[1]
        if self.asked:
            _frame(ax, places[self.asked - 1], width, plots.SEEN)
        if self.place is not None:
            _frame(ax, self.place, width, plots.TARGET)
        title = f"Question {self.asked + 1} of {len(places)}: is the red pixel ink?"
        if self.place is None:
            title = f"All {len(places)} answered: {self._verdict()}"
        figure.text(0.02, 0.92, title, size=15, weight="bold")

        *lines, last = [*self.message, "", ""][:3]
        figure.text(0.5, 0.8, lines[0], size=11.5)
        figure.text(0.5, 0.725, lines[1], size=13)
        figure.text(0.5, 0.65, last, size=12, weight="bold", color=plots.TARGET)
        self._draw_bars(figure.add_axes((0.61, 0.15, 0.36, 0.43)), len(places))

    def _verdict(self):
        you, network = self.paid["you"], self.paid["network"]
        if you == network:
            return "a draw"
        return "you beat the network" if you < network else "the network paid less"

    def _draw_bars(self, ax, count):
        longest = max(count, *self.paid.values())
        ax.barh(list(PLAYERS), self.paid.values(), color=PLAYERS.values(), height=0.7)
        for at, paid in enumerate(self.paid.values()):
            ax.text(paid + longest * 0.02, at, f"{paid:.1f}", va="center")
        ax.set(xlim=(0, longest * 1.15), xlabel="bits paid so far (fewer is better)")
        ax.invert_yaxis()
        ax.tick_params(axis="y", length=0)


def _uncertain(p_ink, questions, among):
    """Return the places of the pixels to ask for, in reading order."""
    # the entropy falls with the distance from one half
    by_entropy = np.argsort(np.abs(p_ink.ravel() - 0.5), kind="stable")[:among]
    steps = np.arange(min(questions, len(by_entropy))) * len(by_entropy)
    return np.sort(by_entropy[steps // min(questions, len(by_entropy))])


def _frame(ax, place, width, color):
    row, col = divmod(int(place), width)
    square = Rectangle((col - 0.5, row - 0.5), 1, 1, fill=False)
    ax.add_patch(square)
    square.set(edgecolor=color, linewidth=3, zorder=3)

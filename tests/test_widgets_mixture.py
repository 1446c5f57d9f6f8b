"""Bars of a mixture against areas under its curve; tests/browser moves the explorer."""

import itertools

from pixelcnn_edu import widgets
from pixelcnn_edu.widgets.mixture import bars

import numpy as np
import pytest
from matplotlib.figure import Figure

TWO = ((-0.5, -1.5, 0.25), (0.6, -2.5, 0.75))


def density(x, components):
    total = sum(weight for _, _, weight in components)
    curve = 0 * x
    for mean, log_scale, weight in components:
        scale = np.exp(log_scale)
        z = (x - mean) / (2 * scale)
        curve += weight / total / (4 * scale * np.cosh(z) ** 2)
    return curve


def area(start, stop, components):
    x, dx = np.linspace(start, stop, 100_001, retstep=True)
    y = density(x, components)
    return ((y[1:] + y[:-1]) / 2).sum() * dx


def bars_by_areas(components, levels, *, ends=True):
    half = 1 / (levels - 1)
    borders = np.linspace(-1 - half, 1 + half, levels + 1)
    if ends:
        borders[[0, -1]] = -25, 25  # as good as infinite for scales below 1
    return np.array([area(*pair, components) for pair in itertools.pairwise(borders)])


@pytest.mark.parametrize("levels", [2, 8, 16])
def test_the_bars_are_areas_under_the_curve(levels):
    p, _ = bars(TWO, levels)
    assert p == pytest.approx(bars_by_areas(TWO, levels), abs=1e-5)
    assert p.sum() == pytest.approx(1, abs=1e-5)


def test_ends_treated_like_the_middle_would_be_told_apart():
    # the planted bug, and the share that says so
    cut = bars_by_areas(TWO, 8, ends=False)
    p, beyond = bars(TWO, 8)
    assert abs(cut - p).max() > 0.01
    assert beyond == pytest.approx(1 - cut.sum(), abs=1e-5)


def test_weights_count_relative_to_each_other():
    p, _ = bars(TWO, 8)
    smaller = [(mean, log_scale, 0.8 * weight) for mean, log_scale, weight in TWO]
    assert bars(smaller, 8)[0] == pytest.approx(p, abs=1e-6)
    none = [(mean, log_scale, 0) for mean, log_scale, _ in TWO]
    even = [(mean, log_scale, 1) for mean, log_scale, _ in TWO]
    assert bars(none, 8)[0] == pytest.approx(bars_by_areas(even, 8), abs=1e-5)


def test_the_corners_of_the_sliders_have_finite_bars():
    for mean, log_scale, levels in itertools.product(
        (-1.5, 1.5), (-7.0, 1.0), (2, 256)
    ):
        p, beyond = bars([(mean, log_scale, 1.0)], levels)
        assert np.isfinite(p).all() and 0 <= beyond <= 1
        assert p.sum() == pytest.approx(1, abs=1e-4)


def test_the_still_picture_shows_the_bars():
    explorer = widgets.MixtureExplorer(TWO, levels=8)
    figure = Figure()
    explorer.draw(figure)
    (ax,) = figure.axes
    p, beyond = bars(TWO, 8)
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(p)
    assert ax.get_title() == f"8 levels; beyond the borders {100 * beyond:.1f} %"


def test_components_are_rounded_to_the_steps_of_the_sliders():
    components = [(-0.913, -1.512, 0.26), (1.5, -7.0, 0.0)]
    explorer = widgets.MixtureExplorer(components)
    assert explorer.components == [
        pytest.approx((-0.9, -1.5, 0.25)),
        pytest.approx((1.5, -7.0, 0.0)),
    ]
    assert explorer.settings["mixture"] == "12.55.5.60.0.0"


def test_its_text_is_always_the_same():
    told = "MixtureExplorer: a mixture of logistics, cut into levels"
    assert repr(widgets.MixtureExplorer(levels=256)) == told


@pytest.mark.parametrize("levels", [1, 5, 512, 4.5, 4.0, "4", True, None])
def test_other_levels_are_refused(levels):
    with pytest.raises(ValueError, match="Expected levels .* Received: "):
        widgets.MixtureExplorer(levels=levels)


@pytest.mark.parametrize(
    "components",
    [
        (),
        [(0, 0, 1)] * 5,
        3,
        [(0, 0)],
        [(0, -8, 1)],
        [(0, 0, 1.5)],
        [(2, 0, 1)],
        [("0", 0, 1)],
        [(True, 0, 1)],
        [(float("nan"), 0, 1)],
    ],
)
def test_other_components_are_refused(components):
    with pytest.raises(ValueError, match="Expected components .* Received: "):
        widgets.MixtureExplorer(components)

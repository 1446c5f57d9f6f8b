"""The mixture explorer: its bars against areas under the curve, added up by hand."""

import io
import itertools
import time

from pixelcnn_edu import widgets

import matplotlib.pyplot as plt
import numpy as np
import pytest

TWO = ((-0.5, -1.5, 0.25), (0.6, -2.5, 0.75))


@pytest.fixture
def explorer():
    return widgets.MixtureExplorer(TWO, levels=8)


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
def test_the_bars_are_areas_under_the_curve(explorer, levels):
    explorer.levels.value = levels
    assert explorer.p == pytest.approx(bars_by_areas(TWO, levels), abs=1e-5)
    assert explorer.p.sum() == pytest.approx(1, abs=1e-5)


def test_ends_treated_like_the_middle_would_be_told_apart(explorer):
    # the planted bug, and what the sentence says about it
    cut = bars_by_areas(TWO, 8, ends=False)
    assert abs(cut - explorer.p).max() > 0.01
    assert explorer.outside == pytest.approx(1 - cut.sum(), abs=1e-5)
    whole, beyond = explorer.p, explorer.outside
    assert explorer.sentence() == (
        f"8 levels, Σ P = 1.0000: P(0) = {whole[0]:.3f}, P(7) = {whole[7]:.3f}; "
        f"beyond the borders {100 * beyond:.1f} %"
    )


def test_each_slider_moves_the_bars(explorer):
    for number, group in enumerate(explorer.sliders):
        for place, (name, value) in enumerate(
            {"mean": 0.1, "log scale": -1.0, "weight": 1.0}.items()
        ):
            before = explorer.p
            group[name].value = value
            assert abs(explorer.p - before).max() > 0.01, name
            components = [list(one) for one in TWO]
            components[number][place] = value
            assert explorer.p == pytest.approx(bars_by_areas(components, 8), abs=1e-5)
            group[name].value = TWO[number][place]


def test_weights_count_relative_to_each_other(explorer):
    before = explorer.p
    for group in explorer.sliders:
        group["weight"].value *= 0.8
    assert explorer.p == pytest.approx(before, abs=1e-6)
    for group in explorer.sliders:
        group["weight"].value = 0
    even = [(mean, log_scale, 1) for mean, log_scale, _ in TWO]
    assert explorer.p == pytest.approx(bars_by_areas(even, 8), abs=1e-5)


def test_the_picture_changes_with_a_slider_and_comes_back(explorer):
    first = explorer.picture.value
    explorer.sliders[0]["mean"].value = 0.4
    second = explorer.picture.value
    explorer.levels.value = 256
    assert len({first, second, explorer.picture.value}) == 3
    explorer.levels.value = 8
    explorer.sliders[0]["mean"].value = TWO[0][0]
    assert explorer.picture.value == first
    assert len(first) < 60_000
    assert plt.imread(io.BytesIO(first)).shape[1] == 900


def test_the_corners_of_the_sliders_are_drawn(explorer):
    for mean in (-1.5, 1.5):
        for log_scale in (-7.0, 1.0):
            for levels in (2, 256):
                explorer.sliders[0]["mean"].value = mean
                explorer.sliders[0]["log scale"].value = log_scale
                explorer.levels.value = levels
                assert np.isfinite(explorer.p).all()
                assert explorer.p.sum() == pytest.approx(1, abs=1e-4)


def test_it_answers_fast(explorer):
    explorer.levels.value = 256
    times = []
    for mean in (-0.4, -0.3, -0.2, -0.1, 0.0):
        start = time.perf_counter()
        explorer.sliders[0]["mean"].value = mean
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2


def test_its_text_is_always_the_same(explorer):
    assert repr(explorer) == repr(widgets.MixtureExplorer(levels=256))
    assert repr(explorer).startswith("MixtureExplorer: ")


@pytest.mark.parametrize("levels", [1, 5, 512, "4", True, None])
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

"""The causal mask of a kernel, by size, type and colors. Notebook 02."""

from pixelcnn_edu import plots
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.widgets._base import Explorer, buttons, row_of

import numpy as np
from matplotlib.patches import Rectangle

LARGEST = 7


class MaskExplorer(Explorer):
    """Draws `masks.causal_mask` and counts its live taps.

    With three colors the center tap depends on which color reads which color. A 3×3
    table beside the mask shows this. The center of the mask shows the same table in
    small.

    Example:
        >>> explorer = MaskExplorer()
        >>> explorer.summary
        'live taps: 24 of 49'
        >>> explorer.mask_type.value = "B"
        >>> explorer.summary
        'live taps: 25 of 49'
    """

    size = (9, 4.4)

    def __init__(self):
        super().__init__()
        sizes = [(f"{k}×{k}", k) for k in (1, 3, 5, LARGEST)]
        self.kernel_size = buttons("kernel", sizes, value=LARGEST)
        self.mask_type = buttons("type", ["A", "B"])
        self.colors = buttons("colors", [("1 (gray)", 1), ("3 (RGB)", 3)])
        controls = self.kernel_size, self.mask_type, self.colors
        for control in controls:
            control.observe(self.refresh, "value")
        self.start(
            row_of(*controls),
            about="which taps of a masked kernel are live.",
        )

    @property
    def mask(self):
        """The mask: (kh, kw, colors in, colors out), zeros and ones."""
        colors = self.colors.value
        shape = {"in_channels": colors, "out_channels": colors, "colors": colors}
        return causal_mask(self.kernel_size.value, self.mask_type.value, **shape)

    @property
    def summary(self):
        """The count as a sentence."""
        mask, k = self.mask, self.kernel_size.value
        text = f"live taps: {int(mask.sum())} of {mask.size}"
        return (
            text
            if self.colors.value == 1
            else f"{text} = {k * k} places × 3 × 3 colors"
        )

    def draw(self, figure):
        mask, k, colors = self.mask, self.kernel_size.value, self.colors.value
        half = k // 2
        figure.text(0.02, 0.92, self.summary, size=15, weight="bold")
        ax = figure.add_axes((0.02, 0.02, 0.46, 0.86))
        plots.mask(mask[:, :, 0, 0], ax=ax)
        middle, reach = k / 2, LARGEST / 2 + 0.1  # one scale for all sizes
        ax.set(xlim=(middle - reach, middle + reach))
        ax.set(ylim=(middle + reach, middle - reach))
        if colors == 1:
            self._draw_sum(figure)
            return
        allowed = mask[half, half].T  # [to, from]
        # covers the number of the center, which has nine numbers instead of one
        _table(ax, allowed, (half + 0.05, half + 0.05), 0.9)
        table = figure.add_axes((0.58, 0.12, 0.34, 0.62))
        _table(table, allowed, (0, 0), 3, numbers=True)
        frame = Rectangle((0, 0), 3, 3, fill=False, zorder=6)
        frame.set(edgecolor=plots.TARGET, linewidth=3)
        table.add_patch(frame)
        table.set(xlim=(-0.05, 3.05), ylim=(3.05, -0.05), aspect="equal")
        ticks = {"ticks": (0.5, 1.5, 2.5), "labels": ("R", "G", "B")}
        table.set_xticks(**ticks)
        table.set_yticks(**ticks)
        table.tick_params(length=0)
        table.spines[:].set_visible(False)
        table.set(xlabel="from: the color read", ylabel="to: the color written")
        live = int(allowed.sum())
        table.set_title(f"the center tap, enlarged: {live} of 9 live")

    def _draw_sum(self, figure):
        k, half = self.kernel_size.value, self.kernel_size.value // 2
        center = {"A": "0, hidden", "B": "1, shown"}[self.mask_type.value]
        lines = {
            f"type {self.mask_type.value}, {k}×{k}": "",
            "rows above": f"{half} × {k} = {half * k}",
            "to the left": f"{half}",
            "center": center,
            "all that comes later": "0",
        }
        for at, (name, count) in enumerate(lines.items()):
            figure.text(0.55, 0.7 - 0.09 * at, name, size=13)
            figure.text(0.79, 0.7 - 0.09 * at, count, size=13)


def _table(ax, allowed, corner, side, numbers=False):
    """Draw a 3×3 table [to, from] of zeros and ones with its corner and side length."""
    step = side / 3
    for (to, source), value in np.ndenumerate(allowed):
        x, y = corner[0] + source * step, corner[1] + to * step
        cell = Rectangle((x, y), step, step, edgecolor="white", zorder=4)
        cell.set_facecolor(plots.SEEN if value else plots.HIDDEN)
        cell.set_linewidth(2 if numbers else 0.5)
        ax.add_patch(cell)
        if numbers:
            place = {"x": x + step / 2, "y": y + step / 2, "ha": "center"}
            color = "white" if value else "#555555"
            ax.text(s=f"{value:g}", va="center", color=color, zorder=5, **place)

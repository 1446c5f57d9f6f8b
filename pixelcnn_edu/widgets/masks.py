"""The causal mask of a kernel, by size, type and colors. Notebook 02."""

from pixelcnn_edu import plots
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.widgets._base import Explorer


class MaskExplorer(Explorer):
    """Shows `masks.causal_mask` and counts its live taps.

    With three colors the center tap depends on which color reads which color. A 3×3
    table beside the mask shows this. The center of the mask shows the same table in
    small.
    """

    size = (9, 4.4)

    def __init__(self):
        about = "which taps of a masked kernel are live."
        super().__init__("masks", None, about=about, kernel=7, typeB=0, colors=1)

    def draw(self, figure):
        """Draw the mask of type A for 7×7 taps and one color."""
        mask = causal_mask(7, "A")[:, :, 0, 0]
        title = f"type A, live taps: {int(mask.sum())} of {mask.size}"
        plots.mask(mask, title=title, ax=figure.add_axes((0.02, 0.02, 0.96, 0.88)))

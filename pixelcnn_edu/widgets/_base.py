"""What all explorers share: controls above, one picture below."""

import io

import ipywidgets
from matplotlib.figure import Figure


class Explorer(ipywidgets.VBox):
    """Controls and a picture that answers them.

    The picture is drawn on a matplotlib figure without pyplot and shown as a PNG, so a
    notebook without a kernel still shows the last one. A subclass fills ``controls`` in
    its ``__init__``, calls ``start``, and writes ``draw(figure)``.

    Args:
        about: one sentence on what is to be seen, for readers of the page's text.
    """

    size = (9, 4)  # inches
    width = 900  # pixels on the page

    def start(self, *controls, about):
        self.about = about
        self.picture = ipywidgets.Image(format="png", width=self.width)
        self.picture.alt = about
        self.children = [*controls, self.picture]
        self.refresh()

    def refresh(self, _change=None):
        """Draw the picture again; made for ``control.observe(self.refresh, "value")``."""
        self.picture.value = self.png()

    def png(self) -> bytes:
        """Return the picture for the present state of the controls."""
        figure = Figure(figsize=self.size, dpi=self.width / self.size[0])
        self.draw(figure)
        page = io.BytesIO()
        figure.savefig(page, format="png", metadata={"Software": None})
        return page.getvalue()

    def __repr__(self):
        return f"{type(self).__name__}: {self.about}"

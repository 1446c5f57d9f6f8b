"""The pictures that outputs hold, with their alternative texts."""

import base64
import html
import io
import re

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

IMG = re.compile(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]*)"')


def found(data):
    """Return the (alternative text, PNG in base64) pairs of an output's data."""
    text = "".join(data.get("text/html", ""))
    return [(html.unescape(words), png) for words, png in IMG.findall(text)]


def pixels(data):
    """Return the one picture of an output's data, (H, W, channels)."""
    ((_, png),) = found(data)
    return plt.imread(io.BytesIO(base64.b64decode(png)))


def sentence(explorer):
    """Return the sentence above an explorer's still picture."""
    figure = Figure()
    explorer.draw(figure)
    (text,) = figure.texts
    return text.get_text()

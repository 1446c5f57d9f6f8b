"""Explorers: figures that answer a mouse or a keyboard, for notebooks in JupyterLab."""

"""Checks of a student's answers, one module for each notebook.

In a notebook: ``exercises.chain(my_chain)``; ``hint=1`` or ``hint=2`` asks for help.
"""

from pixelcnn_edu.exercises.blocks import block_weights, prelu_gradients, residual_block  # noqa: F401
from pixelcnn_edu.exercises.convolution import first_leak, live_taps_only, output_side  # noqa: F401
from pixelcnn_edu.exercises.generation import draw, exact_conditional, temper  # noqa: F401
from pixelcnn_edu.exercises.longer import cosine_rate, paired_difference, stop_epoch  # noqa: F401
from pixelcnn_edu.exercises.masks import column_mask, live_taps, order_mask  # noqa: F401
from pixelcnn_edu.exercises.outputs import level_nats, lowest_crossentropy, to_bits  # noqa: F401
from pixelcnn_edu.exercises.sequence import chain, draw_pixels, image_nats  # noqa: F401
from pixelcnn_edu.exercises.stacking import blind_share, seen, two_layers  # noqa: F401
from pixelcnn_edu.exercises.start import fair_coins, first_ink, place  # noqa: F401
from pixelcnn_edu.exercises.training import adam, evaluate, gradient_step  # noqa: F401

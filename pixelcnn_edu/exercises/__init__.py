"""Checks of a student's answers, one module for each notebook.

In a notebook: ``exercises.chain(my_chain)``; ``hint=1`` or ``hint=2`` asks for help.
"""

from pixelcnn_edu.exercises.blind_spot_and_gating import (
    seen_by_two,
    shifted_layer,
    stack_taps,
)
from pixelcnn_edu.exercises.blocks import block_weights, prelu_gradients, residual_block
from pixelcnn_edu.exercises.convolution import first_leak, live_taps_only, output_side
from pixelcnn_edu.exercises.fast_generation import (
    most_rounds,
    next_output,
    particle_weights,
)
from pixelcnn_edu.exercises.generation import draw, exact_conditional, temper
from pixelcnn_edu.exercises.longer import cosine_rate, paired_difference, stop_epoch
from pixelcnn_edu.exercises.masks import column_mask, live_taps, order_mask
from pixelcnn_edu.exercises.outputs import level_nats, lowest_crossentropy, to_bits
from pixelcnn_edu.exercises.sequence import chain, draw_pixels, image_nats
from pixelcnn_edu.exercises.stacking import blind_share, seen, two_layers
from pixelcnn_edu.exercises.start import fair_coins, first_ink, place
from pixelcnn_edu.exercises.training import adam, evaluate, gradient_step

__all__ = [
    "adam",
    "blind_share",
    "block_weights",
    "chain",
    "column_mask",
    "cosine_rate",
    "draw",
    "draw_pixels",
    "evaluate",
    "exact_conditional",
    "fair_coins",
    "first_ink",
    "first_leak",
    "gradient_step",
    "image_nats",
    "level_nats",
    "live_taps",
    "live_taps_only",
    "lowest_crossentropy",
    "most_rounds",
    "next_output",
    "order_mask",
    "output_side",
    "paired_difference",
    "particle_weights",
    "place",
    "prelu_gradients",
    "residual_block",
    "seen",
    "seen_by_two",
    "shifted_layer",
    "stack_taps",
    "stop_epoch",
    "temper",
    "to_bits",
    "two_layers",
]

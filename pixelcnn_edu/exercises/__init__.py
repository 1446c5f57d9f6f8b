"""Exercises that check a student's answers, one module for each topic.

In a notebook: ``exercises.chain(my_chain)``; ``hint=1`` or ``hint=2`` asks for help.

A check runs an answer on several cases. They are chosen to show known mistakes. It proves
nothing about other cases: an answer that is wrong only there passes. So does an answer that
is within the limits of a check. For example, ``paired_difference`` accepts a standard error
that is 2 % off, because dividing by N and by N - 1 are both usual.
"""

from pixelcnn_edu.exercises.blocks import block_weights, prelu_gradients, residual_block
from pixelcnn_edu.exercises.color import center_tap, other_layout, two_prices
from pixelcnn_edu.exercises.completion import exact_conditional, particle_weights
from pixelcnn_edu.exercises.compression import decode_stream, interval, whole_counts
from pixelcnn_edu.exercises.conditional import mixture_nats, posterior, reading
from pixelcnn_edu.exercises.convolution import first_leak, live_taps_only, output_side
from pixelcnn_edu.exercises.evaluation import pooled, surprise, unpadded_bits
from pixelcnn_edu.exercises.fast_generation import most_rounds, next_output
from pixelcnn_edu.exercises.gating import gate_gradients
from pixelcnn_edu.exercises.generation import draw, temper
from pixelcnn_edu.exercises.longer import paired_difference, stop_epoch
from pixelcnn_edu.exercises.many_levels import bin_probability, color_log_prob, log_bin
from pixelcnn_edu.exercises.masks import column_mask, live_taps, order_mask
from pixelcnn_edu.exercises.outputs import level_nats, lowest_crossentropy, to_bits
from pixelcnn_edu.exercises.recipes import cosine_rate
from pixelcnn_edu.exercises.sequence import chain, draw_pixels, image_nats
from pixelcnn_edu.exercises.stacking import blind_share, seen, two_layers
from pixelcnn_edu.exercises.start import fair_coins, first_ink, place
from pixelcnn_edu.exercises.training import adam, evaluate, gradient_step
from pixelcnn_edu.exercises.two_stacks import seen_by_two, shifted_layer, stack_taps

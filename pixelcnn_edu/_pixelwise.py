"""The layers and operations of Keras that treat each pixel by itself."""

from keras import layers

# The type of a layer is compared exactly: a subclass may do something else.
PIXELWISE = {
    layers.Activation,
    layers.ActivityRegularization,
    layers.Add,
    layers.Average,
    layers.Dense,
    layers.Dropout,
    layers.ELU,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.LeakyReLU,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.PReLU,
    layers.ReLU,
    layers.Rescaling,
    layers.SpatialDropout2D,
    layers.Subtract,
}
ON_CHANNELS = {  # pixelwise if their axis is the last one
    layers.BatchNormalization,
    layers.Concatenate,
    layers.LayerNormalization,
    layers.Softmax,
}
_OF_KERAS_OPS = """
Add Elu Gelu LeakyRelu Maximum Minimum Multiply Negative Relu Selu Sigmoid Silu Softplus
Subtract Tanh
"""
OPERATIONS = set(_OF_KERAS_OPS.split())  # ``x + y`` in a functional model is an Add

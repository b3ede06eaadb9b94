"""The building blocks of the networks; none of them depends on the rest of the batch."""

import keras
import tensorflow as tf

from cdd_keras.layers.sums import WIDE, ExactlySummed

LEAK = 0.2
# How far a generator's tanh reaches, for pixels in [-1, 1].
WIDTH = 1.1
# Inputs of at most so many channels are images.
IMAGE_CHANNELS = 3


class LeakyReLU(keras.layers.Layer):
    """LeakyReLU with the slope used everywhere, whose input need not be kept for its gradient.

    The sign of the output tells the slope as well. Keras's reads it off the input, which keeps
    TensorFlow from computing activations within the convolutions before them.
    """

    def call(self, inputs):
        return _leaky_relu(inputs)


@tf.custom_gradient
def _leaky_relu(inputs):
    outputs = tf.nn.leaky_relu(inputs, LEAK)

    # A slope does not depend on how far from 0 the sign was.
    signs = tf.stop_gradient(outputs)

    def slope(upstream):
        return tf.raw_ops.LeakyReluGrad(gradients=upstream, features=signs, alpha=LEAK)

    return outputs, slope


class Conv2D(ExactlySummed, keras.layers.Conv2D):
    """Keras's, without an activation, and quick over images where it is 4 x 4 of stride 2.

    That is computed as 2 x 2 over blocks of pixels. The products are the same, with 12 channels
    where there were 3. For so few oneDNN's gradient to the image takes longer than all of this
    (docs/performance.md).
    """

    def operation(self, inputs, kernel, bias=None):
        outputs = self.convolution_op(inputs, kernel)
        return outputs if bias is None else tf.nn.bias_add(outputs, bias)

    def convolution_op(self, inputs, kernel):
        few = inputs.shape[-1] <= IMAGE_CHANNELS and self.groups == 1
        even = all(side is not None and side % 2 == 0 for side in inputs.shape[1:3])
        halving = (self.kernel_size, self.strides, self.padding) == ((4, 4), (2, 2), "same")
        if not (few and even and halving):
            return super().convolution_op(inputs, kernel)
        blocks = _space_to_depth(tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]]), 2)
        # Axes: block and place in it, down and across.
        parts = tf.reshape(kernel, (2, 2, 2, 2, -1, self.filters))
        kernel = tf.transpose(parts, (0, 2, 1, 3, 4, 5))
        kernel = tf.reshape(kernel, (2, 2, blocks.shape[-1], self.filters))
        return tf.nn.conv2d(blocks, kernel, 1, "VALID")


class Dense(ExactlySummed, keras.layers.Dense):
    """Keras's, without an activation."""

    def operation(self, inputs, kernel, bias=None):
        # Products of few rows are added in another order than those of many.
        outputs = tf.matmul(tf.cast(inputs, WIDE), tf.cast(kernel, WIDE))
        outputs = tf.cast(outputs, inputs.dtype)
        return outputs if bias is None else tf.nn.bias_add(outputs, bias)


class Embedding(ExactlySummed, keras.layers.Embedding):
    """Keras's."""

    def operation(self, inputs, table):
        return tf.gather(table, inputs)


def convolution(filters, size=3, stride=1, **kwargs):
    """A same-padded convolution with He initialisation."""
    kwargs.setdefault("kernel_initializer", "he_normal")
    return Conv2D(filters, size, stride, padding="same", **kwargs)


class ChannelNorm(keras.layers.Layer):
    """Divides each pixel by the root mean square of its channels (batch, h, w, c) -> same.

    Batch norm over real and generated images mixes their statistics: tints, and a gap
    between training and inference. This norm looks at one pixel only.
    """

    def call(self, inputs):
        return _channel_norm(inputs)


@tf.custom_gradient
def _channel_norm(inputs):
    power = tf.reduce_mean(tf.square(tf.cast(inputs, tf.float32)), -1, keepdims=True)
    scale = tf.cast(tf.math.rsqrt(power + 1e-6), inputs.dtype)
    outputs = inputs * scale

    def slope(upstream):
        # What TensorFlow derives takes half as long again, for its detours by float32.
        along = tf.reduce_mean(upstream * outputs, -1, keepdims=True)
        return (upstream - outputs * along) * scale

    return outputs, slope


class SpaceToDepth(keras.layers.Layer):
    """(batch, h, w, c) -> (batch, h / block, w / block, c * block^2).

    What TensorFlow's operation of this name gives, by a transposition, which takes a third of
    its time where channels are few. Height and width have to be known.

    Raises:
        ValueError: at its first call; height or width is no multiple of the block.
    """

    def __init__(self, block=2, **kwargs):
        super().__init__(**kwargs)
        self.block = block

    def build(self, shape):
        if shape[1] % self.block or shape[2] % self.block:
            raise ValueError(
                f"Expected a height and width that are multiples of {self.block}. Received "
                f"{shape[1]} and {shape[2]}."
            )

    def call(self, inputs):
        return _space_to_depth(inputs, self.block)


def _space_to_depth(inputs, block):
    height, width, channels = inputs.shape[1:]
    rows = tf.reshape(inputs, (-1, block, width // block, block * channels))
    blocks = tf.transpose(rows, (0, 2, 1, 3))
    return tf.reshape(blocks, (-1, height // block, width // block, channels * block**2))


class DepthToSpace(keras.layers.Layer):
    """(batch, h, w, c) -> (batch, h * block, w * block, c / block^2), as `SpaceToDepth`.

    Raises:
        ValueError: at its first call; the channels are no multiple of the block's square.
    """

    def __init__(self, block=2, **kwargs):
        super().__init__(**kwargs)
        self.block = block

    def build(self, shape):
        if shape[3] % self.block**2:
            raise ValueError(
                f"Expected channels that are a multiple of {self.block**2}. Received {shape[3]}."
            )

    def call(self, inputs):
        height, width, channels = inputs.shape[1:]
        block = self.block
        blocks = tf.reshape(inputs, (-1, width, block, channels // block))
        rows = tf.transpose(blocks, (0, 2, 1, 3))
        return tf.reshape(rows, (-1, height * block, width * block, channels // block**2))


class Residual(keras.layers.Layer):
    """x + f(x), with f zero at the start so that a deep stack begins as the identity."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.body = keras.Sequential(
            [
                ChannelNorm(),
                convolution(filters),
                LeakyReLU(),
                convolution(filters, 1, kernel_initializer="zeros"),
            ]
        )

    def build(self, shape):
        self.body.build(shape)

    def call(self, inputs):
        return inputs + self.body(inputs)


class ModulatedConvolution(keras.layers.Layer):
    """A convolution whose normalised output is scaled and shifted by the attribute's value.

    Args:
        filters: output channels.
        classes: number of attribute values.

    Call: features (batch, h, w, c) and values int32 (batch,) -> (batch, h, w, filters).
    """

    def __init__(self, filters, classes, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.classes = classes
        self.convolution = convolution(filters)
        self.norm = ChannelNorm()
        self.scale = Embedding(classes, filters, embeddings_initializer="ones")
        # Two values part quickly from a common start; ten need a head start to be told apart.
        start = "zeros" if classes == 2 else "normal"
        self.shift = Embedding(classes, filters, embeddings_initializer=start)
        self.activation = LeakyReLU()

    def build(self, shape):
        self.convolution.build(shape)
        self.scale.build((None,))
        self.shift.build((None,))

    def call(self, inputs, values):
        normed = self.norm(self.convolution(inputs))
        scale = self.scale(values)[:, None, None]
        shift = self.shift(values)[:, None, None]
        return self.activation(normed * scale + shift)


def to_image(outputs):
    """Pixels of a network's outputs: float (batch, h, w, 3) -> the same in [-1, 1].

    A tanh that reaches white and black at 1.5 instead of never, and has a slope there: beyond, in
    what it is cut to, the gradient passes as if it were not. By a plain tanh the white of a sketch
    lies where nothing is learnt, and lines drawn into it stayed dots.
    """
    cut = tf.grad_pass_through(lambda pixels: tf.clip_by_value(pixels, -1.0, 1.0))
    return cut(WIDTH * tf.tanh(outputs))

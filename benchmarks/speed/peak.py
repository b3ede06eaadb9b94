"""What the machine itself multiplies: matrices of a size that its library likes."""

import time

import tensorflow as tf

# Sides of the matrices; the best counts, since 2 cores and a GPU like different ones.
SIDES = {"CPU": (1024, 2048), "GPU": (4096, 8192)}
DTYPES = {
    "float32": tf.float32,
    "mixed_bfloat16": tf.bfloat16,
    "mixed_float16": tf.float16,
}


def matmul_peak(precision, repeats=8):
    """FLOP/s of the fastest of `repeats` products of square matrices in a precision's type."""
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return max(_rate(side, DTYPES[precision], repeats) for side in SIDES[kind])


def _rate(side, dtype, repeats):
    matrix = tf.cast(tf.random.stateless_normal((side, side), (0, 0)), dtype)
    multiply = tf.function(lambda one: tf.reduce_sum(tf.cast(one @ one, tf.float32)))
    multiply(matrix).numpy()
    fastest = min(_seconds(multiply, matrix) for _ in range(repeats))
    return 2 * side**3 / fastest


def _seconds(multiply, matrix):
    start = time.perf_counter()
    multiply(matrix).numpy()
    return time.perf_counter() - start

"""Which arithmetic a machine trains in: how precise, and whether always the same."""

from pathlib import Path

import keras
import tensorflow as tf


def use_precision(name: str) -> str:
    """Sets Keras's global dtype policy and returns its name; "auto" is resolved first."""
    policy = best_precision() if name == "auto" else name
    keras.mixed_precision.set_global_policy(policy)
    return policy


def use_determinism(on: bool) -> None:
    """Has TensorFlow take, for the rest of the process, only kernels that repeat themselves.

    Sums of two stay as they are, too: an optimiser of graphs would make one of several, which
    begins with whichever term's memory is free. `ForwardPass` adds gradients two at a time. With
    it a run gives the same bits on the same machine with the same number of threads, busy or not.
    There is no way back: off leaves things as they are.
    """
    if on:
        tf.config.experimental.enable_op_determinism()
        _turn_off("arithmetic_optimization")


def use_exact_sums(on: bool) -> None:
    """Has TensorFlow compute, for the rest of the process, in the order that the code says.

    The optimiser that `use_determinism` turns off also regroups additions and factors by what a
    graph tells of shapes, which is more on one device than on several, and so does another. Off
    leaves things as they are.
    """
    use_determinism(on)
    if on:
        _turn_off("constant_folding")


def _turn_off(optimizer: str) -> None:
    tf.config.optimizer.set_experimental_options({optimizer: False})


def best_precision() -> str:
    """mixed_float16 with a GPU, mixed_bfloat16 on CPUs that compute in it, float32 elsewhere."""
    if tf.config.list_physical_devices("GPU"):
        return "mixed_float16"
    return "mixed_bfloat16" if _cpu_has_bfloat16() else "float32"


def _cpu_has_bfloat16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags

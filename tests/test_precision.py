from pathlib import Path

import keras
import pytest
import tensorflow as tf
from tensorflow.python.util import _pywrap_determinism

from cdd_keras.precision import best_precision, use_determinism, use_exact_sums, use_precision


@pytest.fixture(autouse=True)
def _policy_is_put_back():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture
def machine(monkeypatch):
    """Makes the machine one with so many GPUs and a CPU with such flags (None: unknown)."""

    def pretend(gpus=0, flags=""):
        def read_text(path):
            if flags is None:
                raise FileNotFoundError(path)
            return f"flags\t: fpu {flags}\n"

        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * gpus)
        monkeypatch.setattr(Path, "read_text", read_text)

    return pretend


@pytest.mark.parametrize(
    ("gpus", "flags", "policy"),
    [
        (1, "avx512_bf16", "mixed_float16"),
        (0, "avx512_bf16 sse", "mixed_bfloat16"),
        (0, "amx_bf16", "mixed_bfloat16"),
        (0, "avx2 avx512f", "float32"),
        (0, None, "float32"),
    ],
)
def test_auto_is_what_the_machine_is_best_at(machine, gpus, flags, policy):
    machine(gpus, flags)
    assert best_precision() == policy
    assert use_precision("auto") == policy
    assert keras.config.dtype_policy().name == policy


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_named_precision_is_taken_whatever_the_machine(machine, name):
    machine(gpus=1)
    assert use_precision(name) == name
    assert keras.config.dtype_policy().name == name


def test_determinism_is_turned_on_and_never_off():
    assert not _pywrap_determinism.is_enabled()
    use_determinism(False)
    assert not _pywrap_determinism.is_enabled()
    use_determinism(True)
    use_determinism(False)
    assert _pywrap_determinism.is_enabled()


@pytest.fixture
def asked(monkeypatch):
    """What TensorFlow is told, which stays as it is."""
    told = []
    monkeypatch.setattr(tf.config.optimizer, "set_experimental_options", told.append)
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: told.append("the same kernels")
    )
    return told


DETERMINISM = ["the same kernels", {"arithmetic_optimization": False}]


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (use_determinism, DETERMINISM),
        (use_exact_sums, [*DETERMINISM, {"constant_folding": False}]),
    ],
)
def test_what_keeps_the_order_is_turned_on_and_never_off(use, told, asked):
    use(False)
    assert not asked
    use(True)
    use(False)
    assert asked == told

"""Direct calls of exported models, without a server: `serving_direct.py MODELS SECONDS`, as JSON.

A call takes an array and gives arrays, as a program without a server would have it. The functions
are called as `tf.saved_model.load` gives them.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf


def main(models: Path, seconds: float):
    rows = []
    for model, signature in (("cdd_classifier", "serving_default"), ("cdd_generator", "translate")):
        loaded = tf.saved_model.load(str(models / model / "1"))
        function = loaded.signatures[signature]
        for count in (1, 32):
            times = measured(function, inputs(function, count), seconds)
            rate = len(times) / sum(times)
            rows.append(
                {
                    **{"by": "direct", "model": model, "rows": count, "concurrency": 1},
                    "requests_per_second": rate,
                    "rows_per_second": rate * count,
                    "latency_ms": {
                        f"p{p}": float(np.percentile(times, p)) * 1000 for p in (50, 90, 99)
                    },
                }
            )
    json.dump(rows, sys.stdout)


def inputs(function, count):
    draws = np.random.default_rng(0)
    arrays = {}
    for name, spec in function.structured_input_signature[1].items():
        shape = (count, *spec.shape[1:])
        floating = spec.dtype.is_floating
        values = draws.uniform(-1, 1, shape) if floating else np.zeros(shape)
        arrays[name] = values.astype(spec.dtype.as_numpy_dtype)
    for name in {"target_domain", "label"} & set(arrays):
        arrays[name][:] = 1
    return arrays


def measured(function, arrays, seconds):
    """Seconds that each call took, after a second of warming up."""

    def call():
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        return [output.numpy() for output in function(**tensors).values()]

    end = time.perf_counter() + 1
    while time.perf_counter() < end:
        call()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))

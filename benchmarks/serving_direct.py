"""Direct calls of exported models, without a server, as JSON: `serving_direct.py MODELS SECONDS`.

With a third argument, operations have so many threads, and two run at a time. A call takes arrays
and gives arrays, as a program without a server would have it: by the signature as
`tf.saved_model.load` gives it, and by the shorter way that the server takes.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from serving.calls import Call
from serving.servable import Servable


def main(models: Path, seconds: float, threads: int | None = None):
    rows, what = [], ""
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(2)
        what = f", threads of an operation: {threads}"
    for model, signature in (("cdd_classifier", "serving_default"), ("cdd_generator", "translate")):
        folder = models / model / "1"
        loaded = tf.saved_model.load(str(folder))
        function = loaded.signatures[signature]
        servable = Servable(model, 1, folder)
        ways = {
            "direct": by_signature(function),
            "direct, as the server calls": by_servable(servable, signature),
        }
        for way, call in ways.items():
            for count in (1, 32):
                times = measured(call, inputs(function, count), seconds)
                rows.append({"by": way + what, "model": model, **figures(times, count)})
    json.dump(rows, sys.stdout)


def by_signature(function):
    def call(arrays):
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        return [output.numpy() for output in function(**tensors).values()]

    return call


def by_servable(servable, signature):
    return lambda arrays: servable.run(signature, arrays, Call())


def figures(times, count):
    rate = len(times) / sum(times)
    return {
        **{"rows": count, "concurrency": 1},
        "requests_per_second": rate,
        "rows_per_second": rate * count,
        "latency_ms": {f"p{p}": float(np.percentile(times, p)) * 1000 for p in (50, 90, 99)},
    }


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
    end = time.perf_counter() + 1
    while time.perf_counter() < end:
        function(arrays)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        function(arrays)
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), *map(int, sys.argv[3:]))

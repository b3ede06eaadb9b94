"""Direct calls of exported models, without a server: `serving_direct.py MODELS WAY [THREADS]`.

Input and output as serving_loads.py's, of one client. A call takes arrays and gives arrays, as a
program without a server would have it: by the signature as `tf.saved_model.load` gives it (the way
"signature"), or by the shorter way that the server takes ("servable"). With THREADS, operations
have so many threads, and two run at a time.
"""

import functools
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from serving_loads import WARM_SECONDS, inputs, serve_measures

from serving.cli import loading_tensorflow

with loading_tensorflow():
    import tensorflow as tf

    from serving.calls import Call
    from serving.servable import Servable

    # Its remarks come with it, at the latest.
    tf.config.list_physical_devices()


def main(models: Path, way: str, threads: int | None = None):
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(2)
    make = {"signature": by_signature, "servable": by_servable}[way]
    call_of = functools.cache(lambda model, signature: make(models / model / "1", signature))

    def measure(model, signature, rows, _, seconds):
        call, arrays = call_of(model, signature), inputs(model, rows)
        timed(call, arrays, WARM_SECONDS)
        return figures(timed(call, arrays, seconds), rows)

    serve_measures(measure)


def by_signature(folder, signature):
    model = tf.saved_model.load(str(folder))
    function = model.signatures[signature]

    def call(arrays, _model=model):
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        return [output.numpy() for output in function(**tensors).values()]

    return call


def by_servable(folder, signature):
    servable = Servable(folder.parent.name, 1, folder)
    return lambda arrays: servable.run(signature, arrays, Call())


def timed(call, arrays, seconds):
    """Seconds that each call took."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call(arrays)
        times.append(time.perf_counter() - start)
    return times


def figures(times, rows):
    rate = len(times) / sum(times)
    points = (50, 90, 99)
    milliseconds = np.percentile(times, points) * 1000
    return {
        "requests_per_second": rate,
        "rows_per_second": rate * rows,
        "latency_ms": {f"p{p}": float(one) for p, one in zip(points, milliseconds, strict=True)},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))

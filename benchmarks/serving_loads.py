"""Loads on our server, from one process: `serving_loads.py ADDRESS SECONDS CASE...`, as JSON.

A case is MODEL:SIGNATURE:ROWS:CONCURRENCY. Each sends one request, encoded once, again and again;
answers are parsed and not turned into arrays.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from serving.client.loading import Plan, run_load

SIZE = 64
TIMEOUT = 60


def measured(prepare: Callable, seconds: float, cases: list[str]) -> list[dict]:
    """Figures of each case, one after the other.

    Args:
        prepare: (model, signature, {input: array}) -> a function that sends that request.
        seconds: of each.
        cases: as on the command line.
    """
    found = []
    for case in cases:
        model, signature, rows, concurrency = case.split(":")
        rows, concurrency = int(rows), int(concurrency)
        send = prepare(model, signature, inputs(model, rows))
        # One alone, so that the connection stands.
        send()
        figures = run_load(send, Plan(concurrency, seconds)).report(rows)
        found.append({"model": model, "rows": rows, "concurrency": concurrency, **figures})
        print(case, file=sys.stderr)
    return found


def inputs(model, rows):
    image = np.random.default_rng(0).uniform(-1, 1, (rows, SIZE, SIZE, 3))
    arrays = {"image": image.astype(np.float32)}
    if model == "cdd_generator":
        for name, value in (("label", 1), ("source_domain", 0), ("target_domain", 1)):
            arrays[name] = np.full(rows, value, np.int32)
    return arrays


def main(address, seconds, *cases):
    from serving.client.answers import ModelSpec
    from serving.client.client import Client

    with Client(address) as client:

        def prepare(model, signature, arrays):
            send = client.transport.prepared(ModelSpec(model, signature), arrays)
            return lambda: send(TIMEOUT)

        json.dump(measured(prepare, float(seconds), cases), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

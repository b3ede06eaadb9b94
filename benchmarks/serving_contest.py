"""What the benchmarks of serving share: models, servers, and loads on them in turns."""

import json
import os
import signal
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Whose versions figures depend on.
PACKAGES = ("tensorflow", "grpcio", "uvloop", "numpy")
CASES = (("cdd_classifier", "serving_default"), ("cdd_generator", "translate"))
# (rows of a request, clients)
LOADS = ((1, 1), (1, 8), (1, 32), (32, 1), (32, 8), (32, 32))
_BATCHING = """
max_batch_size { value: 32 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""
# A batch for each core, in place of all cores for each operation.
_SPLITTING = """
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 16 }
"""
_ONE_THREAD = ("--tensorflow-intra-op-parallelism", "1", "--tensorflow-inter-op-parallelism", "2")


def end_tidily() -> None:
    """Has SIGTERM end this process like an exception, so that the servers it started end too."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def make_models(work: Path) -> Path:
    """Trains a run of a few steps at 64 px, exports it, and gives the models' folder."""
    sizes = ["--image-size", "64", "--steps", "4", "--synthetic-count", "200", "--precision"]
    _python("cdd_keras.train", "--attr", "eyeglasses", *sizes, "float32", "--output", work / "run")
    _python("cdd_keras.export", work / "run", "--out", work / "models")
    return work / "models"


def whole_batches(work: Path) -> list[str]:
    """A server's flags: batches of up to 32 rows."""
    return _batching(work / "whole.txt", _BATCHING)


def side_by_side(work: Path) -> list[str]:
    """A server's flags: batches of up to 16 rows on each of two threads."""
    return [*_batching(work / "split.txt", _BATCHING + _SPLITTING), *_ONE_THREAD]


@contextmanager
def started(command, **settings):
    """A server's process, whose lines are read; it is told to end afterwards."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **settings) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate()


@contextmanager
def our_server(models, flags, tree: Path = ROOT, environment=None):
    """(address, process number) of our server.

    Args:
        models: their folder.
        flags: beside those that say where it listens.
        tree: where its code is.
        environment: variables set for it, {name: value}.
    """
    command = [sys.executable, "-m", "serving.server", "--model-base-path", str(models)]
    command += ["--host", "localhost", "--port", "0", "--no-rest", *flags]
    with started(command, cwd=tree, env={**os.environ, **(environment or {})}) as process:
        lines = list(iter(lambda: process.stdout.readline().strip() or "ready", "ready"))
        address = next((line.split()[2] for line in lines if line.startswith("gRPC on")), None)
        if address is None:
            raise SystemExit(f"the server of {tree} did not start")
        yield address, process.pid


def loads_on(address: str) -> list[str]:
    """The command of a `worker` for our server."""
    return [sys.executable, str(Path(__file__).with_name("serving_loads.py")), address]


@contextmanager
def worker(command):
    """A process that measures loads as serving_loads.py does."""
    with started(command, stdin=subprocess.PIPE) as process:
        if process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{command}: did not start")
        yield process


def ask(process, case, load, seconds):
    """Has a worker measure a load."""
    parts = (*case, *map(str, load))
    process.stdin.write(f"{seconds} {':'.join(parts)}\n")
    process.stdin.flush()


def answer_of(process) -> dict:
    """The figures that were asked of a worker."""
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args}: ended")
    return json.loads(line)


def in_turns(contestants, case, load, turns: int, seconds: float) -> list[dict]:
    """The figures of a load on each of the contestants, {name: worker}, one after the other.

    Each figure is the median of its turns. A first turn of each is not counted: in it a server
    whose threads have not met such a load before is up to a sixth slower than from then on. Each
    turn begins with another of them.
    """
    of = {name: [] for name in contestants}
    order = list(of)
    for _ in range(1 + turns):
        for name in order:
            ask(contestants[name], case, load, seconds)
            of[name].append(answer_of(contestants[name]))
        order = [*order[1:], order[0]]
    print(*case, "rows, clients:", *load, file=sys.stderr)
    return [_middle(name, case, load, found[1:]) for name, found in of.items()]


def _python(module, *arguments):
    command = [sys.executable, "-m", module, *map(str, arguments)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)


def _batching(file, parameters):
    file.write_text(parameters)
    return ["--enable-batching", "--batching-parameters-file", str(file)]


def _middle(name, case, load, found):
    if errors := [one["errors"] for one in found if one.get("errors")]:
        raise SystemExit(f"{name}: {errors}")
    latencies = [one["latency_ms"] for one in found]
    return {
        **{"by": name, "model": case[0], "rows": load[0], "concurrency": load[1]},
        "rows_per_second": statistics.median(one["rows_per_second"] for one in found),
        "latency_ms": {
            point: statistics.median(one[point] for one in latencies) for point in latencies[0]
        },
        "rows_per_second of the turns": [round(one["rows_per_second"]) for one in found],
    }

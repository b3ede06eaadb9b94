"""Serving measured in one run: direct calls, our server, and a peer with the same SavedModels.

    python benchmarks/serving.py --out serving.json --peer-python PEER/bin/python

PEER is a virtual environment made by `pip install -r benchmarks/requirements-peer.txt`; without it
our own figures are printed alone. Nothing else should run on the machine.

The models are an untrained run's at 64 px: what they draw does not change how long it takes. All
that is measured stands by at once and is measured in turns, since a machine drifts from minute to
minute; each figure is the median of its turns. Loads come from processes of their own,
`serving.client`'s generator in every case, so that the client's work is the same against both
servers: the bytes of one request, sent again and again, whose answers stay bytes.

An echo, a server of grpcio that answers `translate` with as many bytes and computes nothing, says
what gRPC alone costs: model and messages share the cores, so it leaves our server at most
1 / (1 / direct + 1 / echo) rows a second.

With py-spy, which PEER holds, our server is also profiled under one-row requests of 32 clients.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np
from serving_profile import profile

ROOT = Path(__file__).resolve().parent.parent
CASES = (("cdd_classifier", "serving_default"), ("cdd_generator", "translate"))
LOADS = ((1, 1), (1, 8), (1, 32), (32, 1), (32, 8))
BATCHING = """
max_batch_size { value: 32 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""
# A batch for each core, in place of all cores for each operation.
SPLITTING = """
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 16 }
"""
ONE_THREAD = ("--tensorflow-intra-op-parallelism", "1", "--tensorflow-inter-op-parallelism", "2")
ONE_EACH = ", threads of an operation: 1"
BATCHED = ("server, batching", "server, batches side by side")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, metavar="FILE", help="JSON of all figures")
    parser.add_argument("--seconds", type=float, default=3, help="of each turn (default 3)")
    parser.add_argument("--turns", type=int, default=3, help="of each load (default 3)")
    parser.add_argument("--models", metavar="DIR", help="exported models (default: made here)")
    parser.add_argument("--peer-python", metavar="PYTHON", help="of the peer's environment")
    options = parser.parse_args()
    py_spy = options.peer_python and Path(options.peer_python).with_name("py-spy").absolute()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        models = Path(options.models or make_models(work)).absolute()
        servers = {
            name: stack.enter_context(our_server(models, flags))
            for name, flags in server_kinds(work).items()
        }
        ours = {
            name: stack.enter_context(worker(loads_on(address)))
            for name, (address, _) in servers.items()
        }
        contestants = {
            **{name: stack.enter_context(worker(way)) for name, way in direct_ways(models).items()},
            **ours,
            "echo": stack.enter_context(worker(loads_on(stack.enter_context(echo_server())))),
        }
        if options.peer_python:
            command = stack.enter_context(peer_server(models, work, options.peer_python))
            contestants["peer"] = stack.enter_context(worker(command))
        rows = [
            row
            for case in CASES
            for load in LOADS
            for row in measured(contestants, case, load, options)
        ]
        profiles = [
            profiled(name, py_spy, servers[name][1], ours[name], case, options.seconds)
            for name in (servers if py_spy else ())
            for case in CASES
        ]
    turns = {"turns": options.turns, "seconds of each": options.seconds}
    report = {"machine": machine(), **turns, "rows": rows, "ratios": ratios(rows)}
    report["profiles"] = profiles
    Path(options.out).write_text(json.dumps(report, indent=1) + "\n")
    show(report)


def make_models(work):
    """Trains a run of a few steps at 64 px, exports it, and gives the models' folder."""
    sizes = ["--image-size", "64", "--steps", "4", "--synthetic-count", "200", "--precision"]
    python("cdd_keras.train", "--attr", "eyeglasses", *sizes, "float32", "--output", work / "run")
    python("cdd_keras.export", work / "run", "--out", work / "models")
    return work / "models"


def python(module, *arguments):
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout


def direct_ways(models):
    """{name: command} of calls in processes of their own, without any server."""
    script = str(Path(__file__).with_name("serving_direct.py"))
    ways = {"direct": "signature", "direct, as the server calls": "servable"}
    return {
        name + suffix: [sys.executable, script, str(models), way, *threads]
        for suffix, threads in (("", ()), (ONE_EACH, ("1",)))
        for name, way in ways.items()
    }


def server_kinds(work):
    """{name: flags}."""

    def batched(name, parameters):
        (work / name).write_text(parameters)
        return ["--enable-batching", "--batching-parameters-file", str(work / name)]

    return {
        "server": [],
        BATCHED[0]: batched("whole.txt", BATCHING),
        BATCHED[1]: [*batched("split.txt", BATCHING + SPLITTING), *ONE_THREAD],
    }


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
def our_server(models, flags):
    command = [sys.executable, "-m", "serving.server", "--model-base-path", str(models)]
    command += ["--host", "localhost", "--port", "0", "--no-rest", *flags]
    with started(command, cwd=ROOT) as process:
        lines = list(iter(lambda: process.stdout.readline().strip() or "ready", "ready"))
        address = next(line.split()[2] for line in lines if line.startswith("gRPC on"))
        yield address, process.pid


def loads_on(address):
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


def answer_of(process):
    """The figures that were asked of a worker."""
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args}: ended")
    return json.loads(line)


def measured(contestants, case, load, options):
    """The figures of all who take the load, of turns one after the other."""
    of = {name: [] for name in contestants if takes(name, case, load)}
    for _ in range(options.turns):
        for name, found in of.items():
            ask(contestants[name], case, load, options.seconds)
            found.append(answer_of(contestants[name]))
    print(*case, "rows, clients:", *load, file=sys.stderr)
    return [middle(name, case, load, found) for name, found in of.items()]


def takes(name, case, load):
    """Direct calls have no clients, and the echo has the sizes of `translate`."""
    if name.startswith("direct"):
        return load[1] == 1
    return name != "echo" or case == CASES[1]


def middle(name, case, load, found):
    """The medians of the turns' figures."""
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


def profiled(name, py_spy, server, loads, case, seconds):
    """What a server does under one-row requests of 32 clients."""
    ask(loads, case, (1, 32), max(20, 5 * seconds))
    figures = profile(py_spy, server, loads.pid, seconds)
    rate = answer_of(loads)["rows_per_second"]
    print(f"{name}: {case[0]} profiled", file=sys.stderr)
    return {"by": name, "model": case[0], "rows_per_second": rate, **figures}


@contextmanager
def echo_server():
    script = Path(__file__).with_name("serving_echo.py")
    with started([sys.executable, script]) as process:
        yield process.stdout.readline().strip()


@contextmanager
def peer_server(models, work, interpreter):
    script = Path(__file__).with_name("serving_peer.py")
    command = [interpreter, str(script), "serve", str(models), str(work)]
    with started(command, stderr=subprocess.DEVNULL) as process:
        address = process.stdout.readline().strip()
        wait_for_peer(interpreter, script, address)
        yield [interpreter, str(script), "load", address]


def wait_for_peer(interpreter, script, address):
    subprocess.run([interpreter, str(script), "wait", address], check=True)


def ratios(rows):
    """What the figures are held against, each a quotient or a difference."""

    def rate(by, model, count, concurrency):
        return figure(by, model, count, concurrency)["rows_per_second"]

    def figure(by, model, count, concurrency):
        return next(
            row
            for row in rows
            if (row["by"], row["model"], row["rows"]) == (by, model, count)
            and row["concurrency"] == concurrency
        )

    found = {}
    for model, _ in CASES:
        for by in server_names(rows):
            served = figure(by, model, 1, 1)["latency_ms"]["p50"]
            for way in direct_names(rows):
                before = figure(way, model, 1, 1)["latency_ms"]["p50"]
                found[f"{model}: ms that {by} adds to one row over {way}, p50"] = served - before
    direct, echo = rate("direct", "cdd_generator", 32, 1), rate("echo", "cdd_generator", 1, 32)
    for by in BATCHED:
        name = f"translate, one-row requests of 32 clients to {by} / direct batches of 32"
        found[name] = rate(by, "cdd_generator", 1, 32) / direct
    name = "translate, one-row requests of 32 clients, were there gRPC alone beside the model"
    found[name + " / direct batches of 32"] = echo / (direct + echo)
    for by in server_names(rows):
        best = max(rate(by, "cdd_classifier", 32, n) for n in (1, 8))
        name = f"classifier, 32-row requests to {by} / direct batches of 32"
        found[name] = best / rate("direct", "cdd_classifier", 32, 1)
    if any(row["by"] == "peer" for row in rows):
        for by in server_names(rows):
            for model, _ in CASES:
                for count, concurrency in LOADS:
                    ours = rate(by, model, count, concurrency)
                    name = f"{model}, rows {count}, concurrency {concurrency}: {by} / peer"
                    found[name] = ours / rate("peer", model, count, concurrency)
    return found


def direct_names(rows):
    return sorted({row["by"] for row in rows if row["by"].startswith("direct")})


def server_names(rows):
    return sorted({row["by"] for row in rows if row["by"].startswith("server")})


def machine():
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "grpcio": grpc.__version__,
        "numpy": np.__version__,
        "commit": commit,
        "time": time.strftime("%Y-%m-%d %H:%M"),
    }


def show(report):
    print(json.dumps(report["machine"]))
    width = max(len(row["by"]) for row in report["rows"]) + 1
    print(f"{'by':{width}}{'model':16}{'rows':>5}{'at once':>8}", end="")
    print(f"{'p50 ms':>9}{'p99 ms':>9}{'rows/s':>10}")
    for row in report["rows"]:
        latency = row["latency_ms"]
        print(
            f"{row['by']:{width}}{row['model']:16}{row['rows']:5}{row['concurrency']:8}"
            f"{latency['p50']:9.2f}{latency['p99']:9.2f}{row['rows_per_second']:10.0f}"
        )
    for name, value in report["ratios"].items():
        print(f"{name}: {value:.2f}")
    for one in report["profiles"]:
        print(f"{one['by']}, {one['model']}, one-row requests of 32 clients, profiled:")
        for kind, used in one["milliseconds by thread"].items():
            print(f"{used:9.0f} ms of a processor in a second: {kind}")
        print(f"{one['lock held']:9.0%} of samples hold the interpreter lock:")
        for place, share in one["lock held by place"].items():
            print(f"{share:13.1%} {place}")


if __name__ == "__main__":
    main()

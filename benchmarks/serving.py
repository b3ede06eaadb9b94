"""Serving measured in one run: direct calls, our server, and a peer with the same SavedModels.

    python benchmarks/serving.py --out serving.json --peer-python PEER/bin/python

PEER is a virtual environment made by `pip install -r benchmarks/requirements-peer.txt`; without it
our own figures are printed alone. Nothing else should run on the machine.

Our servers have `--own-machine`. The models are an untrained run's at 64 px: what they draw does
not change how long it takes. All that is measured stands by at once and is measured in turns, since
a machine drifts from minute to minute; each figure is the median of its turns, after one that is
not counted. Loads come from processes of their own, `serving.client`'s generator in every case, so
that the client's work is the same against both servers: the bytes of one request, sent again and
again, whose answers stay bytes.

An echo, a server of grpcio that answers `translate` with as many bytes and computes nothing, says
what gRPC alone costs: model and messages share the cores, so that a model as fast as in direct
calls would have 1 / (1 / direct + 1 / echo) rows a second beside it.

The peer stands by three times: as it comes, which is with one worker process; without that process;
and with the threads that our fastest server has as well. Ratios are given to each.

With py-spy, which PEER holds, our server is also profiled under one-row requests of 32 clients.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

from serving_contest import (
    CASES,
    LOADS,
    PACKAGES,
    answer_of,
    ask,
    end_tidily,
    in_turns,
    loads_on,
    make_models,
    our_server,
    side_by_side,
    started,
    whole_batches,
    worker,
)
from serving_profile import profile
from speed import reporting

ONE_EACH = ", threads of an operation: 1"
_ALONE = {"parallel_workers": 0}
# MLServer's settings and its environment: as it comes; with requests computed where they arrive;
# and with as many threads as our batches side by side have. Its adaptive batching is left off, as
# it comes: a client alone would wait out its time with every request.
PEERS = {
    "peer": ({}, {}),
    "peer, one process": (_ALONE, {}),
    "peer, one process" + ONE_EACH: (
        _ALONE,
        {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2"},
    ),
}
BATCHED = ("server, batching", "server, batches side by side")


def main():
    parser = reporting.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of each turn (default 3)")
    parser.add_argument("--turns", type=int, default=3, help="of each load (default 3)")
    parser.add_argument(
        "--models", metavar="DIR", help="exported models of 64 px (default: made here)"
    )
    parser.add_argument("--peer-python", metavar="PYTHON", help="of the peer's environment")
    options = parser.parse_args()
    end_tidily()
    machine = reporting.machine(PACKAGES)
    peer_python = options.peer_python and str(Path(options.peer_python).absolute())
    py_spy = peer_python and Path(peer_python).with_name("py-spy")
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
        if peer_python:
            for name, settings in PEERS.items():
                server = peer_server(models, work / name, peer_python, *settings)
                contestants[name] = stack.enter_context(worker(stack.enter_context(server)))
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
    report = {"machine": machine, **turns, "rows": rows, "ratios": ratios(rows)}
    report["peer"] = peer_versions(peer_python) if peer_python else None
    report["profiles"] = profiles
    reporting.keep(report, options.out)
    show(report)


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
    kinds = {"server": [], BATCHED[0]: whole_batches(work), BATCHED[1]: side_by_side(work)}
    return {name: [*flags, "--own-machine"] for name, flags in kinds.items()}


def measured(contestants, case, load, options):
    """The figures of all who take the load."""
    who = {name: one for name, one in contestants.items() if takes(name, case, load)}
    return in_turns(who, case, load, options.turns, options.seconds)


def takes(name, case, load):
    """Direct calls have no clients, and the echo has the sizes of `translate`."""
    if name.startswith("direct"):
        return load[1] == 1
    return name != "echo" or case == CASES[1]


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
def peer_server(models, work, interpreter, settings, environment):
    work.mkdir()
    script = Path(__file__).with_name("serving_peer.py")
    command = [interpreter, str(script), "serve", str(models), str(work)]
    command.append(json.dumps(settings))
    # It writes where it is started.
    variables = {**os.environ, **environment}
    with started(command, cwd=work, env=variables, stderr=subprocess.DEVNULL) as process:
        address = process.stdout.readline().strip()
        wait_for_peer(interpreter, script, address)
        yield [interpreter, str(script), "load", address]


def peer_versions(interpreter):
    """{package: version} of the peer's environment."""
    code = "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in "
    code += "('mlserver', 'tensorflow', 'grpcio', 'uvloop')}))"
    return json.loads(subprocess.check_output([interpreter, "-c", code], text=True))


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
    for by in (*server_names(rows), *peer_names(rows)):
        best = max(rate(by, "cdd_classifier", *load) for load in LOADS if load[0] == 32)
        name = f"classifier, 32-row requests to {by} / direct batches of 32"
        found[name] = best / rate("direct", "cdd_classifier", 32, 1)
    for peer in peer_names(rows):
        for by in server_names(rows):
            for model, _ in CASES:
                for count, concurrency in LOADS:
                    ours = rate(by, model, count, concurrency)
                    name = f"{model}, rows {count}, concurrency {concurrency}: {by} / {peer}"
                    found[name] = ours / rate(peer, model, count, concurrency)
    return found


def direct_names(rows):
    return sorted({row["by"] for row in rows if row["by"].startswith("direct")})


def server_names(rows):
    return sorted({row["by"] for row in rows if row["by"].startswith("server")})


def peer_names(rows):
    return sorted({row["by"] for row in rows if row["by"] in PEERS})


def show(report):
    print(json.dumps(report["machine"]))
    print("peer:", json.dumps(report["peer"]))
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

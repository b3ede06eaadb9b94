"""The server of several commits measured in turns: what a change of it gains.

    python benchmarks/serving_commits.py --out commits.json 879efdc HEAD

Each is COMMIT, or COMMIT,NAME=VALUE,... with variables of its environment. All stand by at once,
with batches side by side of the same models, and take each load one after the other; the loads are
this tree's. Ratios are to the first. Nothing else should run on the machine but for what `--busy`
starts.
"""

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

from serving_contest import (
    CASES,
    LOADS,
    PACKAGES,
    ROOT,
    end_tidily,
    in_turns,
    loads_on,
    make_models,
    our_server,
    side_by_side,
    worker,
)
from speed import reporting

MODELS = dict(CASES)
COLUMNS = {
    **{"model": ("model", ""), "rows": ("rows", "d"), "concurrency": ("clients", "d")},
    **{"by": ("by", ""), "p50": ("p50 ms", ".2f"), "p99": ("p99 ms", ".2f")},
    **{"rows_per_second": ("rows/s", ".0f"), "least": ("least", "d"), "most": ("most", "d")},
    "ratio": ("ratio", ".3f"),
}


def main():
    parser = reporting.parser(__doc__)
    parser.add_argument("contestants", nargs="+", metavar="COMMIT[,NAME=VALUE...]")
    parser.add_argument("--seconds", type=float, default=2, help="of each turn (default 2)")
    parser.add_argument("--turns", type=int, default=8, help="of each load (default 8)")
    parser.add_argument(
        "--models", metavar="DIR", help="exported models of 64 px (default: made here)"
    )
    parser.add_argument(
        "--load",
        action="append",
        type=load_of,
        metavar="MODEL:ROWS:CLIENTS",
        help="such as cdd_classifier:1:8 (default: those of serving.py)",
    )
    parser.add_argument(
        "--busy",
        type=int,
        choices=range(17),
        default=0,
        metavar="N",
        help="other programs that compute meanwhile, 0 to 16 (default 0)",
    )
    options = parser.parse_args()
    end_tidily()
    machine = reporting.machine(PACKAGES)
    contestants = dict(map(contestant, range(len(options.contestants)), options.contestants))
    loads = options.load or [(case, load) for case in CASES for load in LOADS]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        models = Path(options.models or make_models(work)).absolute()
        flags = side_by_side(work)
        workers = {}
        for number, (name, (commit, environment)) in enumerate(contestants.items()):
            tree = unpacked(commit, work / f"tree-{number}")
            address, _ = stack.enter_context(our_server(models, flags, tree, environment))
            workers[name] = stack.enter_context(worker(loads_on(address)))
        for _ in range(options.busy):
            stack.enter_context(spinning())
        rows = [
            row
            for case, load in loads
            for row in compared(in_turns(workers, case, load, options.turns, options.seconds))
        ]
    turns = {
        **{"turns": options.turns, "seconds of each": options.seconds},
        "other programs that compute": options.busy,
    }
    commits = {name: commit for name, (commit, _) in contestants.items()}
    report = {"machine": machine, **turns, "commits": commits, "rows": rows}
    reporting.keep(report, options.out)
    print(json.dumps(machine))
    print(reporting.table(list(map(flat, rows)), COLUMNS))


def contestant(number, text):
    """(name, (commit, environment)): the same twice are two, which says what chance is."""
    commit, *settings = text.split(",")
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--short", f"{commit}^{{commit}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise SystemExit(f"{commit!r} is no commit: {found.stderr.strip()}")
    if wrong := [setting for setting in settings if not setting.partition("=")[1]]:
        raise SystemExit(f"{wrong[0]!r}: expected NAME=VALUE after {commit}")
    environment = dict(setting.split("=", 1) for setting in settings)
    return f"{number + 1}: {text}", (found.stdout.strip(), environment)


def load_of(text):
    """((model, signature), (rows, clients))."""
    model, *numbers = text.split(":")
    if model not in MODELS:
        raise argparse.ArgumentTypeError(f"{model!r} is none of {', '.join(MODELS)}")
    if len(numbers) != 2 or not all(one.isdecimal() and int(one) for one in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}: expected MODEL:ROWS:CLIENTS")
    rows, clients = map(int, numbers)
    return (model, MODELS[model]), (rows, clients)


@contextmanager
def spinning():
    """A program that never waits."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def unpacked(commit, folder):
    """A folder with a commit's server."""
    archive = subprocess.run(
        ["git", "archive", commit, "serving"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        raise SystemExit(f"{commit} has no server: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def compared(rows):
    """The rows of one load with each one's rate over the first's."""
    first = rows[0]["rows_per_second"]
    return [{**row, "ratio": row["rows_per_second"] / first} for row in rows]


def flat(row):
    """A row of the table."""
    turns = row["rows_per_second of the turns"]
    return {**row, **row["latency_ms"], "least": min(turns), "most": max(turns)}


if __name__ == "__main__":
    main()

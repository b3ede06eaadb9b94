"""How time and memory of training grow with batch, image, channels and data set.

    python benchmarks/scaling.py --out scaling.json --plot scaling.png

One quantity is varied at a time, each case in a process of its own. `growth` is the exponent from
the row before: 1 where doubling the quantity doubles the time a step. Image sizes are compared by
their pixels, channels by their number, whose square convolutions cost.
"""

import math
import sys
from itertools import pairwise

from speed import reporting
from speed.reporting import machine, table
from speed.timing import summary
from speed.workers import Worker

from cdd_keras.config import METHODS
from cdd_keras.files import replacing

BASE = {"batch_size": 32, "image_size": 32, "channels": 16}
VARIED = {
    "batch_size": (8, 16, 32, 64, 128),
    "image_size": (32, 48, 64, 96, 128),
    "channels": (8, 16, 32),
}
IMAGES = (1_000, 10_000, 100_000)
STEP_COLUMNS = {
    "varied": ("varied", "s"),
    "value": ("value", "d"),
    "ms": ("ms a step", ".1f"),
    "images_per_second": ("images/s", ".1f"),
    "growth": ("growth", ".2f"),
    "gflop": ("GFLOP a step", ".2f"),
    "memory": ("peak MiB", ".0f"),
    "memory_growth": ("memory's", ".2f"),
}
SET_COLUMNS = {
    "value": ("images a domain", "d"),
    "image_size": ("px", "d"),
    "images_per_second": ("delivered/s", ".0f"),
    "own": ("own MiB", ".0f"),
    "grown": ("by the data", ".0f"),
    "mapped": ("mapped MiB", ".0f"),
}


def main():
    parser = reporting.parser(__doc__)
    parser.add_argument("--plot", metavar="FILE", help="picture of time and memory, PNG or SVG")
    parser.add_argument("--method", choices=METHODS, default="cdd")
    parser.add_argument("--precision", default="auto")
    for name, values in VARIED.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, nargs="*", type=int, default=values, help="sizes to compare")
    parser.add_argument("--images", nargs="*", type=int, default=IMAGES, help="of a domain")
    parser.add_argument("--data-size", type=int, default=64, help="side of those images, px")
    parser.add_argument("--seconds", type=float, default=4, help="of each figure (default 4)")
    options = parser.parse_args()
    report = {"machine": machine(), "steps": [], "sets": []}
    for name in VARIED:
        report["steps"] += grown([step_row(options, name, n) for n in getattr(options, name)])
    report["sets"] = [set_row(options, count) for count in options.images]
    reporting.keep(report, options.out)
    if options.plot:
        plot(report, options.plot)
    print(report["machine"])
    print(table(report["steps"], STEP_COLUMNS))
    print(table(report["sets"], SET_COLUMNS))


def step_row(options, name, value):
    """Cost of a step with one quantity changed."""
    settings = {**BASE, name: value, "method": options.method, "precision": options.precision}
    with Worker("speed") as worker:
        flops = worker.call("build", settings=settings)["flops"]
        timed = worker.call("time", seconds=options.seconds)
        memory = worker.call("memory")["memory"]
    row = {"varied": name, "value": value, **settings, "gflop": flops / 1e9, "memory": memory}
    row |= summary(timed, 2 * settings["batch_size"])
    print(f"{name} {value}: {row['ms']:.1f} ms", file=sys.stderr, flush=True)
    return row


def grown(rows):
    """The rows of one quantity, each with the exponents by which it grew from the one before."""
    for before, row in pairwise(rows):
        power = 2 if row["varied"] == "image_size" else 1
        more = power * math.log(row["value"] / before["value"])
        row["growth"] = math.log(row["ms"] / before["ms"]) / more
        row["memory_growth"] = math.log(row["memory"] / before["memory"]) / more
    return rows


def set_row(options, count):
    """What a data set of a size costs."""
    with Worker("speed") as worker:
        found = worker.call(
            "deliver",
            count=count,
            size=options.data_size,
            batch_size=BASE["batch_size"],
            seconds=options.seconds,
        )
    return {"varied": "images", "value": count, "image_size": options.data_size, **found}


def plot(report, path):
    """Time and memory against each quantity, both axes logarithmic, beside a line of slope 1."""
    from matplotlib.figure import Figure

    names = [name for name in VARIED if any(row["varied"] == name for row in report["steps"])]
    figure = Figure(figsize=(4 * max(1, len(names)), 3.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        rows = [row for row in report["steps"] if row["varied"] == name]
        values = [row["value"] for row in rows]
        power = 2 if name == "image_size" else 1
        linear = [rows[0]["ms"] * (value / values[0]) ** power for value in values]
        axes.loglog(values, [row["ms"] for row in rows], "o-", label="ms a step")
        axes.loglog(values, [row["memory"] for row in rows], "s-", label="peak MiB")
        axes.loglog(values, linear, ":", color="grey", label="linear")
        axes.set_xticks(values, [str(value) for value in values])
        axes.minorticks_off()
        axes.set_xlabel(name.replace("_", " "))
        axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary)


if __name__ == "__main__":
    main()

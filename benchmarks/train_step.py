"""What a training step costs, by method, precision and image size.

    python benchmarks/train_step.py --out steps.json
    python benchmarks/train_step.py --out short.json --method cdd --image-size 64 --rounds 1

Each case is a process of its own, so that its peak memory is its own; the precisions of a case and
the products of matrices that its peak is measured by take turns. A step is one of the last phase,
with all its losses, on a batch that is already there. Images of both domains are counted. FLOPs are
those of the step's graph, gradients included; MFU is their rate as a share of the fastest
product of matrices in the same precision and the same run. Nothing else should run on the machine.
"""

import sys
from contextlib import ExitStack

from speed import reporting
from speed.reporting import machine, table
from speed.timing import join, summary
from speed.workers import Worker

from cdd_keras.config import METHODS

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
COLUMNS = {
    "method": ("method", "s"),
    "image_size": ("px", "d"),
    "batch_size": ("batch", "d"),
    "precision": ("precision", "s"),
    "images_per_second": ("images/s", ".1f"),
    "ms": ("ms a step", ".1f"),
    "ms_fastest": ("fastest", ".1f"),
    "ms_processor": ("of processors", ".1f"),
    "memory": ("peak MiB", ".0f"),
    "gflop": ("GFLOP a step", ".2f"),
    "gflops": ("GFLOP/s", ".0f"),
    "peak_gflops": ("machine's", ".0f"),
    "mfu": ("MFU", ".0%"),
}
OP_COLUMNS = {
    "type": ("type of op", "s"),
    "ops": ("ops", "d"),
    "ms": ("ms a step", ".2f"),
    "share": ("share", ".1%"),
    "op": ("op", "s"),
}


def main():
    parser = reporting.parser(__doc__)
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=PRECISIONS,
        help="by default float32 and mixed_bfloat16, and mixed_float16 where a GPU is",
    )
    parser.add_argument("--image-size", nargs="+", type=int, default=[32, 64])
    parser.add_argument("--batch-size", nargs="+", type=int, default=[64])
    parser.add_argument("--channels", type=int, help="of the networks; the method's own by default")
    for flag in ("--deterministic", "--exact-sums"):
        parser.add_argument(flag, action="store_true", help=f"as `train {flag}`")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default 3)")
    parser.add_argument("--seconds", type=float, default=5, help="of each turn (default 5)")
    parser.add_argument("--no-profile", action="store_true", help="leave out the dearest ops")
    options = parser.parse_args()
    report = {"machine": machine(), "rows": []}
    for settings in cases(options):
        report["rows"] += measured(options, settings)
        # What there is counts, should the rest be given up.
        reporting.keep(report, options.out)
    show(report)


def cases(options):
    """Settings of all cases but for their precision."""
    more = {} if options.channels is None else {"channels": options.channels}
    more["deterministic"] = options.deterministic
    more["exact_sums"] = options.exact_sums
    return [
        {"method": method, "image_size": size, "batch_size": batch, **more}
        for method in options.method
        for size in options.image_size
        for batch in options.batch_size
    ]


def measured(options, settings):
    """A row for each precision of a case, measured in turns."""
    with ExitStack() as stack:
        workers, rows, turns = {}, {}, {}
        for precision in options.precision or default_precisions():
            worker = workers[precision] = stack.enter_context(Worker("speed"))
            built = worker.call("build", settings={**settings, "precision": precision})
            rows[precision] = {**settings, "precision": precision, **built}
            turns[precision], rows[precision]["peak"] = [], 0.0
        for _ in range(options.rounds):
            for precision, worker in workers.items():
                turns[precision].append(worker.call("time", seconds=options.seconds))
        for precision, worker in workers.items():
            # Before the products of matrices, which need memory of their own.
            rows[precision] |= worker.call("memory")
        for _ in range(options.rounds):
            for precision, worker in workers.items():
                found = worker.call("peak", precision=precision)["peak"]
                rows[precision]["peak"] = max(found, rows[precision]["peak"])
        for precision, worker in workers.items():
            row = rows[precision]
            row |= figures(row, summary(join(turns[precision]), 2 * settings["batch_size"]))
            if not options.no_profile:
                row |= worker.call("profile")
            print(f"{settings} {precision}: {row['ms']:.1f} ms", file=sys.stderr, flush=True)
    return list(rows.values())


def default_precisions():
    import tensorflow as tf

    return PRECISIONS if tf.config.list_physical_devices("GPU") else PRECISIONS[:2]


def figures(row, timed):
    """What follows from a case's FLOPs, peak and time."""
    rate = row["flops"] / (timed["ms"] / 1e3)
    return {
        **timed,
        "gflop": row["flops"] / 1e9,
        "gflops": rate / 1e9,
        "peak_gflops": row["peak"] / 1e9,
        "mfu": rate / row["peak"],
    }


def show(report):
    print(report["machine"])
    print(table(report["rows"], COLUMNS))
    for row in report["rows"]:
        if "types" not in row:
            continue
        case = f"{row['method']}, {row['image_size']} px, {row['precision']}"
        print(f"\n{case}: the dearest ops, time of all threads")
        print(table(row["types"], {key: OP_COLUMNS[key] for key in ("type", "ops", "ms", "share")}))
        print(table(row["ops"], {key: OP_COLUMNS[key] for key in ("op", "type", "ms", "share")}))


if __name__ == "__main__":
    main()

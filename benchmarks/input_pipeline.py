"""How many images a second the input pipeline delivers, against what training consumes.

    python benchmarks/input_pipeline.py --out pipeline.json

The pipeline is read alone, by a loop that does nothing with the batches; the step runs alone on a
batch that is already there. Both count the images of both domains.
"""

from speed import reporting
from speed.reporting import machine, table
from speed.timing import summary
from speed.workers import Worker

from cdd_keras.config import METHODS

COLUMNS = {
    "image_size": ("px", "d"),
    "batch_size": ("batch", "d"),
    "count": ("images a domain", "d"),
    "images_per_second": ("delivered/s", ".0f"),
    "method": ("method", "s"),
    "consumed": ("consumed/s", ".0f"),
    "ratio": ("delivered / consumed", ".1f"),
}


def main():
    parser = reporting.parser(__doc__)
    parser.add_argument("--image-size", nargs="+", type=int, default=[32, 64])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--images", type=int, default=10_000, help="of each domain")
    parser.add_argument(
        "--method", nargs="+", choices=METHODS, default=["source_only", "cdd"], help="consumers"
    )
    parser.add_argument("--precision", default="auto", help="of the consumers (default auto)")
    parser.add_argument("--seconds", type=float, default=5, help="of each figure (default 5)")
    options = parser.parse_args()
    report = {"machine": machine(), "rows": []}
    for size in options.image_size:
        report["rows"] += measured(options, size)
    reporting.keep(report, options.out)
    print(report["machine"])
    print(table(report["rows"], COLUMNS))


def measured(options, size):
    """A row for each consumer of images of a size."""
    case = {"image_size": size, "batch_size": options.batch_size}
    with Worker("speed") as worker:
        delivered = worker.call(
            "deliver",
            count=options.images,
            size=size,
            batch_size=options.batch_size,
            seconds=options.seconds,
        )
    rows = []
    for method in options.method:
        settings = {**case, "method": method, "precision": options.precision}
        with Worker("speed") as worker:
            worker.call("build", settings=settings)
            timed = worker.call("time", seconds=options.seconds)
        consumed = summary(timed, 2 * options.batch_size)["images_per_second"]
        ratio = delivered["images_per_second"] / consumed
        row = {**settings, "count": options.images, **delivered}
        rows.append({**row, "consumed": consumed, "ratio": ratio})
    return rows


if __name__ == "__main__":
    main()

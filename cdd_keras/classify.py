"""`python -m cdd_keras.classify`: reads the attribute off image files."""

import csv
import json
import sys

from cdd_keras import cli
from cdd_keras.domains import DOMAINS, TARGET

DESCRIPTION = "Read the attribute off images: the value of each, and every value's probability."
EPILOG = "One line an image. What cannot be read is named on stderr and skipped."
DIGITS = 6


def run(arguments: list[str]) -> int | None:
    """Parses the command line and classifies; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    from cdd_keras.data.images import find_images
    from cdd_keras.inference import ImageReader, find_run, open_run, refusal

    find_run(parsed.run)
    paths = find_images(parsed.images)
    cli.load_tensorflow()
    run = open_run(parsed.run)
    if not run.model.can_read(parsed.domain):
        raise refusal(run, f"reads no {parsed.domain} images. Give another --domain")
    reader = ImageReader(run.preprocessing, _say, run.batch_size)
    write = FORMATS[parsed.format](run.shown.values)
    for path, chances in _readings(run, reader(paths), parsed.domain):
        write(path, chances)
    _say(reader.summary("classified"))
    return reader.exit_code


def _parser() -> cli.Parser:
    parser = cli.Parser("classify", DESCRIPTION)
    parser.epilog = EPILOG
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("images", metavar="IMAGE_OR_DIR", nargs="+", help="images, or folders")
    parser.add_argument(
        "--domain", choices=DOMAINS, default=TARGET, help="what the images are (default: target)"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="form of the output (default: table)"
    )
    return parser


def _readings(run, batches, domain):
    """Yields (path, [probability of each value]); stdout is flushed after each batch."""
    import numpy as np

    from cdd_keras.data.preprocessing import to_float
    from cdd_keras.inference import shown

    for paths, images in batches:
        chances = np.exp(np.asarray(run.model.classify(to_float(images), domain)))
        yield from zip(map(shown, paths), chances.tolist(), strict=True)
        sys.stdout.flush()


def _table(values):
    """Columns of fixed width, the path last: no width is known before all are read."""
    width = max(len(value) for value in ("predicted", *values))
    columns = [max(len(value), 5) for value in values]

    def line(predicted, cells, path):
        numbers = "  ".join(f"{cell:>{size}}" for cell, size in zip(cells, columns, strict=True))
        print(f"{predicted:<{width}}  {numbers}  {path}")

    line("predicted", values, "path")
    return lambda path, chances: line(
        _likeliest(values, chances), [f"{chance:.3f}" for chance in chances], path
    )


def _csv(values):
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(["path", "predicted", *values])
    return lambda path, chances: lines.writerow(
        [path, _likeliest(values, chances), *(f"{chance:.{DIGITS}f}" for chance in chances)]
    )


def _json_lines(values):
    def write(path, chances):
        probabilities = {v: round(c, DIGITS) for v, c in zip(values, chances, strict=True)}
        row = {"path": path, "predicted": _likeliest(values, chances)}
        print(json.dumps({**row, "probabilities": probabilities}, allow_nan=False))

    return write


def _likeliest(values, chances) -> str:
    return values[max(range(len(values)), key=chances.__getitem__)]


FORMATS = {"table": _table, "csv": _csv, "jsonl": _json_lines}


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.leave(cli.main(run))

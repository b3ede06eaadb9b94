"""`python -m serving.client classify`: reads the attribute off image files, by a server."""

import csv
import json
import sys

from serving import cli
from serving.client import naming, options
from serving.client.client import CLASSIFIER
from serving.client.errors import ClientError
from serving.client.folders import FolderSender, shown
from serving.client.images import find_images
from serving.client.labels import DOMAINS
from serving.client.progress import Progress

DESCRIPTION = "Read the attribute off images: the value of each, and every value's probability."
EPILOG = "One line an image. What cannot be read is named on stderr and skipped."
DIGITS = 6


def run(arguments: list[str]) -> int | None:
    """Parses the command line and classifies; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    model = options.model_of(parsed)
    paths = find_images(parsed.images)
    with options.connect(parsed) as client, Progress(len(paths), table=True) as progress:
        names = parsed.class_names or naming.class_names(client, model)
        sender = FolderSender(client.classifying(parsed.domain, model), client.limits, progress)
        write = FORMATS[parsed.format](names)
        for path, _, scores in sender(paths):
            _check(scores, names)
            write(shown(path), scores.tolist())
        sys.stdout.flush()
        progress.say(sender.summary("classified"))
        return sender.exit_code


def _parser() -> cli.Parser:
    parser = cli.Parser("client classify", DESCRIPTION)
    parser.epilog = EPILOG
    parser.add_argument("images", metavar="IMAGE_OR_DIR", nargs="+", help="images, or folders")
    parser.add_argument(
        "--domain", choices=DOMAINS, default="target", help="what they are (default: target)"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="form of the output (default: table)"
    )
    parser.add_argument(
        "--class-names",
        metavar="NAME,…",
        type=options.names,
        help="in the model's order (default: its own)",
    )
    options.add_model(parser, CLASSIFIER)
    options.add_batching(parser)
    options.add_connection(parser)
    return parser


def _check(scores, names) -> None:
    if len(scores) != len(names):
        raise ClientError(f"the model has {len(scores)} classes, not {', '.join(names)}.")


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

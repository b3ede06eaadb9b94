"""`python -m serving.client load`: sends many requests to a server and measures."""

import json
import sys

import numpy as np

from serving import cli
from serving.client import options
from serving.client.answers import ModelSpec
from serving.client.client import CLASSIFIER
from serving.client.errors import ImageError
from serving.client.folders import shown
from serving.client.images import find_images, image_bytes
from serving.client.loading import Plan, run_load

DESCRIPTION = "Send the same request many times, and print latencies, throughput and errors."
EPILOG = (
    "Inputs are made up by the model's metadata: numbers in [-1, 1) for float inputs, zeros for "
    "whole ones, a picture of noise, or the images named, for strings. Nothing is tried again. "
    "The exit code is 1 where no request was answered."
)
# The side of a made-up picture; models resize it.
SIDE = 64


def run(arguments: list[str]) -> int | None:
    """Parses the command line and measures; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    seconds = parsed.duration or (None if parsed.count else 10.0)
    plan = Plan(parsed.concurrency, seconds, parsed.count, parsed.rate)
    spec = ModelSpec(parsed.model, parsed.signature, parsed.version, parsed.version_label)
    files = _files(parsed.images)
    with options.connect(parsed) as client:
        inputs = _inputs(client.metadata(spec), spec, parsed, files)
        send = client.transport.prepared(spec, inputs)
        # One alone, so that a wrong request is told as one error, and the connection stands.
        send(parsed.deadline)
        report = run_load(lambda: send(parsed.deadline), plan).report(parsed.rows)
    if parsed.json:
        print(json.dumps(report))
    else:
        _print(report)
    return int(report["answered"] == 0)


def _files(paths) -> list[bytes]:
    """The images that can be read; the others are named on stderr."""
    if not paths:
        return []
    files, failed = [], None
    for path in find_images(paths):
        try:
            files.append(image_bytes(path))
        except ImageError as error:
            print(f"skipped: {shown(error)}", file=sys.stderr)
            failed = error
    if not files and failed:
        raise failed
    return files


def _parser() -> cli.Parser:
    parser = cli.Parser("client load", DESCRIPTION)
    parser.epilog = EPILOG
    parser.add_argument("images", metavar="IMAGE_OR_DIR", nargs="*", help="for inputs of images")
    parser.add_argument(
        "--signature", metavar="NAME", default="serving_default", help="(default: serving_default)"
    )
    parser.add_argument(
        "--rows", metavar="N", type=options.whole(1, 4096), default=1, help="a request (default: 1)"
    )
    parser.add_argument(
        "--input",
        metavar="NAME=NUMBER",
        action="append",
        default=[],
        type=_setting,
        help="every row's value of an input of numbers, such as label=1",
    )
    parser.add_argument(
        "--concurrency",
        metavar="N",
        type=options.whole(1, 1024),
        default=1,
        help="requests under way at a time (default: 1)",
    )
    parser.add_argument(
        "--duration",
        metavar="SECONDS",
        type=options.positive,
        help="after which no more are sent (default: 10, or until --count)",
    )
    parser.add_argument(
        "--count", metavar="N", type=options.whole(1, 10**9), help="requests in all"
    )
    parser.add_argument(
        "--rate",
        metavar="N",
        type=options.positive,
        help="requests a second at even times; late ones count as slow (default: the next when "
        "one is answered)",
    )
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    options.add_model(parser, CLASSIFIER)
    options.add_connection(parser)
    return parser


def _setting(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError
    return name, float(value)


_setting.__name__ = "NAME=NUMBER"


def _inputs(metadata, spec, parsed, files):
    """Arrays for the inputs of a signature, of `--rows` rows."""
    signatures = metadata.offered
    if spec.signature not in signatures:
        hint = cli.suggest(spec.signature, signatures)
        raise cli.UsageError(
            f"`--signature`: {spec.name} has no {spec.signature!r}.{hint} Expected one of "
            f"{', '.join(signatures)}."
        )
    wanted = signatures[spec.signature].inputs
    settings = dict(parsed.input)
    for name in settings:
        if name not in wanted or wanted[name].dtype == "string":
            raise cli.UsageError(
                f"`--input`: {spec.signature} takes no number called {name!r}."
                f"{cli.suggest(name, wanted)}"
            )
    draws = np.random.default_rng(0)
    return {
        name: _rows(name, tensor, parsed.rows, settings.get(name), files, draws)
        for name, tensor in wanted.items()
    }


def _rows(name, tensor, count, value, files, draws):
    if tensor.shape is None or -1 in tensor.shape[1:]:
        raise cli.UsageError(f"The shape of the input {name!r} is open: {tensor.shape}.")
    if tensor.dtype == "string":
        files = files or [image_bytes(draws.integers(0, 256, (SIDE, SIDE, 3), np.uint8))]
        return np.array([files[row % len(files)] for row in range(count)], object)
    shape = (count, *tensor.shape[1:])
    if value is not None:
        return np.full(shape, value, tensor.dtype)
    if np.issubdtype(tensor.dtype, np.floating):
        return draws.uniform(-1, 1, shape).astype(tensor.dtype)
    return np.zeros(shape, tensor.dtype)


def _print(report) -> None:
    print(
        f"{report['answered']} of {report['requests']} requests answered in "
        f"{report['seconds']:.2f} s: {report['requests_per_second']:g} requests/s, "
        f"{report['rows_per_second']:g} rows/s"
    )
    if report["latency_ms"]:
        figures = (f"{name} {value:.2f}" for name, value in report["latency_ms"].items())
        print(f"latency in ms: {', '.join(figures)}")
    for code, count in report["errors"].items():
        print(f"{code}: {count}")
    sys.stdout.flush()

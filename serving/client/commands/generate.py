"""`python -m serving.client generate`: draws a grid of samples, by a server."""

import math
import sys
from pathlib import Path

from serving import cli
from serving.client import naming, options
from serving.client.client import GENERATOR
from serving.client.files import check_png
from serving.client.grids import draw_grid, save_png
from serving.client.labels import DOMAINS, NO_LABEL, label_index

DESCRIPTION = "Draw images from noise: a row for each domain and attribute value."
BOTH, ALL, NONE = "both", "all", "none"
# The most images a picture can hold, and how many stand in a row of it.
MOST, WIDTH = 4096, 16


def run(arguments: list[str]) -> int | None:
    """Parses the command line and writes the picture; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    model = options.model_of(parsed)
    check_png("--out", parsed.out)
    domains = DOMAINS if parsed.domain == BOTH else (parsed.domain,)
    with options.connect(parsed) as client:
        labels = _labels(parsed, client)
        each = math.ceil(parsed.count / (len(domains) * len(labels)))
        seeds = range(parsed.seed, parsed.seed + each)
        rows = []
        for domain in domains:
            for name, label in labels.items():
                images = client.generate([label] * each, seeds, domain, model)
                rows += _parts(f"{domain}: {name}", images)
    save_png(draw_grid(rows), parsed.out)
    print(f"drew {each * len(domains) * len(labels)} images: {parsed.out}", file=sys.stderr)
    return 0


def _parser() -> cli.Parser:
    parser = cli.Parser("client generate", DESCRIPTION)
    parser.add_argument(
        "--out", metavar="grid.png", type=Path, required=True, help="the picture to write"
    )
    parser.add_argument(
        "--count",
        metavar="N",
        type=options.whole(1, MOST),
        default=64,
        help="images in all, rounded up so that every domain and value has equally many "
        "(default: 64)",
    )
    parser.add_argument(
        "--domain", choices=(*DOMAINS, BOTH), default=BOTH, help="domain to draw in (default: both)"
    )
    parser.add_argument(
        "--value",
        metavar="VALUE|all|none",
        default=ALL,
        help="attribute value, by name or index; none: the base images (default: all)",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=options.whole(0, 2**31 - 1),
        default=0,
        help="of the first column, one more a column, the same for every row (default: 0)",
    )
    naming.add_names(parser)
    options.add_model(parser, GENERATOR)
    options.add_batching(parser)
    options.add_connection(parser)
    return parser


def _labels(parsed, client) -> dict[str, int]:
    """The labels to draw, by the name that their rows get."""
    text = parsed.value.strip().lower()
    if text == NONE:
        return {"base": NO_LABEL}
    names = naming.names_of(parsed, client)
    if text == ALL:
        return {name: number for number, name in enumerate(names)}
    number = label_index(text, names)
    return {names[number]: number}


def _parts(label, images):
    starts = range(0, len(images), WIDTH)
    return [("" if start else label, images[start : start + WIDTH]) for start in starts]

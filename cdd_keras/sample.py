"""`python -m cdd_keras.sample`: draws a grid of images from noise."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from cdd_keras import cli
from cdd_keras.domains import DOMAINS, NO_VALUE
from cdd_keras.errors import UsageError
from cdd_keras.strengths import add_strengths, strengths_given

DESCRIPTION = "Draw images from noise: a section a domain, rows for each attribute value."
BOTH, ALL = "both", "all"
# The most images a picture can hold.
MOST = 4096


def run(arguments: list[str]) -> int | None:
    """Parses the command line and writes the picture; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    _check(parsed)
    strengths = strengths_given(parsed)
    from cdd_keras.inference import find_run, make_folder, open_run, require, save_picture

    attribute = find_run(parsed.run).attribute
    if parsed.value.lower() != ALL:
        attribute.index(parsed.value)
    out = Path(parsed.out)
    make_folder("--out", out.parent)
    cli.load_tensorflow()
    from cdd_keras.grids import sample_grid

    run = open_run(parsed.run, strengths=strengths)
    require(run, "generator")
    domains, values = _domains(run, parsed.domain), _values(run, parsed.value)
    each = math.ceil(parsed.count / (len(domains) * len(values)))
    picture = sample_grid(
        run.model, run.shown, run.names, domains, values, each, parsed.seed, run.batch_size
    )
    save_picture(picture, out)
    print(f"drew {each * len(domains) * len(values)} images: {out}", file=sys.stderr)
    return 0


def _parser() -> cli.Parser:
    parser = cli.Parser("sample", DESCRIPTION)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--out", metavar="grid.png", required=True, help="the picture to write")
    parser.add_argument(
        "--count",
        metavar="N",
        type=int,
        default=64,
        help="images in all, rounded up so that every domain and value has equally many "
        "(default: 64)",
    )
    parser.add_argument(
        "--domain", choices=(*DOMAINS, BOTH), default=BOTH, help="domain to draw in (default: both)"
    )
    parser.add_argument(
        "--value",
        metavar="VALUE|all",
        default=ALL,
        help="attribute value, by name or index (default: all)",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="of the noise, the same for every domain and value (default: 0)",
    )
    add_strengths(parser)
    return parser


def _domains(run, asked: str) -> list[str]:
    """The domains to draw in: the one asked, or all that the method draws."""
    from cdd_keras.inference import refusal

    domains = DOMAINS if asked == BOTH else (asked,)
    drawn = list(filter(run.model.can_sample, domains))
    if not drawn:
        raise refusal(run, f"draws no {' or '.join(domains)} images from noise")
    return drawn


def _values(run, asked: str) -> Sequence[int]:
    """The values to draw: the one asked, or all, or none where the method draws without."""
    from cdd_keras.inference import refusal

    if asked.lower() == ALL:
        return range(run.shown.classes) if run.model.traits.shows_values else (NO_VALUE,)
    if not run.model.traits.shows_values:
        raise refusal(run, "draws images without a value of choice. Leave --value out")
    return [run.shown.index(asked)]


def _check(parsed) -> None:
    if not 1 <= parsed.count <= MOST:
        raise UsageError(f"`--count` is out of range: {parsed.count}. Expected 1 to {MOST}.")
    if not 0 <= parsed.seed < 2**31:
        raise UsageError(f"`--seed` is out of range: {parsed.seed}. Expected 0 to {2**31 - 1}.")
    out = Path(parsed.out)
    if out.is_dir():
        raise UsageError(f"`--out` is a folder: {out}. Expected a file, such as {out}/grid.png.")
    if out.suffix.lower() != ".png":
        raise UsageError(f"`--out` is not a PNG file: {out}. Expected a name that ends in .png.")


if __name__ == "__main__":
    cli.leave(cli.main(run))

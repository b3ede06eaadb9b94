"""`python -m cdd_keras.export`: writes a run's SavedModels for TF Serving."""

import sys
from pathlib import Path

from cdd_keras import cli
from cdd_keras.errors import UsageError
from cdd_keras.strengths import add_strengths, strengths_given

DESCRIPTION = "Export a run as SavedModels: DIR/cdd_classifier/N and DIR/cdd_generator/N."
EPILOG = (
    "Each signature is compared with the run before anything is published; a version is never "
    "replaced."
)


def run(arguments: list[str]) -> int | None:
    """Parses the command line and exports; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    if parsed.version is not None and not 1 <= parsed.version < 2**63:
        raise UsageError(f"`--version` is out of range: {parsed.version}. Expected 1 or more.")
    strengths = strengths_given(parsed)
    from cdd_keras.inference import find_run, make_folder, open_run

    find_run(parsed.run)
    out = Path(parsed.out)
    make_folder("--out", out)
    cli.load_tensorflow()
    from cdd_keras.savedmodel import export_run

    run = open_run(parsed.run, strengths=strengths)
    for place in export_run(run, out, parsed.version, _say):
        print(place)
    return 0


def _parser() -> cli.Parser:
    parser = cli.Parser("export", DESCRIPTION)
    parser.epilog = EPILOG
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder of the models")
    parser.add_argument(
        "--version", metavar="N", type=int, help="version to write (default: the next one)"
    )
    add_strengths(parser)
    return parser


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.leave(cli.main(run))

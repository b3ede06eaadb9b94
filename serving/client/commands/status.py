"""`python -m serving.client status`: which versions of the models are served."""

import json
from dataclasses import asdict

import grpc

from serving import cli
from serving.client import options
from serving.client.answers import ModelSpec
from serving.client.client import CLASSIFIER, GENERATOR
from serving.client.errors import CallError

DESCRIPTION = "Show the versions of models on a server, the newest first."
EPILOG = "The exit code is 1 where a model has no version that is AVAILABLE."


def run(arguments: list[str]) -> int | None:
    """Parses the command line and prints; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    specs = [ModelSpec(name, version=parsed.version) for name in parsed.models]
    with options.connect(parsed) as client:
        found = {spec.name: _versions(client, spec) for spec in specs}
    if parsed.json:
        print(json.dumps({name: [asdict(one) for one in each] for name, each in found.items()}))
    else:
        _print(found)
    served = (any(one.state == "AVAILABLE" for one in each) for each in found.values())
    return int(not all(served))


def _parser() -> cli.Parser:
    parser = cli.Parser("client status", DESCRIPTION)
    parser.epilog = EPILOG
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="*",
        default=[CLASSIFIER, GENERATOR],
        help=f"names on the server (default: {CLASSIFIER} {GENERATOR})",
    )
    parser.add_argument(
        "--version", metavar="N", type=options.whole(0, 2**63 - 1), help="that version alone"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, {model: [version, …]}")
    options.add_connection(parser)
    return parser


def _versions(client, spec):
    try:
        return client.status(spec)
    except CallError as error:
        if error.code != grpc.StatusCode.NOT_FOUND:
            raise
        return []


def _print(found) -> None:
    width = max(len(name) for name in ("model", *found))
    print(f"{'model':<{width}}  version  state")
    for name, each in found.items():
        if not each:
            print(f"{name:<{width}}        -  not served")
        for one in each:
            error = "" if one.code == "OK" else f"  {one.code}: {one.message}"
            print(f"{name:<{width}}  {one.version:>7}  {one.state}{error}")

"""`python -m serving.client metadata`: the signatures of a model."""

import json
from dataclasses import asdict

from serving import cli
from serving.client import options
from serving.client.client import CLASSIFIER

DESCRIPTION = "Show the signatures of a model: what it takes and gives. -1 is any number of rows."


def run(arguments: list[str]) -> int | None:
    """Parses the command line and prints; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    with options.connect(parsed) as client:
        found = client.metadata(options.model_of(parsed))
    if parsed.json:
        print(json.dumps(asdict(found)))
        return 0
    print(f"{found.name}, version {found.version}")
    for name, signature in found.offered.items():
        print(f"\n{name}")
        for word, tensors in (("takes", signature.inputs), ("gives", signature.outputs)):
            for key, tensor in tensors.items():
                print(f"  {word}  {key:<14}  {_shown(tensor)}")
    return 0


def _parser() -> cli.Parser:
    parser = cli.Parser("client metadata", DESCRIPTION)
    options.add_model(parser, CLASSIFIER)
    parser.add_argument("--json", action="store_true", help="as JSON")
    options.add_connection(parser)
    return parser


def _shown(tensor) -> str:
    shape = "any shape" if tensor.shape is None else f"({', '.join(map(str, tensor.shape))})"
    return f"{tensor.dtype} {shape}"

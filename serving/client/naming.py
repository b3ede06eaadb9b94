"""What the labels of models are called, which only a classifier tells."""

import grpc

from serving import cli
from serving.client import options
from serving.client.client import CLASSIFIER
from serving.client.errors import CallError, ClientError


def add_names(parser: cli.Parser) -> None:
    """Flags of `names_of`."""
    parser.add_argument(
        "--class-names",
        metavar="NAME,…",
        type=options.names,
        help="of the labels, in their order (default: those of --classifier)",
    )
    parser.add_argument(
        "--classifier",
        metavar="NAME",
        default=CLASSIFIER,
        help=f"the model that knows the names (default: {CLASSIFIER})",
    )


# Codes that say nothing of the model.
_OUT_OF_REACH = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


def names_of(parsed, client) -> tuple[str, ...]:
    """The names of a generator's labels, which only the classifier beside it tells."""
    return parsed.class_names or class_names(client, parsed.classifier)


def class_names(client, model) -> tuple[str, ...]:
    """The names that a classifier gives, or what to do where it gives none."""
    try:
        return client.class_names(model)
    except CallError as error:
        if error.code in _OUT_OF_REACH:
            raise
        raise ClientError(
            f"the names of the classes cannot be had from {getattr(model, 'name', model)}: "
            f"{error}. Give them with --class-names where it has none."
        ) from error

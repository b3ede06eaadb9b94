"""Flags that the commands share: where the server is, how to call it, which model."""

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from math import isfinite
from pathlib import Path

from serving import cli
from serving.client.answers import ModelSpec
from serving.client.client import Client
from serving.client.limits import Limits
from serving.client.retrying import Retries
from serving.client.tls import Tls


def add_connection(parser: cli.Parser) -> None:
    """Flags of `connect`."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--server",
        metavar="ADDRESS",
        default="localhost:8500",
        help="HOST:PORT for gRPC (default: localhost:8500), http://HOST:PORT for REST",
    )
    group.add_argument(
        "--deadline",
        metavar="SECONDS",
        type=positive,
        default=60.0,
        help="a call may last, with all its attempts (default: 60)",
    )
    group.add_argument(
        "--retries",
        metavar="N",
        type=whole(0, 100),
        default=6,
        help="attempts after the first, where the server is away or full (default: 6)",
    )
    group.add_argument(
        "--max-message-mib",
        metavar="N",
        type=whole(1, 1024),
        default=64,
        help="largest request or answer (default: 64)",
    )
    group.add_argument("--tls", action="store_true", help="encrypt gRPC (https:// does for REST)")
    group.add_argument("--ca", metavar="FILE", type=Path, help="PEM of authorities; implies --tls")
    group.add_argument("--cert", metavar="FILE", type=Path, help="PEM, the client's own (mTLS)")
    group.add_argument("--key", metavar="FILE", type=Path, help="PEM of the key of --cert")
    group.add_argument(
        "--server-name", metavar="NAME", help="the certificate's, where it is not the host's"
    )


def add_batching(parser: cli.Parser) -> None:
    """Flags of `connect` for commands that send many rows."""
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=whole(1, 4096),
        default=32,
        help="images a request (default: 32)",
    )
    parser.add_argument(
        "--in-flight",
        metavar="N",
        type=whole(1, 256),
        default=4,
        help="requests under way at a time (default: 4)",
    )


def add_model(parser: cli.Parser, default: str) -> None:
    """Flags of `model_of`."""
    parser.add_argument(
        "--model", metavar="NAME", default=default, help=f"name on the server (default: {default})"
    )
    parser.add_argument(
        "--version",
        metavar="N",
        type=whole(0, 2**63 - 1),
        help="of the model (default: the newest)",
    )
    parser.add_argument("--version-label", metavar="NAME", help="such as stable, for a version")


def model_of(parsed: Namespace) -> ModelSpec:
    """The model that the flags name."""
    return ModelSpec(parsed.model, version=parsed.version, label=parsed.version_label)


def connect(parsed: Namespace) -> Client:
    """The client that the flags describe; call it once everything else is checked."""
    tls = None
    if parsed.tls or parsed.ca or parsed.cert or parsed.key or parsed.server_name:
        tls = Tls(parsed.ca, parsed.cert, parsed.key, parsed.server_name)
    given = vars(parsed)
    limits = Limits(given.get("batch_size", 32), parsed.max_message_mib, given.get("in_flight", 4))
    with cli.loading_tensorflow():
        return Client(
            parsed.server,
            deadline=parsed.deadline,
            retries=Retries(parsed.retries),
            tls=tls,
            limits=limits,
        )


def positive(text: str) -> float:
    """A number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (value > 0 and isfinite(value)):
        raise ArgumentTypeError(f"{text!r} is no number above 0.")
    return value


def whole(low: int, high: int) -> Callable[[str], int]:
    """Whole numbers from `low` to `high`, for argparse."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}.")
        return value

    return parse


def names(text: str) -> tuple[str, ...]:
    """Names between commas, for argparse."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(found) or len(set(found)) < len(found):
        raise ArgumentTypeError(f"{text!r} is no list of different names, such as no-hat,hat.")
    return found

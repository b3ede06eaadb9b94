"""What goes wrong on the client's side of the wire, with messages for the person there."""

import grpc

from serving.errors import ServingError


class ClientError(Exception):
    """Something failed on this side; the command line exits with 1."""

    exit_code = 1


class ImageError(ClientError):
    """An image cannot be read or sent; the message names it."""


class CallError(ServingError):
    """A call that failed, by gRPC or REST; `code` and `message` are what came back."""

    def __str__(self):
        return f"{self.code.name}: {self.message}"


class TooLargeError(CallError):
    """A message over a limit, which no second attempt makes smaller."""

    def __init__(self, message: str):
        super().__init__(grpc.StatusCode.RESOURCE_EXHAUSTED, message)


def too_large(what: str, most: int, size: int | None = None) -> TooLargeError:
    """For a request or an answer over the client's own limit, in bytes."""
    found = "is" if size is None else f"has {size} bytes,"
    return TooLargeError(
        f"the {what} {found} over the limit of {most} bytes. Send fewer rows a request "
        "(--batch-size), or raise the limit (--max-message-mib)."
    )


def refused_size(why: str) -> TooLargeError:
    """For what is over the server's limit."""
    return TooLargeError(
        f"the server refused a request for its size: {why.removesuffix('.')}. Send fewer rows a "
        "request (--batch-size), or raise the server's limit."
    )

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

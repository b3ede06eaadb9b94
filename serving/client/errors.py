"""What goes wrong on the client's side of the wire, with messages for the person there."""

import grpc


class ClientError(Exception):
    """Something failed on this side; the command line exits with 1."""

    exit_code = 1


class ImageError(ClientError):
    """An image cannot be read or sent; the message names it."""


class CallError(ClientError):
    """A call that failed, by gRPC or REST.

    Attributes:
        code: the status, a `grpc.StatusCode`.
        message: what the server, or the transport, said.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


class TooLargeError(CallError):
    """A message over a limit, which no second attempt makes smaller."""

    def __init__(self, message: str):
        super().__init__(grpc.StatusCode.RESOURCE_EXHAUSTED, message)

"""Failures that reach a client, as gRPC statuses worded as TensorFlow Serving words them."""

import re

import grpc

# As TensorFlow Serving cuts its messages (grpc_status_util.cc).
MAX_MESSAGE = 1024
_TRUNCATED = "...TRUNCATED"
# TensorFlow Serving's table (http_server.cc). A client takes a status that several codes share for
# the first of them.
HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 412,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}
# What TensorFlow puts around an operation's own message.
_NOISE = re.compile(
    r"\{\{function_node [^}]*\}\} ?|\n?\t? ?\[\[.*?\]\]| \[Op:[^\]]*\]|^Graph execution error:\s*"
    r"|^Detected at node .*$\n?|^<stack traces unavailable>$\n?|^Original stack trace for .*\Z",
    re.MULTILINE,
)


class StartError(Exception):
    """The server cannot start; its message says why."""

    exit_code = 1


class ServingError(Exception):
    """A status for the client.

    Args:
        code: a `grpc.StatusCode` other than OK.
        message: what is wrong, at most MAX_MESSAGE bytes of it are kept.
    """

    # What a command that meets one exits with.
    exit_code = 1

    def __init__(self, code: grpc.StatusCode, message: str):
        # One character is one byte at least: of 60 MB nothing more is looked at.
        encoded = message[: MAX_MESSAGE + 1].encode(errors="backslashreplace")
        if len(encoded) > MAX_MESSAGE:
            encoded = encoded[: MAX_MESSAGE - len(_TRUNCATED)] + _TRUNCATED.encode()
        message = encoded.decode(errors="ignore")
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> ServingError:
    """INVALID_ARGUMENT."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """NOT_FOUND."""
    return ServingError(grpc.StatusCode.NOT_FOUND, message)


def failed_precondition(message: str) -> ServingError:
    """FAILED_PRECONDITION."""
    return ServingError(grpc.StatusCode.FAILED_PRECONDITION, message)


def unavailable(message: str) -> ServingError:
    """UNAVAILABLE: worth another try."""
    return ServingError(grpc.StatusCode.UNAVAILABLE, message)


def exhausted(message: str) -> ServingError:
    """RESOURCE_EXHAUSTED: worth another try, later."""
    return ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)


def deadline_exceeded() -> ServingError:
    """DEADLINE_EXCEEDED."""
    return ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline exceeded")


def unimplemented(message: str) -> ServingError:
    """UNIMPLEMENTED."""
    return ServingError(grpc.StatusCode.UNIMPLEMENTED, message)


def as_serving_error(error: BaseException) -> ServingError:
    """The status of any exception: TensorFlow's own code where it has one, else INTERNAL.

    Nothing is passed on as UNKNOWN, of which a client can make nothing.
    """
    if isinstance(error, ServingError):
        return error
    if isinstance(error, MemoryError):
        return exhausted("out of memory")
    code = getattr(error, "error_code", None)
    if isinstance(code, int) and code in _CODES:
        status = _CODES[code]
        if status in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.OK):
            status = grpc.StatusCode.INTERNAL
        return ServingError(status, plain_message(getattr(error, "message", None) or str(error)))
    return ServingError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


def status_of(error: BaseException) -> tuple[grpc.StatusCode, str]:
    """(code, message) of any exception, by `as_serving_error`.

    Unlike the exception they hold no frames, in which there may be a large request.
    """
    found = as_serving_error(error)
    return found.code, found.message


def plain_message(message: str) -> str:
    """An operation's message without the graph nodes that TensorFlow names around it."""
    return _NOISE.sub("", message).strip() or message.strip()

"""Trying again, where a second attempt may meet a server that has room."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

import grpc
import tenacity

from serving.client.errors import CallError, TooLargeError

Result = TypeVar("Result")
# A server that is away, or full. Any other error would come again.
TRANSIENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


@dataclass(frozen=True)
class Retries:
    """How often to try again, and how long to wait before.

    The wait is drawn evenly from 0 to `first_delay`, doubled with every attempt up to
    `longest_delay`, so that clients refused together do not come back together.

    Attributes:
        count: attempts after the first; 0 for none.
        first_delay, longest_delay: seconds.
    """

    count: int = 6
    first_delay: float = 0.2
    longest_delay: float = 5.0

    def call(self, attempt: Callable[[float], Result], deadline: float) -> Result:
        """`attempt(seconds left)`, repeated while it fails with a `TRANSIENT` code.

        Args:
            attempt: raises `CallError`.
            deadline: seconds for all attempts and waits together.

        Raises:
            CallError: of the last attempt. No attempt begins past the deadline.
        """
        end = monotonic() + deadline
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_transient),
            wait=tenacity.wait_random_exponential(self.first_delay, self.longest_delay),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.count + 1), tenacity.stop_before_delay(deadline)
            ),
            reraise=True,
        )
        # A wait may end a moment past the deadline; gRPC takes no negative time.
        return attempts(lambda: attempt(max(0.001, end - monotonic())))


def is_transient(error: BaseException) -> bool:
    """Whether a second attempt may do better."""
    return (
        isinstance(error, CallError)
        and not isinstance(error, TooLargeError)
        and error.code in TRANSIENT
    )

"""How much goes over the wire at once."""

from dataclasses import dataclass

from serving.cli import UsageError

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """How much goes over the wire at once.

    Attributes:
        rows: images a request.
        message_mib: the largest message to send or receive, in MiB.
        in_flight: requests under way at a time.
    """

    rows: int = 32
    message_mib: int = 64
    in_flight: int = 4

    def __post_init__(self):
        for option, value, most in (
            ("batch size", self.rows, 4096),
            ("largest message in MiB", self.message_mib, 1024),
            ("number of requests in flight", self.in_flight, 256),
        ):
            if not 1 <= value <= most:
                raise UsageError(f"The {option} is out of range: {value}. Expected 1 to {most}.")

    @property
    def message_bytes(self) -> int:
        return self.message_mib * MIB

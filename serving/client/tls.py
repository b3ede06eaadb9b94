"""Certificates of an encrypted connection."""

from dataclasses import dataclass
from pathlib import Path

from serving.cli import UsageError


@dataclass(frozen=True)
class Tls:
    """Whom to trust, and who one is.

    Attributes:
        ca: PEM file of the authorities the server's certificate is checked against; None: those
            of the system.
        cert, key: PEM files of the client's own, for a server that asks (mTLS); both or none.
        server_name: the name the server's certificate is made out to, where it is not the host's.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str | None = None

    def __post_init__(self):
        if (self.cert is None) != (self.key is None):
            raise UsageError("A client's certificate and its key go together: only one was given.")
        for path in (self.ca, self.cert, self.key):
            if path is not None and not Path(path).is_file():
                raise UsageError(f"No such file: {path}. Expected certificates or a key in PEM.")

    def read(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """The contents of ca, key and cert."""
        files = (self.ca, self.key, self.cert)
        return tuple(path and Path(path).read_bytes() for path in files)

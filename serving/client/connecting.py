"""From an address to the transport that it means."""

from serving.cli import UsageError
from serving.client.limits import Limits
from serving.client.tls import Tls


def connect(address: str, tls: Tls | None, limits: Limits):
    """A `RestTransport` for http:// and https://, a `GrpcTransport` for host:port.

    Raises:
        UsageError: it is neither, or has no use for the certificates.
    """
    # gRPC's stubs import TensorFlow, REST does without.
    if address.startswith(("http://", "https://")):
        if tls and not address.startswith("https://"):
            raise UsageError(f"Certificates are of no use with {address}. Expected https://….")
        from serving.client.rest_transport import RestTransport

        return RestTransport(address, tls, limits)
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise UsageError(
            f"{address!r} is no address. Expected HOST:PORT for gRPC, or http://HOST:PORT for REST."
        )
    from serving.client.grpc_transport import GrpcTransport

    return GrpcTransport(address, tls, limits)

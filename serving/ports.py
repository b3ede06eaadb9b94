"""Whether the ports that a server is to have are free."""

import socket

from serving.errors import StartError
from serving.options import Options


def check_ports(options: Options) -> None:
    """Says that a port is taken before time is spent on TensorFlow and models.

    Raises:
        StartError: one cannot be listened on; it names the flag.
    """
    _check_free(options.host, options.port, "--port")
    if options.rest:
        _check_free(options.host, options.rest_port, "--rest-port")


def _check_free(host, port, flag):
    # 0 stands for any free one.
    if not port:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Ports of connections that have just ended count as free, as they do for the server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(f"{flag}: cannot listen on {host}:{port}: {error.strerror}") from error

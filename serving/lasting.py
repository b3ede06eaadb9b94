"""A server of grpcio's asyncio side that is there again where grpcio's has ended by itself."""

import asyncio
import logging
from collections.abc import Callable

import grpc
import grpc.aio

_CLOSE_SECONDS = 1
_LOOK_SECONDS = 0.05
# For calls of a server that has ended by itself.
_GRACE_SECONDS = 30
log = logging.getLogger(__name__)


class LastingServer:
    """Answers at one address from `start` to `stop`. Used within one event loop.

    grpcio's server (1.85) ends when a client calls a method whose name is not UTF-8. What it has
    in flight then is answered all the same, new calls by the one that takes its place.

    Args:
        make: gives a server that is bound to nothing.
    """

    def __init__(self, make: Callable[[], grpc.aio.Server]):
        self._make = make
        self._address = ""
        self._credentials: grpc.ServerCredentials | None = None
        self._server: grpc.aio.Server | None = None
        self._ending: set[asyncio.Task] = set()
        self._watch: asyncio.Task | None = None

    async def bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Binds `host:port`, with TLS where there are credentials; gives the port.

        Raises:
            RuntimeError: it cannot be bound.
        """
        self._address, self._credentials = address, credentials
        self._server, port = self._bound()
        # A server that takes its place has the same, also where the system has chosen it.
        self._address = f"{address.rpartition(':')[0]}:{port}"
        return port

    async def start(self) -> None:
        """Begins to answer."""
        await self._server.start()
        self._watch = asyncio.create_task(self._replace())

    async def stop(self) -> None:
        """Closes the port; answers that are being written are finished."""
        if self._watch:
            self._watch.cancel()
        await asyncio.gather(self._server.stop(_CLOSE_SECONDS), *self._ending)

    def _bound(self):
        """(a server, the port it has bound)."""
        server = self._make()
        if self._credentials:
            return server, server.add_secure_port(self._address, self._credentials)
        return server, server.add_insecure_port(self._address)

    async def _replace(self):
        """Puts a new server in the place of each that ends by itself."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            # There is no public word of it before its last call has ended.
            if self._server._server.is_running():
                continue
            log.error(
                "gRPC's server has ended by itself, as it does where a call's method is not UTF-8 "
                "(the error above); a new one takes its place"
            )
            ending = asyncio.create_task(self._server.stop(_GRACE_SECONDS))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            self._server = await self._bound_again()
            await self._server.start()

    async def _bound_again(self):
        """A server at the same address, as soon as the one before has closed its port."""
        while True:
            try:
                return self._bound()[0]
            except RuntimeError as error:
                log.error("gRPC: %s", error)
                await asyncio.sleep(_LOOK_SECONDS)

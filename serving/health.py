"""gRPC's health service."""

import asyncio

from grpc_health.v1 import health_pb2

from serving.errors import not_found


class HealthServicer:
    """gRPC's health service, for a server whose services are all of one state.

    Unlike grpcio-health-checking's, it ends its watches when the server goes: they would never
    end by themselves, and keep the server for the whole of its grace.

    Args:
        services: names of those it knows, beside "" for the server.
    """

    def __init__(self, services: tuple[str, ...]):
        self._services = {"", *services}
        self._gone = asyncio.Event()

    async def Check(self, request, call, context):  # noqa: N802
        if request.service not in self._services:
            raise not_found(f"Unknown service: {request.service}")
        return self._response(request.service)

    async def List(self, request, call, context):  # noqa: N802
        statuses = {name: self._response(name) for name in self._services}
        return health_pb2.HealthListResponse(statuses=statuses)

    async def Watch(self, request, context):  # noqa: N802
        yield self._response(request.service)
        await self._gone.wait()
        yield self._response(request.service)

    def leave(self) -> None:
        """Says NOT_SERVING from now on, and ends the watches with it."""
        self._gone.set()

    def _response(self, service):
        status = health_pb2.HealthCheckResponse
        if service not in self._services:
            return status(status=status.SERVICE_UNKNOWN)
        return status(status=status.NOT_SERVING if self._gone.is_set() else status.SERVING)

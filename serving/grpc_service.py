"""The service over gRPC: PredictionService, ModelService, health and reflection."""

import asyncio
import functools
import logging
from concurrent.futures import Executor

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

from serving import codec
from serving.errors import not_found
from serving.handlers import service_handlers
from serving.loops import LoopThread, in_thread
from serving.service import Service

_PREDICTION = prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"]
_MODELS = model_service_pb2.DESCRIPTOR.services_by_name["ModelService"]
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
_REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
_MOST_WATCHES = 64
_MOST_REFLECTIONS = 4
# Calls beyond those that are answered and those that stay open: what is turned away, status and
# health, and calls that have begun without sending their request. A flood of more is turned away
# by gRPC itself, before it has read what they send.
_SPARE_CALLS = 128
_CLOSE_SECONDS = 1
_LOOK_SECONDS = 0.05
# For calls of a server that has ended by itself.
_GRACE_SECONDS = 30
log = logging.getLogger(__name__)


class PredictionServicer:
    """Predict, Classify, Regress, MultiInference and GetModelMetadata.

    Args:
        service: what answers.
        threads: where all but Predict are answered.
    """

    def __init__(self, service: Service, threads: Executor):
        self._service = service
        self.Classify = _in_thread(service.classify, threads)
        self.Regress = _in_thread(service.regress, threads)
        self.MultiInference = _in_thread(service.multi_inference, threads)
        self.GetModelMetadata = _in_thread(lambda request, _: service.metadata(request), threads)

    async def Predict(self, request, call, context):  # noqa: N802
        content = (codec.CONTENT_METADATA, "1") in context.invocation_metadata()
        return await self._service.predict(request, call, as_content=content)


class ModelServicer:
    """GetModelStatus and HandleReloadConfigRequest; as `PredictionServicer`."""

    def __init__(self, service: Service, threads: Executor):
        self.GetModelStatus = _in_thread(lambda request, _: service.status(request), threads)
        self.HandleReloadConfigRequest = _in_thread(service.reload, threads)


def _in_thread(function, threads):
    async def handle(request, call, context):
        return await in_thread(threads, call, function, request, call)

    return handle


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


class GrpcServer:
    """A gRPC server with health and reflection.

    Args:
        service: what answers.
        threads: where it may answer what is not to keep the event loop.
        max_in_flight: requests that it answers at a time.
        max_message_bytes: most bytes of a message, in and out.
        options: further channel arguments, as (name, value); they win.
    """

    def __init__(
        self,
        service: Service,
        threads: Executor,
        max_in_flight: int,
        max_message_bytes: int,
        options: tuple[tuple[str, object], ...] = (),
    ):
        self._arguments = {
            "grpc.max_receive_message_length": max_message_bytes,
            "grpc.max_send_message_length": max_message_bytes,
            # Else two servers share a port and answer in turn.
            "grpc.so_reuseport": 0,
            **dict(options),
        }
        self._most_calls = max_in_flight + _MOST_WATCHES + _MOST_REFLECTIONS + _SPARE_CALLS
        known = (_PREDICTION.full_name, _MODELS.full_name)
        named = (*known, _HEALTH.full_name, _REFLECTION.full_name)
        self._health = HealthServicer(known)
        self._handlers = [
            service_handlers(_PREDICTION, PredictionServicer(service, threads)),
            service_handlers(_MODELS, ModelServicer(service, threads)),
            service_handlers(_HEALTH, self._health, _MOST_WATCHES),
            service_handlers(
                _REFLECTION, reflection.aio.ReflectionServicer(named), _MOST_REFLECTIONS
            ),
        ]
        self._address = ""
        self._credentials: grpc.ServerCredentials | None = None
        self._server: grpc.aio.Server | None = None
        self._ending: set[asyncio.Task] = set()
        self._watch: asyncio.Task | None = None

    def bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Binds `host:port`, with TLS where there are credentials; gives the port.

        Raises:
            RuntimeError: it cannot be bound.
        """
        self._address, self._credentials = address, credentials
        self._server, port = _loop().run(self._bound())
        # A server that takes its place has the same, also where the system has chosen it.
        self._address = f"{address.rpartition(':')[0]}:{port}"
        return port

    def start(self) -> None:
        """Begins to answer."""
        _loop().run(self._start())

    def leave(self) -> None:
        """Tells those who watch its health that it is going."""
        _loop().loop.call_soon_threadsafe(self._health.leave)

    def stop(self) -> None:
        """Closes the port; answers that are being written are finished."""
        _loop().run(self._stop())

    async def _bound(self):
        """(a server, the port it has bound)."""
        server = grpc.aio.server(
            handlers=self._handlers,
            maximum_concurrent_rpcs=self._most_calls,
            options=tuple(self._arguments.items()),
        )
        if self._credentials:
            return server, server.add_secure_port(self._address, self._credentials)
        return server, server.add_insecure_port(self._address)

    async def _start(self):
        await self._server.start()
        self._watch = asyncio.create_task(self._begin_anew())

    async def _stop(self):
        if self._watch:
            self._watch.cancel()
        await asyncio.gather(self._server.stop(_CLOSE_SECONDS), *self._ending)

    async def _begin_anew(self):
        """Puts a new server in the place of one that has ended by itself.

        grpcio's (1.85) does so when a client calls a method whose name is not UTF-8. What it has
        in flight then is answered all the same, new calls by the new one.
        """
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
                return (await self._bound())[0]
            except RuntimeError as error:
                log.error("gRPC: %s", error)
                await asyncio.sleep(_LOOK_SECONDS)


@functools.cache
def _loop():
    """The event loop of every gRPC server of this process.

    One and for good: grpcio has a single source of events for all loops, from which each of
    several would take what was another's (grpc/grpc#25364), and a closed one would be missed.
    """
    loop = LoopThread("grpc")

    async def keep():
        # Else it goes with the last server, in whichever thread that is let go.
        grpc.aio.init_grpc_aio()

    loop.run(keep())
    return loop

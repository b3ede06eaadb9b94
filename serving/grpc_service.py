"""The service over gRPC: PredictionService, ModelService, health and reflection."""

import functools
from concurrent.futures import Executor

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

from serving import codec
from serving.handlers import service_handlers
from serving.health import HealthServicer
from serving.lasting import LastingServer
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
        self._server = LastingServer(self._made)

    def bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Binds `host:port`, with TLS where there are credentials; gives the port.

        Raises:
            RuntimeError: it cannot be bound.
        """
        return _loop().run(self._server.bind(address, credentials))

    def start(self) -> None:
        """Begins to answer."""
        _loop().run(self._server.start())

    def leave(self) -> None:
        """Tells those who watch its health that it is going."""
        _loop().loop.call_soon_threadsafe(self._health.leave)

    def stop(self) -> None:
        """Closes the port; answers that are being written are finished."""
        _loop().run(self._server.stop())

    def _made(self):
        return grpc.aio.server(
            handlers=self._handlers,
            maximum_concurrent_rpcs=self._most_calls,
            options=tuple(self._arguments.items()),
        )


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

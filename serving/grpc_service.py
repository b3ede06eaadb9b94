"""The service over gRPC: PredictionService, ModelService, health and reflection."""

from collections.abc import Callable
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2,
    prediction_service_pb2_grpc,
)

from serving import codec
from serving.calls import Call
from serving.errors import ServingError
from serving.parsing import ParseInHandler
from serving.service import Service

_SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (prediction_service_pb2, "PredictionService"),
        (model_service_pb2, "ModelService"),
    )
)
# Threads beyond those that answer predictions: for what is turned away, status and health, and
# for calls that have begun without sending their request, each of which holds one in gRPC.
_SPARE_THREADS = 64
_CLOSE_SECONDS = 1


class PredictionServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress, MultiInference and GetModelMetadata."""

    def __init__(self, service: Service):
        self._service = service

    def Predict(self, request, context):  # noqa: N802
        content = dict(context.invocation_metadata()).get(codec.CONTENT_METADATA) == "1"
        return _answer(
            context, lambda call: self._service.predict(request, call, as_content=content)
        )

    def Classify(self, request, context):  # noqa: N802
        return _answer(context, lambda call: self._service.classify(request, call))

    def Regress(self, request, context):  # noqa: N802
        return _answer(context, lambda call: self._service.regress(request, call))

    def MultiInference(self, request, context):  # noqa: N802
        return _answer(context, lambda call: self._service.multi_inference(request, call))

    def GetModelMetadata(self, request, context):  # noqa: N802
        return _answer(context, lambda call: self._service.metadata(request))


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, service: Service):
        self._service = service

    def GetModelStatus(self, request, context):  # noqa: N802
        return _answer(context, lambda call: self._service.status(request))

    def HandleReloadConfigRequest(self, request, context):  # noqa: N802
        _answer(context, lambda call: self._service.reload(request, call))
        return model_management_pb2.ReloadConfigResponse()


def _answer(context, answer: Callable[[Call], object]):
    call = Call(context.time_remaining())
    # Runs when the call ends, whether answered, cancelled, or its client gone.
    if not context.add_callback(call.cancel):
        call.cancel()
    try:
        return answer(call)
    except ServingError as error:
        context.abort(error.code, error.message)


class Health(health.HealthServicer):
    """gRPC's health service, which ends its watches when the server goes.

    They would never end by themselves, and keep the server for the whole of its grace.
    """

    def __init__(self):
        super().__init__()
        self._watches = set()

    def Watch(self, request, context, send_response_callback=None):  # noqa: N802
        self._watches.add(send_response_callback)
        context.add_callback(lambda: self._watches.discard(send_response_callback))
        return super().Watch(request, context, send_response_callback)

    def leave(self) -> None:
        """Says NOT_SERVING to all who watch, then ends their calls."""
        self.enter_graceful_shutdown()
        for send in list(self._watches):
            send(None)


class GrpcServer:
    """A gRPC server with health and reflection.

    Args:
        service: what answers.
        max_in_flight: requests that it answers at a time.
        max_message_bytes: most bytes of a message, in and out.
        options: further channel arguments, as (name, value); they win.
    """

    def __init__(
        self,
        service: Service,
        max_in_flight: int,
        max_message_bytes: int,
        options: tuple[tuple[str, object], ...] = (),
    ):
        threads = max_in_flight + _SPARE_THREADS
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads, "grpc"),
            # Those that wait for a thread, so that a flood is answered at once with
            # RESOURCE_EXHAUSTED rather than kept.
            maximum_concurrent_rpcs=threads + _SPARE_THREADS,
            interceptors=[ParseInHandler()],
            options=tuple(
                {
                    "grpc.max_receive_message_length": max_message_bytes,
                    "grpc.max_send_message_length": max_message_bytes,
                    # Else two servers share a port and answer in turn.
                    "grpc.so_reuseport": 0,
                    **dict(options),
                }.items()
            ),
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionServicer(service), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelServicer(service), self._server
        )
        self._health = Health()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for name in ("", *_SERVICES):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        reflection.enable_server_reflection(
            (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )

    def bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Binds `host:port`, with TLS where there are credentials; gives the port.

        Raises:
            RuntimeError: it cannot be bound.
        """
        if credentials:
            return self._server.add_secure_port(address, credentials)
        return self._server.add_insecure_port(address)

    def start(self) -> None:
        """Begins to answer."""
        self._server.start()

    def leave(self) -> None:
        """Tells those who watch its health that it is going."""
        self._health.leave()

    def stop(self) -> None:
        """Closes the port; answers that are being written are finished."""
        self._server.stop(_CLOSE_SECONDS).wait()

"""What the server answers, whatever the transport: models, runner, limits and metrics in one."""

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace

from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
)

from serving import codec, examples, inference
from serving.calls import Call, InFlight
from serving.errors import ServingError, as_serving_error, invalid, unavailable
from serving.loops import in_thread
from serving.models import Models
from serving.monitoring import Metrics
from serving.servable import Servable

SIGNATURE_DEF = "signature_def"
# What is read or written in an event loop, which answers nobody else meanwhile: it takes a
# millisecond or two. Values are what an answer has that is written one by one.
_MOST_BYTES = 2**21
_MOST_VALUES = 2**16


class Service:
    """Requests in, responses out, as Protocol Buffers messages.

    Args:
        models: those that are served.
        runner: runs signatures, alone or in batches.
        in_flight: counts and limits what is answered at a time.
        settings: how tensors travel.
        metrics: what is counted.
        threads: for work that would keep an event loop from its other requests.
    """

    def __init__(
        self,
        models: Models,
        runner,
        in_flight: InFlight,
        settings: inference.Settings,
        metrics: Metrics,
        threads: Executor,
    ):
        self.models = models
        self.in_flight = in_flight
        self.settings = settings
        self.runner = runner
        self._metrics = metrics
        self._threads = threads
        self._reloading = threading.Lock()

    async def predict(self, request, call: Call, as_content: bool = False):
        """`PredictRequest` to `PredictResponse`, in an event loop.

        Args:
            request: the message.
            call: its deadline and cancellation.
            as_content: answer in `tensor_content` whatever the server's own setting.

        Raises:
            ServingError: whatever went wrong; else only what cancels a coroutine.
        """
        settings = self.settings
        if as_content:
            settings = replace(settings, as_content=True)
        with self.answering("Predict", "GRPC", _spec(request), call) as servable:
            asked = inference.question(servable, request, settings)
            # A small message may ask for a large tensor.
            inputs = await self._done(
                asked.inputs, max(call.size, asked.memory) > _MOST_BYTES, call
            )
            outputs = await self.runner.submit(servable, asked.signature, inputs, call)
            outputs = asked.picked(outputs)
            write = functools.partial(
                inference.response, servable, asked.signature, outputs, settings
            )
            return await self._done(write, _long_to_write(outputs, settings.as_content), call)

    def classify(self, request, call: Call):
        """`ClassificationRequest` to `ClassificationResponse`, in a thread; raises as `predict`."""
        return self._over_grpc("Classify", request, examples.classify, request, call)

    def regress(self, request, call: Call):
        """`RegressionRequest` to `RegressionResponse`; as `classify`."""
        return self._over_grpc("Regress", request, examples.regress, request, call)

    def multi_inference(self, request, call: Call):
        """`MultiInferenceRequest` to `MultiInferenceResponse`; as `classify`."""
        first = request.tasks[0] if request.tasks else None
        return self._over_grpc("MultiInference", first, examples.multi_inference, request, call)

    def metadata(self, request):
        """`GetModelMetadataRequest` to `GetModelMetadataResponse`; as `classify`."""
        with _statuses(), self.models.use(_spec(request)()) as servable:
            if not request.metadata_field:
                raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
            for field in request.metadata_field:
                if field != SIGNATURE_DEF:
                    raise invalid(f"Metadata field {field} is not supported")
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in servable.signatures.items():
                signatures.signature_def[name].CopyFrom(definition)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            inference.fill_spec(response.model_spec, servable, "")
            response.metadata[SIGNATURE_DEF].Pack(signatures)
            return response

    def status(self, request):
        """`GetModelStatusRequest` to `GetModelStatusResponse`; as `classify`."""
        with _statuses():
            return get_model_status_pb2.GetModelStatusResponse(
                model_version_status=self.models.statuses(_spec(request)())
            )

    def reload(self, request, call: Call):
        """Takes the models of a `ReloadConfigRequest`; gives the response. As `classify`.

        UNAVAILABLE during another: each holds a thread for as long as models load.
        """
        if not self._reloading.acquire(blocking=False):
            raise unavailable("Another list of models is being loaded.")
        try:
            with _statuses():
                if request.config.WhichOneof("config") != "model_config_list":
                    raise invalid(
                        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                        "ModelConfigList is currently supported"
                    )
                self.models.configure(request.config.model_config_list.config, call)
                return model_management_pb2.ReloadConfigResponse()
        finally:
            self._reloading.release()

    @contextmanager
    def answering(self, method: str, api: str, spec: Callable, call: Call) -> Iterator[Servable]:
        """The servable that is asked for, loaded while the context lasts; it is counted and timed.

        Args:
            method: such as Predict, for the metrics.
            api: GRPC or REST, for the metrics.
            spec: gives the `ModelSpec`, or raises for want of one.
            call: the request's deadline and cancellation.

        Raises:
            ServingError: whatever went wrong, here or within; else only what cancels a coroutine.
        """
        start = time.perf_counter()
        status = "OK"
        # A model's name once it is known to be one: a stranger's are without number.
        name = ""
        try:
            with _statuses(), self.in_flight.admit(), self.models.use(spec()) as servable:
                name = servable.name
                yield servable
        except ServingError as error:
            status = error.code.name
            raise
        except asyncio.CancelledError:
            status = "DEADLINE_EXCEEDED" if call.remaining() == 0 else "CANCELLED"
            raise
        finally:
            self._metrics.observe(name, method, api, status, time.perf_counter() - start)

    def _over_grpc(self, method, asked, function, request, call):
        """What `function` answers with the servable of `asked`, the message with a `model_spec`."""
        with self.answering(method, "GRPC", _spec(asked), call) as servable:
            return function(self.runner, servable, request, call)

    async def _done(self, function, takes_long, call):
        """What `function` gives, in a thread where it takes long."""
        return await in_thread(self._threads, call, function) if takes_long else function()


def _long_to_write(outputs, as_content):
    arrays = outputs.values()
    if not as_content and sum(array.size for array in arrays) > _MOST_VALUES:
        return True
    return sum(map(codec.payload, arrays)) > _MOST_BYTES


def _spec(request) -> Callable:
    """Gives the `ModelSpec` of a request, or raises for want of one."""

    def spec():
        if request is None or not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        return request.model_spec

    return spec


@contextmanager
def _statuses():
    """Whatever is raised within comes out as a ServingError."""
    try:
        yield
    except ServingError:
        raise
    except Exception as error:
        raise as_serving_error(error) from error

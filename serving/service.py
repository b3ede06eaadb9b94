"""What the server answers, whatever the transport: models, runner, limits and metrics in one."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from serving import examples, inference
from serving.calls import Call, InFlight
from serving.errors import ServingError, as_serving_error, invalid, unavailable
from serving.models import Models
from serving.monitoring import Metrics

SIGNATURE_DEF = "signature_def"


class Service:
    """Requests in, responses out, as Protocol Buffers messages.

    Args:
        models: those that are served.
        runner: runs signatures, alone or in batches.
        in_flight: counts and limits what is answered at a time.
        settings: how tensors travel.
        metrics: what is counted.
    """

    def __init__(
        self,
        models: Models,
        runner,
        in_flight: InFlight,
        settings: inference.Settings,
        metrics: Metrics,
    ):
        self.models = models
        self.in_flight = in_flight
        self.settings = settings
        self.runner = runner
        self._metrics = metrics
        self._reloading = threading.Lock()

    def predict(self, request, call: Call, as_content: bool = False):
        """`PredictRequest` to `PredictResponse`.

        Args:
            request: the message.
            call: its deadline and cancellation.
            as_content: answer in `tensor_content` whatever the server's own setting.

        Raises:
            ServingError: whatever went wrong; nothing else is raised.
        """
        settings = self.settings
        if as_content:
            settings = replace(settings, as_content=True)
        return self._over_grpc("Predict", request, inference.predict, request, call, settings)

    def classify(self, request, call: Call):
        """`ClassificationRequest` to `ClassificationResponse`; as `predict`."""
        return self._over_grpc("Classify", request, examples.classify, request, call)

    def regress(self, request, call: Call):
        """`RegressionRequest` to `RegressionResponse`; as `predict`."""
        return self._over_grpc("Regress", request, examples.regress, request, call)

    def multi_inference(self, request, call: Call):
        """`MultiInferenceRequest` to `MultiInferenceResponse`; as `predict`."""
        first = request.tasks[0] if request.tasks else None
        return self._over_grpc("MultiInference", first, examples.multi_inference, request, call)

    def metadata(self, request):
        """`GetModelMetadataRequest` to `GetModelMetadataResponse`; as `predict`."""

        def answer(servable):
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

        return _guarded(lambda: self._with_servable(_spec(request), answer))

    def status(self, request):
        """`GetModelStatusRequest` to `GetModelStatusResponse`; as `predict`."""

        def answer():
            spec = _spec(request)()
            return get_model_status_pb2.GetModelStatusResponse(
                model_version_status=self.models.statuses(spec)
            )

        return _guarded(answer)

    def reload(self, request, call: Call) -> None:
        """Takes the models of a `ReloadConfigRequest`; as `predict`.

        UNAVAILABLE during another: each holds a thread for as long as models load.
        """

        def take():
            if request.config.WhichOneof("config") != "model_config_list":
                raise invalid(
                    "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                    "ModelConfigList is currently supported"
                )
            self.models.configure(request.config.model_config_list.config, call)

        if not self._reloading.acquire(blocking=False):
            raise unavailable("Another list of models is being loaded.")
        try:
            _guarded(take)
        finally:
            self._reloading.release()

    def answered(self, method: str, api: str, spec: Callable, answer: Callable):
        """What `answer` gives for the servable that is asked for, counted and timed.

        Args:
            method: such as Predict, for the metrics.
            api: GRPC or REST, for the metrics.
            spec: gives the `ModelSpec`, or raises for want of one.
            answer: called with the servable, which stays loaded meanwhile.

        Raises:
            ServingError: whatever went wrong; nothing else is raised.
        """
        start = time.perf_counter()
        status = "OK"
        # A model's name once it is known to be one: a stranger's are without number.
        name = ""

        def named(servable):
            nonlocal name
            name = servable.name
            return answer(servable)

        try:
            with self.in_flight.admit():
                return _guarded(lambda: self._with_servable(spec, named))
        except ServingError as error:
            status = error.code.name
            raise
        finally:
            self._metrics.observe(name, method, api, status, time.perf_counter() - start)

    def _over_grpc(self, method, asked, function, *arguments):
        """What `function` answers with the servable of `asked`, the message with a `model_spec`."""

        def answer(servable):
            return function(self.runner, servable, *arguments)

        return self.answered(method, "GRPC", _spec(asked), answer)

    def _with_servable(self, spec, answer):
        with self.models.use(spec()) as servable:
            return answer(servable)


def _spec(request) -> Callable:
    """Gives the `ModelSpec` of a request, or raises for want of one."""

    def spec():
        if request is None or not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        return request.model_spec

    return spec


def _guarded(answer):
    try:
        return answer()
    except ServingError:
        raise
    except Exception as error:
        raise as_serving_error(error) from error

"""TensorFlow Serving's REST API and the metrics page, whatever server carries them."""

import re

from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from serving import examples, inference, json_answers, json_requests
from serving.calls import Call
from serving.codec import encode_into
from serving.errors import HTTP_STATUS, ServingError, as_serving_error, invalid, not_found
from serving.inference import DEFAULT_SIGNATURE
from serving.monitoring import CONTENT_TYPE, Metrics
from serving.service import SIGNATURE_DEF, Service

METRICS_PATH = "/monitoring/prometheus/metrics"
_MODEL = r"(?i)/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICTION = re.compile(_MODEL + r":(?P<method>classify|regress|predict)")
_STATUS = re.compile(_MODEL)
_METADATA = re.compile(_MODEL + "/metadata")


class Rest:
    """Answers HTTP requests by the service.

    Args:
        service: what answers.
        metrics: their page.
        metrics_path: where that page is; None for nowhere.
        timeout: seconds a request may take.
    """

    def __init__(
        self, service: Service, metrics: Metrics, metrics_path: str | None, timeout: float
    ):
        self._service = service
        self._metrics = metrics
        self._metrics_path = metrics_path
        self._timeout = timeout

    def answer(self, method: str, path: str, body: bytes, call: Call) -> tuple[int, bytes, str]:
        """(HTTP status, body, content type) of a request; raises nothing."""
        if method == "GET" and path == self._metrics_path:
            return 200, self._metrics.page(), CONTENT_TYPE
        try:
            content = self._content(method, path, body, call)
            return 200, json_answers.text(content), "application/json"
        except Exception as error:
            return self.refusal(as_serving_error(error))

    @staticmethod
    def refusal(error: ServingError) -> tuple[int, bytes, str]:
        """(HTTP status, body, content type) of an error."""
        body = json_answers.text({"error": error.message})
        return HTTP_STATUS.get(error.code, 500), body, "application/json"

    def call(self) -> Call:
        """A new request's call."""
        return Call(self._timeout)

    def _content(self, method, path, body, call):
        if method == "POST" and (found := _PREDICTION.fullmatch(path)):
            name = found["method"].lower()
            answer, spec = getattr(self, f"_{name}"), _spec(found)
            with self._service.answering(name.capitalize(), "REST", lambda: spec, call) as servable:
                return answer(servable, json_requests.parse(body), call)
        if method == "GET" and (found := _METADATA.fullmatch(path)):
            return self._metadata(_spec(found))
        if method == "GET" and (found := _STATUS.fullmatch(path)):
            return self._status(_spec(found))
        if not path.lower().startswith("/v1/"):
            raise not_found(f"Not found: {path}")
        raise invalid(f"Malformed request: {method} {path}")

    def _predict(self, servable, body, call):
        request = predict_pb2.PredictRequest()
        request.model_spec.signature_name = json_requests.signature_name(body)
        definition = servable.signature(
            request.model_spec.signature_name or DEFAULT_SIGNATURE,
            lambda name: invalid(f'Serving signature name: "{name}" not found in signature def'),
        )
        arrays, as_rows = json_requests.inputs_of(body, definition.inputs)
        for name, array in arrays.items():
            encode_into(request.inputs[name], array, as_content=True)
        service = self._service
        asked = inference.question(servable, request, service.settings)
        outputs = asked.run(service.runner, servable, call)
        return json_answers.outputs_body(dict(sorted(outputs.items())), as_rows)

    def _classify(self, servable, body, call):
        request = _examples_request(classification_pb2.ClassificationRequest(), body)
        response = examples.classify(self._service.runner, servable, request, call)
        return {
            "results": [
                [[one.label, json_answers.shortest(one.score)] for one in row.classes]
                for row in response.result.classifications
            ]
        }

    def _regress(self, servable, body, call):
        request = _examples_request(regression_pb2.RegressionRequest(), body)
        response = examples.regress(self._service.runner, servable, request, call)
        values = [json_answers.shortest(one.value) for one in response.result.regressions]
        return {"results": values}

    def _status(self, spec):
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        response = self._service.status(request)
        return json_format.MessageToDict(
            response,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )

    def _metadata(self, spec):
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=spec, metadata_field=[SIGNATURE_DEF]
        )
        response = self._service.metadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[SIGNATURE_DEF].Unpack(signatures)
        options = {"preserving_proto_field_name": True}
        signatures = json_format.MessageToDict(
            signatures, always_print_fields_with_no_presence=True, **options
        )
        spec = json_format.MessageToDict(response.model_spec, **options)
        return {
            "model_spec": {"signature_name": "", **spec},
            "metadata": {SIGNATURE_DEF: signatures},
        }


def _spec(found):
    """The `ModelSpec` of a path."""
    spec = model_pb2.ModelSpec(name=found["name"])
    if found["version"]:
        number = int(found["version"])
        if number >= 2**63:
            raise invalid(f"Failed to convert version: {found['version']} to numeric.")
        spec.version.value = number
    if found["label"]:
        spec.version_label = found["label"]
    return spec


def _examples_request(request, body):
    """The request, filled in from JSON with a signature and tf.Examples."""
    request.model_spec.signature_name = json_requests.signature_name(body)
    examples = body.get("examples")
    if not isinstance(examples, list) or not examples:
        raise invalid("Missing 'examples' key: expected a list with at least one example")
    kind = request.input.example_list
    if "context" in body:
        kind = request.input.example_list_with_context
        kind.context.CopyFrom(json_requests.example_of(body["context"]))
    for features in examples:
        kind.examples.add().CopyFrom(json_requests.example_of(features))
    return request

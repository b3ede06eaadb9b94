"""Classify, Regress and MultiInference: signatures that read tf.Examples.

Checks, their order and their words are TensorFlow Serving's (classifier.cc, regressor.cc,
multi_inference.cc).
"""

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from serving.calls import Call
from serving.errors import failed_precondition, invalid, unimplemented
from serving.inference import DEFAULT_SIGNATURE, braced, fill_spec, kind_name

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def classify(runner, servable, request, call: Call):
    """A `ClassificationResponse` to a `ClassificationRequest`; raises as `inference.predict`."""
    response = classification_pb2.ClassificationResponse()
    return _answered(response, _classify_into, runner, servable, request, call)


def regress(runner, servable, request, call: Call):
    """A `RegressionResponse` to a `RegressionRequest`; raises as `inference.predict`."""
    response = regression_pb2.RegressionResponse()
    return _answered(response, _regress_into, runner, servable, request, call)


def multi_inference(runner, servable, request, call: Call):
    """A `MultiInferenceResponse` to a `MultiInferenceRequest`; raises as `inference.predict`."""
    seen = set()
    for task in request.tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        if name in seen:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        if task.method_name not in (CLASSIFY, REGRESS):
            raise unimplemented(f"Unsupported signature method_name: {task.method_name}")
        servable.signature(
            name, lambda name: invalid(f"Requested signature not found in model graph: {name}")
        )
    response = inference_pb2.MultiInferenceResponse()
    examples = _examples(request.input)
    for task in request.tasks:
        result = response.results.add()
        asked = task.model_spec.signature_name
        if task.method_name == CLASSIFY:
            fill, part = _classify_into, result.classification_result
        else:
            fill, part = _regress_into, result.regression_result
        name = fill(part, runner, servable, asked, examples, call)
        fill_spec(result.model_spec, servable, name)
    return response


def _answered(response, fill, runner, servable, request, call):
    """The response to a request of one signature, its result filled in by `fill`."""
    asked = request.model_spec.signature_name
    name = fill(response.result, runner, servable, asked, _examples(request.input), call)
    fill_spec(response.model_spec, servable, name)
    return response


def _examples(request_input) -> np.ndarray:
    """Serialised tf.Examples, objects (n,)."""
    if request_input.WhichOneof("kind") == "example_list_with_context":
        kind = request_input.example_list_with_context
        # Of a message that is written twice, the parts are merged.
        context = kind.context.SerializeToString()
        examples = [context + example.SerializeToString() for example in kind.examples]
    else:
        examples = [example.SerializeToString() for example in request_input.example_list.examples]
    if not examples:
        raise invalid("Input is empty.")
    return np.array(examples, object)


def _classify_into(result, runner, servable, asked, examples, call):
    name, definition = _example_signature(servable, asked, "classification")
    if not {"classes", "scores"} & set(definition.outputs):
        raise failed_precondition(
            "Expected classification signature outputs to contain at least one of "
            f'"classes" or "scores". Signature was: {name} {braced(definition.outputs)}'
        )
    outputs = runner.run(servable, name, {"inputs": examples}, call)
    count = len(examples)
    classes = _table(outputs.get("classes"), "classes", tf.string, count)
    scores = _table(outputs.get("scores"), "scores", tf.float32, count)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(
            "Tensors class and score should match in dim_size(1). Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    width = (classes if classes is not None else scores).shape[1]
    for row in range(count):
        classification = result.classifications.add()
        for column in range(width):
            one = classification.classes.add()
            if classes is not None:
                one.label = _text(classes[row, column])
            if scores is not None:
                one.score = scores[row, column]
    return name


def _regress_into(result, runner, servable, asked, examples, call):
    name, definition = _example_signature(servable, asked, "regression")
    if "outputs" not in definition.outputs:
        raise failed_precondition(
            f"No regression outputs found in SignatureDef: {name} {braced(definition.outputs)}"
        )
    output = runner.run(servable, name, {"inputs": examples}, call)["outputs"]
    shape, count, kind = output.shape, len(examples), tf.dtypes.as_dtype(output.dtype)
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{list(shape)}"
        )
    if shape[0] != count:
        raise invalid(f"Input batch size did not match output batch size: {count} vs. {shape[0]}")
    if kind != tf.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {kind_name(kind)}")
    for value in output.ravel().tolist():
        result.regressions.add().value = value
    return name


def _example_signature(servable, asked, method):
    """(name, definition) of a signature that reads tf.Examples.

    The signature's method name is not asked for: what TensorFlow 2 exports always says predict,
    and TensorFlow Serving passes over it too (`--enable_signature_method_name_check`).
    """
    name = asked or DEFAULT_SIGNATURE
    definition = servable.signature(
        name, lambda name: invalid(f"No signature was found with the name: {name}")
    )
    if len(definition.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if "inputs" not in definition.inputs:
        raise failed_precondition(
            f"No {method} inputs found in SignatureDef: {name} {braced(definition.inputs)}"
        )
    kind = tf.dtypes.as_dtype(definition.inputs["inputs"].dtype)
    if kind != tf.string:
        raise invalid(f"Expects arg[0] to be {kind_name(kind)} but string is provided")
    return name, definition


def _table(array, name, kind, rows):
    """An output (rows, columns), checked; None where there is none."""
    if array is None:
        return None
    if array.ndim != 2:
        raise invalid(
            f"Expected Tensor shape: [batch_size num_classes] but got {list(array.shape)}"
        )
    got = tf.dtypes.as_dtype(array.dtype)
    if got != kind:
        raise invalid(f"Expected {name} Tensor of {kind_name(kind)}. Got: {kind_name(got)}")
    if len(array) != rows:
        raise invalid(f"Expected {name} output batch size of {rows}. Got: {len(array)}")
    return array


def _text(label: bytes) -> str:
    # A proto3 string has to be UTF-8, a tensor's need not be.
    return label.decode("utf-8", errors="replace")

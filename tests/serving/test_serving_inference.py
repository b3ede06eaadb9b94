"""What a request asks of a signature: errors in TensorFlow Serving's order."""

from types import SimpleNamespace

import numpy as np
import pytest
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving.codec import encode_into
from serving.errors import ServingError
from serving.inference import Settings, question

LIMIT = 2**20


def servable(**inputs):
    """With one signature of inputs {alias: dtype} and the outputs `y` and `z`."""
    definition = meta_graph_pb2.SignatureDef()
    for alias, kind in inputs.items():
        definition.inputs[alias].dtype = kind
    for alias in ("y", "z"):
        definition.outputs[alias].dtype = types_pb2.DT_FLOAT
    return SimpleNamespace(signature=lambda name, missing: definition)


def refusal(servable, tensors, output_filter=()):
    """What a request of {alias: TensorProto} is told."""
    request = predict_pb2.PredictRequest(inputs=tensors, output_filter=output_filter)
    with pytest.raises(ServingError) as refused:
        question(servable, request, Settings(LIMIT)).inputs()
    return refused.value.message


def tensor(kind, content=b"", shape=(2,), **values):
    proto = tensor_pb2.TensorProto(dtype=kind, tensor_content=content, **values)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


FLOAT, WHOLE, STRING = types_pb2.DT_FLOAT, types_pb2.DT_INT32, types_pb2.DT_STRING
BAD = b"123"
GOOD = bytes(8)


def test_a_tensor_is_parsed_before_its_dtype_is_looked_at():
    assert refusal(servable(x=FLOAT), {"x": tensor(WHOLE, BAD)}) == "tensor parsing error: x"


def test_every_tensor_is_parsed_before_any_dtype_is_looked_at():
    tensors = {"a": tensor(WHOLE, GOOD), "b": tensor(FLOAT, BAD)}
    assert refusal(servable(a=FLOAT, b=FLOAT), tensors) == "tensor parsing error: b"


def test_tensors_are_parsed_before_outputs_are_looked_for():
    assert refusal(servable(x=FLOAT), {"x": tensor(FLOAT, BAD)}, ["q"]) == "tensor parsing error: x"


def test_outputs_are_looked_for_before_dtypes():
    message = refusal(servable(x=FLOAT), {"x": tensor(WHOLE, GOOD)}, ["q"])
    assert message.startswith("output tensor alias not found in signature: q ")
    message = refusal(servable(x=FLOAT), {"x": tensor(WHOLE, GOOD)})
    assert message == "Expects arg[0] to be float but int32 is provided"


def test_inputs_share_the_memory_that_a_request_may_take():
    # Of three strings the last two are to be repeats of the first.
    long = tensor(STRING, shape=(3,), string_val=[b"a" * (LIMIT // 3)])
    assert len(question(servable(a=STRING), request(a=long), Settings(LIMIT)).inputs()["a"]) == 3
    message = refusal(servable(a=STRING, b=STRING), {"a": long, "b": long})
    assert message.startswith("tensor parsing error: b: shape [3] takes ")


def request(**tensors):
    return predict_pb2.PredictRequest(inputs=tensors)


def test_of_many_inputs_some_are_named():
    one = tensor(FLOAT, GOOD)
    many = {f"extra-{number}": one for number in range(5_000)}
    message = refusal(servable(x=FLOAT), {"x": one, **many})
    assert message.startswith("input size does not match signature: 5001!=1 len({extra-")
    assert len(message) == 1024
    # Here the names leave room for the rest of the message, which is exact.
    few = {f"e{number}": one for number in range(3)}
    assert refusal(servable(x=FLOAT), few) == (
        "input size does not match signature: 3!=1 len({e0,e1,e2}) != len({x}). "
        "Sent extra: {e0,e1,e2}. Missing but required: {x}."
    )


def test_of_a_long_name_a_piece_is_shown():
    message = refusal(servable(x=FLOAT), {"n" * 10**6: tensor(FLOAT), "x": tensor(FLOAT, GOOD)})
    assert message.startswith("input size does not match signature: 2!=1 len({nnn")
    assert message.endswith("...TRUNCATED")


def test_inputs_and_wanted_outputs_are_those_of_the_request():
    proto = tensor_pb2.TensorProto()
    encode_into(proto, np.array([1.5, 2.5], np.float32))
    asked = question(
        servable(x=FLOAT),
        predict_pb2.PredictRequest(inputs={"x": proto}, output_filter=["z"]),
        Settings(LIMIT),
    )
    assert asked.memory == 8
    assert asked.inputs()["x"].tolist() == [1.5, 2.5]
    assert asked.picked({"y": 1, "z": 2}) == {"z": 2}

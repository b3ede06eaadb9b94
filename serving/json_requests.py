"""Tensors and tf.Examples of JSON requests as TensorFlow Serving reads them (json_tensor.cc)."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from serving.errors import invalid, unimplemented

# {"b64": "..."} stands for bytes.
BASE64 = "b64"
_LARGEST_LEVEL = 32


def parse(body: bytes) -> dict:
    """A request's JSON object; raises ServingError (INVALID_ARGUMENT)."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from None
    if b"\\u" in body and not _is_text(value):
        raise invalid("JSON Parse error: half of a surrogate pair")
    if not isinstance(value, dict):
        raise invalid(f"JSON Value: {_shown(value)} Type: {_kind(value)} is not an object")
    return value


def _is_text(value):
    """Whether all strings in it can be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def signature_name(body: Mapping) -> str:
    """`signature_name` of a request, "" where there is none."""
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {_shown(name)} not formatted correctly. 'signature_name' key must be a "
            "string value."
        )
    return name


def inputs_of(body: Mapping, infos: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], bool]:
    """The arrays of a predict request.

    Args:
        body: with either `instances`, a list of rows, or `inputs`, whole tensors.
        infos: {input: TensorInfo} of the signature.

    Returns:
        ({input: array}, whether they came as rows).

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if "instances" in body and "inputs" in body:
        raise invalid("Not formatted correctly: expected either 'instances' or 'inputs', got both.")
    kinds = {name: tf.dtypes.as_dtype(info.dtype) for name, info in infos.items()}
    if "instances" in body:
        return _rows(body["instances"], kinds), True
    if "inputs" in body:
        return _columns(body["inputs"], kinds), False
    raise invalid("Missing 'inputs' or 'instances' key")


def example_of(features: Any) -> tf.train.Example:
    """A tf.Example of {feature: value or list of values}; raises ServingError."""
    if not isinstance(features, dict):
        raise invalid(f"JSON Value: {_shown(features)} Type: {_kind(features)}; expected an object")
    example = tf.train.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[name]
        if all(type(one) in (int, float) for one in values) and values:
            if all(type(one) is int and -(2**63) <= one < 2**63 for one in values):
                feature.int64_list.value.extend(values)
            else:
                feature.float_list.value.extend(_floats(values))
        else:
            feature.bytes_list.value.extend(_bytes(one) for one in values)
    return example


def _floats(values):
    try:
        return [float(np.float32(value)) for value in values]
    except OverflowError:
        raise invalid(f"JSON Value: {_shown(values)} holds a number out of range") from None


def _rows(instances, kinds):
    if not isinstance(instances, list) or not instances:
        raise invalid("JSON Value: 'instances' has to be a list with at least one row.")
    if not isinstance(instances[0], dict) or _is_base64(instances[0]):
        if len(kinds) != 1:
            raise invalid(
                "instances is a plain list, but expecting list of objects as multiple input "
                f"tensors required as per signature: {sorted(kinds)}"
            )
        return {name: _array(instances, kind, name) for name, kind in kinds.items()}
    columns = {name: [] for name in kinds}
    for row in instances:
        if not isinstance(row, dict):
            raise invalid(
                f"Encountered list element of type {_kind(row)}; expecting objects, as the first "
                "is one."
            )
        for name, value in row.items():
            if name not in columns:
                raise invalid(f"JSON object: does not have named input: {name}")
            columns[name].append(value)
        if len(row) != len(kinds):
            missing = sorted(set(kinds) - set(row))
            raise invalid(f"Failed to process element: an input is missing: {missing}")
    return {name: _array(columns[name], kind, name) for name, kind in kinds.items()}


def _columns(inputs, kinds):
    if isinstance(inputs, dict) and not _is_base64(inputs):
        for name in inputs:
            if name not in kinds:
                raise invalid(f"JSON object: does not have named input: {name}")
        # What is missing is told as it is to a gRPC client.
        return {name: _array(value, kinds[name], name) for name, value in inputs.items()}
    if len(kinds) != 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            f"required as per signature: {sorted(kinds)}"
        )
    return {name: _array(inputs, kind, name) for name, kind in kinds.items()}


def _array(value, kind, name):
    """A dense array of nested lists."""
    shape = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    if len(shape) > _LARGEST_LEVEL:
        raise invalid(f"JSON Value: {name} is nested deeper than {_LARGEST_LEVEL} levels")
    flat = []
    _flatten(value, shape, 0, flat, _CHECKS.get(_group(kind, name)), kind)
    if kind == tf.string:
        array = np.empty(len(flat), object)
        array[:] = [_bytes(one) for one in flat]
        return array.reshape(shape)
    try:
        return np.array(flat, kind.as_numpy_dtype).reshape(shape)
    except (OverflowError, ValueError):
        raise invalid(f"JSON Value: {name} holds a number out of range of {kind.name}") from None


def _flatten(value, shape, level, flat, fits, kind):
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {_shown(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        if not fits(value):
            raise invalid(
                f"JSON Value: {_shown(value)} Type: {_kind(value)} is not of expected type: "
                f"{kind.name}"
            )
        flat.append(value)
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: "
            f"{shape[level]}"
        )
    for one in value:
        _flatten(one, shape, level + 1, flat, fits, kind)


_CHECKS = {
    "float": lambda value: type(value) in (int, float),
    "int": lambda value: type(value) is int,
    "bool": lambda value: type(value) is bool,
    "string": lambda value: type(value) is str or _is_base64(value),
}


def _group(kind, name):
    if kind == tf.string:
        return "string"
    if kind.is_bool:
        return "bool"
    if kind.is_floating:
        return "float"
    if kind.is_integer:
        return "int"
    raise unimplemented(f"Conversion of JSON Value: {name} to type: {kind.name}")


def _bytes(value):
    if isinstance(value, str):
        return value.encode()
    if not _is_base64(value):
        raise invalid(f"JSON Value: {_shown(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(value[BASE64], validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _is_base64(value):
    return isinstance(value, dict) and list(value) == [BASE64] and type(value[BASE64]) is str


def _kind(value):
    names = {dict: "Object", list: "Array", str: "String", type(None): "Null"}
    if isinstance(value, bool):
        return str(value)
    return names.get(type(value), "Number")


def _shown(value):
    shown = json.dumps(value, default=str)
    return shown if len(shown) <= 100 else shown[:100] + "..."

"""Tensors and results as JSON, written as TensorFlow Serving writes them (json_tensor.cc)."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.errors import invalid, unimplemented
from serving.json_requests import BASE64

# Strings under names that end so are base64, others UTF-8.
BYTES_SUFFIX = "_bytes"


def outputs_body(outputs: Mapping[str, np.ndarray], as_rows: bool) -> dict:
    """The answer to a predict request: `predictions` of rows, else `outputs`.

    Args:
        outputs: {output: array}; rows need the same number of them in each.
        as_rows: as the request's inputs came.

    Raises:
        ServingError: INVALID_ARGUMENT where outputs cannot be given as rows.
    """
    if not as_rows:
        values = {name: _jsonable(name, array) for name, array in outputs.items()}
        return {"outputs": next(iter(values.values())) if len(values) == 1 else values}
    sizes = {}
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(
                f"Tensor name: {name} has no shape information; use 'inputs' in place of "
                "'instances'."
            )
        sizes[name] = len(array)
        first = next(iter(sizes.values()))
        if len(array) != first:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {first}"
            )
    values = {name: _jsonable(name, array) for name, array in outputs.items()}
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    rows = zip(*values.values(), strict=True)
    return {"predictions": [dict(zip(values, row, strict=True)) for row in rows]}


def shortest(value: float) -> float:
    """A float32 by its shortest decimals: 0.2, not 0.20000000298."""
    return float(str(np.float32(value)))


def text(body: Any) -> bytes:
    """JSON as TensorFlow Serving writes it: NaN and Infinity by their names."""
    written = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return written.encode(errors="backslashreplace")


def _jsonable(name, array):
    if array.dtype == object or array.dtype.kind == "S":
        return _strings(array, name.endswith(BYTES_SUFFIX))
    if array.dtype.kind == "f" or array.dtype.kind == "V":
        # As `shortest`, for many.
        if array.dtype != np.float64:
            array = array.astype(np.float32).astype("U").astype(np.float64)
    elif array.dtype.kind not in "iub":
        raise unimplemented(f"Conversion of tensor {name} of type {array.dtype} to JSON")
    return array.tolist()


def _strings(array, as_base64):
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        value = array.item() if isinstance(array, np.ndarray) else array
        if as_base64:
            return {BASE64: base64.b64encode(value).decode()}
        return value.decode("utf-8", errors="replace")
    return [_strings(one, as_base64) for one in array]

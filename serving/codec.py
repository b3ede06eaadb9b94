"""Arrays to and from TensorProto messages.

TensorFlow's C++ parses a message; what stands here keeps a small message from asking for a large
tensor, and takes the short ways where Python would be slow. Arrays and not tensors, since they are
joined and split many times faster.
"""

import functools
import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.errors import ServingError, invalid

# A client's wish for answers in tensor_content, as metadata of its call: "1" for yes.
CONTENT_METADATA = "x-tensor-content"
# What a string costs in a tensor, its characters apart (sizeof(tstring)).
_STRING_BYTES = 24
# TensorShape::MaxDimensions
_MOST_DIMENSIONS = 254
# Repeated fields of TensorProto by kind of value: their numbers in tensor.proto.
_FIXED_FIELDS = {"float32": 5, "float64": 6, "complex64": 9, "complex128": 12}
_VARINT_FIELDS = {
    **dict.fromkeys(("int32", "int16", "int8", "uint8", "uint16"), 7),
    **{"int64": 10, "bool": 11, "float16": 13, "bfloat16": 13, "uint32": 16, "uint64": 17},
}
_LENGTH_DELIMITED = 2
# Fields of a few values that Python reads faster than TensorFlow's parser is called.
_PLAIN_FIELDS = {
    **{"float32": "float_val", "float64": "double_val"},
    **{"int32": "int_val", "int64": "int64_val", "bool": "bool_val"},
}
_FEW = 32


class UnreadTensor:
    """A message's tensor: what it is, checked, its values still to be read.

    Args:
        proto: of any dtype but resources and variants.
        alias: the input's name, for messages.
        max_bytes: most memory the tensor may take. A message of 17 bytes can ask for gigabytes,
            since one value stands for all that are missing.

    Attributes:
        kind: its dtype.
        memory: bytes that the tensor takes, without the characters that its message holds.

    Raises:
        ServingError: INVALID_ARGUMENT, `tensor parsing error: ALIAS`.
    """

    __slots__ = ("_alias", "_proto", "_shape", "kind", "memory")

    def __init__(self, proto: tensor_pb2.TensorProto, alias: str, max_bytes: int):
        self._proto, self._alias = proto, alias
        self.kind, self._shape = _kind(proto, alias), _shape(proto, alias)
        self.memory = _needed(proto, self.kind, math.prod(self._shape))
        if self.memory > max_bytes:
            raise invalid(
                f"tensor parsing error: {alias}: shape {list(self._shape)} takes {self.memory} "
                f"bytes; the server accepts {max_bytes} (--max-message-bytes)"
            )

    def array(self) -> np.ndarray:
        """Its values, of objects for strings; they may be read-only. Raises as the class."""
        # Each access to the field copies it.
        content = self._proto.tensor_content
        try:
            if not content or self.kind == tf.string:
                return _of_values(self._proto, self.kind, self._shape, self._alias)
            if len(content) != self.memory:
                raise _malformed(self._alias)
            return np.frombuffer(content, self.kind.as_numpy_dtype).reshape(self._shape)
        except ValueError:
            # More dimensions than NumPy has.
            raise _malformed(self._alias) from None


def decode(proto: tensor_pb2.TensorProto, alias: str, max_bytes: int) -> np.ndarray:
    """The array a message holds; arguments and errors are those of `UnreadTensor`."""
    return UnreadTensor(proto, alias, max_bytes).array()


def array_of(tensor: tf.Tensor) -> np.ndarray:
    """An eager tensor's values, of objects for strings; shared with the tensor where it can be."""
    value = tensor.numpy()
    # A string alone comes as bytes, and an array of bytes would lose its trailing zeros.
    return np.array(value, object) if tensor.dtype == tf.string else np.asarray(value)


def payload(array: np.ndarray) -> int:
    """Bytes of an array's values."""
    return sum(map(len, array.ravel())) if array.dtype == object else array.nbytes


def encode_into(proto: tensor_pb2.TensorProto, array: np.ndarray, as_content: bool = False) -> None:
    """Writes an array into a message, its values in `float_val` and its like as TF Serving does.

    Args:
        proto: empty. Where it is part of another, nothing has to be copied into that one.
        array: of any numeric kind of TensorFlow's, bool, or bytes as objects.
        as_content: give the values in `tensor_content`, which Python clients read much faster.
    """
    kind = tf.dtypes.as_dtype(array.dtype)
    proto.dtype = kind.as_datatype_enum
    # A dim has to be made even where its size is 0, the default.
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    name = kind.name
    if name == "string":
        proto.string_val.extend(array.ravel().tolist())
    elif as_content:
        proto.tensor_content = array.tobytes()
    elif name in _FIXED_FIELDS:
        _put(proto, _FIXED_FIELDS[name], array.tobytes())
    elif name in _VARINT_FIELDS:
        _put(proto, _VARINT_FIELDS[name], varints(_integers(array)))
    else:
        proto.CopyFrom(tf.make_tensor_proto(array))


def varints(values: np.ndarray) -> bytes:
    """Protocol Buffers' variable-length encoding of unsigned integers, one after the other.

    Args:
        values: of any unsigned kind and shape.
    """
    rest = values.ravel()
    columns = max(1, -(-int(rest.max(initial=0)).bit_length() // 7))
    digits = np.empty((rest.size, columns), np.uint8)
    used = np.ones((rest.size, columns), bool)
    for column in range(columns):
        digits[:, column] = rest & 0x7F
        rest = rest >> 7
        more = rest != 0
        digits[:, column] |= more.astype(np.uint8) << 7
        if column + 1 < columns:
            used[:, column + 1] = more
    return digits[used].tobytes()


def _integers(array):
    """The unsigned integers whose varints Protocol Buffers writes for an array."""
    if array.dtype.kind not in "iub":
        return array.view(np.uint16)
    if array.dtype.kind == "i":
        # Negative numbers are written as 64 bits in two's complement.
        return array.astype(np.int64).view(np.uint64)
    return array.astype(np.uint8) if array.dtype.kind == "b" else array


def _put(proto, field, payload):
    if payload:
        key = varints(np.array([field << 3 | _LENGTH_DELIMITED, len(payload)], np.uint64))
        proto.MergeFromString(key + payload)


def _needed(proto, kind, count):
    """Bytes of memory that a message's tensor takes."""
    if kind != tf.string:
        return count * kind.size
    # The last string stands for all that are missing.
    last = len(proto.string_val[-1]) if proto.string_val else 0
    return count * _STRING_BYTES + max(0, count - len(proto.string_val)) * last


def _kind(proto, alias):
    kind = _kinds().get(proto.dtype)
    if kind is None:
        raise _malformed(alias)
    return kind


@functools.cache
def _kinds():
    """{number in a message: kind}, of those that have values; TensorFlow's own look-up is slow."""
    every = map(tf.dtypes.as_dtype, types_pb2.DataType.values()[1:])
    return {
        kind.as_datatype_enum: kind
        for kind in every
        if not kind.name.endswith("_ref") and kind not in (tf.resource, tf.variant)
    }


def _shape(proto, alias):
    # Before anything is multiplied: a message has room for millions of dimensions.
    if len(proto.tensor_shape.dim) > _MOST_DIMENSIONS:
        raise _malformed(alias)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(not 0 <= size < 2**31 for size in shape):
        raise _malformed(alias)
    return shape


def _of_values(proto, kind, shape, alias):
    if kind.name in _PLAIN_FIELDS:
        values = getattr(proto, _PLAIN_FIELDS[kind.name])
        if len(values) == math.prod(shape) and len(values) <= _FEW:
            return np.array(values, kind.as_numpy_dtype).reshape(shape)
    try:
        return array_of(tf.io.parse_tensor(proto.SerializeToString(), kind))
    except tf.errors.OpError:
        raise _malformed(alias) from None


def _malformed(alias) -> ServingError:
    return invalid(f"tensor parsing error: {alias}")

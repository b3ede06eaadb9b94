"""Tensors and messages: what TensorFlow reads and writes, and messages that mean harm."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving import codec
from serving.codec import decode, varints
from serving.errors import ServingError

LIMIT = 2**20
KINDS = (
    *(tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128, tf.bool),
    *(tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64),
)


def encode(array, as_content=False):
    proto = tensor_pb2.TensorProto()
    codec.encode_into(proto, array, as_content)
    return proto


def values(kind, shape=(3, 5)):
    draws = np.random.default_rng(0)
    if kind.is_bool:
        return draws.integers(0, 2, shape).astype(bool)
    if kind.is_integer:
        bits = draws.integers(0, 2**64, shape, np.uint64, endpoint=False)
        return bits.astype(kind.as_numpy_dtype)
    numbers = draws.normal(size=shape)
    return (numbers * (1 + 2j if kind.is_complex else 1)).astype(kind.as_numpy_dtype)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("as_content", [False, True])
@pytest.mark.parametrize("shape", [(3, 5), (), (0, 4)])
def test_encoded_tensors_are_read_by_tensorflow(kind, as_content, shape):
    array = values(kind, shape)
    proto = encode(array, as_content)
    # From the wire, as a client gets it.
    proto = tensor_pb2.TensorProto.FromString(proto.SerializeToString())
    assert proto.dtype == kind.as_datatype_enum
    read = tf.make_ndarray(proto)
    assert read.shape == shape
    assert read.tobytes() == array.tobytes()
    again = decode(proto, "x", LIMIT)
    assert again.dtype == kind
    assert again.tobytes() == array.tobytes()


@pytest.mark.parametrize("shape", [(), (2,), (2, 0)])
def test_strings_survive(shape):
    array = np.empty(shape, object)
    array[...] = b"\x00 a\xff\x00"
    proto = encode(array)
    assert list(proto.string_val) == [b"\x00 a\xff\x00"] * array.size
    assert decode(proto, "x", LIMIT).tolist() == array.tolist()


def test_values_are_in_the_fields_of_their_kind():
    proto = encode(np.array([0, 127, 128, 255], np.uint8))
    assert list(proto.int_val) == [0, 127, 128, 255]
    assert list(encode(np.array([-1, 1], np.int64)).int64_val) == [-1, 1]
    assert list(encode(np.array([0.5], np.float32)).float_val) == [0.5]


def test_varints_are_those_of_protobuf():
    numbers = [0, 1, 127, 128, 300, 2**32, 2**64 - 1]
    expected = tensor_pb2.TensorProto(uint64_val=numbers).SerializeToString()
    # After the field's key and length.
    assert expected.endswith(varints(np.array(numbers, np.uint64)))


def test_one_value_stands_for_all():
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[2.0])
    proto.tensor_shape.dim.add().size = 3
    assert decode(proto, "x", LIMIT).tolist() == [2, 2, 2]


def hostile(**fields):
    dims = fields.pop("dims", ())
    proto = tensor_pb2.TensorProto(**{"dtype": types_pb2.DT_FLOAT, **fields})
    for size in dims:
        proto.tensor_shape.dim.add().size = size
    return proto


@pytest.mark.parametrize(
    "proto",
    [
        hostile(dims=(-1,)),
        hostile(dims=(2**62, 2**62)),
        hostile(dims=(0, 2**62)),
        hostile(dtype=types_pb2.DT_INVALID),
        hostile(dtype=999),
        hostile(dtype=types_pb2.DT_RESOURCE),
        hostile(dtype=types_pb2.DT_VARIANT),
        hostile(dtype=types_pb2.DT_FLOAT_REF),
        hostile(dims=(2,), tensor_content=b"1234567"),
        hostile(dims=(2,), tensor_content=b"123456789"),
        hostile(dtype=types_pb2.DT_STRING, dims=(2,), tensor_content=b"\xff\xff"),
        hostile(dims=(1,) * 300),
        hostile(dims=(1,) * 200, tensor_content=b"1234"),
        hostile(dims=(2**31 - 1,) * 50_000, tensor_content=b"1234"),
    ],
    ids=lambda proto: str(proto)[:60],
)
def test_malformed_messages_are_refused(proto):
    with pytest.raises(ServingError, match=r"^tensor parsing error: image$") as refused:
        decode(proto, "image", LIMIT)
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT


def test_a_small_message_gets_no_large_tensor():
    bomb = hostile(dims=(200_000_000,), float_val=[1.0])
    assert len(bomb.SerializeToString()) < 20
    with pytest.raises(
        ServingError, match=r"tensor parsing error: x: .* 800000000 bytes"
    ) as refused:
        decode(bomb, "x", LIMIT)
    assert "--max-message-bytes" in refused.value.message
    strings = hostile(dtype=types_pb2.DT_STRING, dims=(LIMIT,), string_val=[b""])
    with pytest.raises(ServingError, match="tensor parsing error"):
        decode(strings, "x", LIMIT)
    long = hostile(dtype=types_pb2.DT_STRING, dims=(3,), string_val=[b"a" * (LIMIT // 2)])
    with pytest.raises(ServingError, match="tensor parsing error"):
        decode(long, "x", LIMIT)

"""Requests that TF Serving sends to a version before serving it, so that nobody waits for them."""

from pathlib import Path

import tensorflow as tf

from cdd_keras.savedmodel.examples import example_inputs

NAME = "tf_serving_warmup_requests"


def write_warmup(run, endpoints, model_name: str, folder: Path) -> None:
    """Writes a request of each signature, as a TFRecord of PredictionLog, into assets.extra."""
    with tf.io.TFRecordWriter(str(folder / NAME)) as writer:
        for name, endpoint in endpoints.items():
            log = _log(model_name, name, example_inputs(run, endpoint))
            writer.write(log.SerializeToString())


def _log(model_name, signature, inputs):
    # Heavy, and needed here alone.
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    for name, rows in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(rows))
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )

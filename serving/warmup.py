"""Requests that a version answers before it is served, so that no client waits for its first."""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving import examples, inference
from serving.batching import Direct
from serving.calls import Call
from serving.errors import ServingError, as_serving_error, invalid

FILE = Path("assets.extra", "tf_serving_warmup_requests")
# As TensorFlow Serving's WarmupConsts.
MAX_RECORDS = 1000
_SETTINGS = inference.Settings(max_bytes=2**31)


def warm_up(servable, folder: Path) -> int:
    """Sends a version its recorded requests; gives their number.

    Args:
        servable: the version.
        folder: its folder. Without a file of requests nothing is done.

    Raises:
        ServingError: the file cannot be read or a request fails, which fails the load.
    """
    file = folder / FILE
    if not file.is_file():
        return 0
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            count += 1
            if count > MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS})")
            _answer(servable, prediction_log_pb2.PredictionLog.FromString(record))
    except Exception as error:
        reason = as_serving_error(error)
        raise ServingError(
            reason.code, f"warm-up request {count} of {file} failed: {reason.message}"
        ) from error
    return count


def _answer(servable, log):
    kind = log.WhichOneof("log_type")
    call, runner = Call(), Direct()
    if kind == "predict_log":
        inference.predict(runner, servable, log.predict_log.request, call, _SETTINGS)
    elif kind == "classify_log":
        examples.classify(runner, servable, log.classify_log.request, call)
    elif kind == "regress_log":
        examples.regress(runner, servable, log.regress_log.request, call)
    elif kind == "multi_inference_log":
        examples.multi_inference(runner, servable, log.multi_inference_log.request, call)
    else:
        raise invalid(f"Unsupported log_type for warmup: {kind}")

"""A runtime of MLServer that answers by a signature of a SavedModel."""

import asyncio

import numpy as np
import tensorflow as tf
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class SavedModelRuntime(MLModel):
    """Calls the signature named in the model's settings, in a thread of its own."""

    async def load(self):
        self._model = tf.saved_model.load(self.settings.parameters.uri)
        self._function = self._model.signatures[self.settings.parameters.extra["signature"]]
        return True

    async def predict(self, payload):
        outputs = await asyncio.to_thread(self._run, payload)
        return InferenceResponse(model_name=self.name, outputs=outputs)

    def _run(self, payload):
        arrays = {one.name: NumpyCodec.decode_input(one) for one in payload.inputs}
        # The codec gives vectors a second dimension.
        tensors = {
            name: tf.constant(array.reshape(-1) if array.ndim == 2 else array)
            for name, array in arrays.items()
        }
        outputs = self._function(**tensors)
        return [NumpyCodec.encode_output(name, np.array(one)) for name, one in outputs.items()]

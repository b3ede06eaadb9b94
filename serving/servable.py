"""One version of a model: a SavedModel loaded, its signatures ready to be called."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from serving.calls import Call
from serving.codec import array_of
from serving.errors import ServingError, not_found
from serving.execution import CancellationManager, StoppableFunction

SERVE_TAG = "serve"


class Servable:
    """A loaded SavedModel.

    Args:
        name: of the model.
        version: its number.
        path: the folder that holds `saved_model.pb`.
        observe: told (name, signature, seconds) of each run.

    Raises:
        Exception: of any kind, as TensorFlow raises on a folder that cannot be loaded.
    """

    def __init__(
        self,
        name: str,
        version: int,
        path: Path,
        observe: Callable[[str, str, float], None] = lambda *_: None,
    ):
        self._observe = observe
        self.name = name
        self.version = version
        self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = _signatures(path)
        model = tf.saved_model.load(str(path), tags=[SERVE_TAG])
        # A signature does not keep its model's variables alive.
        self._model = model
        self._functions = {
            key: _positional(model.signatures[key], sorted(definition.inputs))
            for key, definition in self.signatures.items()
            if key in model.signatures
        }

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], call: Call
    ) -> dict[str, np.ndarray]:
        """The signature's outputs.

        Args:
            signature: a key of `signatures`.
            inputs: every input of it, of its kinds; strings as objects, here and in the outputs.
            call: whose cancellation stops the computation.

        Raises:
            ServingError: the call is over.
            tf.errors.OpError: an operation failed.
        """
        call.check()
        manager = CancellationManager()
        call.on_cancel(manager.start_cancel)
        start = time.perf_counter()
        try:
            outputs = self._functions[signature](self._tensors(signature, inputs), manager)
            arrays = {alias: array_of(tensor) for alias, tensor in outputs.items()}
        except tf.errors.CancelledError:
            # Whose deadline has passed hears of that.
            call.check()
            raise
        self._observe(self.name, signature, time.perf_counter() - start)
        call.check()
        return arrays

    def _tensors(self, signature, inputs):
        expected = self.signatures[signature].inputs
        return [tf.constant(inputs[alias], expected[alias].dtype) for alias in sorted(inputs)]

    def signature(self, name: str, missing) -> meta_graph_pb2.SignatureDef:
        """A signature by its name.

        Args:
            name: of a signature.
            missing: gives the error for an unknown name.
        """
        if name not in self._functions:
            raise missing(name)
        return self.signatures[name]


def _signatures(path):
    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    if not file.is_file():
        raise not_found(
            f"Could not find SavedModel .pb at supplied export directory path: {path}. Check that "
            "the directory exists and that you have the right permissions for accessing it."
        )
    try:
        saved.ParseFromString(file.read_bytes())
    except Exception as error:
        message = f"{file} is not a SavedModel: {error}"
        raise ServingError(grpc.StatusCode.DATA_LOSS, message) from error
    for graph in saved.meta_graphs:
        if SERVE_TAG in graph.meta_info_def.tags:
            return dict(graph.signature_def)
    raise not_found(
        f"Could not find meta graph def matching supplied tags: {{ {SERVE_TAG} }} in {file}."
    )


def _positional(function, aliases):
    """The signature as a function of its inputs in the aliases' order.

    A signature's own binding of named arguments costs some 0.2 ms a call (docs/benchmarks.md, by
    its JSON: "direct" against "direct, as the server calls").
    Shapes are left open: as in TensorFlow Serving they are the graph's to check.
    """
    kinds = function.structured_input_signature[1]

    def call(*tensors):
        return function(**dict(zip(aliases, tensors, strict=True)))

    specs = [tf.TensorSpec(None, kinds[alias].dtype) for alias in aliases]
    traced = tf.function(call, input_signature=specs, autograph=False)
    return StoppableFunction(traced.get_concrete_function())

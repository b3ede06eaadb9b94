"""A process that measures cdd_keras's training step; run from benchmarks/ as `-m speed`."""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import tensorflow as tf

from cdd_keras.dry_run import graph_flops, trace_step
from speed.peak import matmul_peak
from speed.recording import record
from speed.sets import deliver
from speed.steps import as_tensors, build_model, random_batch
from speed.timing import peak_memory, timed
from speed.trace import dearest, traced_ops
from speed.workers import serve


class Measured:
    """One model and its step."""

    def versions(self, request):
        return {"tensorflow": tf.__version__, "threads": os.cpu_count()}

    def build(self, request):
        """Traces the step of a configuration; gives its FLOPs."""
        self.model = build_model(request["settings"])
        self.batch = as_tensors(random_batch(self.model.config))
        self.function = trace_step(self.model)
        return {"flops": graph_flops(self.function.graph)}

    def step(self):
        # A step is over when its loss can be read.
        return float(self.function(self.batch)["loss"])

    def time(self, request):
        return timed(self.step, request["seconds"])

    def memory(self, request):
        """The most that the process, or where there is one the GPU, has held: MiB."""
        gpus = tf.config.list_logical_devices("GPU")
        if gpus:
            return {"memory": tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20}
        return {"memory": peak_memory()}

    def peak(self, request):
        return {"peak": matmul_peak(request["precision"])}

    def profile(self, request):
        by_type, by_op = dearest(traced_ops(self.step))
        return {"types": by_type, "ops": by_op}

    def deliver(self, request):
        return deliver(**request)

    def record(self, request):
        return record(request["file"], request["settings"], request["steps"])


if __name__ == "__main__":
    serve(Measured())

"""What a target image is taken to show, and how frequent the values are."""

import torch

MOMENTUM = 0.97
LEAST = 1e-6


class Belief:
    """See cdd_keras.belief, whose frequencies `values` are, in its order."""

    def __init__(self, values, config):
        names = ("shown_source", "shown_target", "source", "target")
        readings = ("direct", "translated", "as_source")
        tensors = [torch.from_numpy(value) for value in values]
        self.frequencies = dict(zip(names, tensors, strict=False))
        self.means = dict(zip(readings, tensors[len(names) :], strict=True))
        self.alignment = config["prior_alignment"]
        self.sharpness = config["belief_sharpness"]
        via_source = config["belief_via_source"]
        self.shares = {"translated": via_source / 2, "as_source": via_source / 2}
        self.shares["direct"] = 1.0 - via_source

    def count(self, labels):
        """Follows what the source's batches show; how frequent its values are is known."""
        shown = torch.nn.functional.one_hot(labels, len(self.frequencies["source"]))
        follow(self.frequencies["shown_source"], shown.float())

    def log_frequencies(self, name):
        return torch.log(self.frequencies[name] + LEAST)

    def shift(self, name):
        return self.log_frequencies("target") - torch.log(self.means[name] + LEAST)

    @torch.no_grad()
    def probabilities(self, readings):
        """Follows the readings, and joins them: float32 (batch, classes)."""
        source = self.log_frequencies("source")
        logs = {name: torch.log_softmax(one + source, -1) for name, one in readings.items()}
        for name, one in logs.items():
            follow(self.means[name], one.exp())
        taught = (logs["as_source"] + logs["translated"]) / 2
        follow(self.frequencies["target"], torch.softmax(self.sharpness * taught, -1))
        joint = sum(self.shares[name] * self.align(name, one) for name, one in logs.items())
        return torch.softmax(self.sharpness * joint, -1)

    def align(self, name, log):
        return torch.log_softmax(log + self.alignment * self.shift(name), -1)


def follow(kept, values):
    kept.lerp_(values.mean(0), 1.0 - MOMENTUM)

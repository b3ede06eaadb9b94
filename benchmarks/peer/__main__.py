"""The peer's process: answers train_peer.py line by line; run from benchmarks/ as `-m peer`."""

import numpy as np
import torch
from speed.timing import timed
from speed.workers import serve

from peer.compiled import compile_calls
from peer.draws import Replayed
from peer.exchange import take_weights
from peer.networks import DOMAINS
from peer.step import NETWORKS, Trainer, build_networks


class Peer:
    """One trainer, made from what a recording holds."""

    def versions(self, request):
        return {"torch": torch.__version__, "threads": torch.get_num_threads()}

    def build(self, request):
        """Takes configuration, weights and first batch of the recording `file`."""
        torch.manual_seed(0)
        self.recording = np.load(request["file"])
        config = request["config"]
        networks = build_networks(config, request["classes"])
        for name in NETWORKS:
            take_weights(networks[name], self.listed(f"weights/{name}"))
        belief = self.listed("belief")
        step = int(self.recording["step"])
        self.trainer = Trainer(
            config, request["classes"], networks, belief, step, request["precision"]
        )
        if request["compiled"]:
            compile_calls(self.trainer)
        return {}

    def listed(self, place):
        """The recording's arrays place/0, place/1 and so on."""
        count = sum(name.startswith(f"{place}/") for name in self.recording.files)
        return [self.recording[f"{place}/{number}"] for number in range(count)]

    def batch(self, place):
        images = {
            domain: torch.from_numpy(self.recording[f"{place}/{domain}"]).permute(0, 3, 1, 2)
            for domain in DOMAINS
        }
        return images, torch.from_numpy(self.recording[f"{place}/labels"]).long()

    def replay(self, request):
        """{player/term: loss} of each recorded step, with the draws that were recorded."""
        found = []
        for number in range(request["steps"]):
            draws = Replayed(self.listed(f"draws/{number}"))
            losses = self.trainer.train_step(*self.batch(f"batch/{number}"), draws)
            if draws.arrays:
                raise ValueError(f"{len(draws.arrays)} recorded draws were not asked for.")
            found.append(
                {
                    f"{player}/{name}": float(loss)
                    for player, terms in losses.items()
                    for name, loss in terms.items()
                }
            )
        return {"losses": found}

    def time(self, request):
        images, labels = self.batch("batch/0")
        return timed(lambda: self.trainer.train_step(images, labels), request["seconds"])


if __name__ == "__main__":
    serve(Peer())

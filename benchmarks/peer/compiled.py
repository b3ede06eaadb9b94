"""Where torch.compile helps."""

import torch


def compile_calls(trainer):
    """Compiles what the trainer calls by name; the discriminator's second derivative cannot be."""
    for name, call in trainer.calls.items():
        trainer.calls[name] = torch.compile(call, dynamic=False)

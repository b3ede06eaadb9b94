"""The peer of train_peer.py: `cdd`'s step in PyTorch; it runs in an environment of its own."""

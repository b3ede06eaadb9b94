"""The gRPC and REST server of exported models. It lands with its own issue."""

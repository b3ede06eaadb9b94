"""The server with leaks put in on purpose, which the soak tests have to find."""

import sys

from serving import cli, server
from serving.models import Models
from serving.service import Service

KEPT = []


def keep(cls, name, count):
    method = getattr(cls, name)

    def leaking(self, *args, **kwargs):
        KEPT.append(bytearray(count))
        return method(self, *args, **kwargs)

    setattr(cls, name, leaking)


if __name__ == "__main__":
    keep(Service, "predict", 2**16)
    keep(Models, "_drop", 2**23)
    sys.exit(cli.main(server.run))

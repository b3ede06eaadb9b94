"""A training that ends after two steps and says when it got to each stage.

`first_step.py START FLAGS...`: START is the time its process was asked for, in seconds.
"""

import json
import os
import sys
import time

from cdd_keras import cli, train


def main():
    start, *flags = sys.argv[1:]
    stages = {}

    def reached(name):
        stages[name] = time.time() - float(start)

    def stopping():
        from cdd_keras import callbacks, training

        reached("imported")
        build = training.build_model

        def build_model(*arguments):
            reached("loaded")
            return build(*arguments)

        def on_train_batch_end(self, batch, logs=None):
            reached("second" if "first" in stages else "first")
            if "second" in stages:
                print(json.dumps(stages), flush=True)
                os._exit(0)

        training.build_model = build_model
        callbacks.KeepRun.on_train_batch_end = on_train_batch_end

    load = cli.load_tensorflow

    def load_tensorflow():
        load()
        stopping()

    cli.load_tensorflow = load_tensorflow
    sys.exit(cli.main(train.run, flags))


if __name__ == "__main__":
    main()

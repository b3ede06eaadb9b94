"""Progress in a pipe: plain lines, few of them."""

from cdd_keras.progress import LINES, Progress


def test_lines_in_a_pipe(capsys):
    progress = Progress(steps=400, start=0, images_a_step=64)
    progress.on_train_begin()
    for _ in range(400):
        progress.on_train_batch_end(0, {"generator/reconstruction_source": 0.25})
    progress.on_train_end()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == LINES
    assert lines[-1].startswith("step 400/400")
    assert "recon 0.250" in lines[-1]


def test_a_method_without_the_usual_losses_shows_its_own(capsys):
    progress = Progress(steps=1, start=0, images_a_step=2)
    progress.on_train_begin()
    progress.on_train_batch_end(0, {"critic/gap": 1.5})
    assert "gap 1.500" in capsys.readouterr().err

"""`GanRun`: judging after a resumed run, with a fake judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan.data.images import Images, Pixels
from gan.evaluation.scores import Scores
from gan.run import GanRun
from gan.standard.trainer import Trainer
from tests.gan.small import tiny
from training.storage import checkpoint


class Falling:
    """A judge whose score improves with every call."""

    count = 40

    def __init__(self) -> None:
        self.judgements = 0

    def score(self, fake: Pixels) -> Scores:
        """Return a better score than before, for any images."""
        self.judgements += 1
        return {"fd_clf": 9.0 - self.judgements, "fd_floor": 0.0}

    def reporting(self) -> Falling:
        """Return this judge."""
        return self


@pytest.mark.parametrize("since", [0, 1])
def test_what_was_trained_last_is_judged_after_an_interruption(corners: Images, tmp_path: Path, since: int) -> None:
    """A resumed run judges its last state once, and not again where it was judged before the checkpoint."""
    judge = Falling()
    run = GanRun(Trainer(tiny(), corners), judge, tmp_path)
    run.train(8)
    run.judge()
    if since:
        run.train(16)
    saved = run.save(tmp_path)
    resumed = GanRun(Trainer(tiny(), corners), judge, tmp_path)
    resumed.load(saved)
    resumed.finish()
    assert judge.judgements == 1 + since
    assert resumed.best.images == resumed.images == 8 + 8 * since
    older = checkpoint.load(saved)
    del older["judged"]
    resumed.load_state(older)
    assert resumed.judged == resumed.images

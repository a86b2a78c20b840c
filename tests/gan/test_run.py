"""A training as a run, with a judge of its own."""

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
    """Every judgement is better than the one before."""

    count = 40

    def __init__(self) -> None:
        self.judgements = 0

    def score(self, fake: Pixels) -> Scores:
        """Of any images."""
        self.judgements += 1
        return {"fd_clf": 9.0 - self.judgements, "fd_floor": 0.0}

    def reporting(self) -> Falling:
        """The same."""
        return self


@pytest.mark.parametrize("since", [0, 1])
def test_what_was_trained_last_is_judged_after_an_interruption(corners: Images, tmp_path: Path, since: int) -> None:
    """Once: not again where the last judgement had seen it."""
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

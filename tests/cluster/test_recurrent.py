"""Recurrent runs in `watch`, `export` and TensorBoard, and sequence batches from several replay shards."""

from __future__ import annotations

import json
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest

from agents.dqn.serial import SerialLoop
from agents.playback.game import PlayedStep
from agents.playback.overlay import ATTENTION_HEIGHT, Panel
from agents.playback.pictures import CELL, attention_map, pictures_of
from agents.recurrent.presets import PRESETS
from agents.replay.keys import SHARD_BITS
from agents.replay.sequences import SequenceBatch
from cluster.cli.main import main
from cluster.fleet.replay import ShardActor, ShardedReplay
from tests.cluster.records import refused
from tests.cluster.tiny import TINY_RECURRENT
from training.settings import changed


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a short run on the T-maze, with attention."""
    folder = tmp_path_factory.mktemp("recurrent") / "run"
    tiny = {**TINY_RECURRENT, "network.memory": "attention", "network.window": 6}
    values = {name.removeprefix("stop."): value for name, value in tiny.items()}
    words = [f"--{name.removesuffix('.id').replace('_', '-')}={value}" for name, value in values.items()]
    assert main(["train", "tmaze", *words, "--serial", f"--run-dir={folder}"]) == 0
    return folder


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the reader's pipes
def test_it_is_watched_with_what_it_looks_at(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "game.mp4"
    assert main(["watch", str(run), "--out", str(out), "--values"]) == 0
    with imageio.get_reader(out) as video:
        assert next(iter(video)).shape[1] > 220


def test_it_is_not_exported(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Export refuses a recurrent run, since an exported policy has no memory."""
    assert "use watch or evaluate" in refused(capsys, "export", str(run), "--out", str(tmp_path / "policy"))
    assert json.loads((run / "run.json").read_text())["workload"] == "recurrent"


def moment(weights: list[float]) -> PlayedStep:
    """Return a step with a gray screen and these attention weights."""
    screen, q = np.full((84, 84, 3), 90, np.uint8), np.array([1.0, 2.0], np.float32)
    return PlayedStep(screen, np.zeros(1), q, 1, 0.0, False, np.array(weights, np.float32))


def test_a_strip_beside_the_game_shows_the_weights() -> None:
    """Bars from the oldest to the newest frame are as high as their weights; there are none without attention."""
    with_strip = Panel(["left", "right"]).beside(moment([0.0, 0.75, 0.0, 0.25])).astype(int)
    without = Panel(["left", "right"]).beside(moment([])._replace(attention=None)).astype(int)
    top = 420 - 78 - ATTENTION_HEIGHT
    strip, none = (drawn[top + 18 : top + ATTENTION_HEIGHT, 420 + 8 : 420 + 212] for drawn in (with_strip, without))
    assert (none == 0).all()
    heights = [(strip[:, 51 * k + 20].max(1) > 60).sum() for k in range(4)]
    assert heights[1] == pytest.approx(0.75 * (ATTENTION_HEIGHT - 22), abs=2)
    assert heights[3] == pytest.approx(0.25 * (ATTENTION_HEIGHT - 22), abs=2)
    assert max(heights[0], heights[2]) <= 1


def test_a_map_shows_which_frame_each_step_looks_at() -> None:
    """The map has a row for each step, with the step's own frame on the diagonal."""
    game = [moment([0, 0, 1]), moment([0, 1, 0]), moment([0.5, 0, 0.5]), moment([1, 0, 0])]
    drawn = attention_map(game)[::CELL, ::CELL, 0]
    assert drawn.tolist() == [[255, 0, 0, 0], [255, 0, 0, 0], [128, 0, 128, 0], [0, 255, 0, 0]]


def test_pictures_for_tensorboard() -> None:
    """TensorBoard gets an animation of a game, and with attention also the attention map."""
    for memory, tags in (("gru", ["evaluation/game"]), ("attention", ["evaluation/game", "evaluation/attention"])):
        loop = SerialLoop(changed(PRESETS["tmaze"](), {**TINY_RECURRENT, "network.memory": memory}))
        assert [picture.tag for picture in pictures_of(loop.policy(), loop.settings, 0)] == tags
        loop.close()


def test_sequences_of_several_shards_make_one_batch() -> None:
    """Sequences drawn from two shards are merged into one batch for the learner, here without actor processes."""
    fleet = {"fleet.runners": 2, "fleet.shards": 2, "fleet.envs_per_runner": 2}
    settings = changed(PRESETS["tmaze"](), {**TINY_RECURRENT, **fleet, "replay.capacity": 2_000})
    loop = SerialLoop(settings)
    actors = [ShardActor(settings, index, loop.env.spec) for index in range(2)]
    for _ in range(4):
        chunk, _ = loop.rollout.collect(8, 0)
        for index, actor in enumerate(actors):
            mine = slice(2 * index, 2 * index + 2)
            halves = {
                name: getattr(chunk, name)[:, mine] for name in ("frames", "action", "reward", "terminal", "first")
            }
            assert chunk.memory is not None
            actor.shard.add(chunk._replace(**halves, memory=chunk.memory[mine], lane=0))
    loop.close()
    parts = [actor.sample(3 + index)[0] for index, actor in enumerate(actors)]
    merged = ShardedReplay([None, None], 0, prioritized=True)._merge(parts)
    assert isinstance(merged, SequenceBatch)
    assert (merged.frames.shape[:2], merged.prioritized) == ((7, 4 + 8 + 3), True)
    assert (merged.key >> SHARD_BITS).tolist() == [0] * 3 + [1] * 4
    np.testing.assert_array_equal(merged.memory[3:].numpy(), parts[1].memory)
    loop.learner.update(merged)

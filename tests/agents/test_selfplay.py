"""Self-play in one process: growth of the league, exploiters and bit-exact resuming."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.dqn.presets import catch
from agents.dqn.run import DqnRun
from agents.dqn.serial import SerialLoop
from agents.selfplay.check import check
from agents.selfplay.exploiter import Exploiter, exploiter_settings
from agents.selfplay.league import EXPLOITER, SNAPSHOT
from agents.selfplay.parts import trained_under
from agents.selfplay.presets import pong_duel, toy_duel
from agents.selfplay.run import SelfPlayLoop, make_run
from envs import make_env
from envs.duel import PAYOFF, ROUNDS
from envs.registry import make_two_player_env
from tests.games_for_two import needs_two
from tests.trees import assert_same
from training.arrays import arrays_of
from training.settings import changed
from training.storage import checkpoint

SMALL: dict[str, Any] = {
    "fleet.envs_per_runner": 4,
    "fleet.chunk_steps": 6,
    "replay.learning_starts": 40,
    "replay.samples_per_insert": 2.0,
    "learner.batch_size": 8,
    "league.snapshot_every": 60,
    "league.latest_every": 20,
    "league.exploiters": 0.2,
    "league.exploit_every": 90,
    "league.exploit_steps": 60,
}


def small(folder: Path, **values: Any) -> tuple[DqnRun, SelfPlayLoop]:
    """Return a very short run and its loop."""
    run = make_run(changed(toy_duel(), SMALL | values), toy_duel(), folder)
    assert isinstance(run.loop, SelfPlayLoop)
    return run, run.loop


def test_the_league_grows_by_snapshots_and_exploiters(tmp_path: Path) -> None:
    run, loop = small(tmp_path)
    while run.clock.now < 300:
        run.step(run.clock.end)
    kinds = [member.kind for member in loop.league.members.values()]
    assert kinds.count(SNAPSHOT) >= 4
    assert kinds.count(EXPLOITER) >= 2
    written = json.loads((tmp_path / "league" / "ratings.json").read_text())
    assert [member["name"] for member in written["members"]] == [*loop.league.members]
    assert sum(written["draw"].values()) == pytest.approx(1.0)
    assert all((tmp_path / "league" / f"{name}.npz").exists() for name in loop.league.members)
    assert sum(member.games for member in loop.league.members.values()) > 10
    scalars = run.records()[-1].scalars
    assert scalars["league/members"] > 0
    assert 0 < scalars["league/win_rate_mean"] < 1
    run.close()


def test_an_exploiter_follows_another_without_a_pause(tmp_path: Path) -> None:
    """Exploiters that are due every 60 steps and train for 60 begin within two turns of their due step."""
    run, loop = small(tmp_path, **{"league.exploit_every": 60, "league.exploit_steps": 60})
    began: list[int] = []
    while run.clock.now < 400:
        run.step(run.clock.end)
        if loop.exploiter is not None and loop.exploiter.since not in began:
            began.append(loop.exploiter.since)
    turn = loop.settings.fleet.lanes * loop.settings.fleet.chunk_steps
    assert began[0] < 60 + turn
    assert np.diff(began).max() <= 60 + 2 * turn
    run.close()


def test_it_goes_on_bit_for_bit_with_an_exploiter_at_work(tmp_path: Path) -> None:
    run, loop = small(tmp_path / "one")
    while loop.exploiter is None or loop.exploiter.loop.stats.agent_steps < 20:
        run.step(run.clock.end)
    path = run.save(tmp_path / "saved")
    other, again = small(tmp_path / "other")
    for _ in range(12):  # steps of its own, with an exploiter of its own
        other.step(other.clock.end)
    other.load(path)
    assert again.exploiter is not None
    for _ in range(8):
        run.step(run.clock.end)
        other.step(other.clock.end)
    mine, theirs = run.save(tmp_path / "mine"), other.save(tmp_path / "theirs")
    for part in (".", "replay-0", "league"):
        assert_same(checkpoint.load(theirs / part), checkpoint.load(mine / part))
    assert [*loop.league.members] == [*again.league.members]
    again.loop.rollout.rng.random()  # type: ignore[attr-defined]
    run.step(run.clock.end)
    other.step(other.clock.end)
    with pytest.raises(AssertionError):
        assert_same(again.loop.rollout.rng.bit_generator.state, loop.loop.rollout.rng.bit_generator.state)  # type: ignore[attr-defined]
    run.close()
    other.close()


def test_an_exploiter_learns_to_beat_who_always_does_the_same(tmp_path: Path) -> None:
    """Against constant rock an exploiter learns to play paper, and its value of two points a round."""
    settings = changed(toy_duel(), {"league.exploit_steps": 1_500, "league.epsilon": 0.0})
    loop = SerialLoop(settings)
    rock = {name: np.zeros_like(value) for name, value in arrays_of(loop.learner.policy).items()}
    rock["advantage.bias"][0] = 1.0
    loop.close()
    exploiter = Exploiter(settings, tmp_path, since=0, victim=rock)
    while not exploiter.train(exploiter.loop.stats.agent_steps + 200):
        pass
    greedy = exploiter.loop.policy()
    q = greedy.values(exploiter.loop.env.reset(0).frame[:, None, None])
    assert (q.argmax(1) == PAYOFF[:, 0].argmax()).all()
    assert q.max(1).mean() == pytest.approx(2.0 * ROUNDS, abs=0.5)
    exploiter.close()


def test_an_exploiter_keeps_no_more_than_it_sees() -> None:
    settings = pong_duel()
    small_one = exploiter_settings(settings, 20_000, 3)
    assert small_one.replay.capacity == 40_000
    assert small_one.seed != settings.seed
    small_one.rows_per_lane()
    assert exploiter_settings(toy_duel(), 50, 0).rows_per_lane() > 0


@pytest.mark.parametrize(
    ("learners", "asked", "device"), [(0, "cuda", "cuda"), (1, "cuda", "auto"), (1, "auto", "auto"), (1, "cpu", "cpu")]
)
def test_an_exploiter_needs_no_gpu_that_only_the_learners_have(learners: int, asked: str, device: str) -> None:
    settings = changed(toy_duel(), {"fleet.learners": learners, "learner.device": asked})
    assert exploiter_settings(settings, 50, 0).learner.device == device


def test_an_exploiters_replay_is_counted_before_anything_starts() -> None:
    short, long = ({"league.exploit_every": 1_000, "league.exploit_steps": steps} for steps in (400, 1_000))
    assert check(toy_duel()) < check(changed(toy_duel(), short)) < check(changed(toy_duel(), long))


def test_the_folder_is_nobodys_to_choose() -> None:
    with pytest.raises(ValueError, match=r"league.folder is the run directory's: leave it out"):
        check(changed(toy_duel(), {"league.folder": "/elsewhere"}))


def test_a_card_names_the_rules_of_the_games_that_were_learned_from() -> None:
    found = trained_under(toy_duel())
    assert found["opponent"] == "league"
    assert found.items() >= make_two_player_env(toy_duel().env, 1).protocol.items()
    assert trained_under(catch()) == dict(make_env(catch().env, 1).protocol)


@needs_two
def test_pong_is_learned_by_two_and_judged_by_one(tmp_path: Path) -> None:
    tiny = {"fleet.envs_per_runner": 2, "fleet.chunk_steps": 8, "replay.capacity": 1_000}
    settings = changed(
        pong_duel(), tiny | {"replay.learning_starts": 20, "learner.device": "cpu", "learner.precision": "fp32"}
    )
    assert check(settings) > 0
    run = make_run(settings, pong_duel(), tmp_path)
    for _ in range(4):
        run.step(run.clock.end)
    assert isinstance(run.loop, SelfPlayLoop)
    assert run.loop.stats.updates > 0
    assert isinstance(run.loop.loop, SerialLoop)
    assert run.loop.loop.env.protocol["game"] == "pong for two"
    run.close()


@needs_two
def test_who_is_judged_must_have_the_same_actions() -> None:
    with pytest.raises(ValueError, match="10 actions for two, 18 for one: use --full-actions"):
        check(changed(pong_duel(), {"env.id": "ALE/FlagCapture-v5"}))

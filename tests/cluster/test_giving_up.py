"""What a fleet cannot repair is said at once, and ends it with one clear error; what it can repair is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from cluster.cli.main import main
from cluster.errors import FleetError, portable
from cluster.fleet.algorithm import Quarterdeck, QuarterdeckConfig
from cluster.fleet.runner import Runner
from cluster.fleet.runners import MAX_FAILURES
from tests.cluster.helpers import PATIENCE, TIMEOUT, TINY_CATCH, catch_settings, kill, train_until, wait_until
from tests.cluster.own_envs import BreakingLaterRunner, BreakingRunner, BridgeOut, UnbornRunner
from training.storage import checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.timeout(TIMEOUT), pytest.mark.usefixtures("ray_cluster")]
REFUSED = "replay refused a chunk: ValueError: no room for 8 rows"


@pytest.fixture
def build() -> Iterator[Any]:
    """Builds small fleets, and ends them."""
    built: list[Quarterdeck] = []

    def fleet(runner: type[Runner] = Runner, **sizes: int) -> Quarterdeck:
        config = QuarterdeckConfig().from_settings(catch_settings(runners=1, **sizes))
        config.runner_cls = runner
        built.append(config.reporting(min_time_s_per_iteration=0.1).build_algo())
        return built[-1]

    yield fleet
    for algo in built:
        algo.stop()


def refusing(replay: Any) -> None:
    """Let a replay take nothing in any more."""

    def add(chunk: Any) -> None:
        raise ValueError(f"no room for {len(chunk.action)} rows")

    replay.add = add


def swallowing(replay: Any) -> None:
    """Let a replay lose whatever it is given."""
    replay.add = lambda chunk: None


def change_replay(algo: Quarterdeck, how: Callable[[Any], None]) -> None:
    """Do something to a fleet's replay, be it a shard's or the learners' own."""
    if algo.shards:
        ray.get(algo.shards[0].__ray_call__.remote(lambda shard: how(shard.shard)), timeout=PATIENCE)
    else:
        algo._each_learner(lambda learner: how(learner.own_shard()))


def test_a_learner_elsewhere_whose_replay_refuses_a_chunk(build: Any) -> None:
    """What was learned before can still be saved."""
    algo = build(learners=1)
    change_replay(algo, refusing)
    with pytest.raises(FleetError, match=REFUSED):
        train_until(algo, lambda: False)
    assert algo.get_state()["learner"]["updates"] == 0


@pytest.mark.parametrize("shards", [0, 1])
def test_a_replay_from_which_nothing_comes_out(build: Any, shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And then one that refuses every chunk: what was learned before can still be saved."""
    monkeypatch.setattr("cluster.fleet.inserts.MAX_TURNS_WITHOUT_UPDATE", 5)
    algo = build(shards=shards)
    change_replay(algo, swallowing)
    with pytest.raises(FleetError, match="no update in 5 turns"):
        train_until(algo, lambda: False)
    assert algo.limiter.inserted > 200
    assert algo.limiter.measured() == 0, "nothing was sampled, and nothing else is said"
    assert algo.limiter.steps_ahead() < algo.slack, "what is forfeited holds nobody back"

    monkeypatch.undo()
    algo.inserts.turns_without_update = 0
    change_replay(algo, refusing)
    with pytest.raises(FleetError, match=REFUSED) as caught:
        train_until(algo, lambda: False)
    assert isinstance(caught.value.__cause__, ValueError)
    assert algo.stats.updates == algo.limiter.sampled == algo.limiter.measured() == 0
    assert algo.get_state()["learner"]["updates"] == 0


@pytest.fixture
def two_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fewer than a runner has: each takes seconds to begin."""
    assert MAX_FAILURES == 3
    monkeypatch.setattr("cluster.fleet.runners.MAX_FAILURES", 2)


@pytest.mark.usefixtures("two_lives")
def test_an_env_that_breaks_at_once(build: Any, capfd: pytest.CaptureFixture[str]) -> None:
    algo = build(BreakingRunner)
    with pytest.raises(FleetError, match="runner 1 failed 2 times without a chunk between: BridgeOut: the bri") as it:
        train_until(algo, lambda: False)
    assert isinstance(it.value.__cause__, BridgeOut)
    assert "in step" in it.value.__cause__.__notes__[0]
    line = "the environment of runner 1 failed, the runner starts again: BridgeOut: the bridge is out after 0 steps"
    assert capfd.readouterr().err.splitlines().count(f"quarterdeck: {line}") == 1


@pytest.mark.usefixtures("two_lives")
def test_an_env_that_breaks_now_and_then(build: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Every failure is told, and training goes on: there is a chunk between any two."""
    algo = build(BreakingLaterRunner)
    told: list[str] = []

    def failures() -> int:
        told.extend(line for line in capfd.readouterr().err.splitlines() if "BridgeOut" in line)
        return len(told)

    train_until(algo, lambda: failures() > 2)  # two without a chunk between would end it
    assert algo.env_runner_group.num_remote_worker_restarts() >= 2
    assert algo.stats.agent_steps >= 2 * 8 * 4


def test_a_runner_that_cannot_start(build: Any) -> None:
    with pytest.raises(FleetError, match="runner 1 cannot start: BridgeOut: no road leads here") as caught:
        train_until(build(UnbornRunner), lambda: False)
    assert isinstance(caught.value.__cause__, BridgeOut)


def test_an_env_in_the_driver_that_breaks() -> None:
    config = QuarterdeckConfig().from_settings(catch_settings(runners=1)).env_runners(num_env_runners=0)
    config.runner_cls = BreakingRunner
    algo = config.build_algo()
    try:
        with pytest.raises(FleetError, match="the environment failed: BridgeOut") as caught:
            algo.train()
        assert isinstance(caught.value.__cause__, BridgeOut)
    finally:
        algo.stop()


def test_the_command_says_it_in_one_line_and_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(QuarterdeckConfig, "runner_cls", BreakingRunner)
    monkeypatch.setattr("cluster.fleet.runners.MAX_FAILURES", 1)
    run = tmp_path / "run"
    assert main(["train", "atari", *TINY_CATCH, "--run-dir", str(run)]) == 2
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("quarterdeck: the environment of runner 1 failed 1 times")
    assert checkpoint.load(checkpoint.latest(run / "checkpoints"))["stats"]["agent_steps"] == 0


def test_an_error_that_cannot_travel_still_says_what_it_was() -> None:
    class Local(Exception):
        """Nobody else can import it."""

    try:
        raise Local("two\nlines")
    except Local as error:
        found = portable(error)
    assert (type(found), str(found)) == (RuntimeError, "Local: two lines")
    assert "raise Local" in found.__notes__[0]


def is_empty(board: Any) -> bool:
    """Whether the weight store is back, without weights."""
    try:
        return ray.get(board.other_than.remote(-1), timeout=PATIENCE) is None
    except ray.exceptions.RayActorError:
        return False


def test_a_new_runner_at_an_empty_board_waits_for_weights(build: Any) -> None:
    """It never plays with the weights that it was born with: the driver publishes once more."""
    algo = build()
    train_until(algo, lambda: algo.stats.updates > 40)
    algo.limiter.learning_starts = 2**60  # nobody learns, and so nobody publishes of itself
    (runner,) = algo.env_runner_group._worker_manager.actors().values()
    for doomed in (algo.weight_store, runner):
        kill(doomed)
    wait_until(lambda: is_empty(algo.weight_store) or None)
    algo.stats.means.clear()
    steps = algo.stats.agent_steps
    train_until(algo, lambda: algo.stats.agent_steps > steps + 200)
    assert max(algo.stats.means["acting/policy_lag_in_updates"]) < 40, "a chunk under no weights is stamped 0"

"""Settings: every refusal with its remedy, the round trip through JSON, and the presets."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.acting.exploration import ExplorationSettings
from agents.dqn.learner import LearnerSettings
from agents.dqn.presets import PRESETS
from agents.dqn.settings import Settings
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.replay.transitions import ReplaySettings
from agents.settings import EvaluationSettings, FleetSettings, StopSettings
from agents.tabular.settings import TabularSettings
from envs import EnvSettings, make_env
from training.settings import from_dict, to_dict

REFUSED: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (
        NetworkSettings,
        {"kind": "dqn2014"},
        r"network\.kind is 'dqn2014': use one of dqn2013, dqn2015, stem, impala",
    ),
    (NetworkSettings, {"stack": 0}, r"network\.stack is 0: .* at least 1"),
    (NetworkSettings, {"hidden": 0}, r"network\.hidden is 0: use 1 or more"),
    (ExplorationSettings, {"final": 0.5, "start": 0.4}, "0 <= final <= start <= 1"),
    (ExplorationSettings, {"start": 1.1}, "0 <= final <= start <= 1"),
    (ExplorationSettings, {"final": -0.1}, "0 <= final <= start <= 1"),
    (ExplorationSettings, {"ladder": -1.0}, r"exploration\.ladder must be 0 or more"),
    (ExplorationSettings, {"anneal_steps": 0}, r"exploration\.anneal_steps 1 or more"),
    (ReplaySettings, {"capacity": 999}, r"replay\.capacity is 999: use at least 1,000"),
    (ReplaySettings, {"alpha": 1.5}, r"replay\.alpha and replay\.beta lie in 0\.\.1"),
    (ReplaySettings, {"beta": -0.5}, r"replay\.alpha and replay\.beta lie in 0\.\.1"),
    (ReplaySettings, {"beta_updates": 0}, r"replay\.beta_updates above 0"),
    (ReplaySettings, {"n_step": 0}, r"replay\.n_step is 0: use 1 to 32"),
    (ReplaySettings, {"n_step": 33}, r"replay\.n_step is 33: use 1 to 32"),
    (ReplaySettings, {"samples_per_insert": 0.0}, r"samples_per_insert is 0\.0: use a ratio above 0, up to 1024"),
    (ReplaySettings, {"samples_per_insert": 1025.0}, r"samples_per_insert is 1025\.0: use a ratio above 0, up to 1024"),
    (ReplaySettings, {"learning_starts": -1}, r"learning_starts must lie between 0 and replay\.capacity"),
    (ReplaySettings, {"capacity": 1000, "learning_starts": 1001}, "learning_starts must lie between 0"),
    (LearnerSettings, {"batch_size": 0}, r"learner\.batch_size and learner\.target_period must be 1 or more"),
    (LearnerSettings, {"target_period": 0}, r"learner\.batch_size and learner\.target_period must be 1 or more"),
    (LearnerSettings, {"learning_rate": 0.0}, r"learner\.learning_rate, .* must be above 0"),
    (LearnerSettings, {"learning_rate": float("nan")}, r"learner\.learning_rate, .* must be above 0"),
    (LearnerSettings, {"adam_epsilon": 0.0}, "adam_epsilon .* must be above 0"),
    (LearnerSettings, {"max_grad_norm": 0.0}, "max_grad_norm must be above 0"),
    (LearnerSettings, {"gamma": 1.01}, r"learner\.gamma is 1\.01: a discount lies in 0\.\.1"),
    (LearnerSettings, {"target_rate": 0.0}, r"target_rate is 0\.0: use a share above 0, 1 for whole copies"),
    (LearnerSettings, {"average_rate": 0.0}, r"average_rate is 0\.0: use a share above 0, 1 for no average"),
    (LearnerSettings, {"average_rate": 1.5}, r"average_rate is 1\.5: use a share above 0, 1 for no average"),
    (LearnerSettings, {"reward_clip": -1.0}, r"learner\.reward_clip is a bound: 0 \(raw rewards\) or more"),
    (LearnerSettings, {"loss": "hubber"}, r"learner\.loss is 'hubber': use one of huber, squared"),
    (LearnerSettings, {"precision": "fp16"}, r"learner\.precision is 'fp16': use one of auto, bf16, fp32"),
    (LearnerSettings, {"device": "gpu"}, r"learner\.device is 'gpu': use auto, cpu or cuda"),
    *(
        (FleetSettings, {name: 0}, rf"fleet\.{name} is 0: use 1 or more")
        for name in ("runners", "envs_per_runner", "env_threads", "chunk_steps", "learner_threads")
    ),
    (FleetSettings, {"shards": -1}, r"fleet\.shards is -1: use 0 .* to 1 \(runners\)"),
    (FleetSettings, {"shards": 3, "runners": 2}, r"fleet\.shards is 3: use 0 .* to 2 \(runners\)"),
    (
        FleetSettings,
        {"shards": 129, "runners": 200},
        r"fleet\.shards is 129: use 0 .* to 128 \(the limit of replay keys",
    ),
    (FleetSettings, {"runners": 2049}, r"65568 lanes a replay shard, which holds 65536: use more fleet\.shards"),
    (
        EvaluationSettings,
        {"protocol": "sticky"},
        "evaluation.protocol is 'sticky': use one of classic, machado, training",
    ),
    (EvaluationSettings, {"episodes": 0}, r"evaluation\.episodes and every_episodes must be 1 or more"),
    (EvaluationSettings, {"every_episodes": 0}, r"evaluation\.episodes and every_episodes must be 1 or more"),
    (EvaluationSettings, {"every_steps": -1}, "every_steps 0 or more"),
    (EvaluationSettings, {"every_frame_cap": 0}, r"evaluation\.every_frame_cap is 0: give 1 or more frames"),
    (EvaluationSettings, {"epsilon": 1.2}, r"evaluation\.epsilon is 1\.2: a probability lies in 0\.\.1"),
    (StopSettings, {"steps": 0}, "steps must be 1 or more, minutes above 0"),
    (StopSettings, {"minutes": 0.0}, "steps must be 1 or more, minutes above 0"),
    (Settings, {"seed": -1}, r"seed is -1: use 0 to 2147483647"),
    (Settings, {"seed": 2**31}, r"use 0 to 2147483647"),
    (TabularSettings, {"seed": -1}, r"seed is -1: use 0 to 2147483647"),
    (Settings, {"checkpoint_minutes": 0.0}, "checkpoint_minutes must be above 0"),
]


@pytest.mark.parametrize(("kind", "values", "message"), REFUSED)
def test_impossible_values_are_refused_with_their_mend(
    kind: Callable[..., Any], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        kind(**values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ReplaySettings, {"capacity": 1000, "learning_starts": 1000, "n_step": 32, "samples_per_insert": 1024.0}),
        (ReplaySettings, {"learning_starts": 0, "alpha": 0.0, "beta": 1.0}),
        (ExplorationSettings, {"start": 0.0, "final": 0.0}),
        (LearnerSettings, {"gamma": 0.0, "reward_clip": 0.0, "device": "cuda:1"}),
        (EvaluationSettings, {"every_steps": 0, "epsilon": 1.0}),
        (FleetSettings, {"shards": 2, "runners": 2}),
        (FleetSettings, {"shards": 128, "runners": 200}),
        (FleetSettings, {"shards": 2, "runners": 4096}),
    ],
)
def test_the_ends_of_the_ranges_are_allowed(kind: Callable[..., Any], values: dict[str, Any]) -> None:
    made = kind(**values)
    assert {name: getattr(made, name) for name in values} == values


def test_rings_that_are_too_small_are_named_before_a_run_begins() -> None:
    """Rings that cannot hold two chunks, or the stacks and windows, are refused."""
    small = ReplaySettings(capacity=1000, learning_starts=0)
    assert Settings(replay=small, fleet=FleetSettings(envs_per_runner=25, chunk_steps=20)).rows_per_lane() == 40
    for fleet in (FleetSettings(envs_per_runner=25, chunk_steps=21), FleetSettings(envs_per_runner=64, chunk_steps=1)):
        with pytest.raises(ValueError, match="raise it, or use fewer envs or shorter chunks"):
            Settings(replay=small, fleet=fleet).rows_per_lane()


@given(runners=st.integers(1, 12), shards=st.integers(0, 12), envs=st.integers(1, 8))
def test_shards_have_room_for_all_lanes_and_share_the_capacity(runners: int, shards: int, envs: int) -> None:
    """With runner r on shard r mod S, no shard gets more lanes than it has; shards share the capacity."""
    fleet = FleetSettings(runners=runners, shards=min(shards, runners), envs_per_runner=envs)
    settings = Settings(fleet=fleet)
    per_shard = [sum(r % max(fleet.shards, 1) == s for r in range(runners)) for s in range(max(fleet.shards, 1))]
    assert settings.fleet.shard_lanes == max(per_shard) * envs
    assert settings.shard_replay().capacity == settings.replay.capacity // max(fleet.shards, 1)
    assert fleet.lanes == runners * envs


@given(
    seed=st.integers(0, 2**31 - 1),
    rate=st.floats(1e-9, 1.0),
    n_step=st.integers(1, 32),
    score=st.none() | st.floats(-1e6, 1e6),
    kind=st.sampled_from(["dqn2013", "dqn2015", "mlp"]),
    env=st.sampled_from(["pong", "toy/catch", "CartPole-v1"]),
)
def test_settings_survive_the_way_through_json(
    seed: int, rate: float, n_step: int, score: float | None, kind: Any, env: str
) -> None:
    settings = Settings(
        env=EnvSettings(id=env),
        seed=seed,
        stop=StopSettings(score=score),
        network=NetworkSettings(kind=kind),
        learner=LearnerSettings(learning_rate=rate),
        replay=ReplaySettings(n_step=n_step),
    )
    assert from_dict(Settings, json.loads(json.dumps(to_dict(settings)))) == settings


def test_unknown_or_impossible_settings_in_a_record_are_refused() -> None:
    values = to_dict(Settings())
    with pytest.raises(ValueError, match=r"unknown settings \['burn_in'\]: this version knows"):
        from_dict(Settings, {**values, "replay": {**values["replay"], "burn_in": 40}})
    with pytest.raises(ValueError, match=r"replay\.n_step is 0"):
        from_dict(Settings, {**values, "replay": {**values["replay"], "n_step": 0}})
    with pytest.raises(ValueError, match="replay is 3: give a table"):
        from_dict(Settings, {**values, "replay": 3})
    assert from_dict(Settings, {}) == Settings(), "what an older record does not name keeps its default"


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_fits_its_env_and_its_network(name: str) -> None:
    settings = PRESETS[name]()
    assert settings.rows_per_lane() >= 2 * settings.fleet.chunk_steps
    env = make_env(settings.env, 1)
    env.close()
    network = QNetwork(settings.network, env.spec.frame_shape, env.spec.num_actions)
    assert network.num_actions == env.spec.num_actions
    assert from_dict(Settings, to_dict(settings)) == settings
    assert PRESETS[name]() == settings

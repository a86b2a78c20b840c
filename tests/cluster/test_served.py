"""RLlib's config: one value per setting, searches anywhere in the tree, and a one-line refusal of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from agents.dqn.presets import cartpole
from agents.dqn.settings import Settings
from cluster.fleet.algorithm import QuarterdeckConfig
from cluster.rllib.served import HOOKS, INTERNAL, LINKS, REMEDIES, SERVED, refusal, spoken
from training.settings import flat, to_dict

Call = Callable[[QuarterdeckConfig], Any]
BOTH = [  # settings tree, RLlib call, name of the setting, value after the call
    ({"learner": {"batch_size": 16}}, lambda c: c.training(train_batch_size_per_learner=48), "learner.batch_size", 48),
    ({"learner": {"gamma": 0.5}}, lambda c: c.training(gamma=0.7), "learner.gamma", 0.7),
    ({"learner": {"learning_rate": 0.5}}, lambda c: c.training(lr=0.25), "learner.learning_rate", 0.25),
    ({"learner": {"max_grad_norm": 3.0}}, lambda c: c.training(grad_clip=4.0), "learner.max_grad_norm", 4.0),
    ({"fleet": {"runners": 2}}, lambda c: c.env_runners(num_env_runners=3), "fleet.runners", 3),
    ({"fleet": {"envs_per_runner": 5}}, lambda c: c.env_runners(num_envs_per_env_runner=6), "fleet.envs_per_runner", 6),
    ({"fleet": {"chunk_steps": 5}}, lambda c: c.env_runners(rollout_fragment_length=6), "fleet.chunk_steps", 6),
    ({"fleet": {"learners": 1}}, lambda c: c.learners(num_learners=0), "fleet.learners", 0),
    ({"evaluation": {"episodes": 7}}, lambda c: c.evaluation(evaluation_duration=8), "evaluation.episodes", 8),
    ({"env": {"id": "toy/catch"}}, lambda c: c.environment("CartPole-v1"), "env.id", "CartPole-v1"),
    ({"seed": 4}, lambda c: c.debugging(seed=5), "seed", 5),
]


def value_of(config: QuarterdeckConfig, dotted: str) -> Any:
    """Return a setting by its dotted name."""
    value: Any = to_dict(config.to_settings())
    for key in dotted.split("."):
        value = value[key]
    return value


@pytest.mark.parametrize(("changes", "call", "dotted", "later"), BOTH)
def test_whoever_sets_a_setting_last_is_right(changes: dict[str, Any], call: Call, dotted: str, later: Any) -> None:
    section, _, key = dotted.rpartition(".")
    first = changes[section][key] if section else changes[key]
    config = QuarterdeckConfig().training(settings=changes)
    assert value_of(config, dotted) == first
    call(config)
    assert value_of(config, dotted) == later
    config.training(settings=changes)
    assert value_of(config, dotted) == first
    again = QuarterdeckConfig().update_from_dict(config.to_dict())
    assert again.to_settings() == config.to_settings(), "also on the way through Tune"


def test_one_setting_given_twice_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lr 0\.001 and settings learner\.learning_rate 0\.01 are one setting"):
        QuarterdeckConfig().training(lr=1e-3, settings={"learner": {"learning_rate": 1e-2}})
    with pytest.raises(ValueError, match=r"seed 1 and settings seed 2 are one setting"):
        QuarterdeckConfig().update_from_dict({"seed": 1, "settings": {"seed": 2}})
    same = QuarterdeckConfig().training(lr=1e-3, settings={"learner": {"learning_rate": 1e-3}})
    assert same.to_settings().learner.learning_rate == 1e-3


def test_a_dict_changes_only_what_it_names() -> None:
    config = QuarterdeckConfig()
    before = config.to_settings()
    config.update_from_dict({"settings": {"replay": {"n_step": 3}}})
    assert value_of(config, "replay.n_step") == 3
    config.update_from_dict({"settings": {"replay": {"n_step": before.replay.n_step}}})
    assert config.to_settings() == before
    config.update_from_dict({"settings": to_dict(cartpole())})
    assert config.to_settings() == cartpole(), "a whole tree names everything"


def test_shards_may_be_named_before_their_runners() -> None:
    config = QuarterdeckConfig().training(settings={"fleet": {"shards": 2}}).env_runners(num_env_runners=2)
    config.validate()
    assert (value_of(config, "fleet.shards"), value_of(config, "fleet.runners")) == (2, 2)
    with pytest.raises(ValueError, match=r"fleet\.shards is 2: use 0 .* to 1 \(runners\)"):
        config.env_runners(num_env_runners=1).validate()


def test_what_follows_from_the_settings_is_filled_in_however_they_were_made() -> None:
    config = QuarterdeckConfig().training(settings={"fleet": {"roles": True}, "learner": {"device": "cuda"}})
    config.learners(num_learners=1).validate()
    assert config.num_gpus_per_learner == 1
    assert config.custom_resources_per_env_runner == {"rollout": 0.99}
    assert config.custom_resources_per_learner == {"learner": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learner": {"double": "false"}}, r"learner\.double is 'false': give true or false"),
        ({"replay": {"n_step": 2.5}}, r"replay\.n_step is 2\.5: give a whole number"),
        ({"replay": {"initial_priority": "best"}}, r"replay\.initial_priority is 'best': use one of max, actor"),
        ({"replay": 3}, "settings replay is 3: give a table"),
        ({"replay": tune.uniform(0, 1)}, "settings replay is .*: give a table"),
        ({"learner": tune.choice([{"gamma": 0.9}])}, "a search of all 'learner' cannot name gamma"),
        (tune.choice([{}]), "settings is .*: give a table"),
        (7, "settings is 7: give a table"),
    ],
)
def test_an_impossible_tree_is_refused_where_it_is_given(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QuarterdeckConfig().training(settings=settings)


def test_searches_survive_until_tune_has_chosen() -> None:
    config = QuarterdeckConfig().training(
        settings={
            "learner": {"learning_rate": tune.loguniform(1e-4, 1e-2), "double": tune.choice([False])},
            "replay": tune.grid_search([{"n_step": 1}, {"n_step": 3, "prioritized": True}]),
        }
    )
    config.training(settings={"replay": {"alpha": 0.7}})
    space = config.to_dict()
    assert isinstance(space["lr"], tune.search.sample.Float)
    with pytest.raises(ValueError, match=r"is a search of Tune's: hand the config to tune\.Tuner"):
        config.to_settings()
    plain = QuarterdeckConfig().to_settings().replay
    for replay, n_step in zip(space["settings"]["replay"]["grid_search"], (1, 3), strict=True):
        chosen = {**space, "lr": 1e-3, "settings": {**space["settings"], "replay": replay}}
        chosen["settings"]["learner"] = {**space["settings"]["learner"], "double": False}
        made = QuarterdeckConfig().update_from_dict(chosen).to_settings()
        assert (made.learner.learning_rate, made.replay.n_step, made.replay.alpha) == (1e-3, n_step, 0.7)
        assert made.replay.capacity == plain.capacity, "what an alternative does not name stays"


class Silent(RLlibCallback):
    """A callback with a hook that Quarterdeck never calls."""

    def on_episode_end(self, **_: Any) -> None:
        raise AssertionError


CALLS: list[Call] = [
    lambda c: c.training(train_batch_size=77),
    lambda c: c.training(grad_clip_by="value"),
    lambda c: c.training(num_epochs=3),
    lambda c: c.training(minibatch_size=8),
    lambda c: c.training(model={"fcnet_hiddens": [8]}),
    lambda c: c.training(optimizer={"type": "sgd"}),
    lambda c: c.training(learner_class=object),
    lambda c: c.training(learner_config_dict={"x": 1}),
    lambda c: c.training(lr=[[0, 1e-3], [1000, 1e-4]]),
    lambda c: c.training(grad_clip=None),
    lambda c: c.training(n_step=3),
    lambda c: c.training(replay_buffer_config={"capacity": 100}),
    lambda c: c.env_runners(explore=False),
    lambda c: c.env_runners(batch_mode="complete_episodes"),
    lambda c: c.env_runners(env_to_module_connector=lambda *_: None),
    lambda c: c.env_runners(observation_filter="MeanStdFilter"),
    lambda c: c.env_runners(sample_timeout_s=3),
    lambda c: c.env_runners(rollout_fragment_length="auto"),
    lambda c: c.fault_tolerance(restart_failed_env_runners=False),
    lambda c: c.fault_tolerance(ignore_env_runner_failures=True),
    lambda c: c.fault_tolerance(max_num_env_runner_restarts=3),
    lambda c: c.multi_agent(policies={"a", "b"}),
    lambda c: c.offline_data(input_="/tmp/data"),
    lambda c: c.rl_module(rl_module_spec=RLModuleSpec()),
    lambda c: c.rl_module(model_config={"x": 1}),
    lambda c: c.framework(torch_compile_learner=True),
    lambda c: c.framework("tf2"),
    lambda c: c.evaluation(custom_evaluation_function=print),
    lambda c: c.evaluation(evaluation_duration="auto"),
    lambda c: c.evaluation(evaluation_num_env_runners=1),
    lambda c: c.resources(num_gpus=1),
    lambda c: c.api_stack(enable_rl_module_and_learner=False, enable_env_runner_and_connector_v2=False),
    lambda c: c.callbacks(Silent),
    lambda c: c.callbacks(on_episode_end=print),
    lambda c: c.experimental(_validate_config=False),
    lambda c: c.update_from_dict({"num_atoms": 51}),
    lambda c: c.update_from_dict({"foo": 1}),
]


@pytest.mark.parametrize("call", CALLS)
def test_what_would_do_nothing_is_refused_in_one_line(call: Call) -> None:
    with pytest.raises(ValueError, match=r"docs/rllib\.md|\(our (learner|fleet|evaluation)\.|is None: give") as caught:
        call(QuarterdeckConfig())
    assert "\n" not in str(caught.value)


def test_every_field_of_rllib_s_is_a_setting_or_served_or_refused() -> None:
    fresh = vars(QuarterdeckConfig())
    known = {*LINKS, *SERVED, *INTERNAL}
    for name in {field for field in fresh if not field.startswith("callbacks_")} - known:
        with pytest.raises(ValueError, match=r"\(docs/rllib\.md\)"):
            setattr(QuarterdeckConfig(), name, object())
    assert {name for names in REMEDIES.values() for name in names} & known == set()
    assert set(LINKS.values()) <= set(flat(Settings()))


def test_the_page_names_all_that_is_served_and_all_remedies() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rllib.md").read_text()
    public = [spoken(name) for name in (*LINKS, *SERVED)]
    refused = [spoken(name) for names in REMEDIES.values() for name in names if not name.startswith("_fake")]
    missing = {name for name in (*public, *HOOKS, *LINKS.values(), *refused) if f"`{name}`" not in page}
    assert missing == set()
    assert "docs/rllib.md" in str(refusal("model"))

"""Search spaces and settings files: their syntax, their limits and the messages about mistakes."""

from __future__ import annotations

import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from agents.dqn.presets import catch, pong
from agents.dqn.settings import Settings
from cluster.tuning.plan import require_comparable
from cluster.tuning.space import Range, Space, range_of, read_space, require_cloneable
from cluster.tuning.sweep import Sweep, scheduler_of
from cluster.workload import ENDLESS
from cluster.workloads import DQN, workload_of
from training.settings import changed, flat
from training.settings_file import OWN, kind_of, read_settings, write_settings

EVERY_WAY = """
"learner.learning-rate" = {log = [1e-4, 1e-2]}
learner.batch_size = {log = [16, 64]}
exploration.ladder = {uniform = [0, 7]}

[replay]
n_step = {integer = [1, 5]}
prioritized = {choice = [true, false]}

[learner.loss]
choice = ["huber", "squared"]
"""


SEARCH = DQN.load("search")
ENDS = (*DQN.ends, *DQN.in_trials)


def space_of(given: str, settings: Settings) -> Space:
    """Return a search space of deep Q-learning."""
    return read_space(given, settings, SEARCH, ENDS)


def written(folder: Path, text: str) -> str:
    """Write a space file and return its path."""
    (folder / "space.toml").write_text(text)
    return str(folder / "space.toml")


def test_a_space_is_written_as_toml_allows(tmp_path: Path) -> None:
    """Names may be quoted, dotted, in tables or with dashes; draws have the settings' types and stay in range."""
    space = space_of(written(tmp_path, EVERY_WAY), catch())
    assert set(space) == {
        "learner.learning_rate",
        "learner.batch_size",
        "exploration.ladder",
        "replay.n_step",
        "replay.prioritized",
        "learner.loss",
    }
    drawn: dict[str, set[Any]] = {name: {r.domain().sample() for _ in range(200)} for name, r in space.items()}
    assert all(type(value) is kind_of(Settings, name) for name in drawn for value in drawn[name])
    assert drawn["replay.n_step"] == {1, 2, 3, 4, 5}, "ends included"
    assert drawn["replay.prioritized"] == {True, False}
    assert all(1e-4 <= rate <= 1e-2 for rate in drawn["learner.learning_rate"])
    assert np.mean([rate < 1e-3 for rate in drawn["learner.learning_rate"]]) == pytest.approx(0.5, abs=0.2), "log"
    for values in ({name: draws[0] for name, draws in [(n, sorted(d)) for n, d in drawn.items()]},):
        assert isinstance(changed(catch(), values), Settings)


@pytest.mark.parametrize("population", ["catch", "cloning", "offline", "digits learning", "dcgan learning"])
def test_our_populations_can_be_cloned(population: str) -> None:
    preset, name = (*population.split(), "population")[:2]
    work, search = workload_of(preset), workload_of(preset).load("search")
    require_cloneable(read_space(name, work.default(preset), search, work.ends), search)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"learner.lerning_rate" = {log = [1e-4, 1e-2]}', "did you mean learner.learning_rate"),
        ('"learning_rate" = {log = [1e-4, 1e-2]}', "did you mean learner.learning_rate"),
        ('"learner.learning_rate" = {log = [1e-2, 1e-4]}', "low < high"),
        ('"learner.learning_rate" = {log = [0.0, 1e-4]}', "0 < low"),
        ('"learner.learning_rate" = {uniform = [0.1]}', "[low, high]"),
        ('"learner.learning_rate" = {integer = [1, 2]}', "use uniform, log or choice"),
        ('"learner.learning_rate" = {log = ["a", "b"]}', "give a number"),
        ('"learner.learning_rate" = 0.1', "give {log = [low, high]}"),
        ('"learner.learning_rate" = {normal = [0, 1]}', "no setting is called"),
        ('"learner.learning_rate" = {log = 3}', "a list"),
        ('"learner.learning_rate" = {choice = []}', "a list with something in it"),
        ('"replay.n_step" = {choice = [1, 2.5]}', "give a whole number"),
        ('"replay.n_step" = {choice = [1, 1]}', "twice"),
        ('"replay.n_step" = {uniform = [1, 3]}', "use integer, log or choice"),
        ('"replay.n_step" = {integer = [1, 50]}', "use 1 to 32"),
        ('"replay.prioritized" = {integer = [0, 1]}', "give true or false"),
        ('"network.kind" = {choice = ["dqn2013", "resnet"]}', "use one of dqn2013"),
        ('"replay.capacity" = {integer = [1000, 9000]}', "raise it"),
        ('"seed" = {integer = [1, 5]}', "cannot be searched"),
        ('"evaluation.episodes" = {integer = [1, 5]}', "cannot be searched"),
        ('"env.id" = {choice = ["pong", "breakout"]}', "cannot be searched"),
        ("", "it is empty"),
        ("what?", "no TOML"),
    ],
)
def test_an_impossible_space_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    settings = changed(catch(), {"fleet.envs_per_runner": 64, "replay.learning_starts": 100})
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        space_of(written(tmp_path, text), settings)
    assert "\n" not in str(refused.value).strip()


def test_a_space_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"nowhere.toml: no file, and none of learning, exploration"):
        space_of("nowhere.toml", catch())


@pytest.mark.parametrize(
    ("preset", "name", "values"),
    [
        ("catch", "network.layer_norm", {"choice": [True, False]}),
        ("catch", "replay.capacity", {"integer": [5000, 9000]}),
        ("cloning", "learner.batch_size", {"choice": [32, 64]}),
    ],
)
def test_a_population_changes_only_what_a_clone_can_take(preset: str, name: str, values: dict[str, Any]) -> None:
    work, search = workload_of(preset), workload_of(preset).load("search")
    with pytest.raises(ValueError, match=f"pbt cannot change {name}"):
        require_cloneable({name: range_of(name, values, type(work.default(preset)), search, work.ends)}, search)


@examples(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), rounds=st.integers(1, 30))
def test_mutations_stay_in_their_ranges(seed: int, rounds: int) -> None:
    """Values mutated any number of times stay in range, keep their type and are valid settings."""
    space = space_of("population", catch()) | {"replay.alpha": Range("replay.alpha", "choice", [0.0, 0.6, 1.0])}
    population: Any = scheduler_of("pbt", space, Path("rounds.csv"), rounds=1, concurrent=1)
    random.seed(seed)
    np.random.seed(seed)
    config = {name: r.domain().sample() for name, r in space.items()}
    for _ in range(rounds):
        config, _ = population._get_new_config(None, SimpleNamespace(config=config))
        for name, r in space.items():
            low, high = min(r.values), max(r.values)
            assert low <= config[name] <= high
            assert type(config[name]) is kind_of(Settings, name)
        changed(catch(), config)


VALUES: dict[str, st.SearchStrategy[Any]] = {  # one setting of each type
    "learner.learning_rate": st.floats(1e-6, 1.0),
    "learner.max_grad_norm": st.floats(min_value=1e-300) | st.just(float("inf")),
    "learner.target_period": st.integers(1, 10_000),
    "learner.double": st.booleans(),
    "learner.loss": st.sampled_from(["huber", "squared"]),
    "evaluation.from_score": st.none() | st.floats(allow_nan=False),
    "env.id": st.text(st.characters(codec="utf-8"), min_size=1)
    | st.sampled_from(['\x7f\x00\n"\\', "\U0001f3ae", "None"]),
}


@examples(max_examples=40, deadline=None)
@given(st.fixed_dictionaries(VALUES))
def test_settings_come_back_from_their_file(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    """A settings file restores all changes to the preset exactly, except for those that belong to one run."""
    file = tmp_path_factory.mktemp("settings") / "best.toml"
    settings = changed(pong(), {**values, "seed": 3, "stop.steps": 77})
    write_settings(file, settings, pong(), DQN.ends, "found\nsomewhere")
    back = read_settings(file, pong())
    own = {name: flat(pong())[name] for name in (*OWN, *DQN.ends)}
    assert back == changed(settings, own)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"learner.learning_rate" = "fast"', "give a number"),
        ('"learner.double" = 1', "give true or false"),
        ('"learner.gamma" = 1.5', "a discount lies in 0..1"),
        ('"learner.lr" = 1.5', "no setting is called 'learner.lr'"),
        ("learner", "no TOML"),
    ],
)
def test_an_impossible_file_of_settings_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "best.toml").write_text(text)
    with pytest.raises(ValueError, match=rf"best\.toml.*{re.escape(said)}") as refused:
        read_settings(tmp_path / "best.toml", catch())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trials": 0}, "--trials must be 1 or more"),
        ({"trials": 1, "scheduler": "pbt"}, "--trials must be 2 or more"),
        ({"seeds": 0}, "1 or more"),
        ({"scheduler": "pbt", "search": "optuna"}, "leave --search out"),
        ({"rounds": 50_000}, "cannot be trained in 50000 rounds"),
        ({"gpu": -0.1}, "--gpu"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], said: str) -> None:
    settings = changed(catch(), {"stop.minutes": ENDLESS})
    with pytest.raises(ValueError, match=re.escape(said)):
        require_comparable(Sweep(settings=settings, **options), DQN)

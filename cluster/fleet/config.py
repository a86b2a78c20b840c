"""`Settings` as an RLlib config: `QuarterdeckConfig().environment(...).env_runners(...).training(...)`."""

from __future__ import annotations

import copy
import functools
from typing import Any, ClassVar

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from agents.dqn.presets import pong
from agents.dqn.settings import Settings
from agents.stats import WINDOW
from cluster.fleet import placement
from cluster.fleet.learner import QModule, QuarterdeckLearner
from cluster.fleet.local_runner import LocalRunner
from cluster.fleet.runner import Runner
from cluster.rllib import user_envs
from cluster.rllib.searched import check_changes, check_range, is_search, merged, searched
from cluster.rllib.served import INSTEAD, LINKS, check_field, refusal, refuse_twice, spoken
from training.settings import from_dict, to_dict


class QuarterdeckConfig(AlgorithmConfig):
    """`Settings` with RLlib's interface.

    If RLlib has a field for a setting (`cluster.rllib.served.LINKS`), only the field holds it; `settings` holds the
    rest of the tree as plain values. `training(settings=...)` sets both. Every value may be a Tune search space. RLlib
    fields without effect are rejected when they are set; docs/rllib.md lists them.
    """

    ALGORITHM: ClassVar[type]  # set by `cluster.fleet.algorithm`; import this class from there
    runner_cls: type[Runner] = Runner
    turn_seconds: ClassVar[float] = 1  # minimum duration of `train()`

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class or self.ALGORITHM)
        self.env_spec: Any = None  # of a Gymnasium id that may be registered in this process only
        self.min_time_s_per_iteration = self.turn_seconds
        self.metrics_num_episodes_for_smoothing = WINDOW
        self.log_level = "ERROR"
        self.max_requests_in_flight_per_env_runner = 2
        # A dead runner is replaced at once, and an unschedulable one does not block the others.
        self.restart_failed_env_runners = True
        self.env_runner_health_probe_timeout_s = 0.5
        self.create_env_on_local_worker = True
        # Runners pull weights and have no other state.
        self._dont_auto_sync_env_runner_states = True
        self.merge_env_runner_states = False
        self.broadcast_env_runner_states = False
        self.from_settings(pong())

    def __setattr__(self, key: str, value: Any) -> None:
        """Set a field.

        Raises:
            ValueError: the field would have no effect; the message names the alternative.
        """
        # RLlib also derives a config for evaluation runners, which we do not use.
        if "settings" in vars(self) and not self.in_evaluation:
            check_field(key, value, _defaults().get(key, NotProvided))
        super().__setattr__(key, value)

    def from_settings(self, settings: Settings) -> QuarterdeckConfig:
        """Replace all settings, by those of `agents.dqn` or another algorithm that a fleet can train."""
        self.settings_class = type(settings)
        self._take({}, to_dict(settings))
        return self

    def _take(self, tree: dict[str, Any], changes: Any) -> None:
        """Apply `changes` to `tree`; split it into RLlib's fields and `settings`, set last (`__setattr__`)."""
        tree = merged(tree, changes)
        for name, dotted in LINKS.items():
            section, _, key = dotted.rpartition(".")
            branch = tree[section] if section else tree
            if isinstance(branch, dict) and key in branch:
                setattr(self, name, branch.pop(key))
        self.settings = tree

    def _change(self, changes: Any) -> None:
        """Check and apply changes by section."""
        check_changes(self.settings_class, changes, {dotted: spoken(name) for name, dotted in LINKS.items()})
        self._take(copy.deepcopy(self.settings), copy.deepcopy(changes))
        whole = self._whole()
        for section in set(changes) - {"fleet"}:  # the number of runners may be set later
            check_range(self.settings_class, section, whole[section])

    def _whole(self) -> dict[str, Any]:
        """Return the whole tree, from `settings` and RLlib's fields."""
        tree: dict[str, Any] = copy.deepcopy(self.settings)
        for name, dotted in LINKS.items():
            section, _, key = dotted.rpartition(".")
            branch = tree[section] if section else tree
            if isinstance(branch, dict) and not is_search(branch):
                branch.setdefault(key, getattr(self, name))  # already present in configs of `for_driver`
        tree["env"] |= {"id": user_envs.name_of(self.env)}
        tree["seed"] = tree["seed"] or 0
        if tree["fleet"].get("runners") == 0:  # the driver plays
            tree["fleet"]["runners"] = 1
        return tree

    def to_settings(self) -> Settings:
        """Return the settings of this config.

        Raises:
            ValueError: a value is invalid, or is a Tune search space.
        """
        tree = self._whole()
        if names := searched(tree):
            raise ValueError(f"{names[0]} is a search of Tune's: hand the config to tune.Tuner, or give it a value")
        settings: Settings = from_dict(self.settings_class, tree)
        return settings

    def for_driver(self) -> QuarterdeckConfig:
        """Return a copy with which RLlib starts no runners and sets no seed, since we do both.

        With a seed RLlib makes torch deterministic, which loads torch's compiler for seconds and slows kernels down;
        ours are deterministic on a CPU without it.
        """
        settings = self.to_settings()
        alone: QuarterdeckConfig = self.copy(copy_frozen=False)
        alone.settings = copy.deepcopy(self.settings) | {"seed": settings.seed}
        alone.settings["fleet"]["runners"] = settings.fleet.runners
        alone.num_env_runners, alone.env_runner_cls, alone.seed = 0, LocalRunner, None
        alone.freeze()
        return alone

    def update_from_dict(self, config_dict: dict[str, Any]) -> QuarterdeckConfig:
        """Update from RLlib's keys and `settings`, a partial tree of changes.

        If `settings_class` differs, the config starts from the defaults of that class.

        Raises:
            ValueError: a key is unsupported, a value is invalid, or a setting has two different values.
        """
        fields = dict(config_dict)
        kind = fields.pop("settings_class", self.settings_class)
        if kind is not self.settings_class:
            self.from_settings(kind())
        changes = fields.pop("settings", None)
        if changes is not None:
            refuse_twice(fields, changes)
            self._change(changes)
        super().update_from_dict(fields)
        return self

    def environment(self, env: Any = NotProvided, **kwargs: Any) -> QuarterdeckConfig:
        """Set the env: a name of `envs.make_env`, an env class, or a name registered by `tune.register_env`."""
        super().environment(env, **kwargs)
        self.env_spec = user_envs.gym_spec_of(self.env) or self.env_spec
        return self

    def training(self, *, settings: Any = NotProvided, **kwargs: Any) -> QuarterdeckConfig:
        """Set RLlib's arguments and `settings`, changes by section such as {"replay": {"n_step": 5}}.

        Raises:
            ValueError: a section, name or value is invalid, or an argument is unsupported.
        """
        for name in kwargs:
            if name in INSTEAD and not hasattr(self, name):  # of RLlib's DQN
                raise refusal(name)
        if settings is not NotProvided:
            refuse_twice(kwargs, settings)
            self._change(settings)
        super().training(**kwargs)
        self._check_served()
        return self

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """Return the spec of the settings' Q-network."""
        return RLModuleSpec(module_class=QModule, model_config={"settings": self.to_settings()})

    def get_default_learner_class(self) -> type[QuarterdeckLearner]:
        """Return the learner class."""
        return QuarterdeckLearner

    def _check_served(self) -> None:
        for name, value in vars(self).items():
            check_field(name, value, _defaults().get(name, NotProvided))

    def validate(self) -> None:
        """Run RLlib's checks and ours, and fill in fields that follow from the settings."""
        if self.in_evaluation:
            return
        self._check_served()
        settings = self.to_settings()
        settings.rows_per_lane()
        super().validate()
        self.env_spec = user_envs.gym_spec_of(self.env) or self.env_spec
        self.custom_resources_per_env_runner |= placement.unit(settings, placement.RUNNER, 1 - placement.EVALUATOR_PART)
        self.custom_resources_per_learner |= placement.unit(settings, placement.LEARNER)
        if settings.fleet.learners:
            self.num_gpus_per_learner: float = self.num_gpus_per_learner or placement.gpus_per_learner(settings)


@functools.cache
def _defaults() -> dict[str, Any]:
    """Return all fields of a default config."""
    return dict(vars(QuarterdeckConfig()))

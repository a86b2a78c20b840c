"""Supported fields of RLlib's config, and alternatives for the others (docs/rllib.md)."""

from __future__ import annotations

from typing import Any

from ray.rllib.algorithms.algorithm_config import NotProvided
from ray.rllib.callbacks.callbacks import RLlibCallback

from agents.dqn.settings import Settings
from agents.stats import WINDOW
from cluster.rllib.searched import is_search
from training.settings import checked_kind, kinds_by_name, shown

# RLlib fields that are settings of ours; the last assignment wins.
LINKS = {
    "env": "env.id",
    "seed": "seed",
    "lr": "learner.learning_rate",
    "gamma": "learner.gamma",
    "grad_clip": "learner.max_grad_norm",
    "_train_batch_size_per_learner": "learner.batch_size",
    "num_env_runners": "fleet.runners",
    "num_envs_per_env_runner": "fleet.envs_per_runner",
    "rollout_fragment_length": "fleet.chunk_steps",
    "num_learners": "fleet.learners",
    "evaluation_duration": "evaluation.episodes",
}

# Fields with effect in RLlib itself.
SERVED = frozenset(
    (
        "env_config",
        "min_time_s_per_iteration", "min_sample_timesteps_per_iteration", "min_train_timesteps_per_iteration",
        "num_cpus_for_main_process", "custom_resources_for_main_process", "placement_strategy",
        "num_cpus_per_env_runner", "custom_resources_per_env_runner", "max_requests_in_flight_per_env_runner",
        "num_cpus_per_learner", "num_gpus_per_learner", "custom_resources_per_learner",
        "env_runner_health_probe_timeout_s",
        "evaluation_interval", "log_level", "logger_creator", "logger_config", "log_sys_usage",
    )
)  # fmt: skip
# Fields written by RLlib, and ours.
INTERNAL = frozenset(
    (
        "settings", "settings_class", "env_spec", "runner_cls", "env_runner_cls", "algo_class", "class",
        "in_evaluation", "worker_index", "_is_atari", "_is_frozen",
        "simple_optimizer", "_per_module_overrides", "_prior_exploration_config", "tf_session_args",
    )
)  # fmt: skip
# Supported hooks of RLlibCallback and `callbacks(on_...=)`; the others are called in RLlib's own runners.
HOOKS = (
    "on_algorithm_init", "on_train_result", "on_evaluate_start", "on_evaluate_end",
    "on_checkpoint_loaded", "on_env_runners_recreated",
)  # fmt: skip

NETWORK = "the network is settings={'network': {...}}"
# Alternatives, and the fields that they replace.
REMEDIES: dict[str, tuple[str, ...]] = {
    "say train_batch_size_per_learner, our learner.batch_size": ("train_batch_size",),
    "replay.samples_per_insert says how often data is used": (
        "num_epochs", "minibatch_size", "shuffle_batch_per_epoch", "training_intensity",
    ),
    "learner.max_grad_norm bounds the global norm": ("grad_clip_by",),
    NETWORK: (
        "model", "_model_config", "_rl_module_spec", "algorithm_config_overrides_per_module",
        "dueling", "hiddens", "num_atoms", "v_min", "v_max", "noisy",
    ),
    "Adam's settings are learner.learning_rate, learner.adam_epsilon": ("optimizer", "adam_epsilon"),
    "the learner is agents/dqn/learner.py, its settings are learner.*": (
        "_learner_class", "learner_config_dict", "_learner_connector", "torch_skip_nan_gradients",
        "_torch_grad_scaler_class", "_torch_lr_scheduler_classes", "log_gradients",
    ),
    "exploration.start, exploration.final and exploration.ladder say how much is explored": (
        "explore", "exploration_config", "epsilon",
    ),
    "a chunk is fleet.chunk_steps (rollout_fragment_length) steps of every lane": ("batch_mode",),
    "wrap the environment, or see env.* for Atari rules": (
        "_env_to_module_connector", "_module_to_env_connector", "observation_filter", "preprocessor_pref",
        "clip_actions", "normalize_actions", "observation_space", "action_space", "render_env",
    ),
    "learner.reward_clip bounds rewards": ("clip_rewards",),
    "a runner whose environment fails starts again at once": ("delay_between_env_runner_restarts_s",),
    "nobody waits for a runner; a silent one is replaced": (
        "sample_timeout_s", "env_runner_restore_timeout_s", "num_consecutive_env_runner_failures_tolerance",
    ),
    "a lost runner starts again, and the others go on": (
        "restart_failed_env_runners", "ignore_env_runner_failures", "max_num_env_runner_restarts",
    ),
    "an environment has one agent": (
        "policies", "policy_mapping_fn", "policies_to_train", "policy_map_capacity", "count_steps_by",
        "policy_states_are_swappable", "observation_fn",
    ),
    "it learns from its own games alone": ("input_", "output", "offline_data_class", "offline_evaluation_interval"),
    "the learner runs in eager torch": (
        "framework_str", "torch_compile_learner", "torch_compile_worker", "torch_ddp_kwargs",
    ),
    "evaluation.* says how a policy is judged": (
        "custom_evaluation_function", "evaluation_config", "evaluation_duration_unit",
        "evaluation_num_env_runners", "evaluation_parallel_to_training", "evaluation_sample_timeout_s",
    ),
    "say learners(num_gpus_per_learner=1) or learner.device": ("num_gpus", "_fake_gpus"),
    "runners act on CPUs": ("num_gpus_per_env_runner",),
    "only RLlib's new stack is served": ("enable_rl_module_and_learner", "enable_env_runner_and_connector_v2"),
    f"means are over the last {WINDOW} games": ("metrics_num_episodes_for_smoothing",),
    "say replay.n_step": ("n_step",),
    "say learner.double": ("double_q",),
    "say learner.target_period, in updates": ("target_network_update_freq",),
    "say learner.target_rate": ("tau",),
    "replay.* describes the replay": ("replay_buffer_config", "num_steps_sampled_before_learning_starts"),
    "say learner.loss": ("td_error_loss_fn",),
}  # fmt: skip
INSTEAD = {name: remedy for remedy, names in REMEDIES.items() for name in names}


def spoken(name: str) -> str:
    """Return a field's name in RLlib's public methods."""
    return {"framework_str": "framework", "input_": "input"}.get(name, name.removeprefix("_"))


def refusal(name: str) -> ValueError:
    """Return the error for an unsupported field, with the alternative."""
    remedy = INSTEAD.get(name, "leave it as it is")
    return ValueError(f"{spoken(name)} is not served by Quarterdeck: {remedy} (docs/rllib.md)")


def check_field(name: str, value: Any, default: Any) -> None:
    """Check that an RLlib field is supported and its value has the type of our setting.

    Raises:
        ValueError: it is not, or has not.
    """
    if name in LINKS:
        if name == "env" and isinstance(value, type):
            return
        if not is_search(value) and value is not None:
            checked_kind(f"{spoken(name)} (our {LINKS[name]})", value, kinds_by_name(Settings)[LINKS[name]])
        elif value is None and name not in ("env", "seed"):
            raise ValueError(f"{spoken(name)} is None: give it a value, or leave {LINKS[name]} as it is")
    elif name == "callbacks_class":
        for callback in value if isinstance(value, list | tuple) else [value]:
            _check_hooks(callback)
    elif name.startswith("callbacks_on_"):
        if value is not None and name.removeprefix("callbacks_") not in HOOKS:
            raise _silent(name.removeprefix("callbacks_"))
    elif not name.startswith("__") and name not in SERVED | INTERNAL and not _same(name, value, default):
        raise refusal(name)


def _check_hooks(callback: Any) -> None:
    hooks = [name for name in vars(RLlibCallback) if name.startswith("on_") and name not in HOOKS]
    for name in hooks:
        if isinstance(callback, type) and getattr(callback, name, None) is not getattr(RLlibCallback, name):
            raise _silent(name)


def _silent(hook: str) -> ValueError:
    return ValueError(f"{hook} is never called by Quarterdeck: use one of {', '.join(HOOKS)} (docs/rllib.md)")


def _same(name: str, value: Any, default: Any) -> bool:
    if name == "policies" and isinstance(value, dict):  # specs change when RLlib converts configs to dicts
        return set(value) == set(default)
    return value is default or bool(value == default)


def refuse_twice(fields: dict[str, Any], changes: Any) -> None:
    """Check that no setting has two different values, by RLlib's field and in the tree of changes.

    Raises:
        ValueError: one has.
    """
    for name, dotted in LINKS.items():
        section, _, key = dotted.rpartition(".")
        branch = changes.get(section) if section and isinstance(changes, dict) else changes
        said = fields.get(spoken(name), fields.get(name, NotProvided))
        if said is NotProvided or not isinstance(branch, dict) or key not in branch:
            continue
        if branch[key] != said and not (name == "num_env_runners" and branch[key] == 1 and said == 0):
            both = f"{spoken(name)} {shown(said)} and settings {dotted} {shown(branch[key])}"
            raise ValueError(f"{both} are one setting: give one of them")

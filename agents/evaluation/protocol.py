"""Evaluation protocols: the rules and seeds of evaluation games, and the name of a set of rules."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from agents.acting.rollout import TRAINING_SEEDS
from agents.settings import AgentSettings
from envs import make_env
from envs.atari import game_name
from envs.base import EnvSettings, classic, machado
from envs.registry import DUEL

S = TypeVar("S", bound=Any)  # settings with a seed
ProtocolName = Literal["classic", "machado", "training"]
RULES = (
    "sticky",
    "life_signal",
    "noop_max",
    "fire_reset",
    "action_set",
    "frame_skip",
    "frame_cap",
    "flicker",
    "epsilon",
)


class JudgeOptions(Protocol):
    """Options of `quarterdeck evaluate`."""

    @property
    def episodes(self) -> int: ...

    @property
    def protocol(self) -> ProtocolName | None: ...  # None for the run's own

    @property
    def epsilon(self) -> float | None: ...  # None for the run's own


def protocol_env(settings: AgentSettings) -> EnvSettings:
    """Return the rules of an evaluation: the protocol's, or those of training with whole games."""
    return protocol_rules(settings.env, settings.evaluation.protocol)


def selection_env(settings: AgentSettings) -> EnvSettings:
    """Return the rules of evaluations during training: `protocol_env` with Atari games cut at `every_frame_cap`."""
    rules = protocol_env(settings)
    if game_name(rules.id) is None and not rules.id.lower().startswith(DUEL):
        return rules
    cap = max(rules.frame_skip, min(rules.frame_cap, settings.evaluation.every_frame_cap))
    return dataclasses.replace(rules, frame_cap=cap)


def protocol_rules(env: EnvSettings, protocol: str) -> EnvSettings:
    """Return `env` under a named protocol: `classic`, `machado` or `training`."""
    if protocol == "training":
        return dataclasses.replace(env, life_signal=False)
    # A policy keeps the actions and frames it was trained with: for Machado et al.'s 18, train with full_actions.
    rules = {"classic": classic, "machado": machado}[protocol](env.id)
    kept = {name: getattr(env, name) for name in ("full_actions", "frame_skip", "flicker", "image_size", "grayscale")}
    return dataclasses.replace(rules, **kept)


def check_rules(settings: AgentSettings) -> None:
    """Check before training that the env of the evaluations can be built.

    Not needed for Atari games, which support every protocol, and for evaluation under the rules of training, whose env
    the caller builds.

    Raises:
        ValueError: the env does not support the protocol's rules.
    """
    try:
        rules = protocol_env(settings)
        if rules != settings.env and game_name(rules.id) is None:
            make_env(rules, 1).close()
    except ValueError as error:
        raise ValueError(f"evaluation.protocol is {settings.evaluation.protocol}: {error}") from None


def evaluation_seed(seed: int) -> int:
    """Return the first env seed of an evaluation, disjoint from training seeds, which lie below 2^30."""
    return TRAINING_SEEDS + int(np.random.SeedSequence(seed).generate_state(1)[0] >> 3)


def beside(settings: S) -> S:
    """Return the settings with a derived seed, to select weights or settings on other games than the final ones."""
    seed = int(np.random.SeedSequence([settings.seed, 1]).generate_state(1)[0] >> 1)
    return dataclasses.replace(settings, seed=seed)


def protocol_name(protocol: dict[str, Any]) -> str:
    """Return the protocol's name and all rules that affect scores, as part of a file name; the same for all games."""
    parts = [str(protocol["name"])]
    for key in RULES:
        if key in protocol:
            value = protocol[key]
            parts.append(f"{key}={int(value) if isinstance(value, bool) else value}")
    return "-".join(parts)

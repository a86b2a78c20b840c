"""What acts after a training from a data set, for whoever judges or shows it: see `agents.parts`."""

from __future__ import annotations

from typing import Any

from agents.acting.policy import QPolicy
from agents.saved_policy import q_policy_of


def policy_of(state: dict[str, Any], settings: Any) -> QPolicy:
    """The policy in a checkpoint's `learner` branch, for the env of the settings (`agents.imitation.settings`).

    Raises:
        ValueError: the weights are those of another network or game.
    """
    return q_policy_of(state, settings.network, settings.env, settings.learner.precision)

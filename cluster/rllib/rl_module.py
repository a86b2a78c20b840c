"""An exported policy as an RLModule of RLlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule

from agents.export import MODULE, ExportedPolicy, of_card
from training.storage.files import whole_folder


class PolicyModule(TorchRLModule):
    """Greedy actions and action values; `obs` are stacks of frames [B, K, *frame_shape], oldest first.

    `model_config` is the card of an `agents.export.ExportedPolicy`.
    """

    def setup(self) -> None:
        """Build the network of the card; weights are loaded with the module's state."""
        self.policy = of_card(self.model_config, None)

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Any]:
        q = self.policy(batch[Columns.OBS])
        return {Columns.ACTIONS: q.argmax(1), "qf_preds": q}


def as_module(policy: ExportedPolicy) -> PolicyModule:
    """Convert a policy to an RLModule."""
    card, pixels = policy.card, policy.network.pixels
    low, high, dtype = (0, 255, np.uint8) if pixels else (-np.inf, np.inf, np.float32)
    spec = RLModuleSpec(
        module_class=PolicyModule,
        observation_space=gym.spaces.Box(low, high, (policy.network.stack, *card["frame_shape"]), dtype),
        action_space=gym.spaces.Discrete(card["num_actions"]),
        inference_only=True,
        model_config=card,
    )
    module: PolicyModule = spec.build()
    module.policy.load_state_dict(policy.state_dict())
    return module


def save_module(policy: ExportedPolicy, folder: Path) -> Path:
    """Write RLlib's checkpoint of the module to `folder`/rlmodule. RLlib unpickles it: load only trusted ones."""
    with whole_folder(folder / MODULE) as part:
        as_module(policy).save_to_path(str(part.absolute()))
    return folder / MODULE

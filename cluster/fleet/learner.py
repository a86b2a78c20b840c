"""The learner: `agents.dqn.learner` and its replay behind the interface of RLlib's learner groups."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import Tensor

from agents.dqn.settings import Settings
from agents.parts import parts_of
from agents.replay.shard import ReplayShard
from agents.replay.transitions import Chunk, Replay, ReplayEmpty
from agents.updates import UpdateStats
from cluster.fleet.compression import Packed, unpack
from cluster.fleet.replay import ShardedReplay, replay_in
from cluster.rllib.spaces import spec_of_spaces
from training.arrays import Arrays, load_arrays
from training.device import resolve_device
from training.process import keep_freed_memory
from training.storage import checkpoint
from training.system_metrics import GpuMeter


class QModule(TorchRLModule, InferenceOnlyAPI):
    """The online Q-network as an RLModule; `obs` are stacks [B, P, K, D] of `agents.replay.frames`."""

    def setup(self) -> None:
        settings: Settings = self.model_config["settings"]
        spec = spec_of_spaces(self.observation_space, self.action_space)
        self.network = parts_of(settings).make_network(settings, spec)

    def get_non_inference_attributes(self) -> list[str]:
        """Return none: all of this module is used for inference; the target network is in the learner."""
        return []

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Any]:
        q = self.network(batch["obs"])
        return {"q": q, "actions": q.argmax(1)}


class QuarterdeckLearner(TorchLearner):
    """An RLlib learner that is trained by `learn`, many updates per call, instead of `Learner.update`."""

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Build the core learner, and let RLlib's module use its network."""
        keep_freed_memory()
        s = self.settings = self.config.to_settings()
        if resolve_device(s.learner.device, "learner.device") == "cpu":  # also on a machine with a GPU
            torch.set_num_threads(s.fleet.learner_threads)
        module = self.module[module_id]
        spec = spec_of_spaces(module.observation_space, module.action_space)
        self.core = parts_of(s).make_learner(s, spec)
        module.network = self.core.online
        self.gpu = GpuMeter(self.core.device)
        if self.distributed:
            self.core.reduce_gradients = self._mean_over_learners
        self.weight = 1.0  # of this learner's gradients in the mean over learners
        self.replay: Replay | None = None
        if s.fleet.shards == 0:
            self.replay = parts_of(s).make_replay(s, spec, device=self.core.device)
        self.register_optimizer(
            module_id=module_id,
            optimizer=self.core.optimizer,
            params=list(self.core.online.parameters()),
            lr_or_lr_schedule=s.learner.learning_rate,
        )

    def compute_loss_for_module(self, **_: Any) -> Any:
        """Unused: the loss is in `agents.dqn.learner`."""
        raise NotImplementedError("Quarterdeck learners train through learn(), not through update()")

    def share(self, shards: list[Any]) -> None:
        """Sample from replay actors instead of a shard in this process."""
        self.replay = ShardedReplay(
            shards, self.settings.seed + self.learner_index(), prioritized=self.settings.replay.prioritized
        )

    def learner_index(self) -> int:
        """Return the rank of this learner."""
        return torch.distributed.get_rank() if self.distributed else 0

    def node_id(self) -> str:
        """Return the id of this learner's node."""
        return str(ray.get_runtime_context().get_node_id())

    def _make_modules_ddp_if_necessary(self) -> None:
        """Do nothing: gradients are averaged in `_mean_over_learners`."""

    def insert(self, chunks: list[Chunk | Packed]) -> None:
        """Insert chunks into the shard in this process."""
        for chunk in chunks:
            self.own_shard().add(unpack(chunk))

    def learn(self, updates: int) -> UpdateStats:
        """Do `updates` updates; those for which no shard has data are forfeited."""
        assert self.replay is not None
        before = self.core.updates
        try:
            learned: UpdateStats = self.core.train(self.replay, updates)
            learned.scalars |= self.gpu.read()
            return learned
        except ReplayEmpty:  # all shards were lost; they restart and refill
            if self.distributed:
                self._sit_out(before + updates)
            return UpdateStats(self.core.updates - before)

    def _sit_out(self, until: int) -> None:
        """Join the updates of peers that still have batches with a zero gradient, so that all_reduce does not block."""
        self.weight = 0.0
        with contextlib.suppress(ReplayEmpty):
            while self.core.updates < until:
                for parameter in self.core.online.parameters():
                    parameter.grad = torch.zeros_like(parameter)
                self.core.apply_gradients()
        self.weight = 1.0

    def _mean_over_learners(self, grads: list[Tensor]) -> None:
        """Replace gradients by their mean over all learners that have a batch, in one all_reduce.

        Raises:
            ReplayEmpty: no learner has a batch; raised by all at the same update.
        """
        flat = torch.cat([*(grad.flatten() for grad in grads), grads[0].new_tensor([self.weight])])
        torch.distributed.all_reduce(flat)
        *sums, weight = torch.split(flat, [*(grad.numel() for grad in grads), 1])
        if self.weight == 0 and weight == 0:  # the first test avoids a GPU synchronisation
            raise ReplayEmpty("no learner has a batch")
        for grad, total in zip(grads, sums, strict=True):
            grad.copy_((total / weight).view_as(grad))

    def own_shard(self) -> ReplayShard:
        """Return the shard in this process."""
        assert isinstance(self.replay, ReplayShard)
        return self.replay

    def take_weights(self, weights: dict[str, Any]) -> None:
        """Set the weights of online, target and average network, as at the start of a run.

        Raises:
            ValueError: they do not fit the network.
        """
        tensors = {name.removeprefix("network."): torch.tensor(np.asarray(value)) for name, value in weights.items()}
        try:
            for network in {self.core.online, self.core.target, self.core.policy}:
                network.load_state_dict(tensors)
        except RuntimeError:
            raise ValueError("the weights are those of another network: give those of the same settings") from None

    def set_policy(self, weights: Arrays) -> None:
        """Set the weights of the policy that is evaluated and saved."""
        load_arrays(self.core.policy, weights)

    def published(self) -> Arrays | None:
        """Return the weights for runners from the first learner, else None: all learners have the same."""
        return self.core.weights() if self.learner_index() == 0 else None

    def save_replay(self, folder: str) -> None:
        """Write the shard of this process."""
        checkpoint.save(replay_in(Path(folder), self.learner_index()), self.own_shard().state())

    def load_replay(self, folder: str) -> None:
        """Restore the shard of this process."""
        self.own_shard().load_state(checkpoint.load(replay_in(Path(folder), self.learner_index())))


def error_of(call: Callable[[Any], None], learner: Any) -> OSError | ValueError | None:
    """Return the error of `call(learner)` instead of raising it, since RLlib drops learners that raise."""
    try:
        call(learner)
    except (OSError, ValueError) as error:
        return error
    return None

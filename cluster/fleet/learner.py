"""A learner: the shell around `agents.dqn.learner` and its replay, with the face that RLlib's learner groups want."""

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
        """The target network lives in the learner: all of this module acts."""
        return []

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Any]:
        q = self.network(batch["obs"])
        return {"q": q, "actions": q.argmax(1)}


class QuarterdeckLearner(TorchLearner):
    """RLlib places it, we train in it: `learn` does many updates a call and never enters `Learner.update`."""

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Build the core learner around the module that RLlib made."""
        keep_freed_memory()
        s = self.settings = self.config.to_settings()
        if resolve_device(s.learner.device, "learner.device") == "cpu":  # be there a GPU or not
            torch.set_num_threads(s.fleet.learner_threads)
        module = self.module[module_id]
        spec = spec_of_spaces(module.observation_space, module.action_space)
        self.core = parts_of(s).make_learner(s, spec)
        module.network = self.core.online
        self.gpu = GpuMeter(self.core.device)
        if self.distributed:
            self.core.reduce_gradients = self._mean_over_learners
        self.weight = 1.0  # of this learner's gradients among its peers'
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
        """Not used: the loss lives in `agents.dqn.learner`."""
        raise NotImplementedError("Quarterdeck learners train through learn(), not through update()")

    def share(self, shards: list[Any]) -> None:
        """Learn from replay actors instead of a shard in this process."""
        self.replay = ShardedReplay(
            shards, self.settings.seed + self.learner_index(), prioritized=self.settings.replay.prioritized
        )

    def learner_index(self) -> int:
        """This learner's place among its peers."""
        return torch.distributed.get_rank() if self.distributed else 0

    def node_id(self) -> str:
        """The node this learner runs on."""
        return str(ray.get_runtime_context().get_node_id())

    def _make_modules_ddp_if_necessary(self) -> None:
        """Not needed: gradients are averaged in `_mean_over_learners`."""

    def insert(self, chunks: list[Chunk | Packed]) -> None:
        """Put chunks into the shard in this process."""
        for chunk in chunks:
            self.own_shard().add(unpack(chunk))

    def learn(self, updates: int) -> UpdateStats:
        """Do `updates` updates; those for which no shard has data any more are forfeited."""
        assert self.replay is not None
        before = self.core.updates
        try:
            learned: UpdateStats = self.core.train(self.replay, updates)
            learned.scalars |= self.gpu.read()
            return learned
        except ReplayEmpty:  # every shard was lost; they fill again while the loop goes on
            if self.distributed:
                self._sit_out(before + updates)
            return UpdateStats(self.core.updates - before)

    def _sit_out(self, until: int) -> None:
        """Follow the peers that still have batches without a gradient of its own, so that nobody waits for it."""
        self.weight = 0.0
        with contextlib.suppress(ReplayEmpty):
            while self.core.updates < until:
                for parameter in self.core.online.parameters():
                    parameter.grad = torch.zeros_like(parameter)
                self.core.apply_gradients()
        self.weight = 1.0

    def _mean_over_learners(self, grads: list[Tensor]) -> None:
        """Replace gradients by their means over all learners that have one, in one message.

        Raises:
            ReplayEmpty: nobody has one; every learner finds out at the same update.
        """
        flat = torch.cat([*(grad.flatten() for grad in grads), grads[0].new_tensor([self.weight])])
        torch.distributed.all_reduce(flat)
        *sums, weight = torch.split(flat, [*(grad.numel() for grad in grads), 1])
        if self.weight == 0 and weight == 0:  # whoever has a batch knows without asking the GPU
            raise ReplayEmpty("no learner has a batch")
        for grad, total in zip(grads, sums, strict=True):
            grad.copy_((total / weight).view_as(grad))

    def own_shard(self) -> ReplayShard:
        """The shard in this process."""
        assert isinstance(self.replay, ReplayShard)
        return self.replay

    def take_weights(self, weights: dict[str, Any]) -> None:
        """Begin anew with weights of the module; target and average follow, as at the start of a run.

        Raises:
            ValueError: they are those of another network.
        """
        tensors = {name.removeprefix("network."): torch.tensor(np.asarray(value)) for name, value in weights.items()}
        try:
            for network in {self.core.online, self.core.target, self.core.policy}:
                network.load_state_dict(tensors)
        except RuntimeError:
            raise ValueError("the weights are those of another network: give those of the same settings") from None

    def set_policy(self, weights: Arrays) -> None:
        """Take `weights` as those of the policy that is judged and saved."""
        load_arrays(self.core.policy, weights)

    def published(self) -> Arrays | None:
        """The weights for runners, from the first learner alone: they are the same in all."""
        return self.core.weights() if self.learner_index() == 0 else None

    def save_replay(self, folder: str) -> None:
        """Write the shard in this process, from here."""
        checkpoint.save(replay_in(Path(folder), self.learner_index()), self.own_shard().state())

    def load_replay(self, folder: str) -> None:
        """Read it back."""
        self.own_shard().load_state(checkpoint.load(replay_in(Path(folder), self.learner_index())))


def error_of(call: Callable[[Any], None], learner: Any) -> OSError | ValueError | None:
    """What `call(learner)` has against the disk or what lies there. RLlib drops learners that raise, so it returns."""
    try:
        call(learner)
    except (OSError, ValueError) as error:
        return error
    return None

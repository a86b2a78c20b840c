"""The learner of recurrent deep Q-learning. Legend: B batch, U rows learned from, n steps of a return, A actions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agents.dqn.learner import Learner
from agents.networks.heads import TAKEN
from agents.networks.losses import clip_reward, error_loss, importance_weights
from agents.networks.recurrent import MemoryQNetwork
from agents.recurrent.settings import RecurrentSettings
from agents.recurrent.targets import mixed_priority, sequence_targets
from agents.replay.sequences import SequenceBatch
from agents.updates import UpdateResult
from envs.base import EnvSpec


class SequenceLearner(Learner):
    """Learner on batches of sequences; counters, target network, weight average and feed are those of `Learner`."""

    online: MemoryQNetwork
    target: MemoryQNetwork

    def __init__(self, settings: RecurrentSettings, spec: EnvSpec) -> None:
        beta = settings.replay.beta_at
        super().__init__(settings.learner, settings.network, spec, seed=settings.seed, beta=beta, kind=MemoryQNetwork)
        self.sequence = settings.sequence

    def values(self, network: MemoryQNetwork, batch: SequenceBatch) -> Tensor:
        """Return values [B, U + n, A] of the rows learned from and n more; the burn-in has no gradient."""
        frames, first, rows = batch.frames.transpose(0, 1), batch.first.t(), self.sequence.burn_in
        state = batch.memory
        if rows:
            with torch.no_grad():
                state = network.unroll(frames[:rows], first[:rows], state).state
        return network.unroll(frames[rows:], first[rows:], state).out.transpose(0, 1)

    def bootstrap(self, batch: Any) -> Tensor:
        """Return the target network's values of the same rows, after its own burn-in."""
        with torch.no_grad(), self.precision():
            return self.values(self.target, batch)

    def update(self, batch: Any, out_next: Tensor | None = None) -> UpdateResult:
        """Do one gradient step on a `SequenceBatch` on the device; `out_next` is its `bootstrap`, if computed."""
        s, sequence = self.settings, self.sequence
        out_next = self.bootstrap(batch) if out_next is None else out_next
        with self.precision():
            q = self.values(self.online, batch)
        target_t = sequence_targets(
            clip_reward(batch.reward, s.reward_clip),
            batch.discount,
            batch.steps,
            q.detach() if s.double else out_next,
            out_next,
            s.gamma,
            rescaled=sequence.rescaling,
        )
        taken = q[:, : sequence.unroll].gather(2, batch.action.unsqueeze(-1)).squeeze(-1)
        error, valid = target_t - taken, batch.transition
        weight = importance_weights(batch.priority, self.beta(self.updates)).unsqueeze(1)
        loss = (weight * error_loss(error, s.loss) * valid).sum() / valid.sum().clamp(min=1)

        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        grad_norm = self.apply_gradients()
        seen = error.detach()
        return UpdateResult(
            mixed_priority(seen, valid, sequence.eta),
            {"loss": loss.detach(), "grad_norm": grad_norm},
            {"td_error": seen[valid], TAKEN: taken.detach()[valid]},
        )

"""The deep Q-learning update. Legend: B batch, A actions, Z outputs per action."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from agents.dqn.feed import Feed, Stopwatch
from agents.dqn.learner_settings import AVERAGE_PERIOD as AVERAGE_PERIOD
from agents.dqn.learner_settings import LearnerSettings as LearnerSettings
from agents.dqn.resets import shrink_and_perturb
from agents.networks.generators import make_generator
from agents.networks.losses import action_loss, clip_reward, greedy, importance_weights, n_step_return
from agents.networks.munchausen import munchausen_reward, soft_policy, soft_value
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.replay.transitions import Batch, Replay
from agents.updates import UpdateResult, UpdateStats
from envs.base import EnvSpec
from training.arrays import Arrays, arrays_of, load_arrays, load_moments, moments_of
from training.averages import move_towards
from training.device import autocast, resolve_device, resolve_precision
from training.optimizers import Adam
from training.seeding import torch_seed

NETWORKS = ("policy", "online", "target")  # saved in checkpoints
ONLINE, TARGET = 0, 1  # seeds of their noise


class Learner:
    """Online and target network, their average for acting, the optimiser and the count of updates."""

    def __init__(
        self,
        settings: LearnerSettings,
        network: NetworkSettings,
        spec: EnvSpec,
        *,
        seed: int,
        beta: Callable[[int], float] = lambda _: 1.0,
        kind: type[QNetwork] = QNetwork,
    ) -> None:
        self.beta = beta
        self.reduce_gradients: Callable[[list[Tensor]], None] | None = None  # mean over learners, in place
        self.device = resolve_device(settings.device, "learner.device")
        precision = resolve_precision(settings.precision, self.device)  # resolves auto for this process
        self.settings = dataclasses.replace(settings, precision=precision)
        self.seed, self.make_network = seed, partial(kind, network, spec.frame_shape, spec.num_actions)
        self.online = self.fresh_network(0).to(self.device)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        # Single snapshots of a Q-network vary widely in score; their moving average is evaluated and exported.
        self.policy = self.online if settings.average_rate == 1 else copy.deepcopy(self.target)
        self.optimizer = Adam(self.online.parameters(), settings.learning_rate, eps=settings.adam_epsilon, fused=True)
        self.updates = 0
        self.bootstrapped = 0  # batches with bootstrap values; equals `updates` between calls of `train`
        self.feed = Feed(self.device, self.bootstrap)

    def fresh_network(self, number: int) -> QNetwork:
        """Return a newly initialised network; weights are a function of the seed and `number` only."""
        with torch_seed(self.seed + (number << 31)):
            return self.make_network()

    def precision(self) -> torch.autocast:
        """Return the autocast context of forward passes; parameters and losses stay float32."""
        return autocast(self.device, self.settings.precision)

    def noise_generator(self, network: int, count: int) -> torch.Generator | None:
        """Return the generator of a forward pass, a function of seed, `network` and `count`; None if none is needed."""
        return make_generator(self.device, self.seed, network, count) if self.online.random else None

    def bootstrap(self, batch: Batch) -> Any:
        """Return the target network's output at the end of the n-step windows: [B, A] or [B, A, Z] (`ValueHead`)."""
        generator = self.noise_generator(TARGET, self.bootstrapped)
        self.bootstrapped += 1
        with torch.no_grad(), self.precision():
            return self.target.out(batch.next_obs, generator)

    def update(self, batch: Batch, out_next: Any = None) -> UpdateResult:
        """Do one gradient step on a batch on the device; `out_next` is its `bootstrap`, if already computed."""
        s, head = self.settings, self.online.head
        out_next = self.bootstrap(batch) if out_next is None else out_next
        generator = self.noise_generator(ONLINE, self.updates)
        with self.precision():
            with torch.no_grad():
                q_select = self.online(batch.next_obs, generator) if s.double else head.q(out_next)
                q_t = self.target(batch.obs, generator) if s.munchausen else None
            out_t = self.online.out(batch.obs, generator)
        return_t = n_step_return(clip_reward(batch.reward, s.reward_clip), s.gamma)
        policy_next = greedy(q_select)
        if q_t is not None:
            return_t += munchausen_reward(q_t, batch.action, s.temperature, s.munchausen)
            return_t += batch.discount * soft_value(q_select, s.temperature)
            policy_next = soft_policy(q_select, s.temperature)
        target_t = head.target(return_t, batch.discount, out_next, policy_next)
        found = head.loss(out_t, batch.action, target_t, s.loss)
        weight = importance_weights(batch.priority, self.beta(self.updates))
        loss = (weight * found.loss).mean()
        if s.conservative:
            loss = loss + s.conservative * (weight * action_loss(head.q(out_t), batch.action)).mean()

        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        grad_norm = self.apply_gradients()
        return UpdateResult(found.priority, {"loss": loss.detach(), "grad_norm": grad_norm}, found.distributions)

    def apply_gradients(self) -> Tensor:
        """Average over learners, clip, step, and do what is due after this update; return the unclipped norm."""
        s = self.settings
        if self.reduce_gradients is not None:
            self.reduce_gradients([p.grad for p in self.online.parameters() if p.grad is not None])
        grad_norm = nn.utils.clip_grad_norm_(self.online.parameters(), s.max_grad_norm)
        self.optimizer.step()
        increment_version(list(self.online.parameters()))  # for `networks.layers.cached_weight`
        self.updates += 1
        young = self._resets(self.updates)
        if young:
            shrink_and_perturb(self.online, self.fresh_network(self.updates), self.optimizer)
        if self._renews_target(self.updates):
            self.sync_target()
        if self.policy is not self.online and (young or self.updates % AVERAGE_PERIOD == 0):
            move_towards(self.policy, self.online, 1.0 if young else s.average_rate)  # never average across a reset
        return grad_norm

    def train(self, replay: Replay, updates: int) -> UpdateStats:
        """Do `updates` updates from `replay`, and update its priorities.

        A sampler thread prepares the next batch and its bootstrap values in the meantime. Results equal those of one
        thread: where an update renews the target network, the next batch is requested after it.
        """
        precision, size = self.settings.precision, self.settings.batch_size
        feed, learned, watch = self.feed, UpdateStats(updates), Stopwatch(self.device)
        watch.mark()
        feed.start(replay, size, updates)
        for _ in range(updates):
            batch, out_next = feed.take()
            renews = self._renews_target(self.updates + 1)
            if not renews:
                feed.ask(replay, size)
            watch.mark()
            update = self.update(batch, out_next)
            watch.mark()
            if renews:
                feed.ask(replay, size)
            feed.tell(replay, batch, update, precision)  # after the next draw: a fixed order keeps runs reproducible
        if updates:  # only the last update: reading tensors synchronises with a GPU
            feed.finish()
            learned.look(update, precision, batch.version)
        laps = watch.laps()
        learned.sample_seconds, learned.update_seconds = sum(laps[0::2]), sum(laps[1::2])
        return learned

    def _resets(self, updates: int) -> bool:
        return self.settings.reset_period > 0 and updates % self.settings.reset_period == 0

    def _renews_target(self, updates: int) -> bool:
        return updates % self.settings.target_period == 0 or self._resets(updates)

    def sync_target(self) -> None:
        """Move the target network towards the online one by `target_rate`; copy it after a reset."""
        move_towards(self.target, self.online, 1.0 if self._resets(self.updates) else self.settings.target_rate)

    def weights(self) -> Arrays:
        """Return a copy of the online network's parameters, on the CPU."""
        return arrays_of(self.online)

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit."""
        return {
            **{name: arrays_of(getattr(self, name)) for name in NETWORKS},
            "moments": moments_of(self.optimizer),
            "updates": self.updates,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the learner from `state`.

        Raises:
            ValueError: the saved networks have another architecture or other actions.
        """
        for name in NETWORKS:
            load_arrays(getattr(self, name), state[name])
        load_moments(self.optimizer, state["moments"])
        self.updates = self.bootstrapped = int(state["updates"])

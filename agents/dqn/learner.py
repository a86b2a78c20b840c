"""The one update: a batch in, better Q-values out. Legend: B batch, A actions."""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import perf_counter
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from agents.dqn.updates import UpdateResult, UpdateStats, priority_of
from agents.networks.losses import ErrorLoss, clip_reward, greedy, importance_weights, n_step_return
from agents.networks.munchausen import own_reward, soft_policy, soft_value
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.replay.transitions import Batch, Replay
from envs.base import EnvSpec
from training.arrays import Arrays, arrays_of, load_arrays, load_moments, moments_of
from training.device import Precision, autocast, resolve_device, resolve_precision
from training.settings import check_kinds

NETWORKS = ("policy", "online", "target")  # of a learner, as a checkpoint has them


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """How the network is trained."""

    batch_size: int = 32
    learning_rate: float = 2.5e-4
    adam_epsilon: float = 1e-5
    gamma: float = 0.99
    double: bool = False
    munchausen: float = 0.0  # share of the policy's own scaled log-probability in the reward; 0 for none, usually 0.9
    temperature: float = 0.03  # of the soft policy that this takes
    loss: ErrorLoss = "huber"  # error clipping; "squared" is the plain loss of 2013
    reward_clip: float = 1.0  # bound of the loss reward; 0 leaves it raw
    target_period: int = 2_500  # learner updates between copies to the target network
    average_rate: float = 1.0  # share of the online weights in the policy's moving average; 1 for no average
    max_grad_norm: float = 10.0
    precision: Precision = "auto"  # auto: bf16 where that is faster, decided by every process for itself
    device: str = "auto"  # auto: cuda where there is one, else cpu

    def __post_init__(self) -> None:
        check_kinds(self)
        if self.batch_size < 1 or self.target_period < 1:
            raise ValueError("learner.batch_size and learner.target_period must be 1 or more")
        if not (self.learning_rate > 0 and self.adam_epsilon > 0 and self.max_grad_norm > 0):
            raise ValueError("learner.learning_rate, adam_epsilon and max_grad_norm must be above 0")
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"learner.gamma is {self.gamma}: a discount lies in 0..1")
        if not 0 < self.average_rate <= 1:
            raise ValueError(f"learner.average_rate is {self.average_rate}: use a share above 0, 1 for no average")
        if not 0 <= self.munchausen <= 1 or self.temperature <= 0 or (self.munchausen and self.double):
            raise ValueError("learner.munchausen is a share 0..1, without learner.double; learner.temperature above 0")
        if self.reward_clip < 0:
            raise ValueError("learner.reward_clip is a bound: 0 (raw rewards) or more")
        if self.loss not in ("huber", "squared") or self.precision not in get_args(Precision):
            raise ValueError("learner.loss is huber or squared, learner.precision auto, bf16 or fp32")
        if self.device not in ("auto", "cpu") and not self.device.startswith("cuda"):
            raise ValueError(f"learner.device is {self.device!r}: use auto, cpu or cuda")

    def resolve_device(self) -> str:
        """The device that `auto` stands for here.

        Raises:
            ValueError: the named device is not on this machine.
        """
        return resolve_device(self.device, "learner.device")


AVERAGE_PERIOD = 20  # learner updates between two steps of the policy's moving average


class Learner:
    """Online and target network, optimiser and the clock of learner updates."""

    def __init__(
        self,
        settings: LearnerSettings,
        network: NetworkSettings,
        spec: EnvSpec,
        *,
        seed: int,
        beta: Callable[[int], float] = lambda _: 1.0,
    ) -> None:
        self.beta = beta
        self.reduce_gradients: Callable[[list[Tensor]], None] | None = None  # means over several learners, in place
        self.device = settings.resolve_device()
        precision = resolve_precision(settings.precision, self.device)  # what auto stands for in this process
        self.settings = dataclasses.replace(settings, precision=precision)
        with torch.random.fork_rng(devices=[]):  # initial weights follow from the seed alone
            torch.manual_seed(seed)
            self.online = QNetwork(network, spec.frame_shape, spec.num_actions)
            self.target = QNetwork(network, spec.frame_shape, spec.num_actions).requires_grad_(False)
        self.online.to(self.device)
        self.target.to(self.device)
        self.sync_target()
        # Single snapshots of a Q-network play very unevenly; their average is the policy that is judged and shown.
        self.policy = self.online if settings.average_rate == 1 else copy.deepcopy(self.target)
        self.optimizer = torch.optim.Adam(
            self.online.parameters(), settings.learning_rate, eps=settings.adam_epsilon, fused=True
        )
        self.updates = 0
        self.sampler = ThreadPoolExecutor(1, "sampler")

    def precision(self) -> torch.autocast:
        """The context in which networks compute; parameters and losses stay float32."""
        return autocast(self.device, self.settings.precision)

    def bootstrap(self, batch: Batch) -> Tensor:
        """What the target network says of the states where the windows end: [B, A], or [B, A, Z] (`ValueHead`)."""
        with torch.no_grad(), self.precision():
            return self.target.out(batch.next_obs.to(self.device))

    def update(self, batch: Batch, out_next: Tensor | None = None) -> UpdateResult:
        """One gradient step on a batch, whose `bootstrap` may already be known."""
        s, head = self.settings, self.online.head
        obs, reward = batch.obs.to(self.device), batch.reward.to(self.device)
        out_next = self.bootstrap(batch) if out_next is None else out_next
        with self.precision():
            with torch.no_grad():
                q_select = self.online(batch.next_obs.to(self.device)) if s.double else head.q(out_next)
                q_t = head.q(self.target.out(obs)) if s.munchausen else None
            out_t = self.online.out(obs)
        discount_t, policy_next = batch.discount.to(self.device), greedy(q_select)
        return_t = n_step_return(clip_reward(reward, s.reward_clip), s.gamma)
        if q_t is not None:
            return_t += own_reward(q_t, batch.action.to(self.device), s.temperature, s.munchausen)
            return_t += discount_t * soft_value(q_select, s.temperature)
            policy_next = soft_policy(q_select, s.temperature)
        target_t = head.target(return_t, discount_t, out_next, policy_next)
        found = head.loss(out_t, batch.action.to(self.device), target_t, s.loss)
        weight = importance_weights(batch.priority.to(self.device), self.beta(self.updates))
        loss = (weight * found.loss).mean()

        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        grad_norm = self.apply_gradients()
        return UpdateResult(found.priority, {"loss": loss.detach(), "grad_norm": grad_norm}, found.seen)

    def apply_gradients(self) -> Tensor:
        """Reduce over learners, clip, step, and turn every clock of updates; returns the norm before clipping."""
        s = self.settings
        if self.reduce_gradients is not None:
            self.reduce_gradients([p.grad for p in self.online.parameters() if p.grad is not None])
        grad_norm = nn.utils.clip_grad_norm_(self.online.parameters(), s.max_grad_norm)
        self.optimizer.step()
        increment_version(list(self.online.parameters()))  # which a fused step does not (`agents.networks.layers.kept`)
        self.updates += 1
        if self.updates % s.target_period == 0:
            self.sync_target()
        if self.updates % AVERAGE_PERIOD == 0 and self.policy is not self.online:
            online = [parameter.detach() for parameter in self.online.parameters()]
            torch._foreach_lerp_(list(self.policy.parameters()), online, s.average_rate)
            for mine, newest in zip(self.policy.buffers(), self.online.buffers(), strict=True):
                mine.copy_(newest)
        return grad_norm

    def train(self, replay: Replay, updates: int) -> UpdateStats:
        """`updates` updates from `replay`, priorities included.

        A second thread draws the next batch meanwhile, and has the target network judge it: results are those of one
        thread, since it waits where this update renews the target network.
        """
        learned, precision = UpdateStats(updates), self.settings.precision
        draws = deque([self.sampler.submit(self._draw, replay)] if updates else [])
        for left in range(updates - 1, -1, -1):
            started = perf_counter()
            batch, out_next = draws.popleft().result()
            renews = (self.updates + 1) % self.settings.target_period == 0
            if left and not renews:
                draws.append(self.sampler.submit(self._draw, replay))
            sampled = perf_counter()
            update = self.update(batch, out_next)
            if left and renews:
                draws.append(self.sampler.submit(self._draw, replay))
            if batch.prioritized:
                wait(draws)  # always draw before the priorities change, so that runs can be repeated
                replay.update_priorities(batch.key, priority_of(update, precision))
            learned.sample_seconds += sampled - started
            learned.update_seconds += perf_counter() - sampled
            if not left:  # one look is enough: reading a GPU's tensors makes it wait
                learned.look(update, batch, precision)
        return learned

    def _draw(self, replay: Replay) -> tuple[Batch, Tensor]:
        batch = replay.sample(self.settings.batch_size)
        return batch, self.bootstrap(batch)

    def sync_target(self) -> None:
        """target <- online."""
        self.target.load_state_dict(self.online.state_dict())

    def weights(self) -> Arrays:
        """A copy of the online network's parameters, on the CPU."""
        return arrays_of(self.online)

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to go on bit for bit."""
        return {
            **{name: arrays_of(getattr(self, name)) for name in NETWORKS},
            "moments": moments_of(self.optimizer),
            "updates": self.updates,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state of a learner of the same shape.

        Raises:
            ValueError: the saved networks are of another kind or for another game.
        """
        for name in NETWORKS:
            load_arrays(getattr(self, name), state[name])
        load_moments(self.optimizer, state["moments"])
        self.updates = int(state["updates"])

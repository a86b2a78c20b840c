"""The one update: a batch in, better Q-values out. Legend: B batch, A actions."""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn

from agents.dqn.feed import Feed, Stopwatch
from agents.dqn.updates import UpdateResult, UpdateStats
from agents.networks.losses import ErrorLoss, clip_reward, importance_weights, n_step_return
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
        self.feed = Feed(self.device, self.bootstrap)

    def precision(self) -> torch.autocast:
        """The context in which networks compute; parameters and losses stay float32."""
        return autocast(self.device, self.settings.precision)

    def bootstrap(self, batch: Batch) -> Tensor:
        """What the target network says of the states where the windows end: [B, A], or [B, A, Z] (`ValueHead`)."""
        with torch.no_grad(), self.precision():
            return self.target.out(batch.next_obs)

    def update(self, batch: Batch, out_next: Tensor | None = None) -> UpdateResult:
        """One gradient step on a batch that lies on the device, whose `bootstrap` may already be known."""
        s, head = self.settings, self.online.head
        out_next = self.bootstrap(batch) if out_next is None else out_next
        with self.precision():
            with torch.no_grad():
                q_select = self.online(batch.next_obs) if s.double else head.q(out_next)
            out_t = self.online.out(batch.obs)
        return_t = n_step_return(clip_reward(batch.reward, s.reward_clip), s.gamma)
        target_t = head.target(return_t, batch.discount, out_next, q_select)
        found = head.loss(out_t, batch.action, target_t, s.loss)
        weight = importance_weights(batch.priority, self.beta(self.updates))
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
        self.updates += 1
        if self.updates % s.target_period == 0:
            self.sync_target()
        if self.updates % AVERAGE_PERIOD == 0 and self.policy is not self.online:
            online = [parameter.detach() for parameter in self.online.parameters()]
            torch._foreach_lerp_(list(self.policy.parameters()), online, s.average_rate)
        return grad_norm

    def train(self, replay: Replay, updates: int) -> UpdateStats:
        """`updates` updates from `replay`, priorities included.

        The feed draws the next batch meanwhile, and has the target network judge it: results are those of one thread,
        since it is asked later where this update renews the target network.
        """
        learned, precision, size = UpdateStats(updates), self.settings.precision, self.settings.batch_size
        watch, told = Stopwatch(self.device), deque[Future[None]]()
        watch.mark()
        asked = deque([self.feed.ask(replay, size)] if updates else [])
        for left in range(updates - 1, -1, -1):
            batch, out_next = self.feed.take(asked.popleft())
            if len(told) > 1:
                told.popleft().result()  # it stood before this batch: nobody waits
            renews = (self.updates + 1) % self.settings.target_period == 0
            if left and not renews:
                asked.append(self.feed.ask(replay, size))
            watch.mark()
            update = self.update(batch, out_next)
            watch.mark()
            if left and renews:
                asked.append(self.feed.ask(replay, size))
            if batch.prioritized:  # always draw before the priorities change, so that runs can be repeated
                told.append(self.feed.tell(replay, batch, update, precision))
            if not left:  # one look is enough: reading a GPU's tensors makes it wait
                for each in told:
                    each.result()
                learned.look(update, batch, precision)
        laps = watch.laps()
        learned.sample_seconds, learned.update_seconds = sum(laps[0::2]), sum(laps[1::2])
        return learned

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

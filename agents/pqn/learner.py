"""The PQN learner. Legend: T time, E envs, N transitions of a rollout, B minibatch, A actions."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from agents.acting.policy import QPolicy
from agents.networks.heads import TAKEN
from agents.networks.losses import td_error
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.pqn.experience import Experience
from agents.pqn.returns import lambda_returns
from agents.updates import UpdateResult, UpdateStats
from envs.base import EnvSpec
from training.arrays import Arrays, arrays_of, load_arrays, load_moments, moments_of
from training.device import Precision, autocast, check_device, resolve_device, resolve_precision
from training.optimizers import RAdam
from training.seeding import torch_seed
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class PqnLearnerSettings:
    """Rollout and optimisation settings."""

    num_envs: int = 128  # E, parallel games: their diversity replaces a replay
    env_threads: int = 2  # emulator threads of a process
    steps: int = 32  # T, time steps of a rollout in every env
    epochs: int = 2  # passes over each rollout
    minibatches: int = 32  # minibatches of an epoch, one update each
    gamma: float = 0.99
    trace: float = 0.65  # lambda of Q(lambda): 0 is one-step, 1 the return to the end of the rollout
    learning_rate: float = 2.5e-4
    anneal: bool = False  # decay the learning rate linearly, to 0 at stop.steps
    max_grad_norm: float = 10.0
    reward_clip: float = 1.0  # bound of the rewards that are learned; 0 leaves them raw
    precision: Precision = "auto"  # auto: bf16 where that is faster
    device: str = "auto"  # auto: cuda where there is one, else cpu
    threads: int = 1  # torch threads on a CPU; more are slower when other processes use the cores

    def __post_init__(self) -> None:
        check_kinds(self, "learner")
        for name in ("num_envs", "env_threads", "steps", "epochs", "minibatches", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"learner.{name} is {getattr(self, name)}: use 1 or more")
        if not (0 <= self.gamma <= 1 and 0 <= self.trace <= 1):
            raise ValueError(f"learner.gamma and trace are {self.gamma} and {self.trace}: both lie in 0..1")
        if not (self.learning_rate > 0 and self.max_grad_norm > 0):
            raise ValueError("learner.learning_rate and max_grad_norm must be above 0")
        if self.reward_clip < 0:
            raise ValueError("learner.reward_clip is a bound: 0 (raw rewards) or more")
        check_device("learner", self.device)


class PqnLearner:
    """One network, for acting, training and bootstrap values; its optimiser; the generator of its minibatches."""

    def __init__(self, settings: PqnLearnerSettings, network: NetworkSettings, spec: EnvSpec, *, seed: int) -> None:
        self.settings, self.device = settings, resolve_device(settings.device, "learner.device")
        self.precision = resolve_precision(settings.precision, self.device)
        with torch_seed(seed):
            self.network = QNetwork(network, spec.frame_shape, spec.num_actions).to(self.device)
        self.optimizer = RAdam(self.network.parameters(), settings.learning_rate)
        self.rng = np.random.default_rng([seed, 1])  # rollouts use [seed, first lane] for exploration
        self.updates = 0

    def policy(self) -> QPolicy:
        """Return a policy that shares the network's current parameters, for acting and evaluation."""
        return QPolicy(self.network, precision=self.precision, device=self.device)

    def weights(self) -> Arrays:
        """Return a copy of the network's parameters, on the CPU."""
        return arrays_of(self.network)

    def learn(self, seen: Experience, done: float) -> UpdateStats:
        """Do all updates from a rollout; targets are computed once, from the values of the acting network.

        Args:
            done: progress of the training, 0..1, for an annealed learning rate.

        Raises:
            FloatingPointError: the loss of the last update is not finite.
        """
        s, started = self.settings, perf_counter()
        reward = seen.reward.clip(-s.reward_clip, s.reward_clip) if s.reward_clip else seen.reward
        target = lambda_returns(reward, seen.terminal, seen.complete, seen.value, s.gamma, s.trace)
        obs = torch.from_numpy(seen.obs).flatten(0, 1).to(self.device)
        action = torch.from_numpy(seen.action.astype(np.int64)).flatten().to(self.device)
        target_t = torch.from_numpy(target).flatten().to(self.device)
        rows = np.flatnonzero(seen.complete)
        for group in self.optimizer.param_groups:
            group["lr"] = s.learning_rate * (1.0 - done if s.anneal else 1.0)
        prepared = perf_counter()

        for _ in range(s.epochs):
            for share in np.array_split(self.rng.permutation(rows), s.minibatches):
                batch = torch.from_numpy(share).to(self.device)
                with autocast(self.device, self.precision):
                    q_t = self.network(obs[batch])
                error = td_error(q_t, action[batch], target_t[batch])
                loss = 0.5 * error.square().mean()

                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                grad_norm = nn.utils.clip_grad_norm_(self.network.parameters(), s.max_grad_norm)
                self.optimizer.step()
        updates = s.epochs * s.minibatches
        self.updates += updates
        learned = UpdateStats(updates, sample_seconds=prepared - started, update_seconds=perf_counter() - prepared)
        td, metrics = error.detach(), {"loss": loss.detach(), "grad_norm": grad_norm}
        learned.look(UpdateResult(None, metrics, {"td_error": td, TAKEN: target_t[batch] - td}), self.precision)
        return learned

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit."""
        return {
            "policy": arrays_of(self.network),
            "moments": moments_of(self.optimizer),
            "rng": self.rng.bit_generator.state,
            "updates": self.updates,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the learner from `state`.

        Raises:
            ValueError: the saved network is of another kind or for another game.
        """
        load_arrays(self.network, state["policy"])
        load_moments(self.optimizer, state["moments"])
        self.rng.bit_generator.state = state["rng"]
        self.updates = int(state["updates"])

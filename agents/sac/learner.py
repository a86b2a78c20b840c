"""The CrossQ learner: every update trains the critics, every few updates also the actor. Legend: B batch."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from agents.networks.heads import TAKEN
from agents.networks.losses import n_step_return
from agents.replay.transitions import Batch, Replay, to_device
from agents.sac.gaussian import Sampled, sample_tanh_gaussian, temperature_loss
from agents.sac.learner_settings import SacLearnerSettings
from agents.sac.networks import Actor, BatchRenorm, Critic, SacNetworkSettings
from agents.updates import UpdateResult, UpdateStats
from envs.base import EnvSpec
from training.arrays import Arrays, arrays_of, load_arrays, load_moments, moments_of
from training.device import autocast, resolve_device, resolve_precision
from training.optimizers import Adam
from training.seeding import torch_seed

CRITICS = 2


class SacLearner:
    """Actor, two critics, temperature, their optimiser, and the generator of the updates' noise."""

    def __init__(self, settings: SacLearnerSettings, network: SacNetworkSettings, spec: EnvSpec, *, seed: int) -> None:
        self.settings, self.device = settings, resolve_device(settings.device, "learner.device")
        self.precision = resolve_precision(settings.precision, self.device)
        with torch_seed(seed):
            self.online = Actor(network, spec.frame_shape, spec.joints).to(self.device)
            self.critics = nn.ModuleList([Critic(network, spec.frame_shape, spec.joints) for _ in range(CRITICS)])
        self.critics.to(self.device)
        self.policy = self.target = self.online  # one network for the three of `agents.dqn.learner.Learner`
        self.log_temperature = nn.Parameter(torch.zeros((), device=self.device))
        self.target_entropy = settings.target_entropy * spec.joints
        trained: list[dict[str, Any]] = [
            {"params": [*self.critics.parameters(), *self.online.parameters()]},
            {"params": [self.log_temperature], "betas": (0.9, 0.999)},
        ]
        betas = (settings.adam_beta1, 0.999)
        self.optimizer = Adam(trained, settings.learning_rate, betas=betas, fused=True)
        self.noise = torch.Generator(self.device).manual_seed(seed)
        self.updates = 0
        self.entropy = torch.zeros((), device=self.device)  # of the policy at the last update of the actor
        self._enable_renorm()

    def update(self, batch: Batch) -> UpdateResult:
        """Update the critics on a batch on the device, and after every `policy_delay` updates the actor.

        Both states of a transition pass a critic in one batch, so that they share its statistics, which makes a target
        network unnecessary (Bhatt et al. 2024, section 3).
        """
        s = self.settings
        with torch.no_grad(), autocast(self.device, self.precision):
            following = self._sample(batch.next_obs, learns=False)
        obs, action = torch.cat([batch.obs, batch.next_obs]), torch.cat([batch.action, following.action])
        with autocast(self.device, self.precision):
            q = torch.stack([critic(obs, action, learns=True) for critic in self.critics])  # [2, 2 B]
        q_t, q_next = q.chunk(2, dim=1)
        with torch.no_grad():
            value_next = q_next.amin(0) - self.log_temperature.exp() * following.log_prob
            target_t = n_step_return(batch.reward, s.gamma) + batch.discount * value_next
        error = target_t - q_t
        loss = 0.5 * error.square().mean(1).sum()

        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        grad_norm = nn.utils.clip_grad_norm_(self.critics.parameters(), s.max_grad_norm)
        self.optimizer.step()  # skips actor and temperature, which have no gradients
        self.updates += 1
        if self.updates % s.policy_delay == 0:
            self._update_actor(batch.obs)
        if self.updates == s.renorm_updates:
            self._enable_renorm()
        metrics = {"loss": loss.detach(), "grad_norm": grad_norm, "entropy": self.entropy}
        metrics["temperature"] = self.log_temperature.detach().exp()
        return UpdateResult(None, metrics, {"td_error": error[0].detach(), TAKEN: q_t[0].detach()})

    def _sample(self, obs: Tensor, *, learns: bool) -> Sampled:
        """Sample torques of the policy for obs [B, 1, K, D]."""
        mean, log_std = self.online(obs, learns=learns)
        noise = torch.randn(mean.shape, generator=self.noise, device=mean.device)
        return sample_tanh_gaussian(mean, log_std, noise)

    def _update_actor(self, obs: Tensor) -> None:
        """Update actor and temperature; the critics use their running statistics and do not change."""
        with autocast(self.device, self.precision):
            drawn = self._sample(obs, learns=True)
            q = torch.stack([critic(obs, drawn.action) for critic in self.critics]).amin(0)
        loss = (self.log_temperature.detach().exp() * drawn.log_prob - q).mean()
        self.entropy = -drawn.log_prob.detach().mean()
        whole = loss + temperature_loss(self.log_temperature, self.entropy, self.target_entropy)

        self.optimizer.zero_grad(set_to_none=True)
        moved_by = [*self.online.parameters(), self.log_temperature]
        for parameter, gradient in zip(moved_by, torch.autograd.grad(whole, moved_by), strict=True):
            parameter.grad = gradient
        self.optimizer.step()

    def _enable_renorm(self) -> None:
        """Switch every norm from batch norm to batch renorm after `renorm_updates` updates."""
        for module in (*self.online.modules(), *self.critics.modules()):
            if isinstance(module, BatchRenorm):
                module.renorm_enabled = self.updates >= self.settings.renorm_updates

    def train(self, replay: Replay, updates: int) -> UpdateStats:
        """Do `updates` updates from `replay`."""
        learned = UpdateStats(updates)
        for left in range(updates - 1, -1, -1):
            started = perf_counter()
            batch = to_device(replay.sample(self.settings.batch_size), self.device)
            sampled = perf_counter()
            update = self.update(batch)
            learned.sample_seconds += sampled - started
            learned.update_seconds += perf_counter() - sampled
            if not left:  # only once: reading tensors of a GPU synchronizes with it
                learned.look(update, self.precision, batch.version)
        return learned

    def weights(self) -> Arrays:
        """Return a copy of the actor's parameters and statistics, on the CPU."""
        return arrays_of(self.online)

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to resume bit for bit."""
        return {
            "policy": arrays_of(self.online),
            "critics": arrays_of(self.critics),
            "log_temperature": self.log_temperature.detach().cpu().numpy(),
            "entropy": self.entropy.cpu().numpy(),
            "moments": moments_of(self.optimizer),
            "noise": self.noise.get_state().numpy(),
            "updates": self.updates,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the learner from `state`; noise from another kind of device is seeded anew.

        Raises:
            ValueError: the saved networks are of another kind or for another env.
        """
        load_arrays(self.online, state["policy"])
        load_arrays(self.critics, state["critics"])
        with torch.no_grad():
            self.log_temperature.fill_(float(state["log_temperature"]))
        self.entropy = torch.tensor(float(state["entropy"]), device=self.device)
        load_moments(self.optimizer, state["moments"])
        self.updates = int(state["updates"])
        noise = torch.from_numpy(state["noise"].copy())
        if noise.shape == self.noise.get_state().shape:
            self.noise.set_state(noise)
        else:  # saved on another kind of device
            self.noise.manual_seed(self.noise.initial_seed() + self.updates)
        self._enable_renorm()

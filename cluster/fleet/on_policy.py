"""The main loop of an on-policy fleet: all runners play with the newest weights, then the learner trains on it all.

Playing and learning alternate, so all data comes from the newest weights, which are sent with the requests.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import ray
import torch

from agents.acting.exploration import greedy_epsilon
from agents.acting.policy import QPolicy
from agents.parts import parts_of
from agents.pqn.experience import concatenated, stacked
from agents.pqn.run import PqnRun
from agents.pqn.settings import PqnSettings
from agents.stats import RunStats
from cluster.fleet import placement
from cluster.fleet.compression import unpack
from cluster.fleet.on_policy_runner import OnPolicyRunner
from cluster.fleet.runners import POLL, Runners
from cluster.fleet.silence import SilenceWatch
from cluster.fleet.waiting import connect, waiting_for_nodes
from envs.registry import read_spec
from training.settings import to_dict
from training.storage import checkpoint

STEP_SECONDS = 1.0  # a step waits for rollouts at most, so that the session can react to interrupts
LATE_SECONDS = 30.0  # minimum wait for missing rollouts after a turn's first, else as long as that took


class OnPolicyLoop:
    """Distributed PQN with the interface of `agents.pqn.serial.SerialLoop`; the learner is in this process."""

    def __init__(self, settings: PqnSettings) -> None:
        self.settings, self.connected = connect(settings)
        s, self.closed = self.settings, False
        torch.set_num_threads(s.learner.threads)
        self.learner = parts_of(s).make_learner(s, read_spec(s.env))
        self.stats = RunStats()
        actors = start_runners(s)
        self.runners = Runners(actors, in_flight=1)
        with waiting_for_nodes(s):
            self.runners.wait_for_one()
        self.watch = SilenceWatch({f"runner {number}": actor for number, actor in enumerate(actors, 1)})
        self.turn = 0
        self.rollouts: list[dict[str, Any]] = []  # received in this turn
        self.held: set[int] = set()  # runners with a pending rollout of an earlier turn, which are not waited for
        self.asked = self.late = 0.0  # times of this turn's requests and of its deadline

    def step(self) -> None:
        """Collect rollouts and learn from them; return after `STEP_SECONDS` if rollouts are still missing."""
        s, rollouts = self.settings, self._collect()
        if not rollouts:
            return
        for rollout in rollouts:
            self.stats.add_chunk(rollout["chunk_stats"], greedy_epsilon(s.exploration, s.learner.num_envs))
            self.stats.note_all(rollout["sent"].per_step(rollout["chunk_stats"].agent_steps))
        seen = concatenated([stacked(unpack(rollout["chunk"])) for rollout in rollouts])
        self.stats.add_updates(self.learner.learn(seen, min(self.stats.agent_steps / s.stop.steps, 1.0)))
        self.stats.note_all(self.runners.health())

    def _collect(self) -> list[dict[str, Any]]:
        """Return this turn's rollouts, sorted by runner, once those of all responsive runners are there; else none."""
        if not self.rollouts and not self._awaited():
            self._ask()
        until = time.monotonic() + STEP_SECONDS
        while (now := time.monotonic()) < until:
            if not self.runners.waiting() and not self.rollouts:
                time.sleep(POLL)  # all runners are lost
            for answer in self.runners.chunks():
                if answer["turn"] == self.turn:
                    self.rollouts.append(answer)
                    self.late = min(self.late, now + max(LATE_SECONDS, now - self.asked))
            if self.rollouts and (not self._awaited() or now > self.late):
                found, self.rollouts, self.held = self.rollouts, [], self.runners.owing()
                return sorted(found, key=lambda rollout: int(rollout["runner"]))
        return []

    def _awaited(self) -> set[int]:
        """Return the runners with a pending rollout of this turn; release held ones that are idle again."""
        owing = self.runners.owing()
        self.held &= owing
        return owing - self.held

    def _ask(self) -> None:
        """Begin a turn: request a rollout with the newest weights from every idle runner."""
        self.runners.probe_lost()
        self.turn, self.held = self.turn + 1, self.runners.owing()
        self.asked, self.late = time.monotonic(), math.inf
        request = {"weights": [ray.put(self.learner.weights())], "turn": self.turn}
        home = str(ray.get_runtime_context().get_node_id())
        self.runners.ask({**request, "agent_steps": self.stats.agent_steps, "home": home})

    def policy(self) -> QPolicy:
        """Return the policy to evaluate."""
        policy: QPolicy = self.learner.policy()
        return policy

    def save(self, folder: Path) -> Path:
        """Write a checkpoint under `folder`. Running episodes continue and are not saved."""
        state = {"settings": to_dict(self.settings), "stats": self.stats.state(), "learner": self.learner.state()}
        return checkpoint.save_next(folder, self.stats.agent_steps, state)

    def load(self, path: Path) -> None:
        """Restore a checkpoint; pending rollouts are discarded."""
        state = checkpoint.load(path)
        self.learner.load_state(state["learner"])
        self.stats.load_state(state["stats"])
        self.turn, self.held, self.rollouts = self.turn + 1, self.runners.owing(), []

    def close(self) -> None:
        """Stop all processes that this run started. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self.watch.stop()
        self.runners.end()
        if self.connected:
            ray.shutdown()


def start_runners(settings: PqnSettings) -> list[Any]:
    """Start the runners as actors with one core each, which Ray restarts when they are lost."""
    place = {"num_cpus": 1, "resources": placement.unit(settings, placement.RUNNER)}
    actor = ray.remote(max_restarts=-1, max_task_retries=0, **place)(OnPolicyRunner)
    return [actor.remote(settings, number + 1) for number in range(settings.fleet.runners)]


def make_run(settings: PqnSettings, defaults: PqnSettings, folder: Path) -> PqnRun:
    """Create a run of PQN on a fleet, on the connected cluster or a new local one."""
    return PqnRun(OnPolicyLoop(settings), settings, defaults, serial=False)


def bundles(settings: PqnSettings) -> list[dict[str, float]]:
    """Return the resources of a fleet: a bundle for the main process, then one per runner."""
    runner = {"CPU": 1.0, **placement.unit(settings, placement.RUNNER)}
    return [{"CPU": 1.0}, *([runner] * settings.fleet.runners)]


def requires_fleet(settings: PqnSettings) -> bool:
    """Return whether the settings need a fleet: never, results do not depend on the number of runners."""
    return False

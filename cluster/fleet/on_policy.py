"""The main loop of an on-policy fleet: all runners play with the newest weights, then all that was played is learned.

One after the other: no game goes on while the learner learns, so nothing is learned from that older weights have
played. The weights travel with the request, and no store is asked for others.
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
from agents.pqn.experience import joined, stacked
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

STEP_SECONDS = 1.0  # that a step waits for rollouts; then the session may look at what a person wants
LATE_SECONDS = 30.0  # behind the first rollout of a turn, after which the others do without one that has not come


class OnPolicyLoop:
    """The distributed loop with the face of `agents.pqn.serial.SerialLoop`. The learner is in this process."""

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
        self.rollouts: list[dict[str, Any]] = []  # of this turn, as far as they have come
        self.held: set[int] = set()  # runners that still owe the rollout of an earlier turn: nobody waits for them
        self.asked = self.late = 0.0  # when this turn's were asked for, and when the missing ones are given up

    def step(self) -> None:
        """One turn: collect, learn. While rollouts are still on their way, a second of waiting for them."""
        s, rollouts = self.settings, self._collect()
        if not rollouts:
            return
        for rollout in rollouts:
            self.stats.add_chunk(rollout["chunk_stats"], greedy_epsilon(s.exploration, s.learner.num_envs))
            self.stats.note_all(rollout["sent"].per_step(rollout["chunk_stats"].agent_steps))
        seen = joined([stacked(unpack(rollout["chunk"])) for rollout in rollouts])
        self.stats.add_updates(self.learner.learn(seen, min(self.stats.agent_steps / s.stop.steps, 1.0)))
        self.stats.note_all(self.runners.health())

    def _collect(self) -> list[dict[str, Any]]:
        """This turn's rollouts, by runner, once there is one of every runner that is not lost or late; else none."""
        if not self.rollouts and not self._awaited():
            self._ask()
        until = time.monotonic() + STEP_SECONDS
        while (now := time.monotonic()) < until:
            if not self.runners.waiting() and not self.rollouts:
                time.sleep(POLL)  # nobody is there
            for answer in self.runners.chunks():
                if answer["turn"] == self.turn:
                    self.rollouts.append(answer)
                    self.late = min(self.late, now + max(LATE_SECONDS, now - self.asked))
            if self.rollouts and (not self._awaited() or now > self.late):
                found, self.rollouts, self.held = self.rollouts, [], self.runners.owing()
                return sorted(found, key=lambda rollout: int(rollout["runner"]))
        return []

    def _awaited(self) -> set[int]:
        """Runners that owe this turn's rollout. One held is free once its old one came or is lost."""
        owing = self.runners.owing()
        self.held &= owing
        return owing - self.held

    def _ask(self) -> None:
        """Begin a turn: send the newest weights to every runner that is there and owes nothing."""
        self.runners.probe_lost()
        self.turn, self.held = self.turn + 1, self.runners.owing()
        self.asked, self.late = time.monotonic(), math.inf
        request = {"weights": [ray.put(self.learner.weights())], "turn": self.turn}
        home = str(ray.get_runtime_context().get_node_id())
        self.runners.ask({**request, "agent_steps": self.stats.agent_steps, "home": home})

    def policy(self) -> QPolicy:
        """The policy to judge."""
        policy: QPolicy = self.learner.policy()
        return policy

    def save(self, folder: Path) -> Path:
        """Checkpoint what was learned under `folder`. Episodes go on, and are not saved."""
        state = {"settings": to_dict(self.settings), "stats": self.stats.state(), "learner": self.learner.state()}
        return checkpoint.save_next(folder, self.stats.agent_steps, state)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; what is played just now counts for nothing."""
        state = checkpoint.load(path)
        self.learner.load_state(state["learner"])
        self.stats.load_state(state["stats"])
        self.turn, self.held, self.rollouts = self.turn + 1, self.runners.owing(), []

    def close(self) -> None:
        """Stop every process that this run started. Once that is done, a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        self.watch.stop()
        self.runners.end()
        if self.connected:
            ray.shutdown()


def start_runners(settings: PqnSettings) -> list[Any]:
    """The fleet's runners as actors of a core each, which Ray starts again when they are lost."""
    place = {"num_cpus": 1, "resources": placement.unit(settings, placement.RUNNER)}
    actor = ray.remote(max_restarts=-1, max_task_retries=0, **place)(OnPolicyRunner)
    return [actor.remote(settings, number + 1) for number in range(settings.fleet.runners)]


def make_run(settings: PqnSettings, usual: PqnSettings, folder: Path) -> PqnRun:
    """PQN by a fleet, on the cluster that is connected or one of its own."""
    return PqnRun(OnPolicyLoop(settings), settings, usual, serial=False)


def bundles(settings: PqnSettings) -> list[dict[str, float]]:
    """What a fleet reserves: its main process, then one bundle for every runner."""
    runner = {"CPU": 1.0, **placement.unit(settings, placement.RUNNER)}
    return [{"CPU": 1.0}, *([runner] * settings.fleet.runners)]


def shares_out(settings: PqnSettings) -> bool:
    """Whether there is something that only a fleet does: no, however many runners play, the games are the same."""
    return False

"""The driver's view of its runners: whom it asks, what comes back, who fails, and how all of them end."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray.rllib.utils.actor_manager import FaultTolerantActorManager

from cluster.errors import FleetError
from cluster.fleet.silence import SILENT_SECONDS
from cluster.lost import LOST, never_starts
from cluster.rllib import user_envs
from training.messages import one_line, say

POLL = 0.005  # seconds between two looks for chunks when no update is due
LIVES = 3  # times in a row that a runner, or its environment, may fail before it has handed over a chunk
PROBE_SECONDS = 2.0  # between two looks whether lost runners are back: each look waits a little for an answer
PROBE_WAIT = 0.5  # seconds
END_SECONDS = 5.0  # in which a runner may close its env at the end; afterwards it is killed


def start_runners(config: Any) -> list[Any]:
    """The runners of a `QuarterdeckConfig` as actors, which Ray starts again when they are lost."""
    place = {"num_cpus": config.num_cpus_per_env_runner, "resources": config.custom_resources_per_env_runner}
    actor = ray.remote(max_restarts=-1, **place)(config.runner_cls)
    settings, announce = config.to_settings(), user_envs.announcement(config)
    # In a trial of Tune's, the bundles after the first are the runners', in their order.
    bundled = ray.util.get_current_placement_group() is not None
    return [
        actor.options(placement_group_bundle_index=number if bundled else -1).remote(settings, number, announce)
        for number in range(1, config.num_env_runners + 1)
    ]


class Runners:
    """RLlib's manager of the runners' actors, with its errors told. Nothing waits for a runner that does not answer."""

    def __init__(self, actors: list[Any], in_flight: int) -> None:
        """`in_flight`: chunks that a runner may owe at a time."""
        self.manager = FaultTolerantActorManager(actors, max_remote_requests_in_flight_per_actor=in_flight, init_id=1)
        self.failures: dict[int, int] = {}  # by runner from 1: since its last chunk
        self.away: set[int] = set()  # runners whose loss has been told
        self.heard: set[int] = set()  # runners that answer: RLlib takes one without a place, or frozen, for healthy
        self.quiet = 0.0  # seconds of waiting in which nobody has answered
        self.unarmed = False  # whether a runner found no weights to play with
        self.probed = 0.0  # when it was last looked for lost runners

    def wait_for_one(self) -> None:
        """Return once one of them is there, or cannot start; one is enough to begin with."""
        if pings := {actor.ping.remote(): number for number, actor in self.manager.actors().items()}:
            self.heard.update(pings[answer] for answer in ray.wait(list(pings))[0])

    def waiting(self) -> int:
        """Chunks that runners owe."""
        return int(self.manager.num_outstanding_async_reqs("sample"))

    def expected(self) -> int:
        """Chunks that runners owe which are there: nobody waits for the others'.

        Where nobody has answered for long, and somebody stands idle, whoever owes a chunk is named, and is not there
        until it answers. Where all owe one they may be slow, and nobody is held up.
        """
        owing = self._owing()
        if self.quiet >= SILENT_SECONDS and self.heard.difference(owing):
            for number in sorted(self.heard.intersection(owing)):
                say(f"runner {number} has not answered for {SILENT_SECONDS:.0f} s; nobody waits for it")
            self.heard.difference_update(owing)
        return sum(number in self.heard for number in owing)

    def owing(self) -> set[int]:
        """Numbers of the runners that owe a chunk."""
        return set(self._owing())

    def _owing(self) -> list[int]:
        flying = self.manager._in_flight_req_to_actor_id.values()  # RLlib tells how many, and not whose
        return [number for tag, number in flying if tag == "sample"]

    def ask(self, request: dict[str, Any]) -> None:
        """Ask every healthy runner for a chunk, as long as it owes fewer than the manager allows."""
        if self.manager.foreach_actor_async("sample", tag="sample", kwargs=request):
            self.quiet = 0.0

    def probe_lost(self, wait: float = PROBE_WAIT) -> list[int]:
        """Look for lost runners -> the numbers of those that are back.

        They need no state: the next request carries all they use. `wait`: seconds for their answer, now and then.
        """
        if self.manager.num_healthy_actors() == self.manager.num_actors():
            return []
        if time.monotonic() - self.probed < PROBE_SECONDS:
            return []
        self.probed = time.monotonic()
        return list(self.manager.probe_unhealthy_actors(timeout_seconds=wait, mark_healthy=True))

    def health(self) -> dict[str, float]:
        """How the runners do, by TensorBoard's names."""
        alive = self.heard.intersection(self.manager.healthy_actor_ids())
        return {"fleet/runners_alive": len(alive), "fleet/runner_restarts": self.manager.total_num_restarts()}

    def play(self, runner: Any, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunk of a fleet that has only `runner`, which is in this process."""
        answer = runner.sample(**request)
        if "error" in answer:
            raise FleetError(f"the environment failed: {one_line(answer['error'])}") from answer["error"]
        return self._chunks([(0, answer)])

    def chunks(self) -> list[dict[str, Any]]:
        """What has come back by now, frames as references; waits `POLL` seconds if that is nothing.

        Raises:
            FleetError: a runner or its environment fails again and again, or a runner cannot start.
        """
        manager, answers = self.manager, []
        lost: dict[int, Exception] = {}  # whoever fails over all that it owes has failed once
        # RLlib waits for all requests or until the time is up, so look first and wait a little only then.
        ready = list(manager.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=0)) or (
            list(manager.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=POLL))
        )
        self.quiet = 0.0 if ready else self.quiet + POLL
        for result in ready:
            if result.ok:
                self.heard.add(result.actor_id)
                answers.append((result.actor_id, result.get()))
            else:
                lost.setdefault(result.actor_id, result.get())
        found = self._chunks(answers)
        for number, error in lost.items():
            self._lost(number, error)
        return found

    def _chunks(self, answers: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
        found = []
        self.unarmed = False
        for number, answer in answers:
            if "error" in answer:
                self._failed(number, answer["error"], f"the environment of runner {number}", "the runner starts again")
            elif "chunk" in answer:
                found.append(answer)
                self.failures.pop(number, None)
                self.away.discard(number)
            else:
                self.unarmed = True
        return found

    def _failed(self, number: int, error: Exception, who: str, then: str) -> None:
        self.failures[number] = self.failures.get(number, 0) + 1
        if self.failures[number] >= LIVES:
            raise FleetError(f"{who} failed {LIVES} times without a chunk between: {one_line(error)}") from error
        say(f"{who} failed, {then}: {one_line(error)}")
        self.away.add(number)

    def _lost(self, number: int, error: Exception) -> None:
        if cause := never_starts(error):
            raise FleetError(f"runner {number} cannot start: {one_line(cause)}") from cause
        if not isinstance(error, (*LOST, ray.exceptions.ObjectLostError)):  # its own, outside its environment
            self._failed(number, getattr(error, "cause", None) or error, f"runner {number}", "it is asked again")
        elif number not in self.away:
            self.away.add(number)
            say(f"runner {number} was lost; the others go on, and Ray starts it again")

    def end(self) -> None:
        """Let every runner close its env, and kill those that are frozen, busy for long or still without a place."""
        self.manager.foreach_actor(lambda runner: runner.stop(), healthy_only=False, timeout_seconds=END_SECONDS)
        self.manager.clear()

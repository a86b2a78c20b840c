"""The driver's manager of runner actors: requests, results, failures and shutdown."""

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

POLL = 0.005  # seconds to wait for chunks when no update is due
MAX_FAILURES = 3  # consecutive failures of a runner or its env without a chunk that end the run
PROBE_SECONDS = 2.0  # between two probes of lost runners, each of which blocks for up to PROBE_WAIT
PROBE_WAIT = 0.5  # seconds
END_SECONDS = 5.0  # for runners to close their envs before they are killed


def start_runners(config: Any) -> list[Any]:
    """Start the runners of a `QuarterdeckConfig` as actors that Ray restarts when they are lost."""
    place = {"num_cpus": config.num_cpus_per_env_runner, "resources": config.custom_resources_per_env_runner}
    actor = ray.remote(max_restarts=-1, **place)(config.runner_cls)
    settings, announce = config.to_settings(), user_envs.announcement(config)
    # In a Tune trial, the bundles after the first belong to the runners, in order.
    bundled = ray.util.get_current_placement_group() is not None
    return [
        actor.options(placement_group_bundle_index=number if bundled else -1).remote(settings, number, announce)
        for number in range(1, config.num_env_runners + 1)
    ]


class Runners:
    """RLlib's actor manager of the runners with error reports; unresponsive runners are not waited for."""

    def __init__(self, actors: list[Any], in_flight: int) -> None:
        """`in_flight`: maximum number of pending requests per runner."""
        self.manager = FaultTolerantActorManager(actors, max_remote_requests_in_flight_per_actor=in_flight, init_id=1)
        self.failures: dict[int, int] = {}  # by runner from 1, since its last chunk
        self.reported_lost: set[int] = set()  # runners whose loss was reported
        self.responsive: set[int] = set()  # responsive runners; RLlib counts unscheduled and frozen ones as healthy
        self.quiet = 0.0  # seconds of waiting since the last answer of any runner
        self.lacks_weights = False  # whether a runner has no weights yet
        self.probed = 0.0  # time of the last probe of lost runners

    def wait_for_one(self) -> None:
        """Wait until one runner has started or failed to start; training can begin with one."""
        if pings := {actor.ping.remote(): number for number, actor in self.manager.actors().items()}:
            self.responsive.update(pings[answer] for answer in ray.wait(list(pings))[0])

    def waiting(self) -> int:
        """Return the number of pending chunks."""
        return int(self.manager.num_outstanding_async_reqs("sample"))

    def expected(self) -> int:
        """Return the number of pending chunks of responsive runners.

        If no runner has answered for `SILENT_SECONDS` and some are idle, all runners with pending chunks are reported
        and count as unresponsive until they answer. If all have pending chunks, they may just be slow.
        """
        owing = self._owing()
        if self.quiet >= SILENT_SECONDS and self.responsive.difference(owing):
            for number in sorted(self.responsive.intersection(owing)):
                say(f"runner {number} has not answered for {SILENT_SECONDS:.0f} s; continuing without it")
            self.responsive.difference_update(owing)
        return sum(number in self.responsive for number in owing)

    def owing(self) -> set[int]:
        """Return the numbers of the runners with pending chunks."""
        return set(self._owing())

    def _owing(self) -> list[int]:
        flying = self.manager._in_flight_req_to_actor_id.values()  # RLlib has no public method that names the actors
        return [number for tag, number in flying if tag == "sample"]

    def ask(self, request: dict[str, Any]) -> None:
        """Request a chunk from every healthy runner below its limit of pending requests."""
        if self.manager.foreach_actor_async("sample", tag="sample", kwargs=request):
            self.quiet = 0.0

    def probe_lost(self, wait: float = PROBE_WAIT) -> list[int]:
        """Probe lost runners, at most every `PROBE_SECONDS`; return the numbers of those that are back.

        They need no state: requests carry everything. `wait`: seconds to wait for their answers.
        """
        if self.manager.num_healthy_actors() == self.manager.num_actors():
            return []
        if time.monotonic() - self.probed < PROBE_SECONDS:
            return []
        self.probed = time.monotonic()
        return list(self.manager.probe_unhealthy_actors(timeout_seconds=wait, mark_healthy=True))

    def health(self) -> dict[str, float]:
        """Return the health of the runners, by TensorBoard tag."""
        alive = self.responsive.intersection(self.manager.healthy_actor_ids())
        return {"fleet/runners_alive": len(alive), "fleet/runner_restarts": self.manager.total_num_restarts()}

    def play(self, runner: Any, request: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a chunk of `runner`, the only one of the fleet, in this process."""
        answer = runner.sample(**request)
        if "error" in answer:
            raise FleetError(f"the environment failed: {one_line(answer['error'])}") from answer["error"]
        return self._chunks([(0, answer)])

    def chunks(self) -> list[dict[str, Any]]:
        """Return the chunks that have arrived, frames as references; wait `POLL` seconds if there are none.

        Raises:
            FleetError: a runner or its env failed `MAX_FAILURES` times in a row, or a runner cannot start.
        """
        manager, answers = self.manager, []
        lost: dict[int, Exception] = {}  # several failed requests of a runner are one failure
        # With a timeout RLlib waits for all requests, so poll without one first.
        ready = list(manager.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=0)) or (
            list(manager.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=POLL))
        )
        self.quiet = 0.0 if ready else self.quiet + POLL
        for result in ready:
            if result.ok:
                self.responsive.add(result.actor_id)
                answers.append((result.actor_id, result.get()))
            else:
                lost.setdefault(result.actor_id, result.get())
        found = self._chunks(answers)
        for number, error in lost.items():
            self._lost(number, error)
        return found

    def _chunks(self, answers: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
        found = []
        self.lacks_weights = False
        for number, answer in answers:
            if "error" in answer:
                self._failed(number, answer["error"], f"the environment of runner {number}", "the runner starts again")
            elif "chunk" in answer:
                found.append(answer)
                self.failures.pop(number, None)
                self.reported_lost.discard(number)
            else:
                self.lacks_weights = True
        return found

    def _failed(self, number: int, error: Exception, who: str, then: str) -> None:
        self.failures[number] = self.failures.get(number, 0) + 1
        if self.failures[number] >= MAX_FAILURES:
            raise FleetError(f"{who} failed {MAX_FAILURES} times without a chunk between: {one_line(error)}") from error
        say(f"{who} failed, {then}: {one_line(error)}")
        self.reported_lost.add(number)

    def _lost(self, number: int, error: Exception) -> None:
        if cause := never_starts(error):
            raise FleetError(f"runner {number} cannot start: {one_line(cause)}") from cause
        if not isinstance(error, (*LOST, ray.exceptions.ObjectLostError)):  # its own, outside its environment
            self._failed(number, getattr(error, "cause", None) or error, f"runner {number}", "retrying")
        elif number not in self.reported_lost:
            self.reported_lost.add(number)
            say(f"runner {number} was lost; the others continue, and Ray restarts it")

    def end(self) -> None:
        """Let responsive runners close their envs, then kill all."""
        self.manager.foreach_actor(lambda runner: runner.stop(), healthy_only=False, timeout_seconds=END_SECONDS)
        self.manager.clear()

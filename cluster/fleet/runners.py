"""The driver's view of its runners: whom it asks, what comes back, who fails, and how all of them end."""

from __future__ import annotations

from typing import Any

from cluster.errors import FleetError
from training.messages import one_line, say

POLL = 0.005  # seconds between two looks for chunks when no update is due
LIVES = 3  # times in a row that an environment may fail before its runner has handed over a chunk
END_SECONDS = 5.0  # in which a runner may close its env at the end; afterwards it is killed


class Runners:
    """RLlib's group of runners, with its errors told. Nothing here waits for a runner that does not answer."""

    def __init__(self, group: Any) -> None:
        self.group = group
        self.failures: dict[int, int] = {}  # by runner from 1: environments that failed since its last chunk
        self.away: set[int] = set()  # runners whose loss has been told
        self.unarmed = False  # whether a runner found no weights to play with

    def waiting(self) -> int:
        """Chunks that runners owe."""
        return int(self.group.num_in_flight_async_reqs("sample"))

    def ask(self, request: dict[str, Any]) -> None:
        """Ask every healthy runner for a chunk, up to two each."""
        self.group.foreach_env_runner_async("sample", tag="sample", kwargs=request)

    def play(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunk of a fleet that has only the runner in this process."""
        answer = self.group.local_env_runner.sample(**request)
        if "error" in answer:
            raise FleetError(f"the environment failed: {one_line(answer['error'])}") from answer["error"]
        return self._chunks([(0, answer)])

    def chunks(self) -> list[dict[str, Any]]:
        """What has come back by now, frames as references; waits `POLL` seconds if that is nothing.

        Raises:
            FleetError: a runner's environment fails again and again, or a runner cannot start.
        """
        # The group's own method would log losses without saying which runner it was, and drop what they say.
        manager, answers = self.group._worker_manager, []
        # RLlib waits for all requests or until the time is up, so look first and wait a little only then.
        ready = list(manager.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=0)) or (
            list(manager.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=POLL))
        )
        for result in ready:
            if result.ok:
                answers.append((result.actor_id, result.get()))
            else:
                self._lost(result.actor_id, result.get())
        return self._chunks(answers)

    def _chunks(self, answers: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
        found = []
        self.unarmed = False
        for number, answer in answers:
            if "error" in answer:
                self._failed(number, answer["error"])
            elif "chunk" in answer:
                found.append(answer)
                self.failures.pop(number, None)
                self.away.discard(number)
            else:
                self.unarmed = True
        return found

    def _failed(self, number: int, error: Exception) -> None:
        self.failures[number] = self.failures.get(number, 0) + 1
        if self.failures[number] >= LIVES:
            raise FleetError(
                f"the environment of runner {number} failed {LIVES} times without a chunk between: {one_line(error)}"
            ) from error
        say(f"the environment of runner {number} failed, the runner starts again: {one_line(error)}")
        self.away.add(number)

    def _lost(self, number: int, error: Exception) -> None:
        if getattr(error, "actor_init_failed", False):  # Ray does not start it again
            cause = getattr(error.args[0], "cause", None) or error
            raise FleetError(f"runner {number} cannot start: {one_line(cause)}") from cause
        if number not in self.away:
            self.away.add(number)
            say(f"runner {number} was lost; the others go on, and Ray starts it again")

    def check(self) -> None:
        """Raise the `FleetError` of a runner that could not start."""
        for result in self.group._worker_manager.foreach_actor("ping", healthy_only=False, timeout_seconds=END_SECONDS):
            if not result.ok:
                self._lost(result.actor_id, result.get())

    def end(self) -> None:
        """Let every runner close its env, and kill those that are frozen, busy for long or still without a place."""
        manager = self.group._worker_manager
        manager.foreach_actor(lambda runner: runner.stop(), healthy_only=False, timeout_seconds=END_SECONDS)
        manager.clear()

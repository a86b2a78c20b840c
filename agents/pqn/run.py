"""PQN as a run that a session drives: the main loop, in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from agents.acting.exploration import epsilons, greedy_epsilon
from agents.acting.policy import QPolicy
from agents.acting.rollout import Rollout
from agents.curve import COLUMNS, draw_curve
from agents.dqn.stats import RunStats
from agents.evaluation.judged import closing, evaluate_saved, judgement
from agents.evaluation.protocol import JudgeOptions
from agents.playback.pictures import pictures_of
from agents.pqn.charts import LAYOUT, RESULTS, compared
from agents.pqn.experience import play_on
from agents.pqn.learner import PqnLearner
from agents.pqn.presets import PRESETS
from agents.pqn.settings import PqnSettings
from envs import make_env
from training.run import About, Clock, Closing, Picture, Record
from training.search import Judgement
from training.settings import flat, from_dict, to_dict
from training.storage import checkpoint
from training.storage.run_dir import RunDir


class PqnRun:
    """A network, the games it learns from, and what is to be said of them."""

    def __init__(self, settings: PqnSettings, preset: str, folder: Path) -> None:
        s = self.settings = settings
        self.env = make_env(s.env, s.learner.num_envs, s.learner.env_threads)
        self.learner = PqnLearner(s.learner, s.network, self.env.spec, seed=s.seed)
        self.policy = QPolicy(self.learner.network, precision=s.learner.precision, device=self.learner.device)
        self.rollout = Rollout(self.env, self.policy, s.exploration, seed=s.seed)
        self.stats = RunStats()
        self.unshown = False  # whether nobody has looked at the newest checkpoint's policy yet
        self.scalars: dict[str, float] = {}  # as last reported
        self.about = About(
            title=s.env.id,
            columns=COLUMNS,
            minutes=s.stop.minutes,
            checkpoint_minutes=s.checkpoint_minutes,
            settings=flat(s),
            compared=compared(s),
            usual=compared(PRESETS[preset]() if preset in PRESETS else s),
            results=RESULTS,
            charts=LAYOUT,
        )

    @property
    def clock(self) -> Clock:
        """In agent steps over all envs."""
        return Clock("agent_steps", self.stats.agent_steps, self.settings.stop.steps)

    @property
    def seconds(self) -> float:
        """Wall clock up to the last checkpoint, which keeps it."""
        return self.stats.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self.stats.seconds = value

    def step(self, until: int) -> None:
        """The main loop's one turn: a rollout in every env, however near `until` is, and all updates from it."""
        s = self.settings
        seen, chunk_stats = play_on(self.rollout, s.network.stack, s.learner.steps, self.stats.agent_steps)
        self.stats.collected(chunk_stats, greedy_epsilon(s.exploration, s.learner.num_envs))
        self.stats.learned(self.learner.learn(seen, min(self.stats.agent_steps / s.stop.steps, 1.0)))

    def goal_reached(self) -> bool:
        """Whether recent games are as good as `stop.score` asks for."""
        return self.stats.reached(self.settings.stop.score)

    def records(self) -> list[Record]:
        """Everything since the last report."""
        stats, s = self.stats, self.settings
        scalars = self.scalars = stats.read()
        scalars |= {
            "run/frames": stats.frames,
            "run/learner_updates": stats.updates,
            "run/episodes": stats.episodes,
            "acting/epsilon_mean": float(epsilons(s.exploration, s.learner.num_envs, stats.agent_steps).mean()),
        }
        return [Record(stats.agent_steps, scalars, stats.row(scalars))]

    def distributions(self) -> dict[str, NDArray[Any]]:
        """Single values of recent minibatches."""
        return self.stats.distributions()

    def pictures(self) -> list[Picture]:
        """The policy once for every checkpoint: what it plays changes nothing of the run."""
        due, self.unshown = self.unshown, False
        return pictures_of(self.policy, self.settings, self.clock.now) if due else []

    def line(self) -> str:
        """The newest score, of the envs at low epsilon, else of all; and epsilon."""
        return self.stats.line(self.scalars)

    def judge(self) -> Judgement:
        """The mean score of some whole games."""
        return judgement(self.policy, self.settings)

    def finish(self) -> None:
        """Nothing is left to do."""

    def evaluate(self, on_step: Callable[[float], None]) -> Closing:
        """The settings' evaluation."""
        return closing(self.policy, self.settings, on_step)

    def summary(self) -> dict[str, Any]:
        """Counters and seed; every transition is learned from once an epoch."""
        stats, s = self.stats, self.settings
        counters = {"frames": stats.frames, "updates": stats.updates, "episodes": stats.episodes}
        return {**counters, "samples_per_insert": float(s.learner.epochs), "seed": s.seed}

    def draw_curve(self, table: Path, picture: Path) -> None:
        """Scores over agent steps."""
        draw_curve(table, picture, f"{self.settings.env.id}, seed {self.settings.seed}")

    def save(self, folder: Path) -> Path:
        """Write a checkpoint. An emulator cannot be saved: running episodes end here."""
        state = {
            "settings": to_dict(self.settings),
            "stats": self.stats.state(),
            "learner": self.learner.state(),
            "rollout": {"rng": self.rollout.rng.bit_generator.state},
        }
        path = checkpoint.save_next(folder, self.stats.agent_steps, state)
        self.rollout.restart(self.stats.agent_steps)
        self.unshown = True
        return path

    def load(self, path: Path) -> None:
        """Go on from a checkpoint as the run that saved it went on: bit for bit in float32 on a CPU."""
        state = checkpoint.load(path)
        self.learner.load_state(state["learner"])
        self.rollout.rng.bit_generator.state = state["rollout"]["rng"]
        self.stats.load_state(state["stats"])
        self.rollout.restart(self.stats.agent_steps)

    def close(self) -> None:
        """Free the envs."""
        self.env.close()


def evaluate_run(
    directory: RunDir, record: dict[str, Any], options: JudgeOptions, on_step: Callable[[float], None]
) -> tuple[dict[str, Any], str, str]:
    """Whole games by the newest checkpoint of a run -> the result, its name as a file, and in a line."""
    return evaluate_saved(from_dict(PqnSettings, record["settings"]), directory, record, options, on_step)

"""Options of the commands without presets, separate from their code so that --help is fast."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

HEAD = '{"node:__internal_head__": 0.001}'  # a resource that Ray gives every head node


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Play whole games with the newest checkpoint of a run: frozen weights, exact number of games, raw scores."""

    run_dir: tyro.conf.Positional[Path]
    episodes: int = 100
    protocol: Literal["classic", "machado", "training"] | None = None
    """Default: the run's own. classic: no-op starts, no sticky actions. machado: sticky actions 0.25, no no-ops, no
    life signal. Both: whole games of at most 108,000 frames, with the actions that the policy was trained with."""
    epsilon: float | None = None
    """Probability of a random action; default: the run's own, mostly 0. Helps policies that get stuck."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the result as one JSON object."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Record one game of the newest checkpoint of a run, Atari in colour."""

    run_dir: tyro.conf.Positional[Path]
    out: Path
    """Video file, .mp4."""
    values: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw the network's action values next to the screen."""


@dataclass(frozen=True, kw_only=True)
class Play:
    """Watch one game of the newest checkpoint of a run in the terminal, at the game's speed; q ends it.

    Requires a terminal with 24-bit colours.
    """

    run_dir: tyro.conf.Positional[Path]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Write a data set of labelled frames in the layout of Minari: games of a run's newest policy, under the rules of
    its evaluation; games of a person in the terminal; or the contents of a run's replay."""

    run_dir: tyro.conf.Positional[Path | None] = None
    out: Path
    """A new or empty folder."""
    games: int = 0
    """Whole games; 0 sets no limit."""
    labels: int = 0
    """Labelled frames, after which running games are cut; 0 sets no limit."""
    epsilon: float = 0.0
    """Probability of a random action, which also becomes the label."""
    seed: int = 0
    """Of games and random actions; the games differ from those of evaluations."""
    replay: tyro.conf.FlagCreatePairsOff[bool] = False
    """Write the episodes in the replay of the run's newest checkpoint instead of playing."""
    keyboard: tyro.conf.FlagCreatePairsOff[bool] = False
    """A person plays --env at the game's speed: wasd or arrows, space; q ends. Requires 24-bit colours."""
    env: str = ""
    """The game of the person."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """Show runs in TensorBoard, on this machine only, until Ctrl-C."""

    runs: tyro.conf.Positional[Path] = Path("runs")
    """A run directory, or a folder with run directories at any depth."""
    port: int = 6006
    """0 selects a free port."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write the policy of a run's newest checkpoint for use elsewhere."""

    run_dir: tyro.conf.Positional[Path]
    out: Path
    """A new or empty folder, or that of an earlier export, which is replaced."""
    format: Literal["torch", "program", "rlmodule", "all"] = "torch"
    """torch: safetensors and settings, always written. program: also a graph that torch runs without this project.
    rlmodule: also a checkpoint of an RLlib RLModule. all: all three."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Compare runs with several seeds, games and presets. Runs of a preset with other settings form another group;
    kinds of scores and protocols are never mixed."""

    run_dirs: tyro.conf.Positional[tuple[Path, ...]]
    """Directories of `quarterdeck train`, finished or not."""
    out: Path = Path("report")
    """Folder of report.md, scores.csv and figures: new, empty, or of an earlier report."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Draw with the best generator of a run or a sweep."""

    run_dir: tyro.conf.Positional[Path]
    out: Path
    """Grid of samples, .png."""
    walk: Path | None = None
    """A closed walk through latent space, .gif."""
    directions: Path | None = None
    """Walks that change the stroke's width, slant or class only, .png; the correlations are written to a .json next to
    it. Classes only for labelled images and an unconditional generator."""
    seed: int = 0
    """Seed of the images."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """List the jobs of a cluster, newest last."""

    address: str | None = None
    """URL of the cluster's dashboard; default RAY_API_SERVER_ADDRESS, else an http RAY_ADDRESS, else
    http://127.0.0.1:8265."""

    @property
    def there(self) -> list[str]:
        """The words that name the same cluster in another command."""
        return ["--address", self.address] if self.address else []

    def hint(self, verb: str, job: str) -> str:
        """A command for the same cluster."""
        return shlex.join(["quarterdeck", verb, job, *self.there])


@dataclass(frozen=True, kw_only=True)
class Stop(Address):
    """Stop a job, and wait until it has saved its checkpoint."""

    job: tyro.conf.Positional[str]


@dataclass(frozen=True, kw_only=True)
class Logs(Address):
    """Print what a job has said."""

    job: tyro.conf.Positional[str]
    follow: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on until the job ends; the exit status is then the job's."""


@dataclass(frozen=True, kw_only=True)
class Submit(Address):
    """Run a command as a job of a cluster: quarterdeck submit [options] -- train pong --run-dir /runs/pong-s0."""

    detach: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the job's ID and return; otherwise follow its log and return its exit status."""
    storage: Path | None = None
    """Storage shared by all nodes; a training without --run-dir gets a new directory there."""
    working_dir: Path = Path()
    """Folder that is copied to the job, without files of .gitignore and .rayignore."""
    install: tyro.conf.FlagCreatePairsOff[bool] = False
    """Install the dependencies of requirements.lock on every node; otherwise nodes must have them."""
    env: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME=VALUE")] = ()
    """An environment variable of the job and its actors; repeatable. Not for secrets: it is visible with the job."""
    entrypoint_num_cpus: float = 1.0
    """Cores that the driver reserves."""
    entrypoint_num_gpus: float = 0.0
    """GPUs that the driver reserves."""
    entrypoint_resources: str = HEAD
    """Other resources of the driver, as JSON; the default is the head node, whose loss ends every job anyway."""
    insecure: tyro.conf.FlagCreatePairsOff[bool] = False
    """Submit also to a cluster without token authentication."""

"""`quarterdeck export`: the policy of a run as files that need no Ray, or as a module of RLlib's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from agents.config import Settings, from_dict
from agents.export import Policy, make_policy, save_policy, save_program
from cluster.arguments import parse
from cluster.evaluation import counters
from cluster.rundir import RunDir
from cluster.saved_policy import read_policy, record_of
from cluster.tables import TABULAR_PRESETS
from envs import make_world

Format = Literal["torch", "program", "rlmodule", "all"]


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write the policy of a run's newest checkpoint for use elsewhere."""

    run_dir: tyro.conf.Positional[Path]
    out: Path
    """A new or empty folder, or one of an earlier export."""
    format: Format = "torch"
    """torch: safetensors and settings, always written. program: beside them a graph that torch runs without this
    project. rlmodule: beside them a checkpoint of an RLlib RLModule. all: all three."""


def export(arguments: list[str]) -> int:
    """`quarterdeck export RUN_DIR --out DIR`."""
    options = parse(Export, arguments, "export")
    policy = policy_of_run(RunDir(options.run_dir))
    _require_ours(options.out)
    try:
        save_policy(policy, options.out)
        if options.format in ("program", "all"):
            save_program(policy, options.out)
        if options.format in ("rlmodule", "all"):
            from cluster.rlmodule import save_module  # RLlib takes seconds to import

            save_module(policy, options.out)
    except OSError as error:
        raise ValueError(f"cannot write to {options.out} ({error.strerror}): name another --out") from None
    written = ", ".join(sorted(path.name for path in options.out.iterdir()))
    print(f"the policy after {policy.card['agent_steps']:,} agent steps is in {options.out}: {written}")
    return 0


def policy_of_run(directory: RunDir) -> Policy:
    """The policy of a run's newest checkpoint, with a card that says where it comes from.

    Raises:
        ValueError: there is none, or the run trained a table.
    """
    recorded = record_of(directory)
    if recorded["preset"] in TABULAR_PRESETS:
        raise ValueError(f"{directory.path} trained a table, which is a file already: {directory.checkpoints}")
    settings: Settings = from_dict(Settings, recorded["settings"])
    path, state = read_policy(directory, recorded)
    weights = state["learner"]["policy"]
    world = make_world(settings.world, 1)
    world.close()
    about: dict[str, Any] = {
        "env": settings.world.env,
        "trained_under": dict(world.protocol),
        "agent_steps": counters(path)["agent_steps"],
        "seed": settings.seed,
        "commit": recorded.get("commit"),
        "command": recorded.get("command"),
    }
    return make_policy(settings.network, world.frame_shape, world.num_actions, weights, about)


def _require_ours(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "policy.json").exists())):
        raise ValueError(f"{out} holds something else: name a new folder as --out")


EXPORT_COMMANDS: dict[str, Callable[[list[str]], int]] = {"export": export}

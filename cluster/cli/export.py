"""`quarterdeck export`: a run's policy as files that need no Ray, or as an RLModule."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from agents.export import MODULE, PROGRAM, ExportedPolicy, export_network, program_of, save_policy
from agents.saved_policy import open_run
from agents.selfplay.parts import trained_under
from agents.stats import counters
from cluster.cli.options import Export
from cluster.workloads import settings_of_run
from envs.registry import read_spec
from training.storage.files import write_bytes


def export(options: Export) -> int:
    """Run `quarterdeck export RUN_DIR --out DIR`."""
    policy = policy_of_run(options.run_dir)
    _require_ours(options.out)
    program = program_of(policy) if options.format in ("program", "all") else None
    try:
        _remove_other_forms(options.out)
        save_policy(policy, options.out)
        if program is not None:
            write_bytes(options.out / PROGRAM, program)
        if options.format in ("rlmodule", "all"):
            from cluster.rllib.rl_module import save_module  # the import of RLlib takes seconds

            save_module(policy, options.out)
    except OSError as error:
        raise ValueError(f"cannot write to {options.out} ({error.strerror}): name another --out") from None
    written = ", ".join(sorted(path.name for path in options.out.iterdir()))
    print(f"the policy after {policy.card['agent_steps']:,} agent steps is in {options.out}: {written}")
    return 0


def policy_of_run(folder: Path) -> ExportedPolicy:
    """Load the policy of a run's newest checkpoint, with a card of its origin.

    Raises:
        ValueError: there is none, or it is no Q-network.
    """
    run = open_run(folder, settings_of_run, f"{folder} holds no policy of a network")
    settings, spec = run.settings, read_spec(run.settings.env)
    if spec.joints:
        raise ValueError(f"{folder} holds a policy of torques: export is for Q-networks of numbered actions")
    about: dict[str, Any] = {
        "env": settings.env.id,
        "trained_under": trained_under(settings),
        "agent_steps": counters(run.path)["agent_steps"],
        "seed": settings.seed,
        "commit": run.record.get("commit"),
        "command": run.record.get("command"),
    }
    weights = run.state["learner"]["policy"]
    return export_network(settings.network, spec.frame_shape, spec.num_actions, weights, about)


def _require_ours(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "policy.json").exists())):
        raise ValueError(f"{out} holds something else: name a new folder as --out")


def _remove_other_forms(out: Path) -> None:
    """Remove files of an earlier export, which have other weights."""
    (out / PROGRAM).unlink(missing_ok=True)
    if (out / MODULE).exists():
        shutil.rmtree(out / MODULE)

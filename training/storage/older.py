"""What older versions wrote into run.json, in today's words."""

from __future__ import annotations

from typing import Any

MADE = {
    "gan": ("train", "gan"),
    "sweep": ("sweep", "dqn"),
    "gan-sweep": ("sweep", "gan"),
    "ablation": ("ablation", "dqn"),
}


def in_todays_words(record: dict[str, Any]) -> dict[str, Any]:
    """A record with the command that made it (`made_by`) and what it trains (`workload`)."""
    if "made_by" in record:
        return record
    kind = "dqn" if "network" in record["settings"] else "table"
    made_by, workload = MADE.get(record.get("workload", ""), ("train", kind))
    preset = "frames" if (workload, record["preset"]) == ("gan", "atari") else record["preset"]
    return {**record, "made_by": made_by, "workload": workload, "preset": preset}

"""Conversion of run.json and checkpoints of older versions to the current format."""

from __future__ import annotations

from typing import Any

MADE = {
    "gan": ("train", "gan"),
    "sweep": ("sweep", "dqn"),
    "gan-sweep": ("sweep", "gan"),
    "ablation": ("ablation", "dqn"),
}


def settings_in_todays_words(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with their section `world`, if any, renamed to `env`."""
    if "world" not in settings:
        return settings
    others = {name: value for name, value in settings.items() if name != "world"}
    rules = {{"env": "id"}.get(name, name): value for name, value in settings["world"].items()}
    return {"env": rules, **others}


def in_todays_words(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with current sections, its command (`made_by`) and its workload (`workload`)."""
    record = {**record, "settings": settings_in_todays_words(record["settings"])}
    if "made_by" in record:
        return record
    kind = "dqn" if "network" in record["settings"] else "table"
    made_by, workload = MADE.get(record.get("workload", ""), ("train", kind))
    preset = "frames" if (workload, record["preset"]) == ("gan", "atari") else record["preset"]
    return {**record, "made_by": made_by, "workload": workload, "preset": preset}

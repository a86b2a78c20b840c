"""Score behaviour cloning by the number of labels: 10^3, 10^4 and 10^5 of one teacher, three seeds each.

    python -m benchmarks.imitation --teacher runs/pong-s0 --out runs/imitation
    python -m benchmarks.imitation --teacher runs/catch-s0 --out runs/small --labels 100 1000 --samples 20000

The teacher is recorded once, and evaluated under the students' protocol. One training at a time; to resume, repeat the
command: finished work is not repeated. Writes the table OUT/imitation.md and the figure OUT/imitation.png, and prints
one JSON line per student. Options after `--` are passed to every training.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.trainings import QUARTERDECK, begun_with, judged, summary_of, train, with_rest
from training.storage.curve import save_figure, subplots
from training.storage.files import write_json, write_text

HOLDOUT, SPARE = 0.1, 1.1  # share of episodes; labels recorded per label needed
HEAD = "| labels | score of the seeds (mean of them) | held-out accuracy | teacher |\n|---|---|---|---|\n"


def recorded(options: argparse.Namespace) -> Path:
    """Record the teacher once, with enough labels for the largest student; return the dataset's folder."""
    folder: Path = options.out / "teacher-v0"
    if not folder.exists():
        labels = int(max(options.labels) * SPARE / (1 - HOLDOUT))
        words = [
            "record",
            str(options.teacher),
            f"--out={folder}",
            f"--labels={labels}",
            f"--epsilon={options.epsilon}",
        ]
        subprocess.run([*QUARTERDECK, *words], check=True)
    return folder


def teachers(options: argparse.Namespace) -> dict[str, Any]:
    """Evaluate the teacher once; return the result."""
    file: Path = options.out / "teacher.json"
    if not file.exists():
        words = ["evaluate", str(options.teacher), f"--episodes={options.episodes}", "--protocol=classic", "--json"]
        done = subprocess.run([*QUARTERDECK, *words], check=True, capture_output=True, text=True)
        write_json(file, json.loads(done.stdout))
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def student(options: argparse.Namespace, dataset: Path, epsilon: float, labels: int, seed: int) -> dict[str, Any]:
    """Train a student unless it is finished; return its summary. `epsilon` is that of its teacher's evaluation."""
    folder = options.out / f"student-{labels}-s{seed}"
    if not judged(folder):
        own = {"dataset": dataset, "labels": labels, "seed": seed, "samples": options.samples, "holdout": HOLDOUT}
        first = [f"--{name}={value}" for name, value in own.items()]
        first += [f"--evaluation.episodes={options.episodes}", f"--evaluation.epsilon={epsilon}", *options.rest]
        train(["train", "cloning"], folder, first)
    return summary_of(folder)


def draw(picture: Path, teacher: dict[str, Any], students: dict[int, list[dict[str, Any]]]) -> None:
    """Plot scores over labels: a dot per seed, a line through their means, and the teacher."""
    figure, axes = subplots(figsize=(7, 4))
    for labels, found in students.items():
        axes.plot([labels] * len(found), [one["eval"]["mean"] for one in found], "o", color="C0", alpha=0.5)
    means = [fmean(one["eval"]["mean"] for one in found) for found in students.values()]
    axes.plot([*students], means, color="C0", label="students, mean of the seeds")
    axes.axhline(teacher["mean"], color="C3", linestyle="--", label="their teacher")
    game = teacher["protocol"].get("game", teacher["protocol"].get("env"))
    axes.set(xscale="log", xlabel="labels", ylabel=f"raw score, {teacher['episodes']} games", title=game)
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    save_figure(figure, picture, dpi=110)


def rows(teacher: dict[str, Any], students: dict[int, list[dict[str, Any]]]) -> str:
    """Return the table."""
    lines = []
    for labels, found in students.items():
        scores = [one["eval"]["mean"] for one in found]
        each = ", ".join(f"{score:.2f}" for score in scores)
        accuracy = ", ".join(f"{one['held_out_accuracy']:.3f}" for one in found)
        lines.append(f"| {labels:,} | {each} ({fmean(scores):.2f}) | {accuracy} | {teacher['mean']:.2f} |\n")
    return HEAD + "".join(lines)


def main() -> None:
    """Record the teacher, train the students, write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labels", nargs="+", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    for name, default in (("samples", 400_000), ("episodes", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--epsilon", type=float, default=0.0)
    options = with_rest(parser)
    asked = {name: getattr(options, name) for name in ("teacher", "epsilon", "samples", "episodes")}
    begun_with(options.out, {**asked, "labels": max(options.labels), "words": options.rest})  # recorded for the largest
    dataset, teacher = recorded(options), teachers(options)
    students: dict[int, list[dict[str, Any]]] = {labels: [] for labels in sorted(options.labels)}
    for labels, seed in product(students, options.seeds):
        found = student(options, dataset, teacher["protocol"]["epsilon"], labels, seed)
        students[labels].append(found)
        told = {"labels": labels, "seed": seed, "mean": found["eval"]["mean"], "accuracy": found["held_out_accuracy"]}
        about = {**told, "teacher": teacher["mean"], **found["hardware"]}
        print(json.dumps({"measured": "imitation", **about}), flush=True)
    write_text(options.out / "imitation.md", rows(teacher, students))
    draw(options.out / "imitation.png", teacher, students)


if __name__ == "__main__":
    main()

"""Compare naive self-play with a league, for the same agent steps of the learner.

    python -m benchmarks.league --out runs/league --steps 150000 --respond 60000 --seeds 0
    python -m benchmarks.league --out /tmp/toy --preset toy-duel --steps 4000 --respond 2000 --players 6

For every seed and kind (naive: always against the newest weights; snapshots: half of the games against frozen ones;
league: with exploiters, whose agent steps are extra) there is one training in one process, evaluated at the end
as in its preset: for Pong against the game's own opponent. Then, within a seed,

    rating       Elo in a round robin of snapshots of all kinds, with 95 % bootstrap intervals, and the share of
                 cyclic triples
    exploited    points per game of a fresh learner against the final policy, after --respond agent steps of training
                 against it, and the share of games that it wins

Points are half the score difference: where a player can lose points that the other does not gain, its own score does
not determine who has won.

To resume, repeat the command: finished work is not repeated. Prints a table, writes OUT/results.json and OUT/elo.png.
Options after `--` are passed to every training.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.selfplay.exploiter import Exploiter
from agents.selfplay.match import match, policy_with
from agents.selfplay.opponents import read_weights
from agents.selfplay.ratings import intransitive, ratings
from agents.selfplay.settings import SelfPlaySettings
from benchmarks.trainings import begun_with, judged, summary_of, train, with_rest
from training.settings import changed, from_dict
from training.storage.curve import save_figure, subplots
from training.storage.files import write_json
from training.storage.provenance import hardware

EPSILON = 0.01  # of both players
ENDLESS = 10**9
KINDS = {"naive": (0.0, 0.0), "snapshots": (0.5, 0.0), "league": (0.4, 0.1)}  # shares: frozen copies, exploiters


class Player(NamedTuple):
    """A snapshot of a training; the last one is its final policy."""

    kind: str
    agent_steps: int
    name: str
    folder: Path


def once(file: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the contents of `file`, which is created with `make` if missing."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, make())
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def flags_of(kind: str, steps: int) -> list[str]:
    """Return flags of a kind of training; an exploiter takes a quarter of the steps, so that the learner meets two."""
    snapshots, exploiters = KINDS[kind]
    flags = [f"--league.snapshots={snapshots}", f"--league.exploiters={exploiters}"]
    quarter = max(steps // 4, 1)
    exploits = [f"--league.exploit-every={quarter}", f"--league.exploit-steps={quarter}"]
    return flags + (exploits if exploiters else ["--league.exploit-every=0"])


def trained(options: argparse.Namespace, kind: str, seed: int) -> Path:
    """Run one training unless it is finished; return its directory.

    Raises:
        SystemExit: it failed; its error is printed above.
    """
    folder: Path = options.out / f"{kind}-s{seed}"
    if not judged(folder):
        every = max(options.steps // (2 * options.players), 1)
        words = ["train", options.preset, "--serial", f"--steps={options.steps}", f"--minutes={ENDLESS}"]
        first = [f"--seed={seed}", f"--league.snapshot-every={every}", *flags_of(kind, options.steps), *options.rest]
        train(words, folder, first)
    return folder


def players_of(options: argparse.Namespace, kind: str, folder: Path) -> list[Player]:
    """Return up to `--players` evenly spaced snapshots of a training, and its final policy."""
    record = json.loads((folder / "league" / "ratings.json").read_text())
    kept = [m for m in record["members"] if m["kind"] == "snapshot" and m["agent_steps"] < record["agent_steps"]]
    chosen = [kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, options.players).round().astype(int))]
    found = [Player(kind, member["agent_steps"], member["name"], folder) for member in chosen]
    return [*found, Player(kind, record["agent_steps"], "latest", folder)]


def settings_of(folder: Path) -> SelfPlaySettings:
    """Return the settings of a training."""
    return from_dict(SelfPlaySettings, json.loads((folder / "run.json").read_text())["settings"])


def won(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 for each win, 1/2 for each draw, 0 for each loss."""
    return 0.5 + 0.5 * np.sign(scores)


def round_robin(options: argparse.Namespace, players: list[Player], seed: int) -> dict[str, Any]:
    """Play all pairs of one seed's players, of all kinds; return ratings. The games of a pair are cached in a file."""
    results, points = {}, np.zeros((len(players), len(players)))
    for i, j in combinations(range(len(players)), 2):
        one, other = players[i], players[j]

        def play(one: Player = one, other: Player = other) -> dict[str, Any]:
            settings = settings_of(one.folder)
            policy = policy_with(settings, read_weights(one.folder / "league", one.name))
            weights, place = read_weights(other.folder / "league", other.name), options.out / "other"
            scores = match(settings, policy, weights, place, games=options.games, epsilon=EPSILON, seed=seed)
            return {"scores": scores.tolist()}

        names = f"{one.kind}-{one.agent_steps}-{other.kind}-{other.agent_steps}"
        scores = np.array(once(options.out / "matches" / f"s{seed}-{names}.json", play)["scores"])
        results[i, j] = won(scores)
        points[i, j], points[j, i] = results[i, j].sum(), len(scores) - results[i, j].sum()
        print(f"seed {seed}: {names} {scores.mean():+.1f}", file=sys.stderr, flush=True)
    found = ratings(results, len(players), resamples=1_000, seed=0)
    rows = [
        {"seed": seed, "kind": p.kind, "agent_steps": p.agent_steps, "final": p.name == "latest"}
        | {name: round(float(value[n]), 1) for name, value in found._asdict().items()}
        for n, p in enumerate(players)
    ]
    return {"players": rows, "intransitive": round(intransitive(points), 3)}


def exploited(options: argparse.Namespace, folder: Path, seed: int) -> dict[str, Any]:
    """Train a fresh learner against the final policy of a training; return its games against it."""
    settings = changed(settings_of(folder), {"league.exploit_every": 0, "league.exploit_steps": options.respond})
    victim = read_weights(folder / "league", "latest")
    exploiter = Exploiter(changed(settings, {"league.epsilon": EPSILON}), options.out / "respond", 0, victim)
    try:
        while not exploiter.train(exploiter.loop.stats.agent_steps + 1):
            pass
        policy, place = exploiter.loop.policy(), options.out / "other"
        scores = match(settings, policy, victim, place, games=options.judge, epsilon=EPSILON, seed=seed)
    finally:
        exploiter.close()
    means = {"mean": float(scores.mean()), "won": float(won(scores).mean())}
    return {**means, "scores": scores.tolist(), "agent_steps": options.respond}


def measured(options: argparse.Namespace, seed: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row of the table for every kind, and the round robin, of one seed."""
    folders = {kind: trained(options, kind, seed) for kind in options.kinds}
    rated = round_robin(options, [p for kind in folders for p in players_of(options, kind, folders[kind])], seed)
    rows = []
    for kind, folder in folders.items():
        response = once(options.out / f"exploited-{kind}-s{seed}.json", partial(exploited, options, folder, seed))
        last = next(row for row in rated["players"] if row["kind"] == kind and row["final"])
        found = {"exploited": response["mean"], "won": response["won"], "judged": summary_of(folder)["eval"]["mean"]}
        rows.append({**last, **found})
    return rows, rated


def draw(found: list[dict[str, Any]], picture: Path) -> None:
    """Plot ratings over agent steps, a line for every kind and seed."""
    figure, axes = subplots(figsize=(7, 4))
    for seed, kind in product(range(len(found)), KINDS):
        rows = [row for row in found[seed]["players"] if row["kind"] == kind]
        if rows:
            steps, middle = [row["agent_steps"] for row in rows], np.array([row["elo"] for row in rows])
            spread = np.abs(np.array([[row["low"], row["high"]] for row in rows]).T - middle)
            style = {"color": f"C{list(KINDS).index(kind)}", "marker": "o", "capsize": 2}
            axes.errorbar(steps, middle, spread, label=kind if seed == 0 else None, **style)
    axes.set(xlabel="agent steps of the learner", ylabel="Elo, 0 for the first snapshot")
    axes.legend()
    axes.grid(alpha=0.3)
    save_figure(figure, picture, dpi=110)


def main() -> None:
    """Run what is missing, then print the table and write results and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", default="pong-duel")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["naive", "league"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=150_000, help="agent steps of every learner")
    parser.add_argument("--respond", type=int, default=60_000, help="agent steps of every fresh learner")
    parser.add_argument("--players", type=int, default=3, help="snapshots of a training in the round robin")
    parser.add_argument("--games", type=int, default=8, help="of every pair")
    parser.add_argument("--judge", type=int, default=16, help="games of a fresh learner in the end")
    options = with_rest(parser)
    kept = {name: value for name, value in vars(options).items() if name not in ("out", "kinds", "seeds")}
    begun_with(options.out, kept)
    done = [measured(options, seed) for seed in options.seeds]
    rows, found = [row for some, _ in done for row in some], [rated for _, rated in done]
    print("| kind | seed | judged | exploited | won | Elo of the final policy |\n|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: row["kind"]):
        elo = f"{row['elo']:.0f} ({row['low']:.0f} to {row['high']:.0f})"
        exploited = f"{row['exploited']:+.2f} | {row['won']:.3f}"
        print(f"| {row['kind']} | {row['seed']} | {row['judged']:.2f} | {exploited} | {elo} |")
    print(f"triples that go round: {', '.join(str(one['intransitive']) for one in found)}")
    write_json(options.out / "results.json", {"rows": rows, "round_robin": found, **hardware()})
    draw(found, options.out / "elo.png")


if __name__ == "__main__":
    main()

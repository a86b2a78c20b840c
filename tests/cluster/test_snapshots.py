"""A sweep that is killed while Tune writes its state is resumed from the newest complete state."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from ray import tune
from ray.tune.experiment import Experiment, Trial

from cluster.tuning.schedulers import RandomSearch
from cluster.tuning.snapshots import Snapshots, contents, forget_older, is_whole, kept_file, repair

EXPERIMENT = json.dumps({"trial_data": [["{}", "{}"]], "nested": {"a": {"b": 1}}}).encode()
DRAWS = pickle.dumps({"state": list(range(50)), "name": "a.b."})


def write(storage: Path, experiment: bytes, draws: bytes) -> None:
    """Write Tune's two state files."""
    storage.mkdir(exist_ok=True)
    (storage / "experiment_state-2026.json").write_bytes(experiment)
    (storage / "basic-variant-state-2026.json").write_bytes(draws)


@pytest.mark.parametrize("content", [EXPERIMENT, DRAWS])
def test_no_torn_file_passes_for_a_whole_one(content: bytes) -> None:
    assert is_whole(content)
    assert not any(is_whole(content[:length]) for length in range(len(content)))


@pytest.mark.parametrize("torn", [0, 7, 30])
@pytest.mark.parametrize("which", ["experiment", "draws"])
def test_a_torn_state_is_replaced_by_the_last_whole_one(tmp_path: Path, torn: int, which: str) -> None:
    storage = tmp_path / "trials"
    write(storage, EXPERIMENT, DRAWS)
    keeper = Snapshots(storage)
    keeper.on_step_end(1, [])
    newer = {"experiment": EXPERIMENT, "draws": DRAWS} | {
        which: {"experiment": EXPERIMENT, "draws": DRAWS}[which][:torn]
    }
    write(storage, newer["experiment"], newer["draws"])
    keeper.on_step_end(2, [])
    assert repair(storage)
    assert set(contents(storage).values()) == {EXPERIMENT, DRAWS}


def test_a_whole_state_is_left_alone(tmp_path: Path) -> None:
    storage = tmp_path / "trials"
    write(storage, EXPERIMENT, DRAWS)
    Snapshots(storage).on_step_end(1, [])
    newer = EXPERIMENT.replace(b"1", b"2")
    write(storage, newer, DRAWS)
    assert repair(storage)
    assert (storage / "experiment_state-2026.json").read_bytes() == newer


def test_without_any_whole_state_there_is_none(tmp_path: Path) -> None:
    storage = tmp_path / "trials"
    write(storage, EXPERIMENT[:9], DRAWS)
    assert not kept_file(storage).exists()
    assert not repair(storage)


def searched(folder: Path, places: int = 0) -> RandomSearch:
    """Return a search of up to five trials of one setting, with at most `places` live trials (0: unbounded)."""
    search = RandomSearch(places, seed=5)
    values = {"rate": tune.uniform(0, 1)}
    search.add_configurations([Experiment("any", print, config=values, num_samples=5, storage_path=str(folder))])
    return search


def write_state(folder: Path, states: dict[str, str], session: str = "2026", began: float = 0.0) -> None:
    """Write Tune's state file of trials and their status."""
    trials = [[json.dumps({"trial_id": name, "status": status}), "{}"] for name, status in states.items()]
    state = {"trial_data": trials, "stats": {"start_time": began}}
    (folder / f"experiment_state-{session}.json").write_text(json.dumps(state))


def test_a_trial_that_is_there_is_not_drawn_again(tmp_path: Path) -> None:
    """Trials in Tune's state that the searcher's state lacks are not drawn again, and unfinished ones count as live."""
    whole, torn = searched(tmp_path), tmp_path / "trials"
    torn.mkdir()
    first = whole.next_trial()
    whole.save_to_dir(str(torn), "2026")
    drawn = [first, *(whole.next_trial() for _ in range(3))]
    ids = [trial.trial_id for trial in drawn if trial is not None]
    write_state(torn, dict(zip(ids[:3], (Trial.RUNNING, Trial.TERMINATED, Trial.PENDING), strict=True)))
    other = searched(tmp_path)
    other.restore_from_dir(str(torn))
    found = other.next_trial()
    assert found is not None
    assert drawn[3] is not None
    assert (found.trial_id, found.config) == (ids[3], drawn[3].config), "as if there had been no kill"
    assert other._live_trials == {ids[0], ids[2], ids[3]}


def drawn_by(search: RandomSearch) -> str:
    """Draw a trial and return its id."""
    trial = search.next_trial()
    assert trial is not None, "there is a place"
    return str(trial.trial_id)


def test_a_trial_that_only_the_searcher_knows_takes_no_place(tmp_path: Path) -> None:
    """A trial in the searcher's state that Tune's state lacks is dropped and occupies no place."""
    whole, torn = searched(tmp_path, places=1), tmp_path / "trials"
    torn.mkdir()
    first = drawn_by(whole)
    whole.on_trial_complete(first)
    drawn_by(whole)
    whole.save_to_dir(str(torn), "2026")
    write_state(torn, {first: Trial.TERMINATED})
    other = searched(tmp_path, places=1)
    other.restore_from_dir(str(torn))
    assert other._live_trials == set()
    third = drawn_by(other)
    assert other._live_trials == {third}


def test_a_trial_that_ended_before_it_was_drawn_again_gives_its_place_back(tmp_path: Path) -> None:
    """A restored trial that the searcher's state lacks occupies a place and frees it when it completes."""
    whole, torn = searched(tmp_path, places=2), tmp_path / "trials"
    torn.mkdir()
    first = drawn_by(whole)
    whole.save_to_dir(str(torn), "2026")
    second = drawn_by(whole)
    whole.on_trial_complete(second)
    third = drawn_by(whole)
    write_state(torn, {first: Trial.RUNNING, second: Trial.PENDING})
    other = searched(tmp_path, places=2)
    other.restore_from_dir(str(torn))
    assert other.next_trial() is None, "both places are taken"
    other.on_trial_complete(second)
    assert drawn_by(other) == third
    assert other._live_trials == {first, third}


SUMMER, WINTER = "2026-10-25_02-50-00", "2026-10-25_02-10-00"  # 20 minutes later, after the clock change


def sessions(folder: Path) -> list[str]:
    """Write the states of two sessions, the later with one more trial; return these trials and the next one."""
    folder.mkdir()
    search = searched(folder)
    drawn = [drawn_by(search)]
    search.save_to_dir(str(folder), SUMMER)
    write_state(folder, {drawn[0]: Trial.RUNNING}, SUMMER, began=1_000.0)
    drawn.append(drawn_by(search))
    search.save_to_dir(str(folder), WINTER)
    write_state(folder, dict.fromkeys(drawn, Trial.RUNNING), WINTER, began=2_200.0)
    return [*drawn, drawn_by(search)]


def test_the_newest_state_is_the_one_that_began_last(tmp_path: Path) -> None:
    """The state with the latest start time is used, whatever local time its name has, in storage and in copies."""
    storage, copies = tmp_path / "trials", tmp_path / "copies"
    sessions(storage)
    assert repair(storage)
    assert set(contents(storage)) == {
        f"experiment_state-{WINTER}.json",
        f"basic-variant-state-{WINTER}.json",
    }
    first, second, third = sessions(copies)
    search = searched(tmp_path)
    search.restore_from_dir(str(copies))
    assert search.there == dict.fromkeys((first, second), Trial.RUNNING)
    assert drawn_by(search) == third


@pytest.mark.parametrize("torn", [False, True])
def test_a_session_that_was_killed_at_once_leaves_the_searcher_of_the_one_before(tmp_path: Path, torn: bool) -> None:
    """A later session's missing searcher state or torn trial state is replaced by the earlier session's."""
    storage = tmp_path / "trials"
    sessions(storage)
    (storage / f"basic-variant-state-{WINTER}.json").unlink()
    if torn:
        (storage / f"experiment_state-{WINTER}.json").write_text('{"trial')
    forget_older(storage)
    assert set(contents(storage)) == {
        f"experiment_state-{SUMMER if torn else WINTER}.json",
        f"basic-variant-state-{SUMMER}.json",
    }

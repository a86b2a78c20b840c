"""Damaged checkpoints are detected (C28), and loading executes nothing."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trees import STATE, assert_same
from training.storage import checkpoint
from training.storage.checkpoint import CheckpointError, load, save

# Kills a save at its n-th change to the disk, for n = 1, 2, ... until one survives; prints the number of kills.
KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from training.storage import checkpoint
checkpoint.LARGE = 1000
folder, events = Path(sys.argv[1]), {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
state = lambda steps: {"steps": steps, "w": np.full(9, steps), "frames": np.full(5000, steps)}
parts = lambda part: checkpoint.save(part / "replay-0", {"w": np.ones(3)})
checkpoint.save_next(folder, 1, state(1), parts)
deaths = 0
while True:
    child = os.fork()
    if child == 0:
        seen = 0
        def hook(event, args):
            global seen
            if event in events and str(folder) in str(args[0]):
                seen += 1
                if seen > deaths:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        checkpoint.save_next(folder, 2, state(2), parts)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    deaths += 1
    newest = checkpoint.latest(folder)
    loaded = checkpoint.load(newest)
    assert newest.name.endswith(f"{loaded['steps']}") and (loaded["w"] == loaded["steps"]).all(), newest
    assert (loaded["frames"] == loaded["steps"]).all() and len(checkpoint.load(newest / "replay-0")["w"]) == 3
print(deaths, checkpoint.latest(folder).name, sorted(p.name for p in folder.iterdir()))
"""


@pytest.fixture(autouse=True)
def small_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give arrays from 1 kB a file of their own."""
    monkeypatch.setattr(checkpoint, "LARGE", 1000)


def test_c28_a_kill_at_any_moment_leaves_no_half_checkpoint(tmp_path: Path) -> None:
    """C28: after SIGKILL before any change to the disk, the newest checkpoint is whole, and the next save cleans up."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    deaths, newest, *names = done.stdout.split(maxsplit=2)
    assert int(deaths) >= 12
    assert newest == "agent_steps-000000000002"
    assert names[0].strip() == "['agent_steps-000000000001', 'agent_steps-000000000002']"


def damaged_load(path: Path) -> Any:
    """Return the loaded state, or None after a CheckpointError with a message of one line that gives the remedy."""
    try:
        return load(path)
    except CheckpointError as error:
        message = str(error)
    assert "\n" not in message
    assert str(path) in message
    assert "older one" in message or "give a run" in message
    return None


@given(data=st.data(), name=st.sampled_from(["state.json", "arrays.safetensors", "0.lz4"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_c28_a_flipped_bit_or_a_truncated_file_is_detected(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    """C28: a flipped bit or a truncation at any place of any file is an error, or leaves the state the same (JSON)."""
    path = tmp_path_factory.mktemp("flip") / "one"
    save(path, STATE)
    whole = (path / name).read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << bit
    for broken in (whole[:place], bytes(flipped)):
        (path / name).write_bytes(broken)
        found = damaged_load(path)
        assert found is None or name == "state.json", "only JSON has bytes that mean nothing"
        if found is not None:
            assert_same(found, STATE)


def test_c28_a_flipped_bit_of_the_format_is_damage(tmp_path: Path) -> None:
    """C28: a flipped bit in the format number is reported as damage, not as a checkpoint of another version."""
    save(tmp_path / "one", STATE)
    state = tmp_path / "one" / "state.json"
    state.write_text(state.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(CheckpointError, match="is damaged"):
        load(tmp_path / "one")


@pytest.mark.parametrize("name", ["state.json", "arrays.safetensors", "0.lz4"])
def test_c28_a_missing_file_is_detected(tmp_path: Path, name: str) -> None:
    save(tmp_path / "one", STATE)
    (tmp_path / "one" / name).unlink()
    assert damaged_load(tmp_path / "one") is None


def resealed(path: Path, **changes: Any) -> None:
    """Change the record and recompute the CRCs of all files."""
    record = json.loads((path / "state.json").read_text())
    record.pop("own_crc")
    record |= changes
    record["crc"] = {file.name: zlib.crc32(file.read_bytes()) for file in path.iterdir() if file.name != "state.json"}
    own = zlib.crc32(json.dumps(record).encode())
    (path / "state.json").write_text(json.dumps({**record, "own_crc": own}))


class Trap:
    """An object whose pickle creates a file when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def test_loading_executes_nothing(tmp_path: Path) -> None:
    """Pickles in place of arrays, and arrays of objects, are errors, even with right checksums."""
    sprung = tmp_path / "sprung"
    trap = pickle.dumps(Trap(sprung))
    objects = json.dumps({"dtype": "|O", "shape": [len(trap) // 8]}).encode()
    framed = lz4.frame.compress(len(objects).to_bytes(8, "little") + objects + trap)
    np.save(tmp_path / "objects.npy", np.array([Trap(sprung)]), allow_pickle=True)
    for name, content in (
        ("arrays.safetensors", trap),
        ("0.lz4", trap),
        ("0.lz4", lz4.frame.compress(trap)),
        ("0.lz4", framed),
        ("0.lz4", (tmp_path / "objects.npy").read_bytes()),
    ):
        save(tmp_path / "one", STATE)
        (tmp_path / "one" / name).write_bytes(content)
        resealed(tmp_path / "one")
        assert damaged_load(tmp_path / "one") is None
    assert not sprung.exists()
    pickle.loads(trap)
    assert sprung.exists(), "the trap does not work"


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "7", '{"format": 2}', '{"format": 2, "own_crc": 0}'])
def test_a_record_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    save(tmp_path / "one", STATE)
    (tmp_path / "one" / "state.json").write_text(text)
    assert damaged_load(tmp_path / "one") is None


def test_another_format_is_named(tmp_path: Path) -> None:
    save(tmp_path / "one", STATE)
    resealed(tmp_path / "one", format=3)
    with pytest.raises(CheckpointError, match=r"has format 3, this version reads 2: use that version"):
        load(tmp_path / "one")

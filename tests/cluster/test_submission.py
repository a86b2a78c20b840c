"""Package, environment and metadata of a submitted job, without a cluster."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray._private.runtime_env.packaging import create_package

from cluster.cli.main import main
from cluster.cli.submit import describe
from cluster.jobs.package import EXCLUDES, SECRET_FILES, packed_sizes, runtime_env
from tests.cluster.records import refused

ROOT = Path(__file__).parents[2]
SENT = ("cluster/a.py", "data/scores.csv", "requirements.lock", "agents/runs/keep.py", "builder.py")
KEPT = (
    *(".git/config", ".venv/bin/python", "venv/x", "runs/pong/run.json", "cluster/__pycache__/a.pyc", "a.pyc"),
    *(".mypy_cache/x", ".pytest_cache/x", ".ruff_cache/x", ".hypothesis/x", "build/lib/a.py", "dist/a.whl"),
    *("quarterdeck.egg-info/PKG-INFO", "game.mp4", ".env", "cloud.pem", "ssh.key", ".ray/auth_token"),
    "quarterdeck-token",
    *("ignored.bin", "data/ignored-too.bin", "scratch/x"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working directory with files to send and files to leave out."""
    for name in (*SENT, *KEPT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name * 10)
    (tmp_path / ".gitignore").write_text("ignored.bin\n")
    (tmp_path / "data" / ".gitignore").write_text("ignored-too.bin\n")
    (tmp_path / ".rayignore").write_text("/scratch\n")
    return tmp_path


def grow(file: Path, mib: float) -> None:
    """Create a sparse file of this size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        out.truncate(int(mib * 2**20))


def test_what_is_sent(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The files counted for the size are exactly those that Ray packs: no caches, runs, secrets or ignored files."""
    sizes = packed_sizes(folder)
    assert {str(path) for path in sizes} == {*SENT, ".gitignore", "data/.gitignore", ".rayignore"}
    package = tmp_path_factory.mktemp("package") / "p.zip"
    create_package(str(folder), package, include_gitignore=True, excludes=EXCLUDES)
    with zipfile.ZipFile(package) as packed:
        files = {info.filename: info.file_size for info in packed.infolist() if not info.is_dir()}
    assert files == {str(path): size for path, size in sizes.items()}


def test_secrets_go_nowhere(tmp_path: Path) -> None:
    """Secret files are ignored by git and listed in .dockerignore."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    names = [folder + pattern.replace("*", "my") for pattern in SECRET_FILES for folder in ("", "deep/")]
    ignored = subprocess.run(["git", "-C", str(tmp_path), "check-ignore", *names], capture_output=True, text=True)
    assert ignored.stdout.split() == names
    assert {f"**/{pattern}" for pattern in SECRET_FILES} <= set((ROOT / ".dockerignore").read_text().splitlines())


def test_what_is_too_large_is_refused_before_the_upload(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grow(folder / "data" / "deep" / "film.bin", 70)
    grow(folder / "data" / "other.bin", 20)
    grow(folder / "weights.bin", 9.5)
    grow(folder / "ignored.bin", 500)
    env = runtime_env(folder, "abc", (), 60, install=False)
    assert env["working_dir"] == str(folder)
    grow(folder / "weights.bin", 10.5)
    nowhere = ("--address", "127.0.0.1:1", "--working-dir", str(folder))
    said = refused(capsys, "submit", *nowhere, "--", "train", "pong", "--run-dir", "/shared/pong")
    assert "packs to 100.5 MiB, and the job server takes less than 100 MiB" in said
    worst = "data/ (90.0 MiB), data/deep/film.bin (70.0 MiB), data/other.bin (20.0 MiB), weights.bin (10.5 MiB)"
    assert worst in said
    assert ".rayignore" in said
    (folder / ".rayignore").write_text("*.bin\n")
    assert sum(packed_sizes(folder).values()) < 10_000


def test_many_small_files_are_too_large_too(folder: Path) -> None:
    """File names count towards the size of the package."""
    grow(folder / "weights.bin", 99.9)
    runtime_env(folder, "abc", (), 60, install=False)
    for index in range(400):
        (folder / "data" / ("n" * 200 + str(index))).touch()
    with pytest.raises(ValueError, match=r"packs to 100\.\d MiB"):
        runtime_env(folder, "abc", (), 60, install=False)


def test_variables(folder: Path) -> None:
    env = runtime_env(folder, "abc", ("A=1", "B=x=y", "C="), 60, install=False)["env_vars"]
    assert env == {"A": "1", "B": "x=y", "C": "", "QUARTERDECK_COMMIT": "abc", "RAY_JOB_STOP_WAIT_TIME_S": "60"}


@pytest.mark.parametrize(
    ("options", "reserved"),
    [
        ("", (1.0, 0.0, {"node:__internal_head__": 0.001})),
        ('--entrypoint-num-cpus 4 --entrypoint-num-gpus 1 --entrypoint-resources {"a":2}', (4.0, 1.0, {"a": 2.0})),
    ],
)
def test_what_a_job_reserves(folder: Path, monkeypatch: pytest.MonkeyPatch, options: str, reserved: Any) -> None:
    """A job reserves resources for its driver (by default on the head node) and half an hour to save when stopped."""
    sent: dict[str, Any] = {}
    client = SimpleNamespace(get_address=str, list_jobs=list, submit_job=lambda **job: sent.update(job) or "a-job")
    monkeypatch.setattr("cluster.cli.submit.connect", lambda *_, **__: client)
    assert main(["submit", "--detach", f"--working-dir={folder}", *options.split(), "--", "evaluate", "/s"]) == 0
    assert tuple(sent[f"entrypoint_{name}"] for name in ("num_cpus", "num_gpus", "resources")) == reserved
    assert sent["runtime_env"]["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"] == "1800"


def test_nothing_of_ones_own_environment_goes_along(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = runtime_env(folder, "abc", (), 60, install=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert runtime_env(folder, "abc", (), 60, install=False) == before


@pytest.mark.parametrize(
    "name", ["RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "db_password", "Api_Key", "MY_CREDENTIALS"]
)
def test_secrets_are_no_variables_of_a_job(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    options = ("--working-dir", str(folder), "--env", "A=1", "--env", f"{name}=xyzzy")
    said = refused(capsys, "submit", *options, "--", "train", "pong", "--run-dir", "/shared/pong")
    assert f"--env {name}" in said
    assert "xyzzy" not in said


def test_dependencies_by_the_lock(folder: Path) -> None:
    """--install installs the project's dependencies, constrained by the lock; another lock is another environment."""
    with pytest.raises(ValueError, match=r"--install needs pyproject\.toml and requirements\.lock"):
        runtime_env(folder, "abc", (), 60, install=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["torch==2.13.0", "numpy"]\n')
    first = runtime_env(folder, "abc", (), 60, install=True)["pip"]["packages"]
    assert first[:2] == ["torch==2.13.0", "numpy"]
    assert first[-1] == "-c ${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/requirements.lock"
    (folder / "requirements.lock").write_text("numpy==1\n")
    assert runtime_env(folder, "abc", (), 60, install=True)["pip"]["packages"] != first
    assert "pip" not in runtime_env(folder, "abc", (), 60, install=False)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("train pong --run-dir /s/p", {"preset": "pong", "seed": "0", "run_dir": "/s/p"}),
        ("train pong --seed 3 --run_dir=/s/p --resume", {"preset": "pong", "seed": "3", "run_dir": "/s/p"}),
        ("train atari --seed=12 --run-dir /s/p --env pong", {"preset": "atari", "seed": "12", "run_dir": "/s/p"}),
    ],
)
def test_what_is_told_of_a_training(command: str, told: dict[str, str]) -> None:
    name, words, about = describe(command.split(), None)
    assert words == command.split()
    assert about == {"command": "train", **told}
    assert name == f"{told['preset']}-s{told['seed']}"


def test_a_run_directory_on_the_shared_storage() -> None:
    _, words, about = describe(["train", "pong", "--seed", "3"], Path("/shared"))
    assert words[:-1] == ["train", "pong", "--seed", "3", "--run-dir"]
    assert words[-1] == about["run_dir"]
    assert Path(words[-1]).parent == Path("/shared")
    assert Path(words[-1]).name.startswith("pong-s3-")
    given = ["train", "pong", "--run-dir", "/elsewhere/pong"]
    assert describe(given, Path("/shared"))[1] == given


def test_an_ablation_writes_a_run_directory_too() -> None:
    """An ablation has no preset; its job is named after the command, and its run directory is in the metadata."""
    words = ["ablation", "--seed", "2", "--run-dir", "/shared/why"]
    told = {"command": "ablation", "seed": "2", "run_dir": "/shared/why"}
    assert describe(words, None) == ("ablation-s2", words, told)


def test_any_command_is_a_job() -> None:
    words = ["evaluate", "/shared/pong", "--json"]
    assert describe(words, None) == ("evaluate", words, {"command": "evaluate"})


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ("", "no command: quarterdeck submit [options] -- COMMAND ..., with one of train, evaluate, watch"),
        ("--detach train pong", "train"),
        ("-- fly", "unknown command 'fly'"),
        ("-- submit -- train pong", "unknown command 'submit'"),
        ("-- stop x", "unknown command 'stop'"),
        ("-- train", "unknown preset ''"),
        ("-- train chess", "unknown preset 'chess': use one of pong"),
        ("-- train pong", "lies on storage that all nodes share"),
        ("-- ablation --seeds 3", "lies on storage that all nodes share"),
        ("-- train pong --run-dir runs/pong", "add its absolute path to the command"),
        ("-- train pong --run-dir", "add its absolute path to the command"),
        ("--storage shared -- train pong", "add its absolute path to the command"),
        ("--storage /shared -- train pong --resume", "add its absolute path to the command"),
        ("-- train pong --seed=../x --run-dir /s", "use 0 to 2147483647"),
        ("--entrypoint-resources learner -- evaluate /s", "write JSON with an amount for each"),
        ("--entrypoint-resources [1] -- evaluate /s", "write JSON with an amount for each"),
        ("--env A -- evaluate /s", "write NAME=VALUE"),
        ("--env =1 -- evaluate /s", "write NAME=VALUE"),
        ("--working-dir nowhere -- evaluate /s", "name another --working-dir"),
        ("--speed 9 -- evaluate /s", "--speed"),
    ],
)
def test_a_submission_that_cannot_be(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert remedy in refused(capsys, "submit", *arguments.split())

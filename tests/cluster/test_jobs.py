"""Our commands as jobs of a real head with token authentication, from submission to what they leave behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.cli.main import main
from cluster.jobs import client
from tests.cluster.helpers import ENDLESS_CARTPOLE, PATIENCE, TIMEOUT, TINY_OWN, command, read_json, wait_until
from tests.cluster.job_server import Head, head_environment, running_head
from tests.cluster.records import checked_summary, learns, refused, saved
from tests.cluster.strangers import FILES
from training.storage.provenance import commit_of

ROOT = Path(__file__).parents[2]
TAXI = ["train", "taxi", "--steps", "2000", "--report-every", "1000"]

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(TIMEOUT)]


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A cluster of one node."""
    with running_head(tmp_path_factory.mktemp("head") / "home") as head:
        yield head


@pytest.fixture(autouse=True)
def person(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody at home in the repository, who has the token."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HOME", str(head.home))
    monkeypatch.setenv(client.VARIABLE, head.url)


def running(*arguments: str, head: Head) -> subprocess.Popen[str]:
    """A command of that person's, in the background."""
    return subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=head_environment(head.home) | {client.VARIABLE: head.url},
        start_new_session=True,
    )


def test_a_job_is_followed_to_its_end(head: Head, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It runs in a copy of the working directory, says everything here, and tells where its code came from."""
    run = tmp_path / "taxi"
    assert main(["submit", "--env", "COLOUR=blue", "--", *TAXI, "--seed", "5", "--run-dir", str(run)]) == 0
    said = capsys.readouterr()
    assert "over 100 games" in said.out
    assert not any(word in said.out + said.err for word in ("Traceback", "ModuleNotFoundError", "Warning"))
    assert "Ctrl-C leaves it running, this stops it: quarterdeck stop taxi-s5-" in said.err
    summary = checked_summary(run, episodes=100)
    assert summary["commit"] == commit_of(ROOT)
    assert summary["seed"] == 5
    (job,) = [job for job in head.client().list_jobs() if str(job.submission_id).startswith("taxi-s5-")]
    told = {"command": "train", "preset": "taxi", "seed": "5", "run_dir": str(run), "commit": commit_of(ROOT)}
    assert job.metadata.items() >= told.items()
    assert job.runtime_env["env_vars"]["COLOUR"] == "blue"
    assert job.entrypoint == f"python -m cluster {' '.join(TAXI)} --seed 5 --run-dir {run}"
    assert main(["jobs"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(job.submission_id))
    assert row.split()[1] == "SUCCEEDED"
    assert row.split()[-4:] == ["taxi", "5", commit_of(ROOT), str(run)]
    assert main(["logs", job.submission_id]) == 0
    assert "over 100 games" in capsys.readouterr().out
    assert main(["stop", job.submission_id]) == 0
    assert f"{job.submission_id} has already SUCCEEDED" in capsys.readouterr().out


def test_a_folder_of_ones_own_travels_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment and a network that lie outside the project, as docs/extending.md has them."""
    folder, run = tmp_path / "mine", tmp_path / "run"
    folder.mkdir()
    for name in ("my_envs.py", "my_networks.py"):
        (folder / name).write_text(FILES[name])
    monkeypatch.chdir(folder)
    own = ["--env=my_envs:Dodge-v0", "--network.kind=my_networks:Small", "--no-life-signal", *TINY_OWN, "--steps=200"]
    assert main(["submit", "--", "train", "atari", *own, "--serial", f"--run-dir={run}"]) == 0
    assert read_json(run / "run.json")["settings"]["network"]["kind"] == "my_networks:Small"
    assert read_json(run / "summary.json")["agent_steps"] >= 200


def test_the_exit_status_is_the_jobs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["submit", "--", "evaluate", str(tmp_path / "nothing")]) == 2
    said = capsys.readouterr()
    assert "nothing holds no run" in said.out
    assert said.err.endswith("FAILED: exit status 2\n")
    job = said.err.split()[1].rstrip(";")
    assert main(["logs", job, "--follow"]) == 2


def test_a_job_stops_saves_and_goes_on(head: Head, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Detached, watched and left by Ctrl-C, it runs on; stopped, it has saved; submitted again, it goes on."""
    run = tmp_path / "run"
    begin = ["--", "train", *ENDLESS_CARTPOLE, "--run-dir", str(run)]
    assert main(["submit", "--detach", *begin]) == 0
    job = capsys.readouterr().out.strip()
    assert job.startswith("cartpole-s0-")
    wait_until(lambda: learns(run) or head.client().get_job_status(job).is_terminal() or None)
    assert learns(run), head.client().get_job_logs(job)
    assert f"{job} still writes to {run}: quarterdeck stop {job}, then add --resume" in refused(
        capsys, "submit", *begin, "--resume"
    )

    watching = running(*command("logs", job, "--follow"), head=head)
    with watching:
        assert watching.stdout is not None
        assert "Running entrypoint for job" in next(line for line in watching.stdout if "Running" in line)
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 130
    assert f"stop it with: quarterdeck stop {job}" in said
    assert str(head.client().get_job_status(job)) == "RUNNING"

    capsys.readouterr()
    assert main(["stop", job]) == 0
    assert str(head.client().get_job_status(job)) == "STOPPED"
    again = f"quarterdeck submit -- train {' '.join(ENDLESS_CARTPOLE)} --run-dir {run} --resume"
    assert capsys.readouterr().out == f"job {job} STOPPED, saved; resume with: {again}\n"
    first, interrupted = saved(run), read_json(run / "summary.json")
    assert interrupted["eval"] is None
    assert first["agent_steps"] == interrupted["agent_steps"] > 100
    assert interrupted["commit"] == commit_of(ROOT)
    assert main(["logs", job, "--follow"]) == 1
    assert f"{job} STOPPED" in capsys.readouterr().err

    end = first["agent_steps"] + 300
    assert main(["submit", "--", "train", "cartpole", "--run-dir", str(run), "--resume", "--steps", str(end)]) == 0
    summary = checked_summary(run, episodes=6)
    assert summary["agent_steps"] >= end
    assert summary["updates"] > first["updates"]


def test_rays_own_command_works_too(head: Head, tmp_path: Path) -> None:
    """`ray job submit` packs the same directory; the code's commit is then unknown to the job."""
    run = tmp_path / "taxi"
    ray = [str(Path(sys.executable).parent / "ray"), "job", "submit", "--working-dir", "."]
    done = running(*ray, "--", "python", "-m", "cluster", *TAXI, "--run-dir", str(run), head=head)
    said, complaints = done.communicate(timeout=PATIENCE)
    assert done.returncode == 0, complaints
    assert "over 100 games" in said
    assert checked_summary(run, episodes=100)["agent_steps"] >= 2_000


def test_what_the_cluster_does_not_know(
    head: Head, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (["logs", "nothing"], ["logs", "nothing", "--follow"], ["stop", "nothing"]):
        assert "Job nothing does not exist" in refused(capsys, *arguments)
    (head.home / ".ray" / "auth_token").chmod(0o644)
    assert "chmod 600" in refused(capsys, "submit", "--", *TAXI, "--run-dir", "/shared/taxi")
    (head.home / ".ray" / "auth_token").chmod(0o600)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of another cluster")
    for arguments in (["submit", "--", *TAXI, "--run-dir", "/shared/taxi"], ["jobs"], ["stop", "nothing"]):
        assert "does not take this token" in refused(capsys, *arguments)

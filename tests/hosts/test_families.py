"""Two GAN families are swept at once beside a DQN training, as jobs of one cluster of hosts."""

from __future__ import annotations

import subprocess

import pytest

from tests.cluster.gan_helpers import TINY_GAN, write_corners
from tests.cluster.helpers import ENDLESS_CARTPOLE, TIMEOUT, wait_until
from tests.cluster.records import learns
from tests.hosts.ray_hosts import RayHosts
from tests.hosts.test_job_end_to_end import shared
from training.storage.csv_table import rounds_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * TIMEOUT)]
FAMILIES = {
    "coupled": [],
    "progressive": ["--growth.stages=2", "--growth.stable-images=64", "--growth.fade-images=200"],
}
TRIALS, ROUNDS = 2, 3
SWEEP = ["--scheduler=pbt", f"--trials={TRIALS}", "--seeds=1", f"--rounds={ROUNDS}", f"--images={480 * ROUNDS}"]
# Three drivers share the head's single core, so that trials fit only on the workers.
SUBMIT = ["python", "-m", "cluster", "submit", "--entrypoint-num-cpus=0.3"]


def test_two_families_are_swept_beside_a_training(ray_hosts: RayHosts) -> None:
    """Both sweeps complete all rounds and write `best.toml`, while the DQN training continues."""
    storage, jobs = shared(ray_hosts.lab), dict[str, subprocess.Popen[bytes]]()
    data = write_corners(storage / "corners.npz")
    for name in ("work1", "work2"):
        ray_hosts.start_worker(name, num_cpus=3)
    ray_hosts.wait_for_nodes(3)

    def submit(name: str, *words: str) -> None:
        to = f"--address={ray_hosts.dashboard}", "--", *words, f"--run-dir={storage / name}"
        jobs[name] = ray_hosts.outside.start(*SUBMIT, *to, log=f"{name}.log")

    def ended(name: str) -> int | None:
        code = jobs[name].poll()
        assert code in (None, 0), (ray_hosts.outside.folder / f"{name}.log").read_text()
        return code

    submit("cartpole", "train", *ENDLESS_CARTPOLE)
    wait_until(lambda: learns(storage / "cartpole") or ended("cartpole"))
    for family, own in FAMILIES.items():
        submit(family, "sweep", family, f"--data={data}", *TINY_GAN, *own, *SWEEP)
    for family in FAMILIES:
        wait_until(lambda family=family: ended(family) == 0 or None)
        assert len(rounds_of(storage / family / "rounds.csv")) == TRIALS * ROUNDS
        assert (storage / family / "best.toml").is_file()
    assert ended("cartpole") is None

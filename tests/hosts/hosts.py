"""Hosts with their own addresses, made of Linux namespaces, for tests across machines.

Each host has its own network, process IDs, name, /dev/shm, /tmp/ray, home directory and address; the rest of the file
system is shared, as if every host had mounted the same storage. All hosts are connected to the bridge of one switch,
which is a network namespace too, so nothing reaches this machine's own network. The first process of every host reads
a pipe that this process holds, so that all hosts end when this process ends, even after a crash.

Needs root, Linux, iproute2 and util-linux.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from tests.cluster.helpers import alive, environment

ROOT = Path(__file__).parents[2]
NET = "10.77.0"
NOTHING: Mapping[str, str] = {}
# The first process of a host inherits orphans, and must not leave zombies. It ends when our end of the pipe closes.
INIT = "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); sys.stdin.read()"
SPACES = ["--net", "--pid", "--mount", "--uts", "--ipc"]
BOOT = """set -e
hostname "$0"
mount -t tmpfs -o size=50% tmpfs /dev/shm
mount --bind "$1/ray" /tmp/ray
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/../hosts" /etc/hosts
ip addr add "$2/24" dev eth0
ip link set eth0 up
ip link set lo up
"""


def why_not() -> str | None:
    """Return why this machine cannot make hosts, or None if it can."""
    if not sys.platform.startswith("linux"):
        return "hosts are Linux namespaces: this is not Linux"
    if os.geteuid() != 0:
        return "hosts are Linux namespaces: run as root"
    missing = [name for name in ("ip", "unshare", "nsenter") if shutil.which(name) is None]
    if missing:
        return f"hosts need {', '.join(missing)} (Debian: apt-get install iproute2 util-linux)"
    allowed = subprocess.run(["unshare", "--net", "--pid", "--mount", "--fork", "true"], check=False).returncode == 0
    return None if allowed else "this container may not make namespaces: give it CAP_SYS_ADMIN and CAP_NET_ADMIN"


class Host:
    """One machine of a `Lab`."""

    def __init__(self, name: str, number: int, folder: Path, init: psutil.Process) -> None:
        self.name, self.address, self.port = name, f"{NET}.{number}", f"port{number}"
        self.folder, self.home, self.init = folder, folder / "home", init
        self.started: list[subprocess.Popen[bytes]] = []

    @property
    def alive(self) -> bool:
        """Whether the host is running."""
        return alive(self.init)

    def env(self, changes: Mapping[str, str]) -> dict[str, str]:
        """Return a user's environment on this host: without the tests' own Ray, in token mode, with `changes`."""
        return environment() | {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            **changes,
        }

    def inside(self, command: Sequence[str], cwd: Path) -> list[str]:
        """Return the command line that runs `command` on this host in the directory `cwd`."""
        # A process that enters another mount namespace starts in /.
        return ["nsenter", f"--target={self.init.pid}", *SPACES, "--", "env", f"--chdir={cwd}", *command]

    def run(
        self,
        *command: str,
        check: bool = True,
        timeout: float = 600,
        cwd: Path = ROOT,
        env: Mapping[str, str] = NOTHING,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this host and wait for it; `env` changes its environment.

        Raises:
            AssertionError: the command failed (with its output), unless `check` is False.
        """
        done = subprocess.run(
            self.inside(command, cwd),
            env=self.env(env),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{self.name}: {' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    def start(
        self, *command: str, log: str, cwd: Path = ROOT, env: Mapping[str, str] = NOTHING
    ) -> subprocess.Popen[bytes]:
        """Start a command on this host in the background; its output goes to the file `log` in this host's folder."""
        with (self.folder / log).open("ab") as out:
            self.started.append(
                subprocess.Popen(
                    self.inside(command, cwd), env=self.env(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out
                )
            )
        return self.started[-1]

    def processes(self, title: str = "") -> list[psutil.Process]:
        """Return this host's processes whose command line contains `title`, by this machine's process IDs."""
        return [process for process, line in self._processes() if title in line]

    def _processes(self) -> Iterator[tuple[psutil.Process, str]]:
        space = os.readlink(f"/proc/{self.init.pid}/ns/pid")
        for process in psutil.process_iter():
            try:
                if os.readlink(f"/proc/{process.pid}/ns/pid") == space:
                    yield process, " ".join(process.cmdline())
            except (OSError, psutil.Error):  # the process has ended
                continue

    def lose(self) -> None:
        """Power off the host: all its processes end at once, and its address stops answering."""
        self.init.send_signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        """Wait until no process runs on this host."""
        self.init.wait()
        for command in self.started:
            command.wait()


class Lab:
    """A switch and its hosts; must be closed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.hosts = folder, dict[str, Host]()
        self.token = secrets.token_hex(32)
        self.pipes: list[subprocess.Popen[bytes]] = []
        self.switch = self._namespace("--net")
        self._link("add", "br0", "type", "bridge")
        self._link("set", "br0", "up")

    def boot(self, name: str) -> Host:
        """Add a host with the next free address; `name` is new, or that of a lost host."""
        number, folder = len(self.pipes), self.folder / name
        init = self._namespace(*SPACES, "--fork", "--mount-proc", "--kill-child")
        host = self.hosts[name] = Host(name, number, folder, init)
        shutil.rmtree(folder, ignore_errors=True)
        for path in (folder / "ray", host.home / ".ray", Path("/tmp/ray")):
            path.mkdir(parents=True, exist_ok=True)
        token = host.home / ".ray" / "auth_token"
        token.touch(mode=0o600)
        token.write_text(self.token)
        people = Path("/etc/passwd").read_text().splitlines()
        home = f"root:x:0:0:root:{host.home}:/bin/bash"
        (folder / "passwd").write_text(
            "\n".join([home, *(one for one in people if not one.startswith("root:"))]) + "\n"
        )
        names = [f"{one.address} {one.name}" for one in self.hosts.values()]
        (self.folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
        self._link("add", host.port, "type", "veth", "peer", "name", "eth0", "netns", str(init.pid))
        self._link("set", host.port, "master", "br0", "up")
        host.run("sh", "-c", BOOT, name, str(folder), host.address)
        return host

    def cut(self, host: Host) -> None:
        """Disconnect the host's network; its processes continue."""
        self._link("set", host.port, "down")

    def restore(self, host: Host) -> None:
        """Reconnect the host's network."""
        self._link("set", host.port, "up")

    def close(self) -> None:
        """End all hosts and the switch."""
        for pipe in reversed(self.pipes):
            pipe.kill()
            pipe.wait()
            assert pipe.stdin is not None
            pipe.stdin.close()
        for host in self.hosts.values():
            host.wait()

    def _namespace(self, *kinds: str) -> psutil.Process:
        """Start and return the first process in new namespaces, by this machine's process ID."""
        init = [sys.executable, "-ESc", INIT]
        self.pipes.append(subprocess.Popen(["unshare", *kinds, *init], stdin=subprocess.PIPE))
        outer = psutil.Process(self.pipes[-1].pid)
        for _ in range(3000):
            running = outer.children() if "--fork" in kinds else [outer]
            if running and running[0].name() != "unshare":
                return running[0]
            time.sleep(0.01)
        raise AssertionError(f"unshare {' '.join(kinds)}: no process")

    def _link(self, *arguments: str) -> None:
        subprocess.run(["nsenter", f"--target={self.switch.pid}", "--net", "ip", "link", *arguments], check=True)

"""Hosts reachable by SSH, each with a server and a key pair made for the test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.hosts.hosts import Host

SERVER = """
HostKey {folder}/host_key
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile {key}.pub
"""


def make_key(path: Path) -> Path:
    """Make a key pair without a passphrase, `path` and `path`.pub; return `path`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def start_server(host: Host, key: Path) -> None:
    """Start an SSH server on `host` that accepts only `key`, for root."""
    make_key(host.folder / "host_key")
    Path("/run/sshd").mkdir(exist_ok=True)  # the server's chroot before authentication
    # An account with a locked password cannot log in by key either, so root's password is unusable, but not locked.
    people = Path("/etc/shadow").read_text().splitlines()
    shadow = "\n".join(["root:*:19000:0:99999:7:::", *(one for one in people if not one.startswith("root:"))]) + "\n"
    (host.folder / "shadow").touch(mode=0o600)
    (host.folder / "shadow").write_text(shadow)
    host.run("mount", "--bind", str(host.folder / "shadow"), "/etc/shadow")
    config = host.folder / "sshd_config"
    config.write_text(SERVER.format(folder=host.folder, key=key))
    server = shutil.which("sshd") or "/usr/sbin/sshd"
    host.start(server, "-D", "-e", "-f", str(config), log="sshd.log")

"""Which servers the command line accepts for jobs, and which ones receive the token."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.jobs import client
from cluster.jobs.client import connect, find_token, is_loopback, resolve
from tests.cluster.helpers import run_program
from tests.cluster.job_server import TOKEN, counterfeit, free_ports
from tests.cluster.records import refused

TRAIN = ("--", "train", "pong", "--run-dir", "/shared/pong")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set an empty home directory, and unset all variables of Ray's address and token."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(client.VARIABLE, "")
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)


def write_token(path: Path, mode: int, token: str = f"{TOKEN}\n") -> Path:
    """Write a token file; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(token)
    path.chmod(mode)
    return path


def test_the_token_is_found_where_ray_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_token(tmp_path / ".ray" / "auth_token", 0o600, "third")
    assert find_token() == "third"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(write_token(tmp_path / "elsewhere", 0o400, "second")))
    assert find_token() == "second"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "first")
    assert find_token() == "first"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_token_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = write_token(tmp_path / ".ray" / "auth_token", mode)
    with pytest.raises(ValueError, match=f"chmod 600 {path}"):
        find_token()


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_token_that_is_not_there(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        write_token(tmp_path / ".ray" / "auth_token", 0o600, content)
    with pytest.raises(ValueError, match="holds none: copy the cluster's there"):
        find_token()


def test_the_address_argument_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address argument overrides the variables; in Ray itself its variables override the argument."""
    assert resolve(None) == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert resolve(None) == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_ADDRESS", "http://head:8265")
    assert resolve(None) == "http://head:8265"
    with counterfeit() as wrong, counterfeit() as right:
        monkeypatch.setenv(client.VARIABLE, wrong.url)
        assert resolve(None) == wrong.url
        assert connect(f"{right.url}/", insecure=False).get_address() == right.url
        assert right.tokens
        assert not wrong.tokens


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://localhost:8265", True),
        ("http://127.0.0.1:8265", True),
        ("http://127.8.8.8:8265", True),
        ("http://[::1]:8265", True),
        ("http://0.0.0.0:8265", False),
        ("http://10.0.0.1:8265", False),
        ("http://localhost.example.org:8265", False),
        ("http://127.0.0.1.example.org:8265", False),
        ("http://localhost@example.org:8265", False),
    ],
)
def test_loopback(url: str, own: bool) -> None:
    assert is_loopback(url) is own


@pytest.mark.parametrize("address", ["ray://head:10001", "file:///etc/passwd", "http://"])
def test_an_address_of_something_else(capsys: pytest.CaptureFixture[str], address: str) -> None:
    for command in (["jobs"], ["logs", "x"], ["stop", "x"]):
        assert "use the dashboard's, as in http://HOST:8265" in refused(capsys, *command, "--address", address)


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no cluster answers at" in refused(capsys, "jobs", "--address", f"127.0.0.1:{free_ports(1)[0]}")


@pytest.mark.parametrize("body", ["<html>", "[]", '{"version": 1}'])
def test_something_else_answers(capsys: pytest.CaptureFixture[str], body: str) -> None:
    with counterfeit(body=body) as server:
        assert "is no job server of Ray" in refused(capsys, "jobs", "--address", server.url)


def test_code_goes_to_no_cluster_that_anybody_may_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A remote server that requires no token is refused without --insecure, and never receives the token."""
    write_token(tmp_path / ".ray" / "auth_token", 0o600)
    with counterfeit(host="0.0.0.0") as server:
        said = refused(capsys, "submit", "--address", server.url, "--working-dir", str(tmp_path), *TRAIN)
        assert "requires no token" in said
        assert "RAY_AUTH_MODE=token, or add --insecure" in said
        assert len(server.tokens) == 1
        connect(server.url, insecure=True)
        assert len(server.tokens) > 1
        assert not any(server.tokens)


def test_the_token_stays_here_whatever_ray_is_told_of_it(tmp_path: Path) -> None:
    """A server that requires no token receives none, even with RAY_AUTH_MODE=token as docs/security.md exports it."""
    write_token(tmp_path / "token", 0o600)
    source = """if True:
        import os, sys
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": sys.argv[2]}  # Ray reads the mode once
        from cluster.jobs.client import connect
        connect(sys.argv[1], insecure=True)
    """
    with counterfeit() as server:
        done = run_program(source, server.url, str(tmp_path / "token"))
        assert done.returncode == 0, done.stderr
        assert len(server.tokens) > 1
        assert not any(server.tokens)


def test_the_token_goes_to_a_server_that_asks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with counterfeit(host="0.0.0.0", locked=True) as server:
        assert "holds none" in refused(capsys, "jobs", "--address", server.url)
        monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
        connect(server.url, insecure=False)
        assert server.tokens[-1] == f"Bearer {TOKEN}"
        monkeypatch.setenv("RAY_AUTH_TOKEN", "of another cluster")
        said = refused(capsys, "jobs", "--address", server.url)
        assert "does not take this token" in said
        assert "another cluster" not in said

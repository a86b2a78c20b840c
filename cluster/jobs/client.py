"""Connection to a cluster's job server: address, authentication and token."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import logging
import os
import shlex
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

DEFAULT = "http://127.0.0.1:8265"
VARIABLE = "RAY_API_SERVER_ADDRESS"
CHATTY = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray._private.runtime_env.packaging",
    "ray._private.runtime_env.working_dir",
)
TIMEOUT = 60.0  # seconds to wait for an answer


class Client(JobSubmissionClient):
    """Ray's client with a timeout for every request."""

    def _do_request(self, *args: Any, **kwargs: Any) -> Any:
        return super()._do_request(*args, timeout=TIMEOUT, **kwargs)


def connect(address: str | None, *, insecure: bool) -> Client:
    """Connect to the cluster at `address`; the token is sent only to a server that requires one.

    Raises:
        ValueError: there is no cluster, it rejects the token, or it requires none and `insecure` is False.
    """
    url = resolve(address)
    locked = asks_for_token(url)
    if not locked and not insecure and not is_loopback(url):
        raise ValueError(
            f"{url} requires no token: anyone who can reach it can run programs there. Start the cluster with "
            "RAY_AUTH_MODE=token, or add --insecure if its network is yours alone"
        )
    # Always set this header: with RAY_AUTH_MODE=token Ray's client would add the token otherwise.
    headers = {"Authorization": f"Bearer {find_token()}" if locked else ""}
    os.environ[VARIABLE] = url  # in Ray this variable overrides the argument
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    with errors_in_one_line(url):
        return Client(url, headers=headers)


def resolve(address: str | None) -> str:
    """Return the job server's URL: the argument, else Ray's variables, else the default on this machine.

    Raises:
        ValueError: it is no http URL.
    """
    ray_address = os.environ.get("RAY_ADDRESS", "")
    default = os.environ.get(VARIABLE) or (ray_address if ray_address.startswith("http") else DEFAULT)
    url = address or default
    url = url if "://" in url else f"http://{url}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is no address of a job server: use the dashboard's, as in http://HOST:8265")
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Return whether the URL is a loopback address, perhaps of a tunnel."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def asks_for_token(url: str) -> bool:
    """Return whether the job server requires a token, by requesting its version without one.

    Raises:
        ValueError: there is no answer, or it is not from a job server.
    """
    try:
        with urllib.request.urlopen(f"{url}/api/version", timeout=TIMEOUT) as answer:
            known = "ray_version" in json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 401:
            return True
        known = False
    except (OSError, http.client.HTTPException):
        raise ValueError(
            f"no cluster answers at {url}: start one, open a tunnel to its dashboard, or name its --address"
        ) from None
    except ValueError:  # no JSON
        known = False
    if not known:
        raise ValueError(f"{url} is no job server of Ray: name the dashboard's --address, as in http://HOST:8265")
    return False


def find_token() -> str:
    """Return the cluster's token, from Ray's RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token.

    Raises:
        ValueError: there is none, or others can read its file.
    """
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        mode, token = path.stat().st_mode, path.read_text().strip()
    except OSError:
        token = ""
    if not token:
        raise ValueError(
            f"the cluster asks for a token and {path} holds none: copy the cluster's there (mode 0600), "
            "or set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
        )
    if stat.S_IMODE(mode) & 0o077:
        raise ValueError(f"{path} holds the cluster's token and others may read it: chmod 600 {shlex.quote(str(path))}")
    return token


@contextlib.contextmanager
def errors_in_one_line(url: str) -> Iterator[None]:
    """Convert errors of Ray and the network to one line.

    Raises:
        ValueError: the request failed; the message has the reason.
    """
    lost = f"{url} has stopped answering: a job there goes on as long as its cluster lives"
    try:
        yield
    except AuthenticationError:
        raise ValueError(f"{url} does not take this token: copy the cluster's own ~/.ray/auth_token") from None
    except (OSError, aiohttp.ClientError) as error:
        if getattr(error, "filename", None) or isinstance(error, BrokenPipeError):  # not from the network
            raise
        raise ValueError(lost) from None
    except RuntimeError as error:
        said = str(error).strip().splitlines()[-1]
        raise ValueError(lost if said.startswith("WebSocket connection closed") else said) from None

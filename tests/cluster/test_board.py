"""`quarterdeck board` as a process, queried over HTTP."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.helpers import PATIENCE, command, environment, wait_until
from tests.cluster.records import refused

ROOT = Path(__file__).parents[2]
Ask = Callable[..., Any]


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the board; yield its process and its first line of output, which names its address."""
    process = subprocess.Popen(
        command("board", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def board(catch_run: Path) -> Iterator[tuple[Ask, str]]:
    """Yield a query function of a board and its first line; SIGINT then ends the board without further output."""
    with served(str(catch_run.parent), "--port", "0") as (process, line):
        url = re.findall(r"http://127\.0\.0\.1:\d+/", line)[0]

        def ask(path: str, sent: dict[str, Any] | None = None, **query: str) -> Any:
            data = None if sent is None else json.dumps(sent).encode()
            kind = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{url}data/{path}?{urllib.parse.urlencode(query)}", data, kind)
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                body = answer.read()
            return body if "image_key" in path or "individual" in path else json.loads(body)

        wait_until(lambda: ask("runs") or None)
        wait_until(lambda: ask("plugin/scalars/tags").get("catch/tensorboard") or None)
        yield ask, line
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, err) == (0, "", "")


def test_it_says_what_it_shows_and_where(board: tuple[Ask, str]) -> None:
    assert board[1].startswith("1 run of ")


def test_the_overview_is_in_front_and_every_tab_has_data(board: tuple[Ask, str]) -> None:
    """The overview is the first enabled plugin, which the page opens, and all plugins with data are enabled."""
    plugins = board[0]("plugins_listing")
    assert next(name for name, plugin in plugins.items() if plugin["enabled"]) == "custom_scalars"
    for name in ("custom_scalars", "scalars", "images", "histograms", "distributions", "text", "hparams"):
        assert plugins[name]["enabled"], name


def test_the_layout_is_served(board: tuple[Ask, str]) -> None:
    layout = board[0]("plugin/custom_scalars/layout")
    assert layout["category"][0]["title"] == "The story"
    found = board[0]("plugin/custom_scalars/scalars", run="catch/tensorboard", tag="evaluation/closing_score_mean")
    assert found["regex_valid"]
    assert len(next(iter(found["tag_to_events"].values()))) == 1


def test_pictures_are_served(board: tuple[Ask, str]) -> None:
    tags = board[0]("plugin/images/tags")["catch/tensorboard"]
    assert set(tags) == {"evaluation/game", "evaluation/saliency"}
    assert "Simonyan" in tags["evaluation/saliency"]["description"]
    shown = board[0]("plugin/images/images", run="catch/tensorboard", tag="evaluation/game", sample="0")
    query = dict(urllib.parse.parse_qsl(shown[-1]["query"]))
    assert board[0]("plugin/images/individualImage", **query).startswith(b"GIF8")


def test_hparams_of_the_run_are_served(board: tuple[Ask, str]) -> None:
    experiment = board[0]("plugin/hparams/experiment", {"experimentName": ""})
    names = {one["name"] for one in experiment["hparamInfos"]}
    assert {"seed", "learner.learning_rate", "replay.n_step"} <= names
    first = [one["name"] for one in experiment["hparamInfos"] if one["differs"]]
    assert experiment["hparamInfos"][0]["name"] == first[0]
    assert {"env.id", "learner.batch_size", "replay.capacity"} <= set(first), "what the command line changed"
    assert not {"learner.gamma", "network.kind"} & set(first)
    asked = {"colParams": [], "allowedStatuses": ["STATUS_SUCCESS"], "startIndex": 0, "sliceSize": 9}
    groups = board[0]("plugin/hparams/session_groups", asked)["sessionGroups"]
    assert [group["hparams"]["learner.batch_size"] for group in groups] == [16.0]
    values = {one["name"]["tag"]: one["value"] for one in groups[0]["metricValues"]}
    assert "evaluation/closing_score_mean" in values


def test_no_runs_and_a_taken_port_are_said_in_one_line(
    catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "holds no runs with events: train first" in refused(capsys, "board", str(tmp_path))
    assert "holds no runs" in refused(capsys, "board", str(tmp_path / "absent"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port} cannot be used (Address already in use): name another --port" in refused(
            capsys, "board", str(catch_run), "--port", port
        )
    assert "use 1 to 65535" in refused(capsys, "board", str(catch_run), "--port", "70000")

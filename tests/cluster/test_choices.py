"""Settings of all workloads accept only values of their type, and `Literal` settings only the listed texts."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.dqn.settings import Settings
from agents.tabular.settings import TabularSettings
from cluster.tuning.space import range_of
from cluster.workloads import TABLE, WORKLOADS
from training.settings_file import read_settings


def fields() -> dict[tuple[str, type[Any]], Any]:
    """Return the annotations of all workloads' settings, by a setting's full name and its class."""
    found: dict[tuple[str, type[Any]], Any] = {}
    for work in WORKLOADS.values():
        tree = work.load("settings")
        sections = {f"{name}.": kind for name, kind in get_type_hints(tree).items() if dataclasses.is_dataclass(kind)}
        for section, made in {"": tree, **sections}.items():
            kinds = get_type_hints(made)
            found |= {(section + field.name, made): kinds[field.name] for field in dataclasses.fields(made)}
    return found


FIELDS = fields()
CHOICES = {one: get_args(kind) for one, kind in FIELDS.items() if get_origin(kind) is Literal}
OTHERS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


def test_all_kinds_of_training_are_read() -> None:
    names = {name for name, _ in CHOICES}
    assert names >= {"algorithm", "second", "evaluation.protocol", "replay.initial_priority", "learner.loss"}
    assert names >= {"learner.precision", "training.precision", "network.coupling", "loss.kind", "loss.error"}
    assert len({made for name, made in CHOICES if name == "learner.precision"}) == 4


def test_a_value_of_another_kind_is_named_as_in_the_tree() -> None:
    for name, made in FIELDS:
        with pytest.raises(ValueError, match=rf"^{re.escape(name)} is \['x'\]: "):
            made(**{name.rpartition(".")[2]: ["x"]})


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: f"{choice[1].__name__}-{choice[0]}")
@given(data=st.data())
def test_each_of_the_texts_is_taken_and_nothing_else(choice: tuple[str, type[Any]], data: st.DataObject) -> None:
    (name, made), texts = choice, CHOICES[choice]
    field = name.rpartition(".")[2]
    text = data.draw(st.sampled_from(texts))
    assert getattr(made(**{field: text}), field) == text
    close = st.sampled_from([text.upper(), f"{text} ", text[:-1], [text]])
    value = data.draw((OTHERS | close).filter(lambda value: value not in texts))
    with pytest.raises(ValueError, match=rf"^{re.escape(name)} is .*: use one of {', '.join(texts)}$"):
        made(**{field: value})


def test_a_file_and_a_space_are_held_to_them(tmp_path: Path) -> None:
    (tmp_path / "best.toml").write_text('algorithm = "foo"')
    with pytest.raises(ValueError, match=r"best\.toml: algorithm is 'foo': use one of q_learning, random, sarsa"):
        read_settings(tmp_path / "best.toml", TabularSettings())
    with pytest.raises(ValueError, match="algorithm is 'foo': use one of q_learning, random, sarsa"):
        range_of("algorithm", {"choice": ["sarsa", "foo"]}, TabularSettings, TABLE.load("search"), TABLE.ends)


def test_what_a_class_says_of_itself_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / "best.toml").write_text('parts = "agents.sac.parts"')
    with pytest.raises(ValueError, match=r"best\.toml: no setting is called 'parts'"):
        read_settings(tmp_path / "best.toml", Settings())

"""The semantic loss's classifiers of both domains, trained once."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from gan.cycle.domains import domains_of
from gan.cycle.trainer import CycleTrainer
from gan.data.images import Images
from tests.gan.test_cycle import tiny
from tests.patience import TIMEOUT


@pytest.mark.timeout(TIMEOUT)
def test_each_domain_has_a_classifier_of_its_own(corners: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each classifier is right on its domain and not updated with the translators (bf16: `SemanticLoss.prepare`)."""
    monkeypatch.setattr("gan.evaluation.features.EPOCHS", 3)  # four classes of squares are learnt quickly
    trainer = CycleTrainer(tiny(held__meaning=1.0, second="inverted", training__precision="bf16"), corners)
    trainer.train(1)
    assert trainer.semantic is not None
    before = [copy.deepcopy(reader.state_dict()) for reader in trainer.semantic.readers]
    trainer.train(3)
    for domain, reader, weights in zip(domains_of(corners, "inverted"), trainer.semantic.readers, before, strict=True):
        shown = torch.from_numpy(domain.report.images).float() / 127.5 - 1
        assert domain.report.labels is not None
        assert (reader(shown).argmax(1).numpy() == domain.report.labels).mean() > 0.95
        assert all(torch.equal(value, weights[name]) for name, value in reader.state_dict().items())
    unnamed = replace(corners, train=replace(corners.train, labels=None))
    with pytest.raises(ValueError, match=r"corners has no classes: give labels, or use --held\.meaning 0"):
        CycleTrainer(trainer.settings, unnamed)


def test_classifiers_are_trained_where_a_checkpoint_has_none(corners: Images, untrained_readers: list[int]) -> None:
    without = CycleTrainer(tiny(), corners)
    without.train(2)
    assert "meaning" not in without.state()
    told = CycleTrainer(tiny(held__meaning=1.0), corners)
    told.load_state(without.state())
    assert untrained_readers == []
    told.train(1)
    assert len(untrained_readers) == 2
    without.load_state(told.state())
    assert "meaning" not in without.state()

"""Our own spaces: they fit the presets that they are for, and hold what these have."""

from __future__ import annotations

import pytest

from cluster.tuning.space import read_space
from cluster.workloads import PRESETS, workload_of
from training.settings import flat


@pytest.mark.parametrize("preset", PRESETS)
def test_our_spaces_fit_our_presets(preset: str) -> None:
    """Of whatever is trained."""
    work = workload_of(preset)
    settings, search = work.default(preset), work.load("search")
    for name in search.spaces(settings):
        assert read_space(name, settings, search, (*work.ends, *work.in_trials))


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_preset_has_can_be_found_again(preset: str) -> None:
    """Where a search cannot come back to it, its winner may be worse than nothing searched."""
    work = workload_of(preset)
    settings, search, own = work.default(preset), work.load("search"), flat(work.default(preset))
    for name in search.spaces(settings).keys() - {"exploration"}:  # which stands instead of noise or a ladder
        for key, found in read_space(name, settings, search, (*work.ends, *work.in_trials)).items():
            value = "/".join(str(own[part]) for part in key.split("+")) if "+" in key else own[key]
            if found.kind == "choice":
                assert value in found.values, key
            else:
                assert value == 0 or found.values[0] <= value <= found.values[1], key

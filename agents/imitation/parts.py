"""Network and policy of agents trained from a data set, for evaluation and playback; see `agents.parts`."""

from __future__ import annotations

from agents.dqn.parts import make_network as make_network
from agents.dqn.parts import policy_with as policy_with

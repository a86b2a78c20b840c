"""What acts after a training from a data set, for whoever judges or shows it: see `agents.parts`."""

from __future__ import annotations

from agents.dqn.parts import make_network as make_network
from agents.dqn.parts import policy_with as policy_with

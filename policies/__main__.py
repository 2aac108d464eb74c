"""Builds the pack, which serves until the engine ends it; everything else is in importable modules."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import PolicyPack

from policies.pack import NAME, policies

PolicyPack(NAME, policies())

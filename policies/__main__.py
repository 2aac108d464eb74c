"""Serves the policy pack until the Pulumi engine stops it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import PolicyPack

from policies.pack import NAME, policies

PolicyPack(NAME, policies())

"""`python -m ops`: see `python -m ops --help`."""

from ops.app import run

run()

"""All checks, in the order in which they are shown: what others need comes first."""

from ops.doctor import machine, running, state, tools
from ops.doctor.report import Check

CHECKS = (
    Check("python", tools.python),
    Check("packages", tools.packages),
    Check("pulumi", tools.pulumi),
    Check("stack file", state.stack_file),
    Check("passphrase", state.passphrase),
    Check("lock", state.lock),
    Check("engine", machine.engine),
    Check("disk", machine.disk),
    Check("memory", machine.memory),
    Check("images", machine.images),
    Check("ports", machine.ports),
    Check("containers", state.containers),
    Check("kubernetes", running.kubernetes),
    Check("clock", machine.clock),
    Check("members", running.members),
)

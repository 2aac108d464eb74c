"""What the monitoring servers share: one member each, which needs no others and can be restarted at any time."""

import pulumi

from components.server import ServerArgs
from components.targets.base import Cluster, Deployment
from components.workload import Workload


def served_at(workload: Workload, args: ServerArgs, parent: pulumi.Resource) -> tuple[str, Deployment]:
    """Deploy a server of one member.

    Args:
        workload: What to run, its secret files too.
        args: Where, and how long it may take.
        parent: The component that it belongs to.

    Returns:
        ``host:port`` by which this program reaches it, and what the target made.
    """
    address = args.target.addresses(workload)[0]
    cluster = Cluster(kind="server", addresses={workload.members[0]: address}, deadline=args.deadline)
    return address, args.target.deploy(workload, parent, cluster, after=args.after)

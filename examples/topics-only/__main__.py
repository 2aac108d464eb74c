"""Topics in a Kafka cluster that somebody else runs; this program owns these topics and touches no others."""

import pulumi

from components.errors import PlatformError
from components.topics.component import TopicSet, TopicSetArgs
from components.topics.settings import TopicSettings


def main() -> None:
    """Declare the topics."""
    bootstrap = pulumi.Config().require("bootstrapServers")
    topics = [
        TopicSettings.of(name="invoices", partitions=2, replication_factor=1, retention="30d").spec(),
    ]
    made = TopicSet("topics", TopicSetArgs(bootstrap=bootstrap, topics=topics))
    pulumi.export("topics", made.topics)


try:
    main()
except PlatformError as error:
    raise pulumi.RunError(str(error)) from None  # the message without a traceback

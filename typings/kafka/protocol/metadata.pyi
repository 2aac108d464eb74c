from collections.abc import Sequence
from typing import Any

class MetadataRequest:
    def __init__(self, *, topics: Sequence[Any] | None, allow_auto_topic_creation: bool) -> None: ...

from collections.abc import Sequence
from typing import Any

class MemoryRecordsBuilder:
    def __init__(
        self,
        magic: int,
        compression_type: int,
        batch_size: int,
        offset: int = 0,
        transactional: bool = False,
        producer_id: int = -1,
        producer_epoch: int = -1,
        base_sequence: int = -1,
    ) -> None: ...
    def append(
        self,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] | None = None,
    ) -> Any: ...
    def next_offset(self) -> int: ...
    def close(self) -> None: ...
    def buffer(self) -> bytes: ...

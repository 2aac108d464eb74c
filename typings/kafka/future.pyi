from collections.abc import Generator
from typing import Any

class Future:
    def __await__(self) -> Generator[Any, Any, Any]: ...

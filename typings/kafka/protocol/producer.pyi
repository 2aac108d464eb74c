from typing import Any

class InitProducerIdRequest:
    def __init__(self, **fields: Any) -> None: ...

class ProduceRequest:
    TopicProduceData: Any
    def __init__(self, **fields: Any) -> None: ...

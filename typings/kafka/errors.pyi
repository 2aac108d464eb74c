class KafkaError(RuntimeError):
    errno: int
    description: str

class TopicAlreadyExistsError(KafkaError): ...

def for_code(error_code: int) -> type[KafkaError]: ...

class ApiException(Exception):
    reason: str | None

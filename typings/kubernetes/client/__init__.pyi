class Configuration:
    host: str
    verify_ssl: bool
    ssl_ca_cert: str | None
    cert_file: str | None
    key_file: str | None
    tls_server_name: str | None
    proxy: str | None
    no_proxy: str | None
    retries: int | None
    def __init__(self) -> None: ...
    def get_api_key_with_prefix(self, identifier: str) -> str | None: ...

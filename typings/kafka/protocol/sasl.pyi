from typing import Any

SaslHandshakeRequest: Any
SaslHandshakeResponse: Any
SaslAuthenticateRequest: Any
SaslAuthenticateResponse: Any

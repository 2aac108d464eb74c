"""Code that the stand-in plugins share: the gRPC server, failures, and the protocol's values."""

"""What the stand-ins for resource plugins share: how they are served, and values on the wire."""

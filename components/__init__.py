"""The platform: settings, components, targets, providers and clients."""

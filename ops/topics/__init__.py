"""Topics: listed, described, and exported as a stack file declares them."""

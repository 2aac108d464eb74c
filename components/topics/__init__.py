"""Topics, declared in the stack file."""

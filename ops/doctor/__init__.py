"""What is wrong with this machine, the stack and its platform, and the command that mends it."""

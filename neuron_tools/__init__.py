"""Commands that act on a node, and the console helpers that all commands share."""

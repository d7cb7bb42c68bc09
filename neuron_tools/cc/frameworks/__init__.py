"""The frameworks that models come from; one module per framework."""

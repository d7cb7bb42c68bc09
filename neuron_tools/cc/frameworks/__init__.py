"""The frameworks that models come from; one module reads each."""

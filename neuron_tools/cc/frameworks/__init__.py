"""The frameworks of source models; one module per framework."""

"""How long the chip takes: tiles of the PE array, on-chip residency, DRAM, the parameters of the model."""

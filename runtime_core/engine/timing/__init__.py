"""The timing model of the chip: tiles of the PE array, on-chip residency, DRAM, and the parameters of the model."""

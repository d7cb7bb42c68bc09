"""The records of :mod:`neuron_top.model` as lines of Rich text: pure functions of a width."""

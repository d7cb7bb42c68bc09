"""A fleet under the virtual clock: series of each node, the shipped rules over them, and what they add up to."""

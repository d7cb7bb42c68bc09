"""The simulated Inf1 node: chips, links, driver, runtime, compiler, and the reading side that the viewers use."""

__version__ = "0.1.0"

"""The directory in which the driver of a real node publishes its devices."""

from pathlib import Path

REAL_NODE = Path("/sys/devices/virtual/neuron_device")

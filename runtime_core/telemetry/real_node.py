"""Where the driver of a real node shows its devices."""

from pathlib import Path

REAL_NODE = Path("/sys/devices/virtual/neuron_device")

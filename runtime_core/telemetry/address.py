"""Addresses of neuron-rtd daemons, as configurations and datastores write them."""

from __future__ import annotations


def normal_address(address: str) -> str:
    """Normalize an address: gRPC treats ``unix:///path`` as ``unix:/path`` and ignores the case of host names."""
    if address.startswith("unix:///"):
        return f"unix:{address.removeprefix('unix://')}"
    return address if address.startswith("unix:") else address.lower()

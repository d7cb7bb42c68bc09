"""Addresses of neuron-rtd daemons, as configurations and datastores write them."""

from __future__ import annotations


def normal_address(address: str) -> str:
    """One spelling of an address: gRPC takes ``unix:///path`` for ``unix:/path``, and host names in any case."""
    if address.startswith("unix:///"):
        return f"unix:{address.removeprefix('unix://')}"
    return address if address.startswith("unix:") else address.lower()

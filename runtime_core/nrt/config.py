"""The environment variables of Runtime 2.x (``contracts/runtime.md``)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.status import NrtError, NrtStatus

DEFAULT_TIMEOUT_SECONDS = 2.0
MAX_TAG_CHARACTERS = 255


class RuntimeConfig(NamedTuple):
    """What the environment asks for.

    Attributes:
        visible_cores: cores by number, ``None`` when not named.
        core_count: any so many cores, ``None`` when not asked.
        visible_devices: devices that a container may see, ``None`` for all.
        timeout_seconds: of one execution.
        validate_hash: check a NEFF's hash at load.
        tag: the process's name in the tools.
        warnings: lines to log.
    """

    visible_cores: tuple[int, ...] | None
    core_count: int | None
    visible_devices: tuple[int, ...] | None
    timeout_seconds: float
    validate_hash: bool
    tag: str
    warnings: tuple[str, ...] = ()


def parse_ranges(text: str, variable: str) -> tuple[int, ...]:
    """Numbers of ``0``, ``0-3`` or ``1,4-5``, in ascending order.

    Raises:
        NrtError: INVALID, naming ``variable`` and the part that is wrong.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise NrtError(
                NrtStatus.INVALID, f"{variable}={text!r}: {part.strip()!r} is no index or range; write 0, 0-3 or 1,4-5"
            )
        low = int(first)
        high = int(last) if dash else low
        if high < low or high - low > 4096:
            raise NrtError(
                NrtStatus.INVALID, f"{variable}={text!r}: the range {part.strip()!r} runs backwards or is too long"
            )
        numbers.update(range(low, high + 1))
    return tuple(sorted(numbers))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


def format_ranges(cores: tuple[int, ...]) -> str:
    """Cores as the runtime logs them: ``nc0-nc3``, runs apart by commas."""
    runs: list[list[int]] = []
    for core in cores:
        if runs and core == runs[-1][1] + 1:
            runs[-1][1] = core
        else:
            runs.append([core, core])
    return ",".join(f"nc{first}-nc{last}" for first, last in runs)


def _count(text: str, variable: str) -> int:
    if not _is_number(text.strip()) or int(text) < 1:
        raise NrtError(NrtStatus.INVALID, f"{variable}={text!r}: expected a count of NeuronCores, 1 or more")
    return int(text)


def _group_sizes(text: str) -> int:
    return sum(_count(part, "NEURONCORE_GROUP_SIZES") for part in text.split(","))


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise NrtError(NrtStatus.INVALID, f"NEURON_RT_EXEC_TIMEOUT={text!r}: expected seconds, more than 0")
    return seconds


def read_config(environment: Mapping[str, str]) -> RuntimeConfig:
    """Read the variables.

    Raises:
        NrtError: INVALID, naming the variable and what it should hold.
    """
    warnings: list[str] = []
    cores_text = environment.get("NEURON_RT_VISIBLE_CORES", "").strip()
    count_text = environment.get("NEURON_RT_NUM_CORES", "").strip()
    groups_text = environment.get("NEURONCORE_GROUP_SIZES", "").strip()
    visible = parse_ranges(cores_text, "NEURON_RT_VISIBLE_CORES") if cores_text else None
    count = _count(count_text, "NEURON_RT_NUM_CORES") if count_text and visible is None else None
    if groups_text and visible is None and count is None:
        count = _group_sizes(groups_text)
        warnings.append(
            "NEURONCORE_GROUP_SIZES is deprecated: use NEURON_RT_NUM_CORES or NEURON_RT_VISIBLE_CORES instead"
        )
    devices_text = environment.get("AWS_NEURON_VISIBLE_DEVICES", "").strip()
    devices = (
        parse_ranges(devices_text, "AWS_NEURON_VISIBLE_DEVICES")
        if devices_text and devices_text.upper() != "ALL"
        else None
    )
    timeout_text = environment.get("NEURON_RT_EXEC_TIMEOUT", "").strip()
    return RuntimeConfig(
        visible,
        count,
        devices,
        _timeout(timeout_text) if timeout_text else DEFAULT_TIMEOUT_SECONDS,
        environment.get("NEURON_RT_VALIDATE_HASH", "false").strip().lower() in ("true", "1"),
        (environment.get("NEURON_PROCESS_TAG") or str(os.getpid()))[:MAX_TAG_CHARACTERS],
        tuple(warnings),
    )


def usable_cores(config: RuntimeConfig, total: int) -> tuple[int, ...]:
    """The cores of the node that the container's devices allow."""
    if config.visible_devices is None:
        return tuple(range(total))
    return tuple(c for c in range(total) if c // CORES_PER_DEVICE in config.visible_devices)

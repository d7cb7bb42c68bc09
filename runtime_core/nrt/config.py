"""The environment variables of Runtime 2.x (``contracts/runtime.md``)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from runtime_core.errors import NeuronError
from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.ranges import parse_ranges, runs
from runtime_core.status import NrtError, NrtStatus

DEFAULT_TIMEOUT_SECONDS = 2.0
MAX_TIMEOUT_SECONDS = 1e6
MAX_TAG_CHARACTERS = 255
_FLAGS = {**dict.fromkeys(("1", "true", "yes", "on"), True), **dict.fromkeys(("0", "false", "no", "off"), False)}


class RuntimeConfig(NamedTuple):
    """Settings from the environment.

    Attributes:
        visible_cores: indices of the cores to own; ``None`` if not set.
        core_count: number of free cores to own; ``None`` if not set.
        visible_devices: devices that a container may use; ``None``: all.
        timeout_seconds: time limit of an execution.
        validate_hash: check a NEFF's hash at load.
        tag: the process's name in the tools.
        warnings: problems that do not stop the runtime, to log.
    """

    visible_cores: tuple[int, ...] | None
    core_count: int | None
    visible_devices: tuple[int, ...] | None
    timeout_seconds: float
    validate_hash: bool
    tag: str
    warnings: tuple[NeuronError, ...] = ()


def _indices(text: str, variable: str) -> tuple[int, ...]:
    try:
        return parse_ranges(text)
    except ValueError as error:
        raise NrtError(NrtStatus.INVALID, str(error), where=f"{variable}={text!r}") from None


def format_cores(cores: Iterable[int]) -> str:
    """Cores as the runtime logs them: ``nc0-nc3``, runs separated by commas."""
    return ",".join(f"nc{first}-nc{last}" for first, last in runs(cores))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


def _count(text: str, variable: str) -> int:
    if not _is_number(text.strip()) or int(text) < 1:
        raise NrtError(NrtStatus.INVALID, "expected a count of NeuronCores, 1 to 99999", where=f"{variable}={text!r}")
    return int(text)


def _group_sizes(text: str) -> int:
    return sum(_count(part, "NEURONCORE_GROUP_SIZES") for part in text.split(","))


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise NrtError(
            NrtStatus.INVALID,
            f"expected seconds, more than 0 and at most {MAX_TIMEOUT_SECONDS:.0f}",
            where=f"NEURON_RT_EXEC_TIMEOUT={text!r}",
        )
    return seconds


def read_flag(environment: Mapping[str, str], variable: str, default: bool) -> bool:
    """Return whether a variable is on; ``default`` if it is unset or empty.

    Raises:
        NrtError: INVALID; names the variable.
    """
    text = environment.get(variable, "").strip()
    try:
        return _FLAGS[text.lower()] if text else default
    except KeyError:
        raise NrtError(NrtStatus.INVALID, "expected true or false", where=f"{variable}={text!r}") from None


def read_config(environment: Mapping[str, str]) -> RuntimeConfig:
    """Read the variables.

    Raises:
        NrtError: INVALID; names the variable and the expected value.
    """
    warnings: list[NeuronError] = []
    cores_text = environment.get("NEURON_RT_VISIBLE_CORES", "").strip()
    count_text = environment.get("NEURON_RT_NUM_CORES", "").strip()
    groups_text = environment.get("NEURONCORE_GROUP_SIZES", "").strip()
    visible = _indices(cores_text, "NEURON_RT_VISIBLE_CORES") if cores_text else None
    count = _count(count_text, "NEURON_RT_NUM_CORES") if count_text and visible is None else None
    if groups_text and visible is None and count is None:
        count = _group_sizes(groups_text)
        warnings.append(
            NeuronError(
                "NEURONCORE_GROUP_SIZES is deprecated",
                mend="use NEURON_RT_NUM_CORES or NEURON_RT_VISIBLE_CORES instead",
            )
        )
    devices_text = environment.get("AWS_NEURON_VISIBLE_DEVICES", "").strip()
    devices = (
        _indices(devices_text, "AWS_NEURON_VISIBLE_DEVICES") if devices_text and devices_text.upper() != "ALL" else None
    )
    timeout_text = environment.get("NEURON_RT_EXEC_TIMEOUT", "").strip()
    return RuntimeConfig(
        visible,
        count,
        devices,
        _timeout(timeout_text) if timeout_text else DEFAULT_TIMEOUT_SECONDS,
        read_flag(environment, "NEURON_RT_VALIDATE_HASH", default=False),
        (environment.get("NEURON_PROCESS_TAG") or str(os.getpid()))[:MAX_TAG_CHARACTERS],
        tuple(warnings),
    )


def usable_cores(config: RuntimeConfig, total: int) -> tuple[int, ...]:
    """The cores of the node that the container's devices allow."""
    if config.visible_devices is None:
        return tuple(range(total))
    return tuple(c for c in range(total) if c // CORES_PER_DEVICE in config.visible_devices)

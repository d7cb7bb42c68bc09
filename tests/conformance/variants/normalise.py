"""Normalisation, and Dropout."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.conformance.variants.generator import Of, Variant, for_operators


@for_operators("BatchNormalization")
def _batch_norm(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4, 2)
    statistics = [of.data(3), of.data(3), of.data(3), of.data(3, low=0.5, high=2)]
    yield Variant("", {}, [x, *statistics], fixed=(1, 2, 3, 4))
    yield Variant("epsilon", {"epsilon": 0.1}, [x, *statistics], fixed=(1, 2, 3, 4))
    yield Variant("at run time", {}, [x, *statistics])
    yield Variant("2d", {}, [of.data(4, 3), *statistics], fixed=(1, 2, 3, 4))
    if of.version >= 14:
        yield Variant("training", {"training_mode": 1}, [x, *statistics], outputs=3, fixed=(1, 2, 3, 4))
        yield Variant("training momentum", {"training_mode": 1, "momentum": 0.5}, [x, *statistics], 3, (1, 2, 3, 4))
    if of.version < 9:
        whole = [of.data(3, 4, 2, low=0.5, high=2) for _ in range(4)]
        yield Variant("not spatial", {"spatial": 0}, [x, *whole], fixed=(1, 2, 3, 4))


@for_operators("InstanceNormalization")
def _instance_norm(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3, 4, 5), of.data(3), of.data(3)])
    yield Variant("epsilon", {"epsilon": 0.1}, [of.data(2, 3, 4), of.data(3), of.data(3)])


@for_operators("LayerNormalization")
def _layer_norm(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3, 4)
    yield Variant("", {}, [x, of.data(4)])
    yield Variant("bias", {"epsilon": 0.1}, [x, of.data(4), of.data(4)])
    yield Variant("axis", {"axis": 1}, [x, of.data(3, 4), of.data(3, 4)])
    yield Variant("statistics", {}, [x, of.data(4)], outputs=3)
    yield Variant("axis 0", {"axis": 0}, [x, of.data(2, 3, 4)])


@for_operators("RMSNormalization")
def _rms_norm(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(2, 3, 4), of.data(4)])
    yield Variant("axis", {"axis": 1, "epsilon": 0.1}, [of.data(2, 3, 4), of.data(3, 4)])


@for_operators("GroupNormalization")
def _group_norm(of: Of) -> Iterator[Variant]:
    size = 2 if of.version < 21 else 4
    yield Variant("", {"num_groups": 2}, [of.data(2, 4, 3, 2), of.data(size), of.data(size)])
    yield Variant("epsilon", {"num_groups": 2, "epsilon": 0.1}, [of.data(1, 4, 5), of.data(size), of.data(size)])


@for_operators("LRN")
def _lrn(of: Of) -> Iterator[Variant]:
    for size in (1, 2, 3, 5):
        yield Variant(str(size), {"size": size}, [of.data(1, 5, 2, 3)])
    yield Variant("all", {"size": 3, "alpha": 0.5, "beta": 0.5, "bias": 2.0}, [of.data(1, 5, 2, 3)])


@for_operators("Dropout")
def _dropout(of: Of) -> Iterator[Variant]:
    x = of.data(2, 3)
    if of.version < 12:
        yield Variant("", {}, [x])
        yield Variant("ratio", {"ratio": 0.3}, [x])
        if of.version >= 10:
            yield Variant("mask", {}, [x], outputs=2)
        return
    yield Variant("", {}, [x])
    yield Variant("ratio", {}, [x, np.array(0.3, np.float32)], fixed=(1,))
    yield Variant("not training", {}, [x, np.array(0.3, np.float32), np.array(False)], 2, (1, 2))
    yield Variant("training 0", {}, [x, np.array(0.0, np.float32), np.array(True)], 2, (1, 2))

"""``python -m neuron_tools.models NAME --batch B -o FILE``."""

from __future__ import annotations

import neuron_console.interrupt  # noqa: F401

import enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import VersionFlag, examples_epilog, new_app, run

app = new_app("Write a reference network with seeded random weights as an ONNX file.")


class Element(enum.StrEnum):
    """Element types of a network."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


@app.command(
    epilog=examples_epilog("""python -m neuron_tools.models bert-base --batch 6 -o bert.onnx
python -m neuron_tools.models resnet50 --batch 5 -o resnet50.onnx
python -m neuron_tools.models resnet50 --batch 10 --dtype float16 -o resnet50-fp16.onnx""")
)
def main(
    name: Annotated[
        str,
        typer.Argument(
            help="One of bert-base, bert-base-cased, distilbert, distilroberta, resnet50, yolov4 or openpose.",
        ),
    ],
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--output", "-o", help="The file to write; default: NAME.onnx in the current directory."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples per execution.")] = 1,
    sequence: Annotated[int, typer.Option("--seq", help="Tokens per sample; image networks ignore it.")] = 128,
    seed: Annotated[int, typer.Option(help="Seed of the random weights.")] = 0,
    dtype: Annotated[Element, typer.Option(help="Element type of weights and activations.")] = Element.FLOAT32,
    version: VersionFlag = False,
) -> None:
    """Write a reference network with seeded random weights as an ONNX file."""
    from neuron_tools.models.catalogue import ModelOptions, build
    from neuron_tools.models.files import save_model

    target = output or Path(f"{name}.onnx")
    size_bytes = save_model(build(name, ModelOptions(batch, sequence, seed, dtype.value)), target)
    typer.echo(f"{target}: {name}, batch {batch}, {dtype.value}, {size_bytes / 2**20:.1f} MiB")


run(app)

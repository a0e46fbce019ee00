"""The command export: a trained network in another format."""

from pathlib import Path
from typing import Literal

from fastmlp.cli.app import app
from fastmlp.cli.terminal import note
from fastmlp.errors import ConfigError
from fastmlp.model.model import load_model

SUFFIXES = (".onnx", ".safetensors", ".npz")


@app.command(
    name="export",
    help_epilogue="""Examples:

    | fastmlp export model.npz model.safetensors
    | fastmlp export model.npz model.onnx --input-type uint8
    """,
)
def export_command(
    model: Path, out: Path, /, *, input_type: Literal["uint8", "float32", "float64"] | None = None
) -> None:
    """Write a trained network in the format that the suffix names: .onnx, .safetensors or .npz.

    Parameters
    ----------
    model : path
        What train or export wrote: .npz or .safetensors.
    out : path
        File to write, or replace.
    input_type : str
        .onnx: type of the samples that the graph takes; the network's own precision if not given.
    """
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"out: expected a name that ends in one of {', '.join(SUFFIXES)}, got {out.name!r}")
    if input_type is not None and suffix != ".onnx":
        raise ConfigError(f"input_type: expected only with an .onnx file, got {input_type!r}")
    network = load_model(model)
    if suffix == ".onnx":
        network.to_onnx(out, input_type=input_type)
    else:
        network.save(out)
    note(f"wrote {out}")

"""The command export, which converts a trained network to another format."""

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
    """Export a trained network to .onnx, .safetensors or .npz; the suffix of the file decides.

    Parameters
    ----------
    model : path
        Network to export: model.npz of a trained run, or an exported .npz or .safetensors file.
    out : path
        File to write; an existing file is replaced.
    input_type : str
        For .onnx: data type of the input samples; by default the precision of the network.
    """
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(
            f"out: expected a file name that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, got {out.name!r}"
        )
    if input_type is not None and suffix != ".onnx":
        raise ConfigError(f"--input-type: expected only for an .onnx file, got {input_type} for {out.name!r}")
    network = load_model(model)
    if suffix == ".onnx":
        network.to_onnx(out, input_type=input_type)
    else:
        network.save(out)
    note(f"wrote {out}")

"""Fuzz test of the readers: each reads files that were damaged on purpose, and must succeed or raise a FastMLPError.

Everything else is a bug and sets the exit code to 1: another exception, a crash, more than a second, more memory than
twice the file size plus 4 MiB, a file written, or opened outside the folder, a process or a connection started. So is
other content than that of the intact file, where the format has checksums that tell (see `Protection`). The damaged
files ("mutants") are generated from seeds: mutant 17 of a reader is the same on every machine.

``--flip-every-bit`` tries all files that differ from an intact one in one bit, of every format with checksums.
"""

import argparse
import bz2
import datetime
import gzip
import hashlib
import io
import json
import lzma
import multiprocessing
import os
import random
import runpy
import struct
import sys
import tarfile
import tempfile
import traceback
import tracemalloc
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np
import openpyxl
import pyarrow
import pyarrow.pandas_compat  # on demand, later
import pyarrow.parquet
import pyarrow.vendored.version  # on demand, later
import scipy.sparse

import fastmlp
import fastmlp.data.table  # on demand, later
from fastmlp.data import cifar10, load_samples
from fastmlp.data.cifar10 import BATCHES, N_PIXELS
from fastmlp.data.idx import PARTS
from fastmlp.data.sparse_file import load_sparse
from fastmlp.errors import FastMLPError
from fastmlp.io.manifest import NO_CHECKSUM, add_checksum, remove_checksum
from fastmlp.io.npz import read_npz
from fastmlp.table.schema import Column, TableSchema
from fastmlp.table.source import read_table
from fastmlp.training import checkpoint

# A batch of CIFAR-10 has 10,000 records, and when pickled up to 64 more bytes per record. These few records need more.
RECORDS, EXTRA_BYTES = 3, 200
SPARE_BYTES = 4 << 20
MAX_SECONDS = 1.0  # of CPU time, which does not depend on the load of the machine
CHUNK = 10_000

Random = random.Random

NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 10**12, 10**30)
WORDS = (
    "", "nan", "inf", "-inf", "1e400", "1e-400", "0x10", "1_0", "é", "\x00", '"', "'", ",", "\n", "\r", "\ufeff",
    "None", "__import__('os')", "../x", "/etc/passwd", "a" * 3000, "[" * 3000, "(" * 3000, "-" * 3000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    0.5,
    -0.5,
    float("nan"),
    float("inf"),
    [[]],
    ["a"],
    {"a": 1},
    [1, 2],
    *NUMBERS,
    *WORDS[:20],
)


# mutants: functions that damage one kind of file in its structure, or in its bytes


def scramble(data: bytes, rng: Random) -> bytes:
    """Flip bits, delete, repeat and insert bytes, write boundary values, or truncate, at random places."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at, n = rng.randrange(len(made) + 1), rng.choice((1, 1, 2, 4, 8, 100))
        number = struct.pack(rng.choice("<>") + "Q", rng.choice(NUMBERS) % 2**64)
        change = rng.randrange(6)
        if change == 0 and made:
            made[at % len(made)] ^= 1 << rng.randrange(8)
        elif change == 1:
            del made[at : at + n]
        elif change == 2:
            made[at:at] = made[max(0, at - n) : at]
        elif change == 3:
            made[at:at] = rng.randbytes(n)
        elif change == 4:
            width = rng.choice((1, 2, 4, 8))
            made[at : at + width] = number[:width] if rng.random() < 0.5 else number[-width:]
        else:
            del made[at:]
    return bytes(made)


def change_json(data: bytes, rng: Random) -> bytes:
    tree = json.loads(data)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(tree)
    for _ in range(rng.choice((1, 1, 2))):
        node, key = rng.choice(places)
        change = rng.randrange(8)
        if change == 0 and isinstance(node, dict):
            node.pop(key, None)
        elif change == 1 and isinstance(node, dict):
            node[rng.choice((*WORDS[:20], "epoch", "hidden"))] = rng.choice(VALUES)
        elif change == 2 and isinstance(node, list):
            node.append(rng.choice(VALUES))
        elif isinstance(node, dict) or key < len(node):
            node[key] = rng.choice(VALUES)
    text = json.dumps(tree)
    return text.replace("null", "[" * 50_000, 1).encode() if rng.random() < 0.02 else text.encode()


def change_lines(data: bytes, rng: Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    if lines[at] and rng.random() < 0.7:
        lines[at] = mutate(lines[at], "json", rng)[0]
    else:
        lines.insert(rng.randrange(len(lines)), rng.choice((lines[at], b"[" * 50_000, b"{}", b"\xff", b"")))
    return b"\n".join(lines)


def change_table(data: bytes, rng: Random) -> bytes:
    rows = [line.split(b",") for line in data.split(b"\n")]
    row = rng.choice(rows)
    change = rng.randrange(4)
    if change == 0:
        row.insert(rng.randrange(len(row) + 1), rng.choice(WORDS).encode("utf-8", "surrogatepass"))
    elif change == 1:
        row.pop()
    elif change == 2:
        rows.insert(rng.randrange(len(rows)), list(row))
    else:
        row[rng.randrange(len(row))] = rng.choice((*WORDS, *map(str, NUMBERS))).encode("utf-8", "surrogatepass")
    return b"\n".join(map(b",".join, rows))


DELIMITERS = b",;\t| "


def change_text(data: bytes, rng: Random, encoding: str = "utf-8") -> bytes:
    """Change a delimited text: delimiters, quotes, ends of lines, cells, or the encoding."""
    change = rng.randrange(7)
    if change == 0:
        return data.replace(
            rng.choice((b"\n", b";", b"\t", b" ", b'"', b",")), rng.choice((*WORDS, "\r")).encode("utf-8", "replace")
        )
    if change == 1:
        return data.replace(b"\n", rng.choice((b"\r", b"\r\n", b"\n\n", b"\r\r\n", b" \n", b";\n", b",\n")))
    if change == 2:
        return data.decode(encoding, "replace").encode(
            rng.choice(("utf-16", "utf-8-sig", "utf-32", "utf-16-le", "cp1252")), "replace"
        )
    if change == 3:
        return rng.choice((b"sep=;\n", b"# a comment\n", b"Title\n\n", b"\n\n", b"|x\n", b"\xef\xbb\xbf", b'"')) + data
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    word = rng.choice((*WORDS, *map(str, NUMBERS), "01", "1,5", "1.234,5", "TRUE", "12:30", "2020-01-01")).encode(
        "utf-8", "replace"
    )
    cells = [*lines[at]]
    places = [place for place, cell in enumerate(cells) if cell in DELIMITERS] or [0]
    place = rng.choice(places)
    lines[at] = (
        lines[at][:place]
        + rng.choice((word, b'"' + word + b'"', word + bytes((rng.choice(DELIMITERS),))))
        + lines[at][place:]
    )
    return b"\n".join(lines)


def change_arff(data: bytes, rng: Random) -> bytes:
    """Change the declarations or the rows of an ARFF file."""
    old, new = rng.choice((
        (b"numeric", b"date 'yyyy-MM-dd'"), (b"numeric", b"relational"), (b"numeric", b"string"), (b"numeric", b"{"),
        (b"{", b"{" + b"a," * 300), (b"}", b""), (b"{", b""), (b"'", b'"'), (b"'", b"\\'"), (b"\\", b"\\" * 500),
        (b"@data", b""), (b"@attribute", b"@ATTRIBUTE\t"), (b"@attribute", b""), (b"@relation", b"@data"),
        (b"\n", b"\n{"), (b"\n", b"\r"), (b",", b" "), (b"0 ", b"9 "), (b"0 ", b"-1 "), (b"0 ", b"1" * 5000 + b" "),
        (b"@attribute a", b"@attribute b"), (b"?", b"\\u00e9"), (b"?", b"'\\x'"), (b"?", b'"' + b"\\" * 200),
    ))  # fmt: skip
    made = data.replace(old, new, rng.choice((1, 1, -1)))
    return change_text(made, rng) if rng.random() < 0.5 else made


def change_xlsx(data: bytes, rng: Random) -> bytes:
    """Change the XML in an Excel file, or its members."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(
        (
            *members,
            *["xl/worksheets/sheet1.xml"] * 9,
            *[name for name in members if "shared" in name] * 3,
            *["xl/workbook.xml"] * 2,
        )
    )
    old, new = rng.choice((
        (b'r="A2"', b'r="XFD1048576"'), (b'r="2"', b'r="1048576"'), (b'r="2"', b'r="-1"'),
        (b'r="2"', b'r="9999999999"'),
        (b'r="B2"', b'r="ZZZZZ9"'), (b't="s"', b't="d"'), (b't="s"', b't="e"'), (b't="s"', b't="inlineStr"'),
        (b't="n"', b't="b"'), (b't="n"', b't="str"'), (b"<v>", b"<f>SUM(A1:A9)</f><v>"), (b"<v>1", b"<v>1e999"),
        (b"<v>1", b"<v>" + b"9" * 5000), (b"<v>", b"<v>x"), (b"</row>", b""), (b"<row", b"<row" * 200),
        (b"<v>0", b"<v>99"),
        (b"<?xml", b'<!DOCTYPE x [<!ENTITY e "eeeeeeeeee"><!ENTITY f "&e;&e;&e;&e;">]><?xml'),
        (b"<worksheet", b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><worksheet'),
        (b"<v>", b"<v>&e;"), (b"<dimension", b'<dimension ref="A1:XFD1048576"/><dimension'), (b's="', b's="9'),
        (b"sheet1.xml", b"sheet9.xml"), (b"sheet1.xml", b"../../etc/passwd"), (b"worksheet", b"chartsheet"),
        (b"date1904", b"date"), (b"UTF-8", b"UTF-16"), (b">", b">" + b" " * 5000),
    ))  # fmt: skip
    change = rng.randrange(6)
    if change == 0:
        members.pop(name)
    elif change == 1:
        members[rng.choice((*members, "xl/vbaProject.bin", "xl/externalLinks/externalLink1.xml"))] = members[name]
    elif change == 2:
        members[name] = scramble(members[name], rng)
    else:
        members[name] = members[name].replace(old, new, rng.choice((1, 1, -1)))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return scramble(file.getvalue(), rng) if rng.random() < 0.1 else file.getvalue()


def change_parquet(data: bytes, rng: Random) -> bytes:
    """Change the footer of a Parquet file, or its pages."""
    n_footer = int.from_bytes(data[-8:-4], "little")
    pages, footer = data[: -8 - n_footer], data[-8 - n_footer : -8]
    if rng.random() < 0.5:
        footer = scramble(footer, rng)
    else:
        pages = pages[:4] + scramble(pages[4:], rng)
    length = rng.choice((len(footer),) * 9 + NUMBERS) % 2**32
    return pages + footer + length.to_bytes(4, "little") + b"PAR1"


def change_npy(data: bytes, rng: Random) -> bytes:
    """Change the header of a .npy file; or, if its array is a string, the string."""
    n_header = int.from_bytes(data[8:10], "little")
    header, content = data[10 : 10 + n_header], data[10 + n_header :]
    if b"'<U" in header and rng.random() < 0.7:
        text = mutate(np.load(io.BytesIO(data)).item().encode(), "json", rng)[0]
        file = io.BytesIO()
        np.save(file, np.array(text.decode("utf-8", "replace")))
        return file.getvalue()
    old, new = rng.choice((
        (b"'shape': (", b"'shape': (%d, " % rng.choice(NUMBERS)), (b"'shape': (", b"'shape': (-1, -1, "),
        (b"'shape': ", b"'shape': None and "), (b"'shape': (", b"'shape': (" + b"1, " * rng.choice((1, 40))),
        (b"<", b">"), (b"<f", b"|O"), (b"<f4", b"<f8"), (b"<f8", b"<f4"), (b"<f", b"<c"), (b"<f", b"<M"),
        (b"<", b"|V0 "), (b"False", b"True"), (b"False", b"7"), (b"{", b"{" * 2000), (b"{", b"-" * 2000),
        (b"{", b"(" * 150), (b"}", b"L}"), (b"}", b", 'x': __import__('os').getcwd()}"),
        (b"'descr'", b"'fortran_order'"), (b"\n", b""), (b"'", b'"""'),
    ))  # fmt: skip
    header = header.replace(old, new, 1)
    if rng.random() < 0.3:
        header = scramble(header, rng)
    version = rng.choice((1, 1, 1, 2, 3))
    length = struct.pack("<H", len(header) % 2**16) if version == 1 else struct.pack("<I", len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header + content


def change_zip(data: bytes, rng: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    at = rng.randrange(len(members))
    name, content = members[at]
    change = rng.randrange(8)
    if change == 0:
        del members[at]
    elif change == 1:
        members.append((rng.choice((name, "../" + name, "/etc/x.npy", ".npy")), content))
    elif change == 2:
        members[at] = (rng.choice(members)[0], content)
    else:
        members[at] = (name, mutate(content, "npy", rng)[0])
    file, methods = io.BytesIO(), (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    method = rng.choices(methods, (6, 4, 1, 1))[0]
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return scramble(file.getvalue(), rng) if rng.random() < 0.1 else file.getvalue()


def change_gzip(data: bytes, rng: Random, kind: str) -> bytes:
    return gzip.compress(mutate(gzip.decompress(data), kind, rng)[0], 1, mtime=0)


def change_idx(data: bytes, rng: Random) -> bytes:
    n_dims = data[3]
    dims = list(struct.unpack_from(f">{n_dims}I", data, 4))
    dims[rng.randrange(n_dims)] = rng.choice((*NUMBERS, *(d + 1 for d in dims), *(d - 1 for d in dims))) % 2**32
    return data[:4] + struct.pack(f">{n_dims}I", *dims) + data[4 + 4 * n_dims :]


def change_records(data: bytes, rng: Random) -> bytes:
    return data[: 1 + N_PIXELS] * rng.randrange(6) if rng.random() < 0.2 else scramble(data, rng)


def change_pickle(data: bytes, rng: Random) -> bytes:
    """Insert valid pickle instructions at the beginning, among the labels or at the end."""
    at = rng.choice((2, 4, 40, 60, len(data) - 1, len(data) - 60))
    program = rng.choice((
        b"cos\nsystem\nU\x04trueR", b"\x85" * 1000, b"(t" + b"\x85" * 500, b"}", b"]", b"(", b"e", b"u", b"s", b"a",
        b"0", b"R", b"b", b"\x93", b"\x81", b"\x82\x01", b"T\xff\xff\xff\x7f", b"r\xff\xff\xff\x7f", b"h\x00", b"N",
        b"j\x00\x00\x00\x00", b"cnumpy\nndarray\n", b"X\xff\xff\xff\xff", b"\x95" + b"\xff" * 8, b"I1000\n", b"L1\n",
        b"G" + b"\x7f" * 8, b"\x88", b"K\x01", b"J\xff\xff\xff\xff",
    ))  # fmt: skip
    return data[:at] + program + data[at + rng.choice((0, 0, len(program))) :]


def change_tar(data: bytes, rng: Random) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive if member.isfile()]  # type: ignore[union-attr]
    at = rng.randrange(len(members))
    member, content = members[at]
    change = rng.randrange(9)
    if change == 0:
        del members[at]
    elif change == 1:
        member.name = rng.choice(
            ("../" + member.name, "/" + member.name, "../../x", "a" * 300, rng.choice(members)[0].name)
        )
    elif change == 2:
        member.type = rng.choice(
            (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE, b"x", b"L")
        )
        member.linkname = rng.choice(("/etc/passwd", "../x", members[0][0].name))
    elif change == 3:
        member.pax_headers = {
            rng.choice(("path", "size", "linkpath", "GNU.sparse.major")): rng.choice(("1", "../x", "-1", "9" * 20))
        }
    elif change == 4:
        members += [(tarfile.TarInfo(f"{i}"), b"") for i in range(rng.choice((1, 200)))]
    else:
        content = mutate(content, "records" if member.name.endswith(".bin") else "pickle", rng)[0]
        members[at] = (member, content)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    made = bytearray(file.getvalue())
    if change == 8:
        made[124:136] = rng.choice((b"77777777777\0", b"\x80" + b"\xff" * 11, b"-0000000001\0", b"\0" * 12))
        total = sum(made[:148]) + 8 * 32 + sum(made[156:512])
        made[148:156] = b"%06o\0 " % total
    return bytes(made)


def change_tensors(data: bytes, rng: Random) -> bytes:
    """Change the header of a .safetensors file, with its correct length or a wrong one."""
    n = int.from_bytes(data[:8], "little")
    header = change_json(data[8 : 8 + n], rng)
    claimed = rng.choice((len(header), len(header), len(header), n, 0, 2**40, 2**63))
    return claimed.to_bytes(8, "little") + header + data[8 + n :]


CHANGES: dict[str, Callable[[bytes, Random], bytes]] = {
    "json": change_json,
    "lines": change_lines,
    "table": change_table,
    "text": change_text,
    "latin-1": partial(change_text, encoding="latin-1"),
    "text.gz": partial(change_gzip, kind="text"),
    "arff": change_arff,
    "xlsx": change_xlsx,
    "parquet": change_parquet,
    "bytes": scramble,
    "npy": change_npy,
    "zip": change_zip,
    "tensors": change_tensors,
    "idx": change_idx,
    "idx.gz": partial(change_gzip, kind="idx"),
    "table.gz": partial(change_gzip, kind="table"),
    "records": change_records,
    "pickle": change_pickle,
    "tar": change_tar,
    "tar.gz": partial(change_gzip, kind="tar"),
}


def mutate(data: bytes, kind: str, rng: Random) -> tuple[bytes, bool]:
    """A mutant of a valid file, and whether it was damaged in its structure, as two thirds are, or in its bytes."""
    return (CHANGES[kind](data, rng), True) if rng.random() < 0.67 else (scramble(data, rng), False)


# valid files, and their readers


class Protection(Enum):
    """Damage that the checksums of a format reveal.

    Values
    ------
    NONE
        There are no checksums: a ``.npy``, idx or CSV file, a batch of CIFAR-10, a history, a config. Another number is
        as good as the one before.
    BYTES
        Checksums of a container (zip, gzip), which reveal damaged bytes, but not that the file was made anew with other
        content and the right checksums.
    ALL
        Checksums in fastmlp's own header of the file, too (`fastmlp.io.manifest`), which cover a container's content.
        Without them a file is read with a warning, as are those of earlier versions.
    """

    NONE, BYTES, ALL = range(3)


class Reader(NamedTuple):
    """A reader under test.

    Attributes
    ----------
    make : callable
        Writes valid files into a folder.
    names : tuple of str
        The files of which one is damaged.
    kind : str
        How it is damaged: a key of CHANGES.
    read : callable
        Reads the folder, and returns everything that it holds.
    protection : Protection
        Damage that must not go unnoticed.
    """

    make: Callable[[Path], None]
    names: tuple[str, ...]
    kind: str
    read: Callable[[Path], Any]
    protection: Protection = Protection.NONE


RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((12, 3)), np.arange(12) % 2
PART_ARRAYS = {"X_train": X, "y_train": Y, "X_test": X, "y_test": Y}
OPTIONAL_ARRAYS = {"weight_train": np.arange(1.0, 13.0), "X_val": X[:4], "y_val": Y[:4]}
STATE = {name: np.arange(5, dtype=np.float32) for name in ("theta", "moments")}


def make_model(folder: Path, suffix: str) -> None:
    model = fastmlp.init_model(fastmlp.Config(hidden=(4, 3)), 5, 2)
    model.scaling, model.classes = (np.full(5, 2.0), np.ones(5)), ("cat", "dog")
    model.save(folder / f"model.{suffix}")


def make_checkpoint(folder: Path) -> None:
    with checkpoint.Checkpoint(folder, {"seed": 0}) as made:
        made.save(checkpoint.State(make_history(), 0.5, STATE))


def make_npy(folder: Path) -> None:
    for name, array in (PART_ARRAYS | OPTIONAL_ARRAYS).items():
        np.save(folder / f"{name}.npy", array)


def make_npz(folder: Path, save: Callable[..., None]) -> None:
    save(folder / "x.npz", **PART_ARRAYS, **OPTIONAL_ARRAYS)


def make_sparse(folder: Path) -> None:
    for name in SPARSE:
        samples = scipy.sparse.csr_array(np.where(X > 0, X, 0)).asformat(name.removesuffix(".npz"))
        scipy.sparse.save_npz(folder / name, samples, compressed=False)


def make_idx(folder: Path, suffix: str) -> None:
    for part, n_dims in PARTS.items():
        shape = (20, 3, 3)[:n_dims]
        content = bytes((0, 0, 8, n_dims)) + struct.pack(f">{n_dims}I", *shape)
        content += (np.arange(np.prod(shape)) % 10).astype(np.uint8).tobytes()
        (folder / f"{part}-idx{n_dims}-ubyte{suffix}").write_bytes(
            gzip.compress(content, mtime=0) if suffix else content
        )


def cifar10_files(version: str) -> dict[str, bytes]:
    pickle_batch = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "data" / "conftest.py"))["pickle_batch"]
    pixels = np.random.default_rng(1).integers(0, 256, (RECORDS, N_PIXELS), np.uint8)
    labels = np.arange(RECORDS, dtype=np.uint8)
    if version == "py":
        return dict.fromkeys(BATCHES, pickle_batch(pixels, labels.tolist()))
    return dict.fromkeys((f"{batch}.bin" for batch in BATCHES), np.hstack([labels[:, None], pixels]).tobytes())


def make_cifar10(folder: Path, version: str) -> None:
    for name, content in cifar10_files(version).items():
        (folder / name).write_bytes(content)


def make_cifar10_archive(folder: Path, version: str, name: str) -> None:
    with tarfile.open(folder / name, "w:gz", compresslevel=1) as archive:
        for file_name, content in cifar10_files(version).items():
            member = tarfile.TarInfo(f"cifar-10-batches-{version}/{file_name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def make_table(folder: Path, suffix: str = "") -> None:
    rows = [f"{a:.3f},{b:.3f},{'cat' if y else 'dog'}" for (a, b, _), y in zip(X, Y, strict=True)]
    text = "\n".join(["a,b,class", *rows]).encode()
    (folder / f"x.csv{suffix}").write_bytes(gzip.compress(text, mtime=0) if suffix else text)


def make_samples(folder: Path) -> None:
    (folder / "x.csv").write_text("a,b\n0.5,1\n2,3\n")


def make_text(folder: Path, name: str, text: str, encoding: str = "utf-8") -> None:
    content = text.encode(encoding)
    compress = {
        "gz": partial(gzip.compress, mtime=0),
        "bz2": partial(bz2.compress, compresslevel=1),
        "xz": partial(lzma.compress, preset=0),
    }.get(name.split(".")[-1])
    (folder / name).write_bytes(compress(content) if compress else content)


def make_xlsx(folder: Path) -> None:
    book = openpyxl.Workbook()
    for row in [
        ("a", "b", "day", "c"),
        *((k, f"x{k % 3}", datetime.datetime(2020, 1, 1 + k), k / 3) for k in range(9)),
    ]:
        book.active.append(row)
    book.active["E2"] = "=SUM(A2:A3)"
    file = io.BytesIO()
    book.save(file)
    strings = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    strings += b"<si><t>x</t></si><si><r><t>y</t></r></si></sst>"
    kind = b'<Override ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml" '
    kind += b'PartName="/xl/sharedStrings.xml"/>'
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(folder / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as made:
        for name in archive.namelist():  # some of the strings shared, as Excel writes them
            content = archive.read(name).replace(b't="inlineStr"><is><t>x0</t></is>', b't="s"><v>0</v>')
            made.writestr(zipfile.ZipInfo(name), content.replace(b"</Types>", kind + b"</Types>"))
        made.writestr(zipfile.ZipInfo("xl/sharedStrings.xml"), strings)


def make_parquet(folder: Path, **options: Any) -> None:
    frame = {
        "a": [*range(9)], "b": [None, *"abcabcab"], "c": [0.5, None] * 4 + [1.0], "d": [True, False, None] * 3,
        "day": [datetime.datetime(2020, 1, 1)] * 9,
    }  # fmt: skip
    pyarrow.parquet.write_table(pyarrow.table(frame), folder / "x.parquet", **options)


def read_columns(folder: Path, name: str, like: TableSchema | None = None) -> Any:
    table = read_table(folder / name, like=like)
    cells = [values.tolist() if values.dtype == object else values.to_numpy() for _, values in table.frame.items()]
    return list(table.frame), cells, table.reading, table.line_of(max(0, len(table.frame) - 1))


def make_study(folder: Path) -> None:
    config, data = fastmlp.Config(hidden=(), n_epochs=2, batch_size=4), fastmlp.Dataset(X, Y, X, Y)
    fastmlp.sweep(data, config, {"l2": [0.0, 0.1]}, 2, n_jobs=1, out=folder)
    header, runs = folder / "study.json", folder / "runs.jsonl"
    metadata = remove_checksum(json.loads(header.read_text()))
    metadata["about"] |= {"machine": {"cpu": "any"}, "versions": {"fastmlp": "any"}}
    header.write_text(json.dumps(add_checksum(metadata)))
    records = [remove_checksum(json.loads(line)) | {"seconds": 1.0} for line in runs.read_text().splitlines()]
    for record in records:  # times differ from run to run
        record["history"] |= {"train_s": [0.5, 0.5], "eval_s": [0.5, 0.5]}
    runs.write_text("".join(json.dumps(add_checksum(record)) + "\n" for record in records))


def make_history() -> fastmlp.History:
    return fastmlp.History([dict.fromkeys(fastmlp.training.history.COLUMNS, n) for n in (1, 2)])


def write_history(folder: Path) -> None:
    history = make_history()
    history.to_csv(folder / "history.csv")
    history.to_json(folder / "history.json")


def make_config(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(fastmlp.Config().to_dict()))


def read_config(folder: Path) -> Any:
    """Read the mapping; the JSON parser, which is Python's, may refuse the file first."""
    try:
        settings = json.loads((folder / "config.json").read_bytes())
    except (ValueError, RecursionError) as error:
        raise FastMLPError("invalid JSON") from error
    return fastmlp.Config.from_dict(settings).to_dict()


def read_model(folder: Path) -> Any:
    """Read the parts of a network, and its predictions for samples that need its scaling."""
    model = fastmlp.load_model(next(folder.glob("model.*")))
    parts = model.config.to_dict(), model.n_epochs, model.class_names, model.classes, model.scaling, model.params.theta
    samples = np.arange(2.0 * model.n_features).reshape(2, -1)
    return *parts, model.predict_proba(samples), model.predict(samples)


def read_data(folder: Path, name: str = "") -> Any:
    return parts_of(fastmlp.load_data(folder / name))


def read_named(folder: Path, name: str) -> Any:
    return parts_of(fastmlp.load_data(name, folder))


def read_samples(folder: Path, name: str) -> Any:
    return load_samples(folder / name)


def read_sparse(folder: Path) -> Any:
    """Read sparse samples, and make them dense unless a changed shape says that they are many."""
    read = [load_sparse(folder / name) for name in SPARSE]
    return [X.toarray() if np.prod(X.shape) < 10_000 else X.nnz for X in read]


def parts_of(data: fastmlp.Dataset) -> Any:
    """The arrays of a data set, and what they mean."""
    arrays = data.X_train, data.y_train, data.X_test, data.y_test, data.weight_train, data.X_val, data.y_val
    return data.checksum(), *arrays, data.classes, data.scaling(), data.scale, data.task, data.class_names


def read_checkpoint(folder: Path) -> Any:
    with read_npz(folder / checkpoint.NEWEST, "checkpoint", checkpoint.FILE_VERSION) as (header, arrays):
        state = checkpoint._read_state(header, arrays, STATE)
    return header["identity"], state.history.to_dict(), state.train_s, state.arrays


def read_study(folder: Path) -> Any:
    study = fastmlp.load_study(folder)
    return study.table(), study.summary(), repr(study), study.config, study.settings, study.about


def read_records(folder: Path) -> Any:
    """Read the runs of a study, in a set: a run that is missing is executed again, and needs no checksum."""
    read_study(folder)
    return frozenset(json.dumps(record) for record in fastmlp.load_study(folder).records())


TEXTS = {
    "commas": ("id,size,kind\n" + "".join(f"{k},{k / 7:.3f},{'ab'[k % 2]}\n" for k in range(9)), "utf-8"),
    "semicolons": ("size;kind;n\n" + "".join(f'{k},5;"a;{k % 3}";{k}\n' for k in range(9)), "utf-8"),
    "tabs": ("Größe\tArt\n" + "".join(f"{k}\tä{k % 2}\n" for k in range(9)), "latin-1"),
    "blanks": ("".join(f' {k:4d}  {k / 3:8.3f} "name {k % 4}"\n' for k in range(9)), "utf-8"),
    "utf-16": ("a,b\r\n" + "".join(f"{k},é{k % 2}\r\n" for k in range(9)), "utf-16"),
    "pixels": ("".join(",".join(map(str, range(k, 250, 30))) + "\n" for k in range(9)), "utf-8"),
}
KNOWN_COLUMNS = Column(name="size", kind="number", decimal=","), Column(name="kind", kind="id")
KNOWN = TableSchema(
    columns=KNOWN_COLUMNS, target="n", target_position=2, task="regression",
    reading={"read": {"delimiter": "semicolon", "decimal": ","}},
)  # fmt: skip
KNOWN_SHEET = TableSchema(
    columns=(Column(name="a", kind="number"), Column(name="b", kind="category", levels=("x0", "x1"))),
    target="c", target_position=2, task="regression",
)  # fmt: skip
ARFF = """% comment
@relation r
@attribute a numeric
@attribute 'b c' {x, 'y z', "w"}
@attribute s string
@data
1,x,'it\\'s'
?,'y z',"two words"
3.5,w,?
"""
SPARSE_ARFF = ARFF.split("@data")[0] + "@data\n{0 1, 1 'y z'}\n{2 'a b'}\n{}\n"

IDX = {suffix: tuple(f"{part}-idx{n}-ubyte{suffix}" for part, n in PARTS.items()) for suffix in ("", ".gz")}
MNIST, CIFAR10 = (partial(read_named, name=name) for name in ("mnist", "cifar10"))
NPY = tuple(f"{name}.npy" for name in PART_ARRAYS | OPTIONAL_ARRAYS)
SPARSE = ("csr.npz", "csc.npz", "coo.npz")
NONE, BYTES, ALL = Protection
READERS = {
    "model": Reader(partial(make_model, suffix="npz"), ("model.npz",), "zip", read_model, ALL),
    "model.safetensors": Reader(
        partial(make_model, suffix="safetensors"), ("model.safetensors",), "tensors", read_model, ALL
    ),
    "checkpoint": Reader(make_checkpoint, (checkpoint.NEWEST,), "zip", read_checkpoint, ALL),
    "npz": Reader(partial(make_npz, save=np.savez), ("x.npz",), "zip", partial(read_data, name="x.npz"), BYTES),
    "npz compressed": Reader(
        partial(make_npz, save=np.savez_compressed), ("x.npz",), "zip", partial(read_data, name="x.npz"), BYTES
    ),
    "npy": Reader(make_npy, NPY, "npy", read_data),
    "samples.npy": Reader(make_npy, ("X_test.npy",), "npy", partial(read_samples, name="X_test.npy")),
    "sparse": Reader(make_sparse, SPARSE, "zip", read_sparse, BYTES),
    "idx": Reader(partial(make_idx, suffix=""), IDX[""], "idx", MNIST),
    "idx.gz": Reader(partial(make_idx, suffix=".gz"), IDX[".gz"], "idx.gz", MNIST, BYTES),
    "cifar10 binary": Reader(partial(make_cifar10, version="bin"), ("data_batch_2.bin",), "records", CIFAR10),
    "cifar10 pickled": Reader(partial(make_cifar10, version="py"), ("data_batch_2",), "pickle", CIFAR10),
    "cifar10 binary.tar.gz": Reader(
        partial(make_cifar10_archive, version="bin", name=cifar10.ARCHIVES[0]),
        cifar10.ARCHIVES[:1],
        "tar.gz",
        CIFAR10,
        BYTES,
    ),
    "cifar10 python.tar.gz": Reader(
        partial(make_cifar10_archive, version="py", name=cifar10.ARCHIVES[1]),
        cifar10.ARCHIVES[1:],
        "tar.gz",
        CIFAR10,
        BYTES,
    ),
    "csv": Reader(make_table, ("x.csv",), "table", partial(read_data, name="x.csv")),
    "csv.gz": Reader(
        partial(make_table, suffix=".gz"), ("x.csv.gz",), "table.gz", partial(read_data, name="x.csv.gz"), BYTES
    ),
    "samples.csv": Reader(make_samples, ("x.csv",), "table", partial(read_samples, name="x.csv")),
    **{
        f"text, {name}": Reader(
            partial(make_text, name="x.data", text=text, encoding=encoding),
            ("x.data",),
            "latin-1" if encoding == "latin-1" else "text",
            partial(read_columns, name="x.data"),
        )
        for name, (text, encoding) in TEXTS.items()
    },
    **{
        f"text.{suffix}": Reader(
            partial(make_text, name=f"x.{suffix}", text=TEXTS["semicolons"][0]),
            (f"x.{suffix}",),
            "text.gz" if suffix == "gz" else "bytes",
            partial(read_columns, name=f"x.{suffix}"),
            BYTES,
        )
        for suffix in ("gz", "bz2", "xz")
    },
    "known text": Reader(
        partial(make_text, name="x.data", text=TEXTS["semicolons"][0]),
        ("x.data",),
        "text",
        partial(read_columns, name="x.data", like=KNOWN),
    ),
    "known xlsx": Reader(make_xlsx, ("x.xlsx",), "xlsx", partial(read_columns, name="x.xlsx", like=KNOWN_SHEET)),
    "arff": Reader(
        partial(make_text, name="x.arff", text=ARFF), ("x.arff",), "arff", partial(read_columns, name="x.arff")
    ),
    "arff, sparse": Reader(
        partial(make_text, name="x.arff", text=SPARSE_ARFF), ("x.arff",), "arff", partial(read_columns, name="x.arff")
    ),
    "xlsx": Reader(make_xlsx, ("x.xlsx",), "xlsx", partial(read_columns, name="x.xlsx")),
    "parquet": Reader(make_parquet, ("x.parquet",), "parquet", partial(read_columns, name="x.parquet")),
    "parquet, not compressed": Reader(
        partial(make_parquet, compression="none", use_dictionary=False),
        ("x.parquet",),
        "parquet",
        partial(read_columns, name="x.parquet"),
    ),
    "study.json": Reader(make_study, ("study.json",), "json", read_study, ALL),
    "runs.jsonl": Reader(make_study, ("runs.jsonl",), "lines", read_records, ALL),
    "history.csv": Reader(
        write_history, ("history.csv",), "table", lambda f: fastmlp.History.from_csv(f / "history.csv").to_dict()
    ),
    "history.json": Reader(
        write_history, ("history.json",), "json", lambda f: fastmlp.History.from_json(f / "history.json").to_dict()
    ),
    "config.json": Reader(make_config, ("config.json",), "json", read_config),
}


def digest(content: Any) -> Any:
    """Text that is equal for equal content only; of a set, the set of these texts."""
    if isinstance(content, np.ndarray):
        return f"{content.dtype.str} {content.shape} {hashlib.sha256(content.tobytes()).hexdigest()}"
    if isinstance(content, frozenset):
        return frozenset(map(digest, content))
    if isinstance(content, dict):
        return str({key: digest(value) for key, value in content.items()})
    if isinstance(content, tuple | list):
        return str([digest(value) for value in content])
    return f"{type(content).__name__} {content!r}"


# what a reader must not do

WATCHED = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "ctypes.dlopen")
WRITING = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "shutil.rmtree",
)


class Monitor:
    """Audit hook that records forbidden file accesses, processes and connections while its `folder` is set.

    Files may be read in the folder, and in the directories of Python, of the package and of this script.
    """

    def __init__(self) -> None:
        self.folder, self.events = "", []
        self.allowed = tuple(
            os.path.realpath(path)
            for path in (sys.prefix, sys.base_prefix, *(Path(file).parents[1] for file in (fastmlp.__file__, __file__)))
        )
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.folder:
            return
        if event in WATCHED or event in WRITING:
            self.events.append(f"{event} {args[:2]}")
        elif event == "open" and isinstance(args[0], str | bytes):
            path, flags = os.path.realpath(os.fsdecode(args[0])), args[2] if isinstance(args[2], int) else 0
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or not path.startswith((self.folder, *self.allowed)):
                self.events.append(f"open {path} {args[1]}")


class Harness:
    """A folder with a reader's valid files, one of which is replaced by one mutant at a time."""

    monitor: Monitor | None = None
    pools: list[pyarrow.MemoryPool] = []  # noqa: RUF012

    def __init__(self, name: str, folder: Path) -> None:
        Harness.monitor = Harness.monitor or Monitor()
        self.name, self.reader = name, READERS[name]
        self.folder = folder / name.replace(" ", "-")
        self.folder.mkdir(parents=True)
        self.reader.make(self.folder)
        self.valid = {name: (self.folder / name).read_bytes() for name in self.reader.names}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(2):  # compile and import everything before anything is measured
                self.digest = digest(self.reader.read(self.folder))

    def try_mutant(self, seed: int) -> str:
        """Outcome of reading one mutant."""
        rng = random.Random(f"{self.name} {seed}")
        name = rng.choice(self.reader.names)
        mutant, structure = mutate(self.valid[name], self.reader.kind, rng)
        return self.try_content(name, mutant, ALL if structure else BYTES)

    def try_bit(self, name: str, bit: int) -> str:
        """Outcome of reading a file with one flipped bit."""
        mutant = bytearray(self.valid[name])
        mutant[bit // 8] ^= 1 << bit % 8
        return self.try_content(name, bytes(mutant), BYTES)

    def try_content(self, name: str, mutant: bytes, needed: Protection) -> str:
        """Outcome of reading other content of a file, which protection of the level `needed` must reveal.

        It is the same, changed, refused, or a description of the bug.
        """
        path = self.folder / name
        path.write_bytes(mutant)
        try:
            max_bytes = 2 * sum(file.stat().st_size for file in self.folder.rglob("*")) + SPARE_BYTES
            outcome = self.outcome(max_bytes)
            if outcome.startswith(
                "memory"
            ):  # of the reader, or of the interpreter: its table of interned strings grows
                outcome = self.outcome(max_bytes)
        finally:
            path.write_bytes(self.valid[name])
        # Without its first bytes, by which a compressed table is recognised, a file is text without checksums.
        is_same_format = mutant[:2] == self.valid[name][:2]
        is_bug = outcome == "changed" and is_same_format and self.reader.protection.value >= needed.value
        return "other content, silently" if is_bug else outcome

    def outcome(self, max_bytes: int) -> str:
        """Outcome of reading the folder as it is, with a limit of the memory."""
        monitor = Harness.monitor
        assert monitor is not None
        before = self.files()
        tracemalloc.start()
        # The maximum of a pool of its own is that of this file alone. It is kept: memory is given back to it later.
        pool = pyarrow.proxy_memory_pool(pyarrow.system_memory_pool())
        Harness.pools.append(pool)
        pyarrow.set_memory_pool(pool)
        monitor.events, monitor.folder, start = [], os.path.realpath(self.folder), process_time()
        content = None
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                content = self.reader.read(self.folder)
            outcome = "read"
        except FastMLPError:
            outcome = "refused"
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            outcome = f"{type(error).__name__}: {str(error)[:100]} ({Path(place.filename).name}:{place.lineno})"
        seconds, monitor.folder = process_time() - start, ""
        peak_bytes = tracemalloc.get_traced_memory()[1] + pool.max_memory()
        tracemalloc.stop()
        if seconds > MAX_SECONDS:
            return f"slow: {seconds:.1f} s"
        if peak_bytes > max_bytes:
            return f"memory: {peak_bytes:,} bytes"
        if monitor.events:
            return f"forbidden: {monitor.events[0]}"
        if self.files() != before:
            return "files changed"
        return self.comparison(content, warned) if outcome == "read" else outcome

    def comparison(self, content: Any, warned: list[warnings.WarningMessage]) -> str:
        """Whether content is the same as that of the intact files; of a set, whether it holds nothing else."""
        got = digest(content)
        if got == self.digest or (isinstance(got, frozenset) and got <= self.digest):
            return "same"
        return "unverified" if any(NO_CHECKSUM in str(warning.message) for warning in warned) else "changed"

    def files(self) -> list[tuple[str, int, int]]:
        files = sorted(self.folder.parent.rglob("*"))
        return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]


class Mutants(NamedTuple):
    """Mutants, counted from 0.

    Attributes
    ----------
    label : str
        The word for one of them.
    n : int
        Their number.
    outcome : callable
        Takes a `Harness` and the number of a mutant; returns its outcome.
    """

    label: str
    n: int
    outcome: Callable[[Harness, int], str]


def flipped_bits(name: str) -> list[Mutants]:
    """All mutants of a reader's files that differ in one bit."""
    with tempfile.TemporaryDirectory() as folder:
        valid = Harness(name, Path(folder)).valid
    return [
        Mutants(f"{file}, bit", 8 * len(content), lambda harness, bit, file=file: harness.try_bit(file, bit))
        for file, content in valid.items()
    ]


def try_many(name: str, mutants: Mutants, numbers: range, current: Any, results: Any) -> None:
    """Try mutants in a process of its own, which a crash may end; `current` is the number of the one being read."""
    warnings.simplefilter("ignore")
    limit_cifar10()
    with tempfile.TemporaryDirectory() as folder:
        harness, counts = Harness(name, Path(folder)), Counter()
        examples: dict[str, int] = {}
        for number in numbers:
            current.value = number
            outcome = mutants.outcome(harness, number)
            counts[outcome] += 1
            examples.setdefault(outcome, number)
        results.put((counts, examples))


def limit_cifar10() -> None:
    """Let a batch of CIFAR-10 have a few records only."""
    cifar10.RECORDS, cifar10.PICKLED_EXTRA_BYTES = RECORDS, EXTRA_BYTES


def fuzz(name: str, mutants: Mutants) -> tuple[Counter[str], dict[str, int]]:
    """Counts of the outcomes of mutants, and the number of the first with each outcome."""
    counts: Counter[str] = Counter()
    examples: dict[str, int] = {}
    context, first = multiprocessing.get_context("fork"), 0
    while first < mutants.n:
        current, results = context.Value("q", first), context.SimpleQueue()
        last = min(mutants.n, first + CHUNK)
        process = context.Process(target=try_many, args=(name, mutants, range(first, last), current, results))
        process.start()
        process.join()
        if process.exitcode:  # the counts before the crash are lost
            outcome = f"crash: exit code {process.exitcode}"
            counts[outcome] += 1
            examples.setdefault(outcome, current.value)
            first = current.value + 1
        else:
            some, numbers = results.get()
            counts += some
            examples = numbers | examples
            first = last
    return counts, examples


OUTCOMES = ("same", "refused", "changed", "unverified")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="number of mutants, divided among the readers")
    parser.add_argument("--reader", choices=READERS, help="one reader only")
    parser.add_argument("--flip-every-bit", action="store_true", help="try every bit of files with checksums instead")
    options = parser.parse_args()
    names = [options.reader] if options.reader else list(READERS)
    if options.flip_every_bit:
        names = [name for name in names if READERS[name].protection is not NONE]
    limit_cifar10()
    bugs = []
    print(f"{'':24}" + "".join(f"{head:>11}" for head in ("mutants", *OUTCOMES, "bugs", "seconds")))
    for name in names:
        start, counts = perf_counter(), Counter[str]()
        tried = (
            flipped_bits(name)
            if options.flip_every_bit
            else [Mutants("mutant", -(-options.n // len(names)), Harness.try_mutant)]
        )
        for mutants in tried:
            some, examples = fuzz(name, mutants)
            counts += some
            bugs += [
                f"{name}, {mutants.label} {examples[outcome]} and {count - 1} more: {outcome}"
                for outcome, count in some.items()
                if outcome not in OUTCOMES
            ]
        known = [counts.pop(outcome, 0) for outcome in OUTCOMES]
        numbers = (sum(mutants.n for mutants in tried), *known, counts.total())
        print(
            f"{name:24}" + "".join(f"{number:11,}" for number in numbers) + f"{perf_counter() - start:11.1f}",
            flush=True,
        )
    print("\n".join(bugs))
    return 1 if bugs else 0


if __name__ == "__main__":
    sys.exit(main())

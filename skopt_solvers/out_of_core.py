"""Write matrices larger than memory to a folder, chunk by chunk, and read them as CSR in memory maps."""

import json
import os
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike

from ._base.csr import canonical_csr, check_structure
from ._base.typing import FilePath, HasShape
from .sequence import CSRSequences

__all__ = ["load_csr_memmap", "save_csr_memmap"]

_FORMAT, _DESCRIPTION = "skopt_solvers CSR", "csr.json"
_VERSION, _WITH_VECTORS = 1, 2  # readers that know no vectors must not leave them out
_PIECE = 2**22  # numbers that are read or converted at a time
_INT32 = np.iinfo(np.int32).max


def save_csr_memmap(path: FilePath, chunks: Iterable[Any] | HasShape) -> Any:
    """Write chunks of rows, one below the other, as one CSR matrix that is read from disk.

    Only one chunk is in memory at a time. The matrix is canonical: its rows are sorted, duplicates are summed and zeros
    dropped, so that a fit reads it where it is. The folder appears at `path` when it is complete.

    Parameters
    ----------
    path : str or path-like
        A folder that does not exist yet.
    chunks : iterable of sparse matrices, or of CSRSequences
        All with the same number of columns. float32 and float64 stay what they are and may not be mixed; other numbers
        become float64. Vectors of sequences are written too, in the type of the matrices. One matrix is one chunk.

    Returns
    -------
    csr_matrix or CSRSequences
        The matrix, read again by :func:`load_csr_memmap`.

    Raises
    ------
    FileExistsError
        Where `path` exists already.
    ValueError
        For a chunk that is not sparse, is malformed, has NaN or infinity, or does not fit to those before it. No files
        are left behind then.

    Notes
    -----
    An epoch of a stochastic solver shuffles rows within blocks of 64 MB, which are made of runs of consecutive rows of
    a megabyte, drawn at random. Rows that are alike where they are near are better shuffled before they are written.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.feature_extraction.text import HashingVectorizer
    >>> from skopt_solvers.out_of_core import save_csr_memmap
    >>> folder = tempfile.TemporaryDirectory()
    >>> files = [["a first text", "another one"], ["the last"]]
    >>> X = save_csr_memmap(folder.name + "/X", (HashingVectorizer().transform(texts) for texts in files))
    >>> X.shape, X.dtype
    ((3, 1048576), dtype('float64'))
    >>> folder.cleanup()
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"path must be a folder that does not exist yet, got {str(path)!r}")
    parts: Any = [chunks] if sp.issparse(chunks) or isinstance(chunks, CSRSequences) else chunks
    folder = path.with_name(f"{path.name}.{uuid4().hex}.part")
    folder.mkdir()
    try:
        writer = _Writer(folder)
        try:
            for number, chunk in enumerate(parts):
                writer.add(chunk, f"chunks[{number}]")
        finally:
            writer.close()
        writer.finish()
        os.rename(folder, path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return load_csr_memmap(path)


def load_csr_memmap(path: FilePath, *, verify: bool = False) -> Any:
    """Read a matrix that :func:`save_csr_memmap` wrote, in read-only memory maps.

    Parameters
    ----------
    path : str or path-like
    verify : bool, default=False
        Whether to compare the checksums of all files, which reads each of them once: it finds numbers that have
        changed since they were written. Without it sizes and the starts of the rows are checked.

    Returns
    -------
    csr_matrix or CSRSequences
        Of the kind of the chunks.

    Raises
    ------
    FileNotFoundError
        Where there is no such folder.
    ValueError
        Where one of its files is missing, damaged, or does not fit to the others; with `verify` also where the folder
        has no checksums, since it was written by version 0.1.

    Notes
    -----
    `fit` checks the range of the indices.

    Examples
    --------
    >>> import tempfile
    >>> import scipy.sparse as sp
    >>> from skopt_solvers.out_of_core import load_csr_memmap, save_csr_memmap
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = save_csr_memmap(folder.name + "/X", sp.eye_array(3, format="csr"))
    >>> load_csr_memmap(folder.name + "/X", verify=True).sum()
    np.float64(3.0)
    >>> folder.cleanup()
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"path must be a folder that save_csr_memmap wrote, got {str(path)!r}")
    try:
        said = json.loads((path / _DESCRIPTION).read_text(encoding="utf-8"))
        if said["format"] != _FORMAT or said["version"] != (_WITH_VECTORS if "vector_size" in said else _VERSION):
            raise ValueError(f"{_DESCRIPTION} is of format {said['format']!r}, version {said['version']!r}")
        (n_rows, n_columns), nnz, n_sequences = said["shape"], said["nnz"], said["n_sequences"]
        data = _opened(path, "data", said["dtype"], nnz)
        indices = _opened(path, "indices", said["index"], nnz)
        indptr = _opened(path, "indptr", said["index"], n_rows + 1)
        lengths = None if n_sequences is None else _opened(path, "lengths", "int64", n_sequences)
        size = said.get("vector_size")
        vectors = None if size is None else _opened(path, "vectors", said["dtype"], n_rows * size)
        if verify:
            _verify(said, dict(data=data, indices=indices, indptr=indptr, lengths=lengths, vectors=vectors))
        _check_rises(indptr, nnz)
        X = sp.csr_matrix((data, indices, indptr), shape=(n_rows, n_columns))
        X.has_sorted_indices = X.has_canonical_format = True
        if vectors is not None:
            vectors = vectors.reshape(n_rows, size)
        return X if lengths is None else CSRSequences(X, np.array(lengths), vectors=vectors)
    except MemoryError:
        raise
    except Exception as error:  # what damaged files make json, numpy and scipy raise is of many kinds
        raise ValueError(f"{str(path)!r} is not a matrix of save_csr_memmap, or is damaged: {error}") from error


def _opened(path: Path, name: str, dtype: DTypeLike, size: int) -> np.ndarray:
    array = np.lib.format.open_memmap(path / f"{name}.npy", mode="r")
    if array.dtype != np.dtype(dtype) or array.shape != (size,):
        raise ValueError(f"{name}.npy has {array.shape} numbers of {array.dtype}, expected ({size},) of {dtype}")
    return array


def _verify(said: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Raise ValueError where the description or an array is not what was written."""
    if "checksums" not in said:
        raise ValueError("it has no checksums: version 0.1 wrote it. Read it without verify, or write it again")
    sums = said["checksums"]
    found = {name: _checksum(array) for name, array in arrays.items() if array is not None}
    found["description"] = _checksum_of_description(said)
    wrong = [name for name in {**sums, **found} if sums.get(name) != found.get(name)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} have changed since they were written: their checksums are others")


def _checksum(array: np.ndarray) -> int:
    so_far = 0
    for begin in range(0, len(array), _PIECE):
        so_far = zlib.crc32(np.ascontiguousarray(array[begin : begin + _PIECE]).data, so_far)
    return so_far


def _checksum_of_description(said: dict[str, Any]) -> int:
    rest = {key: value for key, value in said.items() if key != "checksums"}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def _check_rises(indptr: np.ndarray, nnz: int) -> None:
    last = 0
    for begin in range(0, len(indptr), _PIECE):
        piece = indptr[begin : begin + _PIECE]
        if piece[0] < last or (begin == 0 and piece[0] != 0) or (np.diff(piece) < 0).any():
            raise ValueError("indptr must start at 0 and not decrease")
        last = piece[-1]
    if last != nnz:
        raise ValueError(f"indptr ends at {last}, expected {nnz}")


class _Writer:
    """The files of a matrix, whose length is not known before its end."""

    files: "dict[str, _Array]"
    shape: tuple[int, int] | None
    dtype: np.dtype
    sequences: bool
    vector_size: int | None

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, {}
        self.shape, self.nnz = None, 0

    def add(self, chunk: Any, name: str) -> None:
        is_sequences = isinstance(chunk, CSRSequences)
        matrix = self._checked(chunk.matrix if is_sequences else chunk, name)
        vectors = self._vectors(chunk, matrix.dtype, name) if is_sequences else None
        vector_size = None if vectors is None else vectors.shape[1]
        if self.shape is None:
            self.shape, self.dtype, self.sequences = (0, matrix.shape[1]), matrix.dtype, is_sequences
            index = np.dtype(np.int32 if matrix.shape[1] <= _INT32 + 1 else np.int64)
            kinds = dict(data=matrix.dtype, indices=index, indptr=np.dtype(np.int64))
            if is_sequences:
                kinds["lengths"] = np.dtype(np.int64)
            self.vector_size = vector_size
            if vector_size is not None:
                kinds["vectors"] = matrix.dtype
            self.files = {part: _Array(self.folder / f"{part}.npy", kind) for part, kind in kinds.items()}
            self.files["indptr"].append(np.zeros(1, np.int64))
        for what, got, had in (
            ("columns", matrix.shape[1], self.shape[1]),
            ("dtype", matrix.dtype, self.dtype),
            ("sequences", is_sequences, self.sequences),
            ("vectors of", vector_size, self.vector_size),
        ):
            if got != had:
                raise ValueError(f"{name} must be as the chunks before it, which have {what}={had}, got {what}={got}")
        self.files["data"].append(matrix.data)
        self.files["indices"].append(matrix.indices)
        self.files["indptr"].append(matrix.indptr[1:].astype(np.int64) + self.nnz)
        if is_sequences:
            self.files["lengths"].append(chunk.lengths)
        if vectors is not None:
            self.files["vectors"].append(vectors.ravel())
        self.nnz += matrix.nnz
        self.shape = (self.shape[0] + matrix.shape[0], self.shape[1])

    @staticmethod
    def _checked(chunk: Any, name: str) -> sp.csr_matrix:
        if not sp.issparse(chunk) or chunk.ndim != 2:
            raise ValueError(f"{name} must be a sparse matrix or CSRSequences, got {type(chunk).__name__}")
        if chunk.dtype.kind not in "fiub":
            raise ValueError(f"{name} must be of real numbers, got {chunk.dtype}")
        check_structure(chunk, name=name, ask_canonical=False)
        matrix = sp.csr_matrix(chunk)
        if matrix.dtype not in (np.float32, np.float64):
            matrix = matrix.astype(np.float64)
        if not np.isfinite(matrix.data).all():
            raise ValueError(f"{name} has NaN or infinity")
        matrix = canonical_csr(matrix)
        return matrix if matrix.has_sorted_indices else matrix.sorted_indices()

    @staticmethod
    def _vectors(chunk: CSRSequences, dtype: np.dtype, name: str) -> np.ndarray | None:
        if chunk.vectors is None:
            return None
        with np.errstate(over="ignore"):
            vectors = chunk.vectors.astype(dtype, copy=False)
        if not np.isfinite(vectors).all():
            raise ValueError(f"{name} has NaN or infinity in its vectors, or numbers that are not finite in {dtype}")
        return vectors

    def close(self) -> None:
        for file in self.files.values():
            file.close()

    def finish(self) -> None:
        """Give both index arrays one type, which scipy would do in memory, and describe the files."""
        if self.shape is None:
            raise ValueError("chunks must have at least one, got none")
        index = np.dtype(np.int32 if self.nnz <= _INT32 and self.shape[1] <= _INT32 + 1 else np.int64)
        for part in ("indices", "indptr"):
            self.files[part].become(index)
        said = dict(format=_FORMAT, version=_VERSION, shape=self.shape, nnz=self.nnz, dtype=self.dtype.name)
        if self.vector_size is not None:
            said.update(version=_WITH_VECTORS, vector_size=self.vector_size)
        n_sequences = self.files["lengths"].size if self.sequences else None
        said.update(index=index.name, n_sequences=n_sequences)
        sums = {part: file.checksum for part, file in self.files.items()}
        said["checksums"] = {**sums, "description": _checksum_of_description(said)}
        (self.folder / _DESCRIPTION).write_text(json.dumps(said), encoding="utf-8")


class _Array:
    """A one-dimensional .npy file that grows."""

    def __init__(self, path: Path, dtype: np.dtype) -> None:
        self.path, self.dtype, self.size, self.file = path, dtype, 0, open(path, "wb")
        self.checksum = 0
        self.header = self._write_header()

    def _write_header(self) -> int:
        # numpy leaves room for a larger first axis
        said = dict(descr=np.lib.format.dtype_to_descr(self.dtype), fortran_order=False, shape=(self.size,))
        np.lib.format.write_array_header_1_0(self.file, said)
        return self.file.tell()

    def append(self, values: np.ndarray) -> None:
        values = np.ascontiguousarray(values, self.dtype)
        self.file.write(values.data)
        self.checksum = zlib.crc32(values.data, self.checksum)
        self.size += len(values)

    def close(self) -> None:
        if self.file.closed:
            return
        self.file.seek(0)
        if self._write_header() != self.header:
            raise OSError(f"the header of {self.path} has grown")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def become(self, dtype: np.dtype) -> None:
        """Write the closed file again with another dtype, piece by piece."""
        if dtype == self.dtype:
            return
        old, path = np.load(self.path, mmap_mode="r"), self.path
        new = _Array(path.with_suffix(".new"), dtype)
        for begin in range(0, self.size, _PIECE):
            new.append(old[begin : begin + _PIECE])
        new.close()
        del old
        os.replace(new.path, path)
        self.dtype, self.checksum = dtype, new.checksum

"""Write and read the table of strings and numbers that a model file of CRFsuite has, a "constant quark database".

A database has a header, 256 references to hash tables, the records, the hash tables, and the place of each record by
its number. All are little-endian integers of 32 bits. The hash is that of Jenkins (2006), "lookup3", over the string
and the zero byte at its end; its lowest 8 bits choose the table.
"""

from collections.abc import Sequence

import numpy as np

_N_TABLES, _HEADER = 256, 24
_BYTE_ORDER = 0x62445371
_U32 = np.dtype("<u4")


def database(keys: Sequence[bytes]) -> bytes:
    """Return the database of distinct keys without a zero byte, each of which has its position as its number."""
    terminated = [key + b"\0" for key in keys]
    hashes = hashes_of(terminated)
    begin = _HEADER + 8 * _N_TABLES
    sizes = np.array([8 + len(key) for key in terminated], np.int64)
    places = begin + np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    records = [
        number.to_bytes(4, "little") + len(key).to_bytes(4, "little") + key for number, key in enumerate(terminated)
    ]
    references, tables = [], []
    place = int(places[-1])
    for table in range(_N_TABLES):
        members = np.flatnonzero(hashes % _N_TABLES == table)
        references += [place if len(members) else 0, 2 * len(members)]
        tables.append(_buckets(hashes[members], places[members]))
        place += 16 * len(members)
    backwards = places[:-1] if len(keys) else np.empty(0)
    header = [place + 4 * len(keys), 0, _BYTE_ORDER, len(keys), place if len(keys) else 0]
    parts = [b"CQDB", np.array(header, _U32).tobytes(), np.array(references, _U32).tobytes(), *records, *tables]
    return b"".join([*parts, backwards.astype(_U32).tobytes()])


def _buckets(hashes: np.ndarray, places: np.ndarray) -> bytes:
    """Return a hash table with open addresses, twice as large as it has members."""
    n = 2 * len(hashes)
    out = np.zeros((n, 2), _U32)
    for key, place in zip(hashes.tolist(), places.tolist(), strict=True):
        slot = (key >> 8) % n
        while out[slot, 1]:
            slot = (slot + 1) % n
        out[slot] = key, place
    return out.tobytes()


def keys_of(data: memoryview) -> list[bytes]:
    """Return the keys of a database, by their numbers.

    Raises
    ------
    ValueError
        Where the data are not a database, or are damaged.
    """
    if len(data) < _HEADER or bytes(data[:4]) != b"CQDB":
        raise ValueError("there is no table of strings")
    size, _, order, n_keys, backwards = np.frombuffer(data[4:_HEADER], _U32).tolist()
    if order != _BYTE_ORDER or not backwards <= size <= len(data):
        raise ValueError("a table of strings is cut off, or of another byte order")
    n_keys = min(n_keys, (size - backwards) // 4)  # CRFsuite counts the room of its array, which is larger
    places = np.frombuffer(data[backwards : backwards + 4 * n_keys], _U32).tolist() if backwards else []
    keys = []
    for number, place in enumerate(places):
        if place + 8 > size:
            raise ValueError(f"string {number} lies beyond its table")
        found, length = np.frombuffer(data[place : place + 8], _U32).tolist()
        key = bytes(data[place + 8 : place + 8 + length])
        if found != number or len(key) != length or key.find(b"\0") != length - 1:
            raise ValueError(f"string {number} is damaged")
        keys.append(key[:-1])
    return keys


def hashes_of(keys: Sequence[bytes]) -> np.ndarray:
    """Return the 32-bit hashes of keys that have at least one byte each."""
    lengths = np.array([len(key) for key in keys], np.int64)
    blocks = -(-lengths // 12)
    out = np.empty(len(keys), np.uint32)
    with np.errstate(over="ignore"):
        for n_blocks in np.unique(blocks).tolist():
            members = np.flatnonzero(blocks == n_blocks)
            padded = b"".join(keys[member].ljust(12 * n_blocks, b"\0") for member in members.tolist())
            words = np.frombuffer(padded, _U32).reshape(len(members), n_blocks, 3)
            out[members] = _lookup3(words, lengths[members].astype(np.uint32))
    return out


def _lookup3(words: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    a = lengths + np.uint32(0xDEADBEEF)
    b, c = a.copy(), a.copy()
    for block in range(words.shape[1]):
        a, b, c = (state + words[:, block, word] for word, state in enumerate((a, b, c)))
        if block + 1 == words.shape[1]:
            break
        for shift in (4, 6, 8, 16, 19, 4):  # the three change in turn
            a, b, c = b, c + b, (a - c) ^ _rotated(c, shift)
    a, b, c = c, a, b
    for shift in (14, 11, 25, 16, 4, 14, 24):
        a, b, c = b, c, (a ^ c) - _rotated(c, shift)
    return c


def _rotated(values: np.ndarray, shift: int) -> np.ndarray:
    return (values << np.uint32(shift)) | (values >> np.uint32(32 - shift))

"""Writes .npy files of many kinds with NumPy.

Usage: npy_files.py FOLDER
"""

import os
import sys
import warnings

import numpy as np

VALUES = {"i": [0, 1, -1, 127, -128], "u": [0, 1, 2, 127, 255]}
WIDE = {"i": [2**62, -(2**62)], "u": [2**62, 2**63 - 1]}


def save(name, array, version=None):
    with open(os.path.join(sys.argv[1], name + ".npy"), "wb") as file:
        np.lib.format.write_array(file, array, version=version)


def main():
    warnings.simplefilter("ignore")  # of versions newer than needed
    for kind in "iu":
        for width in (1, 2, 4, 8):
            for byte_order in "<>":
                values = VALUES[kind] + (WIDE[kind] if width == 8 else [])
                save(f"integers_{kind}{width}_{'little' if byte_order == '<' else 'big'}",
                     np.array(values, dtype=f"{byte_order}{kind}{width}"))
    for version in ((1, 0), (2, 0), (3, 0)):
        save(f"version_{version[0]}", np.arange(7), version)
    save("empty_vector", np.array([], dtype=np.int64))
    save("past_int64", np.array([1, 2**63], dtype=np.uint64))

    matrix = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
    save("matrix", matrix)
    save("matrix_big", matrix.astype(">f4"))
    save("matrix_wide", np.zeros((1, 100000), dtype=np.float32))
    save("matrix_empty", np.zeros((0, 16), dtype=np.float32))
    save("matrix_fortran", np.asfortranarray(matrix))
    save("matrix_double", matrix.astype(np.float64))
    save("booleans", np.array([True, False]))
    save("scalar", np.array(3))
    save("structured", np.zeros(3, dtype=[("a", "<i4"), ("b", "<f4")]))
    save("halves", np.zeros(3, dtype=np.float16))


main()

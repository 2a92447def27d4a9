"""Draws the 300 digits beside this file: seven segments, moved, slanted, blurred and noisy, as IDX files like those of MNIST.

python make.py    (NumPy; the files are committed, so that tests need neither)
"""

import gzip
import struct
from pathlib import Path

import numpy as np

# Segments: top, upper left, upper right, middle, lower left, lower right, bottom; from (row, column) to (row, column).
ENDS = [((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 1), (1, 1)), ((1, 0), (1, 1)), ((1, 0), (2, 0)), ((1, 1), (2, 1)), ((2, 0), (2, 1))]
SHOWN = ["1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011"]


def draw(digit, random):
    rows, columns = np.mgrid[0:28, 0:28].astype(float)
    top, left = 4 + random.uniform(-1, 1), 9 + random.uniform(-1, 1)
    height, width = random.uniform(9, 10), random.uniform(9, 11)
    slant, thick = random.uniform(-0.1, 0.1), random.uniform(1.0, 1.8)
    image = np.zeros((28, 28))
    for shown, ends in zip(SHOWN[digit], ENDS):
        if shown == "0":
            continue
        (a, b), (c, d) = [(top + height * r, left + width * c - slant * height * r) for r, c in ends]
        along = np.clip(((rows - a) * (c - a) + (columns - b) * (d - b)) / ((c - a) ** 2 + (d - b) ** 2), 0, 1)
        away = np.hypot(rows - a - along * (c - a), columns - b - along * (d - b))
        image = np.maximum(image, np.clip(1.5 - away / thick, 0, 1))
    # Sixteen shades, for small files.
    return (np.clip(image + random.normal(0, 0.03, image.shape) * (image > 0), 0, 1) * 15).round() * 17


random = np.random.default_rng(2022)
labels = random.permutation(np.arange(300) % 10).astype(np.uint8)
images = np.stack([draw(digit, random) for digit in labels]).astype(np.uint8)
here = Path(__file__).parent
for name, header, data in [
    ("images.gz", struct.pack(">4i", 2051, 300, 28, 28), images),
    ("labels.gz", struct.pack(">2i", 2049, 300), labels),
]:
    (here / name).write_bytes(gzip.compress(header + data.tobytes(), mtime=0))

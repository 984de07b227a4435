"""Lines in braille characters: each holds two by four dots."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from rich.text import Text

# The bit of each dot in U+2800 …, by its row and column within the character.
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class Canvas:
    """A field of so many characters; a character takes the style of the last line through it."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._bits = np.zeros((height, width), dtype=int)
        self._styles: dict[tuple[int, int], str] = {}

    def line(self, x: ArrayLike, y: ArrayLike, style: str) -> None:
        """Draws through points whose coordinates are parts of the field: (0, 0) is the lower left corner, (1, 1) the
        upper right one. What is not finite or lies outside is left out."""
        across = np.asarray(x, dtype=float) * (2 * self.width - 1)
        down = (1 - np.asarray(y, dtype=float)) * (4 * self.height - 1)
        for start in range(max(1, len(across) - 1)):
            ends = across[start : start + 2], down[start : start + 2]
            if not np.isfinite(ends).all():
                continue
            steps = int(max(abs(end[-1] - end[0]) for end in ends)) + 1
            for part in np.linspace(0, 1, steps + 1):
                column, row = (round(float(end[0] + part * (end[-1] - end[0]))) for end in ends)
                self._dot(column, row, style)

    def _dot(self, across: int, down: int, style: str) -> None:
        row, column = down // 4, across // 2
        if 0 <= row < self.height and 0 <= column < self.width:
            self._bits[row, column] |= DOTS[down % 4][across % 2]
            self._styles[row, column] = style

    def rows(self) -> list[Text]:
        """The field's rows, from the top."""
        return [
            Text.assemble(
                *((chr(0x2800 + bits), self._styles.get((row, column), "")) for column, bits in enumerate(line))
            )
            for row, line in enumerate(self._bits.tolist())
        ]

"""Whether pixels have colour: all at once, as very large numbers, because a loop over them takes seconds."""

from __future__ import annotations

SPREAD = 16  # what pictures and black text that are stored as colours differ by
PIECE = 1 << 14


def has_colour(red: bytes, green: bytes, blue: bytes) -> bool:
    """Whether any pixel's channels (one byte each, equally many) lie more than SPREAD apart.

    Red, green and blue or cyan, magenta and yellow: what is grey in the one is grey in the other.
    """
    for begin in range(0, len(red), PIECE):
        r, g, b = (channel[begin : begin + PIECE] for channel in (red, green, blue))
        if not r == g == b and _differ(r, g, b):  # most of most pages is white, and told so at once
            return True
    return False


def _differ(red: bytes, green: bytes, blue: bytes) -> bool:
    lanes = [_lanes(channel) for channel in (red, green, blue)]
    size = (len(red) + 1) // 2
    top = int.from_bytes(b"\x80\0" * size, "big")
    least = int.from_bytes(bytes((0, SPREAD + 1)) * size, "big")
    for one, other in ((0, 1), (1, 2), (2, 0)):
        for a, b in zip(lanes[one], lanes[other], strict=True):
            # In each lane of 16 bits the top one stays set when a is larger than b by more than SPREAD; none borrows.
            if ((a | top) - b - least) & top or ((b | top) - a - least) & top:
                return True
    return False


def _lanes(channel: bytes) -> tuple[int, int]:
    """The bytes at even and at odd places, each with an empty byte above it."""
    even, odd = channel[0::2], channel[1::2].ljust((len(channel) + 1) // 2, b"\0")
    return _spaced(even), _spaced(odd)


def _spaced(values: bytes) -> int:
    spaced = bytearray(2 * len(values))
    spaced[1::2] = values
    return int.from_bytes(spaced, "big")

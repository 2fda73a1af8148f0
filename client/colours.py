"""Colours that can be read: text for a background, by the contrast that WCAG 2 asks for."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Final

DARK: Final = "1a1820"
LIGHT: Final = "ffffff"
READABLE: Final = 4.5
"""WCAG 2.2, 1.4.3: the least contrast of text."""


def luminance(colour: str) -> float:
    """Return the relative luminance of "rrggbb" (WCAG 2.2), 0 for black to 1 for white."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_on(background: str) -> str:
    """Return the colour of text on a background: dark or light, whichever can be read better; black where need be."""
    best = max((DARK, LIGHT), key=lambda text: contrast(text, background))
    return best if contrast(best, background) >= READABLE else "000000"


def muted_on(background: str) -> str:
    """Return a colour for lesser lines: as near to the background as can still be read."""
    text = text_on(background)
    for share in range(40, 0, -5):
        mixed = mix(text, background, share / 100)
        if contrast(mixed, background) >= READABLE + 0.5:
            return mixed
    return text


def accent_of(background: str) -> str:
    """Return a strong colour of the background's hue: darker on a light one, lighter on a dark one."""
    red, green, blue = (int(background[at : at + 2], 16) / 255 for at in (0, 2, 4))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    strong = 0.0 if saturation < 0.05 else 0.55
    parts = colorsys.hls_to_rgb(hue, 0.33 if lightness > 0.45 else 0.75, strong)
    return "".join(f"{round(part * 255):02x}" for part in parts)


def mix(colour: str, other: str, share: float) -> str:
    """Return `colour` with a `share` (0 to 1) of the other."""
    pairs = ((int(colour[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (0, 2, 4))
    return "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


@dataclass(frozen=True)
class Palette:
    """The colours of one window, each "rrggbb"; `accent` is for borders and the mark beside the balance."""

    background: str
    text: str
    muted: str
    accent: str
    button: str


def palette(background: str, *, high_contrast: bool = False) -> Palette:
    """Return the colours that go with a background ("" for white). High contrast is white and yellow on black."""
    if high_contrast:
        return Palette("000000", "ffffff", "ffffff", "ffff00", "000000")
    background = background or "ffffff"
    text = text_on(background)
    return Palette(background, text, muted_on(background), accent_of(background), mix(background, text, 0.08))

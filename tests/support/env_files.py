"""Files that operators really leave as ``.env``: saved by another editor, pasted, cut off, linked."""

from __future__ import annotations

import codecs

LINES = "# café\nKEEPA_DEALS_HOME={home}\nREDIS_URL=redis://:{secret}@127.0.0.1:6379/0\n"
SECRET = "Zr8Kw2Pq5Xn7"

REFUSED = {
    "latin-1": (lambda text: text.encode("latin-1"), "not UTF-8 text (byte 0xe9 in line 1): save it"),
    "windows-1252": (lambda text: f"{text}# “x”\n".encode("cp1252"), "not UTF-8 text (byte 0xe9 in line 1)"),
    "mac-roman": (lambda text: text.encode("mac-roman"), "not UTF-8 text (byte 0x8e in line 1)"),
    "utf-16": (lambda text: text.encode("utf-16"), "UTF-16 or UTF-32 text: save it as UTF-8"),
    "utf-16 big": (lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"), "UTF-16 or UTF-32 text"),
    "utf-16 without a mark": (lambda text: text.encode("utf-16-le"), "UTF-16 or UTF-32 text"),
    "utf-32": (lambda text: text.encode("utf-32"), "UTF-16 or UTF-32 text"),
    "NUL": (lambda text: text.encode() + b"A=\0\n", "a NUL byte in line 4: it is no text"),
    "NULs of a crash": (lambda text: text.encode() + bytes(4096), "a NUL byte in line 4"),
    "cut off": (lambda text: (text + "KEEPA_API_KEY='").encode(), "line 4 is no NAME=value (is a quote"),
    "a colon": (lambda text: (text + "\n\nKEEPA_API_KEY: x\n").encode(), "line 6 is no NAME=value"),
    "a shell's command": (lambda text: (text + "set -a\n").encode(), "line 4 is no NAME=value"),
    "half a character": (lambda text: text.encode() + "é".encode()[:1], "not UTF-8 text (byte 0xc3 in"),
    "too large": (lambda text: text.encode() + b"#" * (1 << 20), "must have at most 1048576"),
}  # fmt: skip
"""What is refused: how the text comes to be, and what is said."""

TAKEN = {
    "plain": lambda text: text.encode(),
    "a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "windows' ends of lines": lambda text: text.replace("\n", "\r\n").encode(),
    "old macs' ends of lines": lambda text: text.replace("\n", "\r").encode(),
    "both": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    "a shell's words": lambda text: text.replace("\nK", "\nexport K").replace("\nR", "\n  export R").encode(),
    "blanks": lambda text: text.replace("=", " = ", 1).encode(),
    "quotes": lambda text: text.replace("HOME=", "HOME='").replace("\nR", "'\nR").encode(),
    "no last end of line": lambda text: text.rstrip("\n").encode(),
    "lower case": lambda text: text.replace("KEEPA_DEALS_HOME", "keepa_deals_home").encode(),
}
"""What is taken as it is meant."""


def text(home: object) -> str:
    return LINES.format(home=home, secret=SECRET)

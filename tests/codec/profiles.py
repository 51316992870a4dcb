"""ICC profiles to test with."""

import struct

import numpy as np

DESCRIPTION = "Swapped"


RED, GREEN, BLUE = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
P3 = (0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)


def described(space: str, name: str = DESCRIPTION, primaries=(BLUE, GREEN, RED), curve=None) -> bytes:
    """An ICC profile, version 2, of the text `name`: of RGB, red and blue changing places unless told, or of gray."""

    def fixed(*numbers: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(number * 65536) for number in numbers))

    text = name.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    curve = [563] if curve is None else curve  # a gamma of 2.2
    packed = b"curv\0\0\0\0" + struct.pack(f">I{len(curve)}H", len(curve), *curve)
    tags = {b"desc": description, b"wtpt": fixed(0.9642, 1.0, 0.8249), b"cprt": b"text\0\0\0\0none\0"}
    if space == "RGB ":
        tags |= {tag: fixed(*colour) for tag, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), packed)
    else:
        tags |= {b"kTRC": packed}
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">8xI4s4s4s", 0x02100000, b"mntr", space.encode(), b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def srgb_curve(points: int = 1024) -> list[int]:
    """As 16-bit numbers, at equal distances. Source: IEC 61966-2-1."""
    v = np.linspace(0, 1, points)
    return np.round(65535 * np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)).astype(int).tolist()

"""Verifies Ed25519 signatures (RFC 8032) with the standard library alone; it cannot sign.

Strict: a point or a number that is not written in the one canonical way is refused, and so is a key or a commitment of
small order, for which one signature would fit many texts. Only public values pass here, so time may tell them.
"""

from functools import lru_cache
from hashlib import sha512

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T: x = X/Z, y = Y/Z, x*y = T/Z
NEUTRAL: Point = (0, 1, 1, 0)


@lru_cache(maxsize=4096)  # the same checkpoints stand in a table and in files
def is_valid(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this signature (64 bytes) of this key (32 bytes) is of this message."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, commitment = _point(public_key), _point(signature[:32])
    number = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or number >= ORDER:
        return False
    if _is_small(key) or _is_small(commitment):
        return False
    challenge = int.from_bytes(sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    return _are_equal(_two_products(number, BASE, challenge, _negative(key)), commitment)


def _point(encoded: bytes) -> Point | None:
    """The point that these 32 bytes name; None when they name none, or not in its canonical form."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    x = _x_of(y)
    if x is None or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def _x_of(y: int) -> int | None:
    """A square root of (y*y - 1) / (d*y*y + 1)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    return None if (x * x - square) % P else x


def _sum(a: Point, b: Point) -> Point:
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    x, y, z, t = f - e, h - g, h + g, f + e
    return (x * y % P, z * t % P, y * z % P, x * t % P)


def _double(a: Point) -> Point:
    x, y, z = a[0] * a[0] % P, a[1] * a[1] % P, 2 * a[2] * a[2] % P
    h = x + y
    e = h - (a[0] + a[1]) * (a[0] + a[1]) % P
    g = x - y
    f = z + g
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _two_products(m: int, a: Point, n: int, b: Point) -> Point:
    """m*a + n*b, doubling once for both."""
    result, both = NEUTRAL, _sum(a, b)
    for bit in range(max(m.bit_length(), n.bit_length()) - 1, -1, -1):
        result = _double(result)
        match m >> bit & 1, n >> bit & 1:
            case 1, 1:
                result = _sum(result, both)
            case 1, 0:
                result = _sum(result, a)
            case 0, 1:
                result = _sum(result, b)
    return result


def _negative(a: Point) -> Point:
    return (P - a[0], a[1], a[2], P - a[3])


def _are_equal(a: Point, b: Point) -> bool:
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def _is_small(a: Point) -> bool:
    """Eight times a point of small order is nothing."""
    return _are_equal(_double(_double(_double(a))), NEUTRAL)


def _base() -> Point:
    point = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    assert point
    return point


BASE = _base()

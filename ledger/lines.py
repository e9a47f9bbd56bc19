"""The two files that leave the house, line by line: the export of a book, and the proof of one order.

Each line is a JSON array of strings. A book's rows, batches and pages stand in it as their canonical bytes, so that
whoever reads it needs to render nothing. An export, in this order:

    ["khata-export","1",origin,account]        account: "" for the whole book
    ["schema",name,version,fields]             one a table
    ["key",key] ["checkpoint",note] ["consistent",size,path]
    ["place",position,path] page batch rows... ["leaves",digests]      page by page, in the tree's order
    ["end",pages,rows]

A proof: ["khata-proof","1",origin], key, checkpoint, consistent; for each version of the order ["place",position,path],
["in page",index,path], its page and its row; and ["end",versions,versions]. Paths are their nodes in base64, one after
the other; they lead to the checkpoint, the last one in an export.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable

from .canonical import Schema

EXPORT, PROOF, VERSION = "khata-export", "khata-proof", "1"
PLACE = b'["place"'
IN_PAGE = "in page"


def line(*words: object) -> bytes:
    text = json.dumps([str(word) for word in words], ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def schema_line(schema: Schema) -> bytes:
    return line("schema", schema.name, schema.version, " ".join(f"{column}:{kind}" for column, kind in schema.fields))


def path_text(path: Iterable[bytes]) -> str:
    return b64encode(b"".join(path)).decode("ascii")


def path_of(text: str) -> list[bytes]:
    """ValueError for what is no path."""
    joined = b64decode(text, validate=True)
    nodes = [joined[i : i + 32] for i in range(0, len(joined), 32)]
    if len(joined) % 32 or path_text(nodes) != text:
        raise ValueError("a path is made of nodes of 32 bytes, in the one form that their base64 has")
    return nodes


def leaves_line(leaves: Iterable[bytes]) -> bytes:
    return f'["leaves","{b"".join(leaves).hex()}"]\n'.encode()


def words_of(text: bytes) -> list[str | None]:
    """The words of a line, as a row has them: null where it has no value. ValueError when it is no line."""
    try:
        words = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(words, list) or not words or not all(isinstance(word, str | None) for word in words):
        raise ValueError("not an array of strings")
    "".join(filter(None, words)).encode()  # half a character is a ValueError too
    return words


def strings_of(text: bytes) -> list[str]:
    """The words of a line that is no row: none of them is null."""
    words = words_of(text)
    if None in words:
        raise ValueError("null is no word of this line")
    return [str(word) for word in words]

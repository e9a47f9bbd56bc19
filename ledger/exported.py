"""The pages of an export, one after the other, as fast as they can be hashed: only what does not fit is looked at."""

from hashlib import sha256

from . import lines, merkle
from .findings import TREE, Chain, Finding, Sealed, digest, judge_page
from .page import Entry, Page
from .preamble import Checked, Preamble, Reader, fields_of, name_of, page_of

_ENDS_A_PAGE = (lines.PLACE, b'["leaves"', b'["end"')


class Book:
    """The pages of an export, one after the other."""

    def __init__(self, reader: Reader, preamble: Preamble, checked: Checked, sizes: set[int]) -> None:
        self.reader, self.preamble, self.checked, self.sizes = reader, preamble, checked, sizes
        self.tree = merkle.Growing()
        self.roots: dict[int, bytes] = {}
        self.chains: dict[str, Chain] = {}

    def check(self) -> tuple[int, dict[int, bytes]]:
        """How many pages the tree has, and its root at the sizes that are asked for. Of one account's export that is
        not known: each of its pages has a path of its own."""
        while text := self.reader.next():
            if text.startswith(lines.PLACE):
                self._page(text)
            elif text.startswith(b'["end"'):
                self._end(text)
                break
            else:
                self._say("this line is damaged, or does not belong here")
        else:
            self._say("the file ends in the middle: it was cut off")
        return self.tree.size, self.roots

    def _say(self, says: str) -> None:
        self.checked.findings.append(Finding(says, line=self.reader.number))

    def _page(self, place: bytes) -> None:
        reader, first = self.reader, self.reader.number
        text, batch = reader.next(), reader.next()
        page = page_of(text)
        if page is None:
            self._say("this page is damaged")
            return
        rows = reader.take(page.entries_count)
        stored = reader.next()
        leaves = [sha256(b"\x00" + row[:-1]).digest() for row in rows]
        header = digest(batch[:-1])
        fits = merkle.root(leaves) == page.root and header == page.header_digest and len(rows) == page.entries_count
        if not fits or stored != lines.leaves_line([leaf.hex() for leaf in leaves]):
            self._judge(page, batch, rows, stored, first)
        self.checked.pages += 1
        self.checked.rows += len(rows)
        self._follow(page)
        self._place(place, page, first)

    def _judge(self, page: Page, batch: bytes, rows: list[bytes], stored: bytes, first: int) -> None:
        """Names what is wrong. Lines that belong to the next page, since some are missing, are put back."""
        lists = [*rows, stored]
        cut = next((i for i, text in enumerate(lists) if text.startswith(_ENDS_A_PAGE)), len(lists))
        if cut != len(rows):
            begins_anew = not lists[cut : cut + 1] or not lists[cut].startswith(b'["leaves"')
            self.reader.put_back([text for text in lists[cut + (not begins_anew) :] if text])
            stored = b"" if begins_anew else lists[cut]
            del rows[cut:]
        batch_fields = fields_of(batch) or [""] * 2
        entries, lines_of = [], {}
        for number, text in enumerate(rows, first + 3):
            fields = fields_of(text)
            if fields is None:
                self.checked.findings.append(Finding("this row is damaged", page=page.number, line=number))
            schema, row_id = name_of(text)
            entries.append(Entry(schema, row_id, sha256(b"\x00" + text[:-1]).digest()))
            lines_of[schema, row_id] = number
        listed = stored[len(b'["leaves","') : -3].decode("ascii", "replace")
        expected = [listed[i : i + 64] for i in range(0, len(listed), 64)]
        changed = [e for e, leaf in zip(entries, expected, strict=False) if e.leaf.hex() != leaf]
        header = digest(batch[:-1]) if batch_fields[0] else None
        sealed = Sealed(page, str(batch_fields[0]), header, entries, changed)
        for finding in judge_page(sealed, str(batch_fields[1] or "")):
            line = lines_of.get((finding.table, finding.row), first)
            self.checked.findings.append(finding._replace(line=line))
        if len(expected) != len(entries) or len(listed) % 64:
            self.checked.findings.append(Finding("the list of leaves is damaged", page=page.number, line=first))

    def _follow(self, page: Page) -> None:
        link = self.chains.setdefault(page.head_id, Chain(page.head_id))
        if page.number == link.number + 1 and page.previous_hash == link.hash:
            link.number, link.hash = page.number, page.hash
        else:
            self.checked.findings += [
                finding._replace(line=self.reader.number)
                for finding in link.follow(page.number, page.previous_hash, page.hash)
            ]

    def _place(self, place: bytes, page: Page, line: int) -> None:
        try:
            _, position, path = lines.words_of(place)
            at, nodes = int(position or 0), lines.path_of(path)
        except ValueError:
            self.checked.findings.append(Finding("the place of this page is damaged", page=page.number, line=line))
            return
        if not at:
            return
        leaf = merkle.leaf_hash(page.hash)
        if self.preamble.account:
            last = self.preamble.last
            if last and merkle.root_from_path(leaf, at - 1, last.checkpoint.size, nodes) != last.checkpoint.root:
                says = "the page is not at this position of the tree that was signed"
                self.checked.findings.append(Finding(says, page.head_id, page.number, TREE, position, line))
            return
        if at != self.tree.size + 1:
            says = f"position {self.tree.size + 1} of the tree is missing: {at} comes next"
            self.checked.findings.append(Finding(says, page.head_id, page.number, TREE, position, line))
        self.tree.append(leaf)
        if self.tree.size in self.sizes:
            self.roots[self.tree.size] = self.tree.root()

    def _end(self, text: bytes) -> None:
        if text != lines.line("end", self.checked.pages, self.checked.rows):
            self._say(
                f"{self.checked.pages} pages and {self.checked.rows} rows are there, which is not what the end says"
            )
        if self.reader.next():
            self._say("something was added after the end")

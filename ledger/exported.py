"""The pages of an export, one after the other, as fast as they can be hashed: only what does not fit is looked at."""

import re
from bisect import bisect_right
from collections.abc import Iterator

from . import lines, merkle
from .canonical import SYNC_BATCH
from .findings import INSTALLATION, TREE, Chain, Finding, Sealed, digest, judge_page
from .page import Entry
from .preamble import Checked, Preamble, Reader, fields_of, name_of, page_of

_BEGINS_A_PAGE = re.compile(rb'\["ledger_pages","1","([^"\\]+)","\d{1,18}","(\d{1,9})",')
_PAGE = b'["ledger_pages","1","%b","%d","%d","%b","%b","%b"]'
CUT_OFF = "the file ends in the middle: it was cut off"
UNPLACED = (
    "the page has no place in the tree that was signed: it is newer than the last checkpoint, or was put in place of "
    "another. Have the export made again"
)
_ENDS_A_PAGE = (lines.PLACE, b'["leaves"', b'["end"')


class Book:
    """The pages of an export, one after the other."""

    def __init__(self, reader: Reader, preamble: Preamble, checked: Checked, sizes: set[int]) -> None:
        self.reader, self.preamble, self.checked, self.sizes = reader, preamble, checked, sizes
        self.tree = merkle.Growing()
        self.roots: dict[int, bytes] = {}
        self.chains: dict[bytes, Chain] = {}
        self.proved: list[int] = []  # of one account's export: the positions that its pages have in the tree

    def check(self) -> tuple[int, dict[int, bytes]]:
        """How many pages the tree has, and its root at the sizes that are asked for. Of one account's export that is
        not known: each of its pages has a path of its own."""
        while (text := self.reader.next()) is not None:
            if text.startswith(lines.PLACE):
                self._page(text)
            elif text.startswith(b'["end"'):
                self._end(text)
                break
            elif not self.reader.is_at_end():
                self._say("this line is damaged, or does not belong here")
        else:
            self._say(CUT_OFF)
        self.checked.findings += self._judge_title()
        return self.tree.size, self.roots

    def below(self, size: int) -> int:
        """How many of the pages the checkpoint of this size covers."""
        return bisect_right(sorted(self.proved), size) if self.preamble.account else min(size, self.tree.size)

    def _judge_title(self) -> Iterator[Finding]:
        """By the record of the first page of each chain, which its page seals."""
        titled = self.preamble.account
        for account in sorted({chain.account for chain in self.chains.values() if titled and chain.account}):
            if account != titled:
                yield Finding(
                    f"its pages are here, and the file says that it is of the account {titled}", account, line=1
                )

    def _say(self, says: str) -> None:
        self.checked.findings.append(Finding(says, line=self.reader.number))

    def _page(self, place: bytes) -> None:
        reader, first = self.reader, self.reader.number
        begun = reader.take(2)
        found = _BEGINS_A_PAGE.match(begun[0]) if len(begun) == 2 else None
        if found is None:
            if not reader.is_at_end():
                self._say("this page is damaged")
            reader.put_back([text for text in begun if text.startswith(_ENDS_A_PAGE)])
            return
        text, batch, head, count = begun[0], begun[1], found[1], int(found[2])
        rows = reader.take(count + 1)
        stored = rows.pop() if len(rows) > count else b""
        leaves, header = merkle.leaf_hashes(rows), digest(batch)
        link = self.chains.get(head) or self.chains.setdefault(head, Chain(""))
        expected = (head, link.number + 1, len(rows), _hex(merkle.root(leaves)), _hex(header), _hex(link.hash))
        hash_ = digest(text)
        # All that the page says, in one comparison; and its list of leaves.
        if text == _PAGE % expected and stored == b'["leaves","%b"]' % _hex(b"".join(leaves)):
            link.number, link.hash = link.number + 1, hash_
            link.account = link.account or _account(batch)
            number = link.number
        else:
            number = self._judge(text, batch, rows, stored, first, link)
        self.checked.pages += 1
        self.checked.rows += len(rows)
        self._place(place, link.account, number, hash_, first)

    def _judge(self, text: bytes, batch: bytes, rows: list[bytes], stored: bytes, first: int, link: Chain) -> int:
        """Names what is wrong. Lines that belong to the next page, since some are missing, are put back. Returns the
        page's number."""
        page = page_of(text)
        if page is None:
            self._say("this page is damaged")
            return 0
        lists = [*rows, stored]
        cut = next((i for i, text in enumerate(lists) if text.startswith(_ENDS_A_PAGE)), len(lists))
        if self.reader.is_at_end() and not [text for text in lists[cut:] if text.endswith(b'"]')]:
            return page.number  # where the file was cut off, nothing can be told of a page
        if cut != len(rows):
            stored = self._put_back(rows, stored, cut)
        entries = self._entries(rows, first + 3, page.number)
        listed = stored[len(b'["leaves","') : -2].decode("ascii", "replace")
        expected = [listed[i : i + 64] for i in range(0, len(listed), 64)]
        changed = [e for e, leaf in zip(entries, expected, strict=False) if e.leaf.hex() != leaf]
        batch_id = (fields_of(batch) or [""])[0]
        header = digest(batch) if batch_id else None
        account = link.account or _account(batch)
        if header == page.header_digest:
            link.account = account
        lines_of = {(entry.schema, entry.row_id): line for line, entry in enumerate(entries, first + 3)}
        for finding in judge_page(Sealed(page, str(batch_id), header, entries, changed), account):
            line = lines_of.get((finding.table, finding.row), first)
            self.checked.findings.append(finding._replace(line=line))
        if len(expected) != len(entries) or stored != b'["leaves","%b"]' % b"".join(map(str.encode, expected)):
            self.checked.findings.append(Finding("the list of leaves is damaged", page=page.number, line=first))
        follows = link.follow(page.number, page.previous_hash, page.hash)
        self.checked.findings += [finding._replace(account=account, line=first) for finding in follows]
        return page.number

    def _put_back(self, rows: list[bytes], stored: bytes, cut: int) -> bytes:
        """From `cut` on the lines are the next page's, but for this one's list of leaves, which is returned."""
        lists = [*rows, stored]
        begins_anew = not lists[cut : cut + 1] or not lists[cut].startswith(b'["leaves"')
        self.reader.put_back([text for text in lists[cut + (not begins_anew) :] if text or cut < len(rows)])
        del rows[cut:]
        return b"" if begins_anew else lists[cut]

    def _entries(self, rows: list[bytes], line: int, page: int) -> list[Entry]:
        """Of these rows, the first of which stands at that line; damaged ones are named."""
        for number, text in enumerate(rows, line):
            if fields_of(text) is None:
                self.checked.findings.append(Finding("this row is damaged", page=page, line=number))
        return [Entry(*name_of(text), merkle.leaf_hash(text)) for text in rows]

    def _place(self, place: bytes, account: str, number: int, hash_: bytes, line: int) -> None:
        if not self.preamble.account and place == b'["place","%d",""]' % (self.tree.size + 1):  # as nearly all are
            self._grow(hash_)
            return
        try:
            _, position, path = lines.strings_of(place)
            at, nodes = int(position or 0), lines.path_of(path)
        except ValueError:
            self.checked.findings.append(Finding("the place of this page is damaged", page=number, line=line))
            return
        if not position and not path:
            if self.sizes:  # before the first checkpoint none has a place that is signed
                self.checked.findings.append(Finding(UNPLACED, account, number, TREE, line=line))
            return
        if self.preamble.account:
            self.proved.append(at)
            last, leaf = self.preamble.last, merkle.leaf_hash(hash_)
            if last and merkle.root_from_path(leaf, at - 1, last.checkpoint.size, nodes) != last.checkpoint.root:
                says = "the page is not at this position of the tree that was signed"
                self.checked.findings.append(Finding(says, account, number, TREE, position, line))
            return
        if at != self.tree.size + 1:
            says = f"position {self.tree.size + 1} of the tree is missing: {at} comes next"
            self.checked.findings.append(Finding(says, account, number, TREE, position, line))
        self._grow(hash_)

    def _grow(self, hash_: bytes) -> None:
        self.tree.append(merkle.leaf_hash(hash_))
        if self.tree.size in self.sizes:
            self.roots[self.tree.size] = self.tree.root()

    def _end(self, text: bytes) -> None:
        if self.reader.is_at_end() and not text.endswith(b'"]'):
            self._say(CUT_OFF)
        elif text + b"\n" != lines.line("end", self.checked.pages, self.checked.rows):
            self._say(
                f"{self.checked.pages} pages and {self.checked.rows} rows are there, which is not what the end says"
            )
        if self.reader.next() is not None:
            self._say("something was added after the end")


def _account(batch: bytes) -> str:
    """Whose chain it is, by the batch of one of its pages; "" where that cannot be read."""
    fields = fields_of(batch) if name_of(batch)[0] == SYNC_BATCH.name else None
    return str(fields[1] or INSTALLATION) if fields and len(fields) > 1 else ""


def _hex(value: bytes) -> bytes:
    return value.hex().encode()

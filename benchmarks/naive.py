"""The design documents' own algorithm: find one, then create or update one, a statement at a time, in autocommit.

It reads the same replies and writes the rows that ours writes, with leaf and page, through Django's ORM.
"""

from hashlib import sha256
from typing import Any

from ledger import canonical, diff, page
from ledger.entries import BUY, ZERO, Funds
from ledger.fills import source_ids
from ledger.normalise import MONEY_SCALE, at_scale, ist_date
from ledger.page import FIRST_PREVIOUS, Entry
from ledger.reconcile import is_delivery
from portfolio import evidence_keys, models
from portfolio.ids import new_id
from portfolio.installation import key_ring
from portfolio.schedule import calendar

from .workload import Fetched


class Naive:
    """One account, one sync."""

    def __init__(self, account: models.BrokerAccount, fetched: Fetched, now: Any) -> None:
        self.account, self.fetched, self.now = account, fetched, now
        self.day = calendar.trading_day(now)
        self.entries: list[Entry] = []
        self.changed = 0

    def run(self) -> None:
        self.head = models.AccountHead.objects.get(account=self.account)
        self.batch = models.SyncBatch.objects.create(
            broker_account=self.account, sync_type="DAILY_PORTFOLIO", trading_day=self.day, status="STARTED",
            started_at=self.now,
        )  # fmt: skip
        self.keep_replies()
        entries = {name: answer.rows[0] for name, answer in self.fetched.answers_unread().items()}
        prices = {(row.symbol, row.exchange): row.price for row in entries["prices"]}
        self.update_holdings(entries["holdings"], prices)
        self.update_positions(entries["positions"], prices)
        self.process_orders(entries["orders"])
        self.process_trades(entries["trades"])
        self.keep_prices(entries["holdings"], prices)
        self.keep_funds(entries["funds"][0])
        self.create_snapshot(entries)
        self.complete(entries)

    def row(self, model: Any, schema: canonical.Schema, **values: Any) -> Any:
        """One book row with its leaf, one INSERT."""
        made = model(id=new_id(), batch=self.batch, detected_at=self.now, **values)
        plain = [_plain(getattr(made, _attribute(column))) for column, _ in schema.fields]
        leaf = canonical.leaf(schema, canonical.render(schema, plain))
        made.leaf = leaf
        made.save(force_insert=True)
        self.entries.append(Entry(schema.name, str(made.id), leaf))
        return made

    def keep_replies(self) -> None:
        wrapped = models.AccountKey.objects.get(account=self.account).wrapped
        key = evidence_keys.evidence_key(key_ring(), bytes(wrapped), str(self.account.pk))
        for reply in self.fetched.replies:
            digest = key.digest(reply.body)
            if models.RawReply.objects.filter(broker_account=self.account, body_digest=digest).exists():
                continue
            ciphertext = key.encrypt(reply.body, digest)
            kept = self.row(
                models.RawReply, canonical.RAW_REPLY, broker_account=self.account, request=reply.request,
                status=reply.status, fetched_at=reply.fetched_at, body_digest=digest,
                ciphertext_digest=sha256(ciphertext).digest(), size=len(reply.body),
            )  # fmt: skip
            models.RawBody.objects.create(reply=kept, ciphertext=ciphertext)

    def instrument(self, row: Any) -> models.Instrument:
        if row.isin:
            return models.Instrument.objects.get_or_create(isin=row.isin, defaults={"symbol": row.symbol})[0]
        listing = models.Listing.objects.filter(symbol=row.symbol, exchange=row.exchange).first()
        assert listing is not None
        return listing.instrument

    def update_holdings(self, rows: Any, prices: Any) -> None:
        for row in rows:
            instrument = self.instrument(row)
            held = models.RealHolding.objects.filter(
                broker_account=self.account, instrument=instrument, lot=row.lot
            ).first()
            figures = {
                "isin": row.isin or "", "symbol": row.symbol, "exchange": row.exchange, "quantity": row.quantity,
                "owned_quantity": row.owned, "free_quantity": row.free_quantity, "t1_quantity": row.t1_quantity,
                "pledge_quantity": row.pledge_quantity, "repledge_quantity": row.repledge_quantity,
                "demat_locked_quantity": row.demat_locked_quantity,
                "groww_locked_quantity": row.groww_locked_quantity, "average_price": row.average_price,
                "doubt": row.doubt,
            }  # fmt: skip
            price = prices.get((row.symbol, row.exchange))
            value = at_scale(row.owned * price, MONEY_SCALE) if price else None
            state = figures | {
                "current_price": price, "current_value": value, "price_day": self.day, "last_updated_at": self.now,
            }  # fmt: skip
            if held is None or any(getattr(held, name) != figures[name] for name in figures):
                version = self.row(
                    models.HoldingVersion, canonical.HOLDING_VERSION, broker_account=self.account, as_of=self.day,
                    instrument=instrument, lot=row.lot, fetched_at=self.now, **figures,
                )  # fmt: skip
                state["version_id"] = version.pk
                self.changed += 1
            if held is None:
                models.RealHolding.objects.create(
                    broker_account=self.account, instrument=instrument, lot=row.lot, created_at=self.now, **state
                )
                self.row(
                    models.ChangeExplanation, canonical.EXPLANATION, broker_account=self.account,
                    instrument=instrument, isin=row.isin or "", symbol=row.symbol, exchange=row.exchange,
                    kind="OPENING", dated=calendar.previous_session(self.day), quantity=row.owned,
                    cost_price=row.average_price,
                )  # fmt: skip
            else:
                models.RealHolding.objects.filter(pk=held.pk).update(**state)

    def update_positions(self, rows: Any, prices: Any) -> None:
        for row in rows:
            instrument = self.instrument(row)
            known = models.RealPosition.objects.filter(
                broker_account=self.account, instrument=instrument, segment=row.segment, product=row.product
            ).first()
            names = row._fields[5:17]
            figures = {"isin": row.isin or "", "symbol": row.symbol, "exchange": row.exchange}
            figures |= dict(zip(names, row[5:17], strict=True))
            state = figures | {
                "current_price": prices.get((row.symbol, row.exchange)), "price_day": self.day,
                "last_updated_at": self.now,
            }  # fmt: skip
            place = {"instrument": instrument, "segment": row.segment, "product": row.product}
            if known is None or any(getattr(known, name) != figures[name] for name in figures):
                self.row(
                    models.PositionVersion, canonical.POSITION_VERSION, broker_account=self.account, as_of=self.day,
                    fetched_at=self.now, **place, **figures,
                )  # fmt: skip
                self.changed += 1
            if known is None:
                models.RealPosition.objects.create(broker_account=self.account, created_at=self.now, **place, **state)
            else:
                models.RealPosition.objects.filter(pk=known.pk).update(**state)

    def process_orders(self, rows: Any) -> None:
        for row in rows:
            order_date = ist_date(row.created_at)
            known = (
                models.OrderVersion.objects.filter(
                    broker_account=self.account, groww_order_id=row.order_id, order_date=order_date
                ).order_by("-version").first()
            )  # fmt: skip
            before = _order_of(known) if known else None
            if before and diff.is_same_order(before, row):
                continue
            instrument = self.instrument(row)
            version = self.row(
                models.OrderVersion, canonical.ORDER, broker_account=self.account, groww_order_id=row.order_id,
                order_date=order_date, version=known.version + 1 if known else 1, is_late=False, instrument=instrument,
                isin=row.isin or "", order_status=row.status,
                **{n: getattr(row, n) for n in row._fields if n not in ("order_id", "isin", "status")},
            )  # fmt: skip
            for change in diff.order_changes(before, row):
                self.changed += 1
                self.row(
                    models.OrderQuantityChange, canonical.QUANTITY_CHANGE, broker_account=self.account,
                    order_history=version, isin=row.isin or "", symbol=row.symbol, exchange=row.exchange,
                    **change._asdict(),
                )  # fmt: skip

    def process_trades(self, rows: Any) -> None:
        for source_id, row in source_ids(rows).items():
            if models.Transaction.objects.filter(broker_account=self.account, source_id=source_id).exists():
                continue
            self.row(
                models.Transaction, canonical.TRANSACTION, broker_account=self.account, source="API",
                source_id=source_id, revision=1, void_reason="", transaction_type=row.transaction_type,
                instrument=self.instrument(row), isin=row.isin or "", symbol=row.symbol, exchange=row.exchange,
                segment=row.segment, product=row.product, groww_order_id=row.order_id, trade_date=row.trade_date,
                executed_at=row.executed_at, quantity=row.quantity, price=row.price,
                amount=at_scale(row.quantity * row.price, MONEY_SCALE), currency="INR",
                is_delivery=is_delivery(row.segment, row.product), is_synthesised=False,
                settlement_number=row.settlement_number,
            )  # fmt: skip

    def keep_prices(self, holdings: Any, prices: Any) -> None:
        for row in holdings:
            price = prices.get((row.symbol, row.exchange))
            instrument = self.instrument(row)
            known = (
                models.Price.objects.filter(instrument=instrument, price_date=self.day, source="NAIVE")
                .order_by("-revision").first()
            )  # fmt: skip
            if price is None or (known and known.price == price):
                continue
            self.row(
                models.Price, canonical.PRICE, instrument=instrument, isin=row.isin or "", symbol=row.symbol,
                exchange=row.exchange, price_date=self.day, source="NAIVE", revision=known.revision + 1 if known else 1,
                price=price, observed_at=self.now, is_close=True,
            )  # fmt: skip

    def keep_funds(self, funds: Funds) -> None:
        known = models.FundsVersion.objects.filter(broker_account=self.account).order_by("-fetched_at").first()
        if known is None or any(getattr(known, name) != getattr(funds, name) for name in funds._fields):
            self.row(
                models.FundsVersion, canonical.FUNDS_VERSION, broker_account=self.account, as_of=self.day,
                fetched_at=self.now, **funds._asdict(),
            )  # fmt: skip

    def create_snapshot(self, entries: Any) -> None:
        held = models.RealHolding.objects.filter(broker_account=self.account)
        value = sum((row.current_value or ZERO for row in held), ZERO)
        figures = {
            "total_holdings_value": value, "total_positions_value": ZERO, "total_portfolio_value": value,
            "net_purchases": sum((t.quantity * t.price for t in entries["trades"] if t.transaction_type == BUY), ZERO),
            "holdings_count": len(entries["holdings"]), "positions_count": len(entries["positions"]),
            "orders_count": len(entries["orders"]), "trades_count": len(entries["trades"]), "stale_prices": 0,
        }  # fmt: skip
        known = (
            models.PortfolioSnapshot.objects.filter(broker_account=self.account, snapshot_date=self.day)
            .order_by("-revision").first()
        )  # fmt: skip
        if known and known.total_portfolio_value == value:
            return
        self.row(
            models.PortfolioSnapshot, canonical.SNAPSHOT, broker_account=self.account, snapshot_date=self.day,
            revision=known.revision + 1 if known else 1, created_at=self.now, **figures,
        )  # fmt: skip

    def complete(self, entries: Any) -> None:
        batch = self.batch
        batch.status, batch.completed_at = "COMPLETED", self.now
        batch.holdings_fetched, batch.orders_fetched = len(entries["holdings"]), len(entries["orders"])
        header = [_plain(getattr(batch, _attribute(column))) for column, _ in canonical.SYNC_BATCH.fields]
        digest = page.header_digest(canonical.render(canonical.SYNC_BATCH, header))
        previous = bytes(self.head.page_hash) if self.head.page_number else FIRST_PREVIOUS
        sealed = page.seal(str(self.head.pk), self.head.page_number + 1, self.entries, digest, previous)
        models.Event.objects.create(
            broker_account=self.account, number=self.head.event_number + 1, kind="sync.completed",
            payload=canonical.json_text({"changed": str(self.changed)}), created_at=self.now, batch=batch,
        )  # fmt: skip
        models.LedgerPage.objects.create(
            head=self.head, batch=batch, number=sealed.number, entries_count=sealed.entries_count, root=sealed.root,
            header_digest=sealed.header_digest, previous_hash=sealed.previous_hash, hash=sealed.hash,
        )  # fmt: skip
        self.head.page_number, self.head.page_hash = sealed.number, sealed.hash
        self.head.event_number += 1
        self.head.save()
        batch.save()


def _attribute(column: str) -> str:
    return "batch_id" if column == "sync_batch_id" else column


def _plain(value: Any) -> Any:
    return str(value) if type(value).__name__ == "UUID" else value


def _order_of(known: models.OrderVersion) -> Any:
    from ledger.entries import Order

    names = {"order_id": "groww_order_id", "status": "order_status"}
    return Order(**{name: getattr(known, names.get(name, name)) for name in Order._fields})

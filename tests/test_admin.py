"""The admin shows everything and changes nothing that is history; no secret is on any of its pages."""

from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.contrib.staticfiles import finders
from django.db import connection
from django.db.models import BinaryField, Model
from django.test import Client
from django.test.utils import CaptureQueriesContext, setup_test_environment, teardown_test_environment
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from ledger import canonical
from portfolio import accounts, clock, models, retention
from portfolio.admin.batches import counted
from portfolio.admin.reading import DIGESTS, ReadOnly, figure
from portfolio.dropping import drop
from portfolio.proof import sealer
from portfolio.schedule.tick import tick
from portfolio.site import GROUPS
from portfolio.sync.amend import ANSWER, Deed, amending
from portfolio.triggers.sample import SampleTrigger
from simulators.market import Market
from simulators.scripts import demo_investors
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

CANARY = "canary-of-a-secret-4711"
SEALED = {"ciphertext", "sealed", "sealed_token", "wrapped"}


@pytest.fixture(autouse=True)
def a_site_to_look_at() -> Iterator[None]:
    """Pages keep what they were made from. Tables of Django and of Celery beat are emptied by nobody else."""
    setup_test_environment()
    yield
    teardown_test_environment()
    for model in (LogEntry, Session, PeriodicTask, IntervalSchedule):
        model.objects.all().delete()


@pytest.fixture
def operator() -> Client:
    user = models.User.objects.create(username="operator", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    return client


def a_sample_account() -> models.BrokerAccount:
    account = build.an_account()
    accounts.store_credentials(account, "token", {"token": CANARY})
    return account


def a_filled_book() -> list[str]:
    """Three accounts of the sample broker and two simulated ones, over two days. Returns every secret there is."""
    samples = [a_sample_account() for _ in range(3)]
    build.synced(*samples)
    a_filled_timetable()
    for sample in samples:
        an_amended_book(sample)
    with build.groww(*demo_investors(Market())) as simulator:
        portfolio = build.a_portfolio()
        connected = [build.a_groww_account(simulator, ucc, portfolio) for ucc in simulator.investors]
        for evening in ("2026-10-05 16:05", "2026-10-06 16:05"):
            simulator.move_to(evening)
            build.synced(*connected)
        known = [
            str(value)
            for ucc in simulator.investors
            for key, value in simulator.credentials(ucc).items()
            if key != "ucc"
        ]
    return [CANARY, *known, *sealed_values()]


def an_amended_book(account: models.BrokerAccount) -> None:
    """What a person did to it: what became of an instrument, and replies that were dropped."""
    held = account.holdings.first()
    assert held
    named = (str(held.instrument_id), held.isin, held.symbol, held.exchange)
    with amending(account, ANSWER, Deed("bonus 1:1", CANARY, CANARY)) as amendment:
        amendment.pen.write(
            canonical.LINK, "BONUS", *named, named[0], *named[1:3], date(2026, 10, 5), 1, 2, None, False
        )
    drop(account, date(2026, 10, 6), Deed("bodies of replies dropped", CANARY, CANARY))


def a_filled_timetable() -> None:
    """Slots of every account there is, and days far ahead."""
    models.Schedule.objects.create(code="mornings", name="Every morning")
    for year in (2031, 2032, 2033):
        models.CalendarDay.objects.create(date=date(year, 5, 5), kind="closed", source="a test")
        models.SessionHours.objects.create(
            valid_from=date(year, 1, 1), pre_open=time(9), opens=time(10), closes=time(15), post_close_ends=time(16),
            source="a test",
        )  # fmt: skip
    tick()
    for _ in range(2):
        build.synced(*models.BrokerAccount.objects.all())
        sealer.checkpoint(clock.now())


def sealed_values() -> list[str]:
    """What is sealed, wrapped or encrypted, as a page might show it."""
    found = [bytes(value) for model in project_models() for value in sealed_of(model)]
    return [text for value in found for text in (value.hex(), str(value)[2:40])]


def sealed_of(model: type[Model]) -> list[Any]:
    columns = sorted(binary_columns(model) & SEALED)
    rows = model._base_manager.values_list(*columns) if columns else ()
    return [value for row in rows for value in row if value]


def binary_columns(model: type[Model]) -> set[str]:
    return {field.name for field in model._meta.concrete_fields if isinstance(field, BinaryField)}


def project_models() -> list[type[Model]]:
    return [model for model in admin.site._registry if model._meta.app_label == "portfolio"]


def histories() -> list[type[Model]]:
    return [model for model, page in admin.site._registry.items() if isinstance(page, ReadOnly)]


def listing(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_of(row: Model, kind: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{kind}", args=[row.pk])


def beat_and_log(user: models.User) -> None:
    every = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.MINUTES)
    PeriodicTask.objects.create(name="tick", task="portfolio.tasks.sync_holdings_task", interval=every)
    kind = ContentType.objects.get_for_model(models.Portfolio)
    for portfolio in models.Portfolio.objects.all()[:3]:
        LogEntry.objects.create(
            user=user, content_type=kind, object_id=str(portfolio.pk), object_repr="Mine", action_flag=CHANGE
        )


def test_every_table_of_the_project_is_there() -> None:
    from django.apps import apps

    assert sorted(model.__name__ for model in project_models()) == sorted(
        model.__name__ for model in apps.get_app_config("portfolio").get_models()
    )
    assert LogEntry in admin.site._registry


def test_every_table_of_the_project_stands_in_one_group_of_the_first_page() -> None:
    grouped = [name for names in GROUPS.values() for name in names]

    assert sorted(grouped) == sorted(model.__name__ for model in project_models())


def test_the_first_page_and_the_page_of_the_app_show_the_groups(operator: Client) -> None:
    first = operator.get(reverse("admin:index")).context["app_list"]
    own = operator.get(reverse("admin:app_list", args=["portfolio"])).context["app_list"]

    assert [group["name"] for group in own] == list(GROUPS)
    assert [group["name"] for group in first][: len(GROUPS)] == list(GROUPS)
    assert {group["app_label"] for group in first} == {"portfolio", "admin", "auth", "django_celery_beat"}


def test_the_icon_that_browsers_ask_for_is_there() -> None:
    answer = Client().get("/favicon.ico")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/static/khata/icon.svg")
    assert finders.find("khata/icon.svg") is not None


def test_whatever_has_a_guard_or_is_written_by_the_sync_alone_is_read_only() -> None:
    editable = {model.__name__ for model in project_models()} - {model.__name__ for model in histories()}

    assert editable == {"User", "Portfolio", "BrokerAccount", "Schedule", "CalendarDay", "SessionHours"}


def test_bytes_are_digests_or_never_shown() -> None:
    assert set().union(*(binary_columns(model) for model in project_models())) - DIGESTS == SEALED


def test_every_list_and_every_page_opens_and_shows_no_secret(operator: Client) -> None:
    secrets = a_filled_book()
    beat_and_log(models.User.objects.get(username="operator"))
    shown: dict[str, Any] = {}
    for model in admin.site._registry:
        shown[listing(model)] = operator.get(listing(model))
        for row in model._base_manager.order_by("-pk")[:3]:
            shown[page_of(row)] = operator.get(page_of(row))
    shown["index"] = operator.get(reverse("admin:index"))

    assert {address: page.status_code for address, page in shown.items() if page.status_code != 200} == {}
    assert [a for a, page in shown.items() if any(secret in page.content.decode() for secret in secrets)] == []
    assert {model.__name__ for model in project_models() if not model._base_manager.exists()} == set()


def test_a_list_costs_the_same_number_of_queries_at_one_row_and_at_three(operator: Client) -> None:
    a_filled_book()
    beat_and_log(models.User.objects.get(username="operator"))
    more: dict[str, tuple[int, int]] = {}
    tables: list[type[Model]] = [*project_models(), LogEntry]
    for model in tables:
        keys = [str(key) for key in model._base_manager.order_by("pk").values_list("pk", flat=True)[:3]]
        name = model._meta.pk.name
        operator.get(listing(model))  # what is read once a process
        costs = [
            queries(operator, f"{listing(model)}?{name}__in={','.join(some)}", len(some)) for some in (keys[:1], keys)
        ]
        assert (model.__name__, len(keys)) == (model.__name__, 3)
        if costs[0] != costs[1]:
            more[model.__name__] = (costs[0], costs[1])

    assert more == {}


def queries(operator: Client, address: str, rows: int) -> int:
    with CaptureQueriesContext(connection) as context:
        page = operator.get(address)
    assert (address, page.context["cl"].result_count) == (address, rows)
    return len(context)


def test_history_is_not_added_to_changed_or_deleted_by_any_request(operator: Client) -> None:
    a_filled_book()
    beat_and_log(models.User.objects.get(username="operator"))
    before = {model.__name__: list(model._base_manager.order_by("pk").values_list()) for model in histories()}
    answers: set[int] = set()
    for model in histories():
        row = model._base_manager.first()
        assert row is not None
        form = {field.name: "1" for field in model._meta.concrete_fields}
        answers |= {
            operator.post(page_of(row), form).status_code,
            operator.post(page_of(row, "delete"), {"post": "yes"}).status_code,
            operator.post(listing(model) + "add/", form).status_code,
        }
        operator.post(listing(model), {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"})

    assert answers == {403}
    assert before == {model.__name__: list(model._base_manager.order_by("pk").values_list()) for model in histories()}


def test_history_offers_no_action(operator: Client) -> None:
    a_filled_book()

    pages = {model.__name__: operator.get(listing(model)) for model in histories()}

    assert [name for name, page in pages.items() if page.context["cl"].model_admin.get_actions(page.wsgi_request)] == []
    assert [name for name, page in pages.items() if 'name="action"' in page.content.decode()] == []


def words_on(page: Any, title: str) -> str:
    """What stands beside this title on a page."""
    (field,) = [
        field for fieldset in page.context["adminform"] for line in fieldset for field in line
        if field.field["label"].lower() == title.lower()
    ]  # fmt: skip
    return str(field.contents())


def test_the_versions_of_one_order_are_listed_newest_first_though_they_were_written_together(
    operator: Client, broker: Broker
) -> None:
    account = build.an_account("SCRIPTED")
    states = [build.an_order(filled=filled) for filled in range(10)]
    broker.says.update(orders=[states[-1]], trails=states)
    build.synced(account)
    rows = operator.get(listing(models.OrderVersion)).context["cl"].result_list
    assert [row.version for row in rows] == [*range(10, 0, -1)]


def test_the_changes_of_one_order_are_listed_newest_first_though_they_were_written_together(
    operator: Client, broker: Broker
) -> None:
    account = build.an_account("SCRIPTED")
    states = [build.an_order(filled=filled) for filled in range(1, 9)]
    states.append(build.an_order(filled=8, price=2999, status="CANCELLED"))
    broker.says.update(orders=[states[-1]], trails=states)
    build.synced(account)
    rows = operator.get(listing(models.OrderQuantityChange)).context["cl"].result_list
    assert [(row.change_type, row.new_quantity) for row in rows] == [
        ("ORDER_MODIFIED", 8), ("ORDER_CANCELLED", 8), *(("QUANTITY_ADDED", units) for units in range(8, 0, -1)),
        ("ORDER_PLACED", 0),
    ]  # fmt: skip


def test_what_is_not_known_and_what_is_not_so_are_told_in_plain_words(operator: Client) -> None:
    with build.groww() as simulator:
        build.synced(build.a_groww_account(simulator, next(iter(simulator.investors))))
    order = operator.get(page_of(models.OrderVersion.objects.filter(trigger_price=None)[0]))

    assert [words_on(order, title) for title in ("ISIN", "Trigger price", "Is late")] == ["-", "-", "no"]


def test_a_memory_says_which_sections_it_recognises(operator: Client) -> None:
    account = build.an_account()
    build.synced(account)

    assert words_on(operator.get(page_of(account.head.memory)), "Sections remembered") == "holdings"


def test_the_notes_of_a_batch_are_for_people(operator: Client) -> None:
    account = build.an_account()
    build.synced(account)

    assert words_on(operator.get(page_of(account.batches.get())), "Notes") == "parser: SAMPLE 1"


def test_people_and_accounts_are_not_deleted(operator: Client) -> None:
    account = build.an_account()

    answers = [
        operator.post(page_of(row, "delete"), {"post": "yes"}).status_code
        for row in (account, account.user, account.portfolio)
    ]

    assert answers[:2] == [403, 403]
    assert models.Portfolio.objects.filter(pk=account.portfolio_id).exists()


def test_an_account_is_renamed_and_moved_within_its_users_portfolios(operator: Client) -> None:
    account, stranger = build.an_account(), build.a_portfolio()
    other = models.Portfolio.objects.create(user=account.user, name="Other")

    moved = operator.post(page_of(account), {"portfolio": str(other.pk), "label": "Father", "state": "disabled"})
    refused = operator.post(page_of(account), {"portfolio": str(stranger.pk), "label": "Stolen"})

    account.refresh_from_db()
    assert (moved.status_code, refused.status_code) == (302, 200)
    assert (account.portfolio_id, account.label, account.state) == (other.pk, "Father", "active")


def act(operator: Client, action: str, *chosen: models.BrokerAccount) -> list[tuple[str, str]]:
    """What the action says: level and words of each message."""
    form = {"action": action, "_selected_action": [str(account.pk) for account in chosen]}
    page = operator.post(listing(models.BrokerAccount), form, follow=True)
    return [(message.level_tag, message.message) for message in page.context["messages"]]


def test_sync_now_syncs_the_chosen_accounts_and_says_how_it_ended(operator: Client) -> None:
    chosen, other = build.an_account(client_id="S1"), build.an_account(client_id="S2")

    told = act(operator, "sync_now", chosen)

    assert told == [("success", "SAMPLE S1: COMPLETED")]
    assert [batch.broker_account for batch in models.SyncBatch.objects.exclude(broker_account=None)] == [chosen]
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Synced: COMPLETED"]
    assert not other.batches.exists()


def test_sync_now_says_what_failed_and_what_to_do(operator: Client) -> None:
    account = build.an_account()
    accounts.store_credentials(account, "token", {"token": ""})

    ((level, text),) = act(operator, "sync_now", account)

    assert level == "error"
    assert text.startswith("SAMPLE S1: FAILED. holdings: the sample broker wants a token")
    assert text.endswith("(log in at the broker, then run the sync again)")


def test_sync_now_says_which_accounts_it_left_alone(operator: Client) -> None:
    disabled, inactive = build.an_account(client_id="S1"), build.an_account(client_id="S2")
    act(operator, "disable", disabled)
    models.Portfolio.objects.filter(pk=inactive.portfolio_id).update(active=False)

    told = act(operator, "sync_now", disabled, inactive)

    why = "not synced, it is disabled, its portfolio is not active, or it is the demo's"
    assert sorted(told) == [("warning", f"SAMPLE S1: {why}"), ("warning", f"SAMPLE S2: {why}")]
    assert not models.SyncBatch.objects.exists()


def test_disable_says_who_did_it_and_keeps_the_book(operator: Client) -> None:
    account = build.an_account()
    build.synced(account)

    told = act(operator, "disable", account)

    account.refresh_from_db()
    assert told == [("info", "SAMPLE S1: disabled; its book stays")]
    assert (account.state, account.state_reason) == ("disabled", "disabled by operator")
    assert account.holdings.count() == 2


def test_disabling_twice_changes_nothing(operator: Client) -> None:
    account = build.an_account()
    act(operator, "disable", account)
    account.refresh_from_db()
    since = account.state_since

    told = act(operator, "disable", account)

    account.refresh_from_db()
    assert (told, account.state_since) == ([], since)


def test_enable_says_who_did_it_and_the_next_sync_takes_the_account(operator: Client) -> None:
    disabled, enabled = build.an_account(client_id="S1"), build.an_account(client_id="S2")
    act(operator, "disable", disabled)

    told = act(operator, "enable", disabled, enabled)

    disabled.refresh_from_db()
    assert told == [("info", "SAMPLE S1: enabled; the next sync takes it")]
    assert (disabled.state, disabled.state_reason) == ("active", "")
    assert "enabled by operator" in disabled.events.get(kind="account.enabled").payload
    assert LogEntry.objects.filter(object_id=str(disabled.pk), change_message__contains="Enabled").count() == 1


def test_an_account_that_was_erased_cannot_be_enabled(operator: Client) -> None:
    account = build.an_account()
    retention.shred(account, "Asha", "she asked for it")
    account.refresh_from_db()

    told = act(operator, "enable", account)

    assert told == [("warning", f"{account}: erased, so it stays disabled")]
    assert models.BrokerAccount.objects.get(pk=account.pk).state == "disabled"


def test_the_list_of_accounts_tells_how_the_last_batch_ended(operator: Client) -> None:
    build.synced(build.an_account())

    page = operator.get(listing(models.BrokerAccount)).content.decode()

    assert "COMPLETED, 2026-10-05" in page


def test_a_batch_tells_its_errors_in_words(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    account = build.an_account()
    accounts.store_credentials(account, "token", {"token": ""})
    build.synced(account)
    batch = models.SyncBatch.objects.get(broker_account=account)

    page = operator.get(page_of(batch)).content.decode()
    row = operator.get(listing(models.SyncBatch)).content.decode()

    assert "<b>holdings</b>: the sample broker wants a token: run manage.py connect sample" in page
    assert "What to do: log in at the broker, then run the sync again" in page
    assert "holdings: the sample broker wants a token" in row
    assert "error_details" not in page


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"holdings": 2, "positions": 0, "orders": 1}, "2 holdings, 1 order"),
        ({"new_orders": 1, "order_changes": 3}, "1 new order, 3 order changes"),
        ({"holdings": 0}, "nothing"),
    ],
)
def test_counts_are_told_in_words(counts: dict[str, int], words: str) -> None:
    assert counted(**counts) == words


def test_words_of_a_broker_are_never_markup(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def attack(self: SampleTrigger) -> list[dict[str, Any]]:
        raise RuntimeError("<script>alert(1)</script>")

    monkeypatch.setattr(SampleTrigger, "fetch_holdings", attack)
    account = build.an_account()
    build.synced(account)

    batch = models.SyncBatch.objects.get(broker_account=account)
    pages = [page_of(batch), listing(models.SyncBatch), page_of(account), listing(models.BrokerAccount)]
    pages += [page_of(event) for event in models.Event.objects.all()]

    assert [address for address in pages if "<script>alert" in operator.get(address).content.decode()] == []


def test_an_account_tells_how_it_logs_in_and_no_more(operator: Client) -> None:
    account = a_sample_account()

    page = operator.get(page_of(account)).content.decode()

    assert "token, encrypted; change it with: manage.py connect" in page
    assert CANARY not in page


def test_the_timetable_of_celery_beat_says_when_it_is_read(operator: Client) -> None:
    page = operator.get(listing(PeriodicTask)).content.decode()

    assert "Where Khata runs without Celery, nothing here has an effect." in page


def test_nobody_without_a_login_sees_anything() -> None:
    answers = {Client().get(listing(model)).status_code for model in project_models()}

    assert answers == {302}


def test_staff_without_permission_see_nothing_and_sync_nothing() -> None:
    account = build.an_account()
    client = Client()
    client.force_login(models.User.objects.create(username="guest", is_staff=True))

    answers = {client.get(listing(model)).status_code for model in project_models()}
    acted = client.post(listing(models.BrokerAccount), {"action": "sync_now", "_selected_action": [str(account.pk)]})

    assert (answers, acted.status_code, models.SyncBatch.objects.count()) == ({403}, 403, 0)


def test_staff_who_may_only_look_sync_nothing_and_disable_nothing() -> None:
    account = build.an_account()
    guest = models.User.objects.create(username="guest", is_staff=True)
    guest.user_permissions.add(Permission.objects.get(codename="view_brokeraccount"))
    client = Client()
    client.force_login(guest)

    told = [act(client, "sync_now", account), act(client, "disable", account)]

    account.refresh_from_db()
    assert (told, account.state, models.SyncBatch.objects.count()) == ([[], []], "active", 0)


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        ("12.0000000000", 10, "12"),
        ("0.0000000000", 10, "0"),
        ("1234567.5000000000", 10, "1,234,567.5"),
        ("-3.1000000000", 10, "-3.1"),
        ("2200.00000000", 8, "2,200.00"),
        ("2200.12345678", 8, "2,200.12345678"),
        ("100.500000", 6, "100.50"),
        ("1.2500", 4, "1.25"),
        ("120.0000", 4, "120"),
    ],
)
def test_a_figure_shows_the_digits_that_say_something(value: str, scale: int, expected: str) -> None:
    assert figure(Decimal(value), scale) == expected

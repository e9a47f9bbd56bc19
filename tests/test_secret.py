"""A secret shows itself only when asked, whatever happens to it on the way."""

import copy
import json
import logging
import pickle
import traceback

import msgspec
import pytest

from portfolio.secret import Secret

CANARY = "canary-7f3a-totp-seed"


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret(CANARY)

    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", repr({"a": [secret]})]

    assert [CANARY in text for text in shown] == [False] * 6
    assert secret.reveal() == CANARY


@pytest.mark.parametrize(
    "leak",
    [
        lambda secret: pickle.dumps(secret),
        lambda secret: pickle.dumps(secret, protocol=0),
        lambda secret: json.dumps(secret),
        lambda secret: msgspec.json.encode(secret),
        lambda secret: vars(secret),
        lambda secret: secret.__getstate__(),
    ],
)
def test_a_secret_cannot_be_serialised(leak: object) -> None:
    with pytest.raises(TypeError) as caught:
        leak(Secret(CANARY))  # type: ignore[operator]

    assert CANARY not in str(caught.value)


def test_a_copied_secret_is_still_a_secret() -> None:
    holder = {"token": Secret(CANARY)}

    copies = [copy.copy(holder), copy.deepcopy(holder)]

    assert [CANARY in repr(each) for each in copies] == [False, False]
    assert json.dumps(holder, default=str) == '{"token": "***"}'


def test_a_secret_stays_out_of_logs_and_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    try:
        raise RuntimeError(secret)
    except RuntimeError as error:
        logging.getLogger("khata").warning("failed with %s", secret, exc_info=error)
        trace = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert (CANARY in caplog.text, CANARY in trace) == (False, False)


def test_secrets_are_equal_when_their_text_is() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("***") != "***"
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)
    assert len({Secret("a"), Secret("a")}) == 1

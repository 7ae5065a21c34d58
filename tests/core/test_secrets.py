"""A secret: only `reveal` gives it away."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import attrs
import pytest

from core.secrets import Secret

VALUE = "hunter2-hunter2-hunter2"


@attrs.frozen
class Credentials:
    key: str
    secret: Secret


def test_reveal_returns_the_value():
    assert Secret(VALUE).reveal() == VALUE


@pytest.mark.parametrize(
    "written",
    [
        repr(Secret(VALUE)),
        str(Secret(VALUE)),
        f"{Secret(VALUE)}",
        f"{Secret(VALUE):>40}",
        f"{Secret(VALUE)!r}",
        "{}".format(Secret(VALUE)),  # noqa: UP032 (this way is tested too)
        "%s" % Secret(VALUE),  # noqa: UP031
        str([Secret(VALUE)]),
        str({"secret": Secret(VALUE)}),
        repr(Credentials("k", Secret(VALUE))),
        str(attrs.asdict(Credentials("k", Secret(VALUE)))),
        str(attrs.astuple(Credentials("k", Secret(VALUE)))),
        json.dumps({"secret": Secret(VALUE)}, default=str),
        str(ValueError(Secret(VALUE))),
        str(dir(Secret(VALUE))),
        logging.LogRecord("n", 10, "p", 1, "%s", (Secret(VALUE),), None).getMessage(),
    ],
)
def test_no_way_of_writing_shows_any_of_it(written: str):
    assert "hunter2" not in written


def test_json_refuses_it():
    with pytest.raises(TypeError):
        json.dumps(Secret(VALUE))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_refuses_it(protocol: int):
    with pytest.raises(TypeError) as caught:
        pickle.dumps(Credentials("k", Secret(VALUE)), protocol)

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_its_state_cannot_be_taken_out_as_copyreg_would():
    with pytest.raises(TypeError):
        Secret(VALUE).__getstate__()
    assert not hasattr(Secret(VALUE), "__dict__")


def test_copies_are_the_same_secret():
    secret = Secret(VALUE)

    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": secret})["a"] is secret


def test_secrets_compare_by_value_and_never_with_plain_text():
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret(VALUE + "x")
    assert Secret(VALUE) != VALUE


def test_comparing_goes_through_the_comparison_of_constant_time(monkeypatch: pytest.MonkeyPatch):
    seen = []
    monkeypatch.setattr("core.secrets.compare_digest", lambda a, b: seen.append((a, b)) or True)

    assert Secret("a") == Secret("b")
    assert seen == [(b"a", b"b")]


def test_it_neither_changes_nor_serves_as_a_key():
    secret = Secret(VALUE)

    with pytest.raises(AttributeError):
        secret._value = "other"  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        del secret._value
    with pytest.raises(TypeError):
        hash(secret)


@pytest.mark.parametrize(("value", "error"), [("", ValueError), (b"bytes", TypeError)])
def test_only_text_that_is_not_empty_is_a_secret(value: str, error: type[Exception]):
    with pytest.raises(error):
        Secret(value)

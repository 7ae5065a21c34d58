"""Reading config.toml: every problem with its full path, and nothing that is not in the schema."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.configuration import keys, load, parse
from core.config import Config
from core.errors import ConfigError

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config.toml"
BOT = '[[bots]]\nname = "grid"\nsymbols = ["BTCUSDT"]\nstrategy = "hedge_grid"\n'


def problems(text: str) -> dict[str, str]:
    """Map the path of every problem to its text."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return {one.where: str(one) for one in (caught.value, *caught.value.others)}


def schema(kind: Any = Config, path: str = "") -> dict[str, attrs.Attribute[Any]]:
    """Map the path of every key of the schema to its attribute."""
    found = {}
    for field in attrs.fields(attrs.resolve_types(kind)):
        inner = field.type
        if getattr(inner, "__args__", None) and attrs.has(inner.__args__[0]):
            inner = inner.__args__[0]
        if attrs.has(inner):
            found |= schema(inner, f"{path}{field.name}.")
        else:
            found[path + field.name] = field
    return found


def written(data: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Map the path of every key of a TOML document to its value."""
    found = {}
    for name, value in data.items():
        inner = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}
        inner = value if isinstance(value, dict) else inner
        found |= written(inner, f"{path}{name}.") if inner else {path + name: value}
    return found


def with_examples() -> str:
    """The shipped file with the tables in it that it shows as comments."""
    return re.sub(r"^# (?=\[\[|[a-z_]+ = )", "", SHIPPED.read_text(), flags=re.MULTILINE)


def test_the_shipped_file_is_safe_and_legal():
    config = load(SHIPPED)

    assert config.mode == "paper"
    assert Path(config.paths.state) == ROOT / "state"


def test_the_shipped_file_names_every_key_of_the_schema_with_its_default():
    text = with_examples()
    stated, examples = written(tomllib.loads(text)), ("risk.symbols.", "risk.groups.")

    assert parse(text).risk.symbols and parse(text).risk.groups
    assert stated.keys() == schema().keys()
    for path, field in schema().items():
        if field.default is not attrs.NOTHING and not path.startswith(examples):
            value = tuple(stated[path]) if isinstance(stated[path], list) else stated[path]
            assert value == field.default, path


def test_every_key_of_the_schema_is_documented_with_its_default():
    text = (ROOT / "docs" / "configuration.md").read_text()

    for path, field in schema().items():
        row = re.search(rf"^\| `{re.escape(path)}` \| `(.*?)` \| .* \| .+ \|$", text, re.MULTILINE)
        assert row, f"docs/configuration.md has no row for {path}"
        if field.default is not attrs.NOTHING and not isinstance(field.default, tuple):
            stated = tomllib.loads(f"x = {row[1]}")["x"]
            assert stated == field.default, path


def test_a_file_that_states_only_a_bot_gets_the_defaults():
    assert parse(BOT).supervision.max_restarts == 5


def test_numbers_for_money_keep_every_digit():
    config = parse(BOT + "order_notional = 100.10\nspacing_bps = 10\n")

    assert config.bots[0].order_notional == Decimal("100.10")
    assert str(config.bots[0].order_notional) == "100.10"
    assert isinstance(config.bots[0].spacing_bps, Decimal)


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        ('mod = "paper"', "mod", "did you mean mode?"),
        ("[risk]\nmax_leverge = 3", "risk.max_leverge", "did you mean max_leverage?"),
        ("[venues.binanse]", "venues.binanse", "did you mean binance?"),
        ("[logs]\nlogs = 1", "logs.logs", "allowed are level, rotate_mb, keep"),
        ("[journal]\ndurabilty = 1", "journal.durabilty", "did you mean durability?"),
    ],
)
def test_an_unknown_key_stops_the_start_with_its_full_path(text: str, where: str, hint: str):
    assert hint in problems(text + "\n" + BOT)[where]


def test_an_unknown_key_in_a_bot_names_the_bot():
    second = BOT.replace("grid", "two", 1).replace("BTCUSDT", "ETHUSDT") + "level = 3\n"

    assert "did you mean levels?" in problems(BOT + second)["bots[1].level"]


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("mode = 1", "mode"),
        ("[risk]\nmax_leverage = true", "risk.max_leverage"),
        ("[risk]\nmax_leverage = 3.0", "risk.max_leverage"),
        ('[risk]\nmax_leverage = "3"', "risk.max_leverage"),
        ('[risk]\nmax_order_notional = "500"', "risk.max_order_notional"),
        ("[risk]\nmax_order_notional = nan", "risk.max_order_notional"),
        ("[risk]\nmax_order_notional = inf", "risk.max_order_notional"),
        ("[risk]\nmax_order_notional = -1", "risk.max_order_notional"),
        ("[risk]\nmax_order_notional = 1e999999", "risk.max_order_notional"),
        ("[risk]\nmax_order_notional = 2020-01-01", "risk.max_order_notional"),
        ("[venues.binance]\nhedge_mode = 1", "venues.binance.hedge_mode"),
        ('[paper]\nfiles = "a.csv"', "paper.files"),
        ('[paper]\nfiles = ["a.csv", 3]', "paper.files[1]"),
        ("[paper]\nspeed = 0", "paper.speed"),
        ("[market]\ndepth = 7", "market.depth"),
        ("[metrics]\nlisten = 9464", "metrics.listen"),
        ('[metrics]\nlisten = ":9464"', "metrics.listen"),
        ('[metrics]\nlisten = "127.0.0.1:99999"', "metrics.listen"),
        ('[metrics]\nlisten = "metrics.example:9464"', "metrics.listen"),
        ("risk = 3", "risk"),
        ("venues = []", "venues"),
    ],
)
def test_a_wrong_type_or_range_stops_the_start_with_its_full_path(line: str, where: str):
    assert list(problems(line + "\n" + BOT)) == [where]


@pytest.mark.parametrize("text", ["bots = 3", 'bots = ["grid"]', '[bots]\nname = "grid"'])
def test_bots_that_are_no_tables_are_refused(text: str):
    assert next(iter(problems(text))).startswith("bots")


def test_a_missing_key_is_named():
    assert list(problems('[[bots]]\nname = "grid"\nstrategy = "hedge_grid"')) == ["bots[0].symbols"]


def test_all_problems_of_a_file_are_told_at_once():
    found = problems('mode = "papr"\n[risk]\nmax_leverage = 0\nx = 1\n' + BOT + "levels = 0\n")

    assert list(found) == ["mode", "bots[0].levels", "risk.x", "risk.max_leverage"]


def test_contradictions_are_told_with_their_full_path():
    assert list(problems(BOT + "leverage = 9\n")) == ["bots[0].leverage"]


def test_a_value_that_may_be_a_key_is_not_repeated():
    text = '[venues.binance]\nkey_env = "dbefbc809e3e83c2"\napi_secret = "2b5eb11e18796d12"\n'

    shown = " ".join(problems(text + BOT).values())

    assert "dbefbc80" not in shown and "2b5eb11e" not in shown


def test_broken_toml_is_told_with_line_and_column():
    assert "line 2, column" in next(iter(problems('mode = "paper"\nhost_name = paper\n')))


def test_a_key_written_twice_is_told_with_its_line():
    assert "line 2" in next(iter(problems('mode = "paper"\nmode = "live"\n')))


@given(st.text(max_size=300))
def test_any_text_is_a_configuration_or_a_configuration_error(text: str):
    try:
        parse(text)
    except ConfigError as error:
        assert error.where


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.decimals(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(schema())), VALUES)
def test_any_value_for_any_key_is_legal_or_a_configuration_error(path: str, value: object):
    from adapters.configuration import _CONVERTER

    bot: dict[str, Any] = {"name": "g", "symbols": ["BTCUSDT"], "strategy": "hedge_grid"}
    document: dict[str, Any] = {"bots": [bot]}
    *tables, key = path.split(".")
    place = document
    for table in tables:
        inner = place.setdefault(table, {})
        place = inner[0] if isinstance(inner, list) else inner
    place[key] = value

    try:
        _CONVERTER.structure(document, Config)
    except ConfigError as error:
        assert error.where


class TestFiles:
    def test_relative_paths_start_at_the_file(self, tmp_path: Path):
        file = tmp_path / "my.toml"
        file.write_text('[paths]\nstate = "x/../s"\nlogs = "/var/log/b"\n' + BOT)

        paths = load(file).paths

        assert paths.state == str(tmp_path / "s")
        assert paths.logs == "/var/log/b"

    def test_a_missing_file_is_told(self, tmp_path: Path):
        with pytest.raises(ConfigError, match="no such file"):
            load(tmp_path / "none.toml")

    def test_a_folder_is_told(self, tmp_path: Path):
        with pytest.raises(ConfigError, match="a folder"):
            load(tmp_path)

    def test_a_file_below_a_file_is_told(self, tmp_path: Path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match="not a directory"):
            load(tmp_path / "file" / "config.toml")

    def test_an_unreadable_file_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(ConfigError, match="permission denied"):
            load(tmp_path / "config.toml")

    def test_another_encoding_is_told_with_its_line(self, tmp_path: Path):
        file = tmp_path / "config.toml"
        file.write_bytes(b'mode = "paper"\n# gr\xf6\xdfe\n')
        with pytest.raises(ConfigError, match="UTF-8") as caught:
            load(file)
        assert caught.value.where.endswith("line 2")

    def test_a_byte_order_mark_is_no_error(self, tmp_path: Path):
        file = tmp_path / "config.toml"
        file.write_bytes(b"\xef\xbb\xbf" + BOT.encode())
        assert load(file).bots

    def test_a_huge_file_is_refused_before_it_is_read(self, tmp_path: Path):
        file = tmp_path / "config.toml"
        file.write_bytes(b"#" * 1_000_001)
        with pytest.raises(ConfigError, match="over 1 MB"):
            load(file)

    def test_recordings_must_be_there_and_hold_something(self, tmp_path: Path):
        (tmp_path / "good.csv").write_text("1")
        (tmp_path / "empty.csv").write_text("")
        file = tmp_path / "config.toml"
        names = '["good.csv", "empty.csv", "none.csv", "."]'
        file.write_text(f'[paper]\nmarket = "recorded"\nfiles = {names}\n' + BOT)

        with pytest.raises(ConfigError) as caught:
            load(file)

        found = [one.where for one in (caught.value, *caught.value.others)]
        assert found == ["paper.files[1]", "paper.files[2]", "paper.files[3]"]

    def test_recordings_of_another_market_are_not_looked_for(self, tmp_path: Path):
        file = tmp_path / "config.toml"
        file.write_text('[paper]\nfiles = ["none.csv"]\n' + BOT)
        assert load(file).paper.files == (str(tmp_path / "none.csv"),)


class TestKeys:
    def test_they_come_from_the_variables_named(self):
        key, secret = keys("K", "S", "venues.binance", {"K": "key\n", "S": " secret "})
        assert (key.reveal(), secret.reveal()) == ("key", "secret")

    def test_a_variable_that_is_not_set_is_named(self):
        with pytest.raises(ConfigError) as caught:
            keys("K", "S", "venues.binance", {"K": "  "})
        found = {one.where: one.what for one in (caught.value, *caught.value.others)}
        assert list(found) == ["venues.binance.key_env", "venues.binance.secret_env"]
        assert "variable K" in found["venues.binance.key_env"]

"""Reads config.toml into the schema of `core.config`; every problem is told with its full path."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs
from cattrs import Converter

from core.config import Config
from core.config_rules import together
from core.errors import ConfigError
from core.secrets import Secret

__all__ = ["check_recordings", "keys", "load", "parse"]

_MAX_BYTES = 1_000_000


def load(path: Path | str) -> Config:
    """Read, check and return a configuration; its paths become absolute.

    Relative paths start at the file's own folder. Errors: `ConfigError` with the first problem,
    its `others` holding the rest.
    """
    file = Path(path).absolute()
    config = parse(_text(file))
    config = attrs.evolve(
        config,
        paths=attrs.evolve(
            config.paths,
            state=_from(file.parent, config.paths.state),
            logs=_from(file.parent, config.paths.logs),
        ),
        paper=attrs.evolve(
            config.paper, files=tuple(_from(file.parent, name) for name in config.paper.files)
        ),
    )
    if config.mode == "paper" and config.paper.market == "recorded":
        check_recordings(config.paper.files)
    return config


def parse(text: str) -> Config:
    """Read a configuration from text. Errors: `ConfigError`, all problems in one."""
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        what, place = _syntax(str(error))
        raise ConfigError(f"not TOML: {what}", place, "mend this line") from None
    except (RecursionError, ValueError, ArithmeticError) as error:
        raise ConfigError(
            f"not TOML: {type(error).__name__}", "the whole file", "see docs/configuration.md"
        ) from None
    config: Config = _CONVERTER.structure(data, Config)
    return config


def check_recordings(files: tuple[str, ...]) -> None:
    """Check that each recording can be opened. Errors: `ConfigError`, all problems in one."""
    problems = []
    for place, name in enumerate(files):
        where = f"paper.files[{place}]"
        try:
            with open(name, "rb") as stream:
                if not stream.read(1):
                    problems.append(ConfigError(f"{name} is empty", where, "name a recording"))
        except OSError as error:
            what = f"{name}: {os.strerror(error.errno or 0).lower()}"
            problems.append(ConfigError(what, where, "name a recording that can be read"))
        except ValueError:
            problems.append(ConfigError("not a path", where, "name a recording"))
    if problems:
        raise together(problems)


def keys(
    key_env: str, secret_env: str, where: str, environment: Mapping[str, str]
) -> tuple[Secret, Secret]:
    """Read the key and the secret whose variables a table of the configuration names.

    `where` is the table, such as `venues.binance`. Errors: `ConfigError` for a variable that is not
    set, or that holds only blanks.
    """
    problems, found = [], []
    for name, variable in (("key_env", key_env), ("secret_env", secret_env)):
        value = environment.get(variable, "").strip()
        if value:
            found.append(Secret(value))
        else:
            problems.append(
                ConfigError(
                    f"the environment variable {variable} is not set"
                    if variable
                    else "no environment variable is named",
                    f"{where}.{name}",
                    "set it before the start, in the shell or the service's own file",
                )
            )
    if problems:
        raise together(problems)
    return found[0], found[1]


def _text(file: Path) -> str:
    where = str(file)
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            "no such file", where, "name one with --config, or copy config.toml there"
        ) from None
    except IsADirectoryError:
        raise ConfigError("a folder, not a file", where, "name the file inside it") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ConfigError(f"cannot be read: {reason}", where, "mend its permissions") from None
    if len(data) > _MAX_BYTES:
        raise ConfigError("over 1 MB", where, "name a configuration file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8 text", f"{where}, line {line}", "save it as UTF-8") from None


def _syntax(message: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", message, re.DOTALL)
    return (found[1], found[2]) if found else (message, "the whole file")


def _from(folder: Path, name: str) -> str:
    return os.path.normpath(folder / Path(name).expanduser())


# Structuring: cattrs picks the hook by type, each hook raises `ConfigError` with the path so far.


def _wrong(value: object, wanted: str, mend: str) -> ConfigError:
    names = {bool: "true or false", int: "a number", Decimal: "a number", str: "text"}
    names |= {list: "a list", dict: "a table"}
    found = names.get(type(value), "a date or time")
    return ConfigError(f"expected {wanted}, found {found}", "", mend)


def _whole(value: object, _: object) -> int:
    if type(value) is not int:
        raise _wrong(value, "a whole number", "write it without quotes and without a point")
    return value


def _decimal(value: object, _: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _wrong(value, "a number", "write it without quotes")
    number = Decimal(value)
    if not number.is_finite():
        raise ConfigError(f"{number} is not a number to work with", "", "write a finite number")
    return number


def _float(value: object, _: object) -> float:
    return float(_decimal(value, _))


def _word(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise _wrong(value, "text", 'write it in quotes, such as "text"')
    return value


def _flag(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(value, "true or false", "write true or false, without quotes")
    return value


def _many(kind: Any) -> Callable[[object, Any], tuple[Any, ...]]:
    item_type = get_args(kind)[0]

    def structure(value: object, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            table = attrs.has(item_type)
            mend = "write [[name]] above it" if table else "write it in brackets: [ ]"
            raise _wrong(value, "a list of tables" if table else "a list", mend)
        items, problems = [], []
        for place, item in enumerate(value):
            try:
                items.append(_CONVERTER.structure(item, item_type))
            except ConfigError as error:
                problems.append(_under(f"[{place}]", error))
        if problems:
            raise together(problems)
        return tuple(items)

    return structure


def _table(kind: type[Any]) -> Callable[[object, Any], Any]:
    fields = attrs.fields_dict(attrs.resolve_types(kind))

    def structure(value: object, _: Any) -> Any:
        if not isinstance(value, dict):
            raise _wrong(value, "a table", "write its keys under a line [name]")
        problems = [_unknown(name, fields) for name in value if name not in fields]
        found: dict[str, Any] = {}
        for name, attribute in fields.items():
            if name not in value:
                if attribute.default is attrs.NOTHING:
                    problems.append(ConfigError("missing", name, f"write {name} = …"))
                continue
            wanted: Any = attribute.type
            try:
                found[name] = _CONVERTER.structure(value[name], wanted)
            except ConfigError as error:
                problems.append(_under(name, error))
                continue
            if attribute.validator:
                try:
                    attribute.validator(None, attribute, found[name])
                except ConfigError as error:
                    problems.append(error)
        if problems:
            raise together(problems)
        return kind(**found)

    return structure


def _unknown(name: str, fields: Mapping[str, object]) -> ConfigError:
    near = get_close_matches(name, fields, n=1, cutoff=0.6)
    mend = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(fields)}"
    return ConfigError("unknown key", name, mend)


def _under(path: str, error: ConfigError) -> ConfigError:
    def place(where: str) -> str:
        return path + where if not where or where.startswith("[") else f"{path}.{where}"

    return ConfigError(
        error.what,
        place(error.where),
        error.mend,
        tuple(ConfigError(one.what, place(one.where), one.mend) for one in error.others),
    )


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _converter() -> Converter:
    converter = Converter(detailed_validation=False)
    scalars: dict[type, Callable[[object, object], object]] = {
        int: _whole,
        Decimal: _decimal,
        float: _float,
        str: _word,
        bool: _flag,
    }
    for kind, hook in scalars.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_factory(attrs.has, _table)
    converter.register_structure_hook_factory(_is_tuple, _many)
    return converter


_CONVERTER = _converter()

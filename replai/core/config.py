"""Run configs: frozen dataclasses, filled from one YAML file and `key=value` overrides.

A misspelt key is an error that names the nearest right one; it never trains on a default. YAML
takes 20251123_1530 for a number: where text is wanted, such an override stays as it was typed, and
in a file it is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from replai.core.errors import UserError
from replai.core.urls import without_secrets

T = TypeVar("T")


def load_config(schema: type[T], path: str | Path, overrides: Sequence[str] = ()) -> T:
    """The `schema` dataclass filled from the YAML file `path`, then from `overrides`.

    Raises UserError for an unreadable file, an unknown key (naming the nearest), a value of the
    wrong type and a value that the dataclass itself refuses.
    """
    known = _dotted_keys(schema)
    from_file = _read_yaml(Path(path))
    _refuse_unknown_keys(_flatten(from_file), list(known), str(path))
    _refuse_numbers_for_text(from_file, known, str(path))
    for override in overrides:
        key, separator, _ = override.partition("=")
        if not separator:
            raise UserError(f"{override!r} is no override; write key=value")
        _refuse_unknown_keys([key], list(known), "the command line")
    try:
        merged = OmegaConf.merge(
            OmegaConf.structured(schema), from_file, _from_dotlist(overrides, known)
        )
        return cast(T, OmegaConf.to_object(merged))
    except (OmegaConfBaseException, YAMLError, ValueError, TypeError) as error:
        raise UserError(f"config {path}: {_reason(error)}") from None


def config_yaml(config: Any) -> str:
    """`config_dict` as YAML, as it is saved with every run."""
    return OmegaConf.to_yaml(OmegaConf.create(config_dict(config)))


def config_dict(config: Any) -> dict[str, Any]:
    """The resolved `config` as plain dicts, lists and scalars, its URLs without secrets."""
    plain = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    return cast(dict[str, Any], masked(plain))


def masked(value: Any) -> Any:
    """`value`, plain dicts, lists and scalars, with all text `without_secrets`."""
    if isinstance(value, dict):
        return {key: masked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [masked(one) for one in value]
    return without_secrets(value) if isinstance(value, str) else value


def config_from_dict(schema: type[T], values: dict[str, Any], url: str) -> T:
    """The `schema` dataclass from what `config_dict` gave, as it stands at `url`.

    Raises UserError for what is none, as in a file of another version of this program.
    """
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), values)
        return cast(T, OmegaConf.to_object(merged))
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise UserError(f"the config in {url}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """First line of `error`, with the key where OmegaConf knows it."""
    key = getattr(error, "full_key", None)
    line = (str(error) or type(error).__name__).splitlines()[0]
    return f"{key}: {line}" if key else line


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"no such config file: {path}")
    try:
        loaded = OmegaConf.to_container(OmegaConf.load(path))
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{path} holds no mapping of keys to values")
    return cast(dict[str, Any], loaded)


def _from_dotlist(overrides: Sequence[str], types: dict[str, Any]) -> DictConfig:
    """The overrides, the last one of a key; text as it was typed where text is wanted."""
    given = OmegaConf.create()
    for override in overrides:
        key, _, text = override.partition("=")
        one = OmegaConf.from_dotlist([override])
        value = _flatten(cast(dict[str, Any], OmegaConf.to_container(one)))[key]
        if types[key] is str and (_is_number(value) or _is_cut(value, text)):
            value = text
        elif isinstance(value, dict):
            _refuse_numbers_for_text({key: value}, types, "the command line")
        OmegaConf.update(given, key, value, merge=True)
    return given


def _refuse_numbers_for_text(values: dict[str, Any], types: dict[str, Any], where: str) -> None:
    for key, value in _flatten(values).items():
        if types.get(key) is str and _is_number(value):
            raise UserError(f"{key} in {where} is read as {value!r}, no text; put it in quotes")


def _is_cut(value: Any, text: str) -> bool:
    """Whether YAML has taken the end of `text`, which is in no quotes, for a comment."""
    return isinstance(value, str) and " #" in text and text[:1] not in ("'", '"')


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def _dotted_keys(schema: type[Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> its type."""
    hints = get_type_hints(schema)
    keys: dict[str, Any] = {}
    for field in fields(schema):
        hint = hints[field.name]
        keys[prefix + field.name] = hint
        if is_dataclass(hint):
            keys |= _dotted_keys(cast(type[Any], hint), f"{prefix}{field.name}.")
    return keys


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> its value, of mappings too."""
    keys: dict[str, Any] = {}
    for name, value in values.items():
        keys[f"{prefix}{name}"] = value
        if isinstance(value, dict):
            keys |= _flatten(value, f"{prefix}{name}.")
    return keys


def _refuse_unknown_keys(keys: Iterable[str], known: list[str], where: str) -> None:
    for key in keys:
        if key in known:
            continue
        nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
        raise UserError(f"unknown config key {key!r} in {where}; did you mean {nearest[0]!r}?")

"""What may be configured: a TOML file, the environment, and flags, validated in one place."""

from __future__ import annotations

import os
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Interval
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from affectd.engine.access import is_loopback
from affectd.engine.load import LoadSettings
from affectd.engine.processor import Processor
from affectd.engine.protocol import DEFAULT_PORT
from affectd.engine.publisher_settings import PublisherSettings
from affectd.engine.segmenter import SegmenterSettings
from affectd.engine.server import ServerSettings
from affectd.engine.shipped import DEFAULT_MODEL
from affectd.engine.smoothing import SmoothingSettings
from affectd.engine.voice import VoiceSettings
from affectd.engine.voice_files import check_voice_name

__all__ = ["Configuration", "ConfigurationError", "load_configuration"]

_PREFIX = "AFFECTD_"
_OTHER_VARIABLES = ("config", "corpora", "debug")
"""Read elsewhere: the settings' file, the corpora's folder, whether to show tracebacks."""


class ConfigurationError(ValueError):
    """A setting is unknown or its value is not allowed; the message names both."""


class Configuration(BaseSettings):
    """The daemon's settings.

    Later ones win: the defaults here, the TOML file, ``AFFECTD_…`` in the environment (with two
    underscores before a key inside a table: ``AFFECTD_VOICE__AGGRESSIVENESS=3``), flags.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    source: Annotated[str, Field(min_length=1)] = "demo"
    """``demo``, ``mic``, ``-`` for standard input, the path of a sound file, or ``none`` where
    only clients send audio."""
    device: str | None = None
    """Name (or a part of it) or number of the microphone; the system's default if not set."""
    rate: Annotated[int, Interval(ge=8_000, le=192_000)] | None = None
    """Hz: of standard input (16,000 if not set), or to ask of the microphone."""
    host: str = "127.0.0.1"
    port: Annotated[int, Interval(ge=0, le=65_535)] = DEFAULT_PORT
    """Port to listen on; with 0 the system chooses."""
    model: str = DEFAULT_MODEL
    """A shipped model's name, or the file of an artefact."""
    processor: Processor = "auto"
    """What runs the model: ``cpu``, ``cuda`` for an NVIDIA GPU, or with ``auto`` the faster one,
    as it is measured at the start where there is a GPU."""
    pace: Literal["real", "fast"] = "real"
    """Whether a file is played as it was spoken, or as fast as it goes."""
    token: str = Field(default="", repr=False)
    """What clients must show; required when others than this machine can connect."""
    origins: tuple[str, ...] = ()
    """Hosts whose web pages may connect, besides this machine's own."""
    voice_baseline: bool = False
    """Whether every stream is heard beside its voice's own running baseline."""
    voice_name: str | None = None
    """Whose voice the source is: its baseline is read from this machine's voices, and kept."""
    voice: VoiceSettings = VoiceSettings()
    segmenter: SegmenterSettings = SegmenterSettings()
    smoothing: SmoothingSettings = SmoothingSettings()
    server: ServerSettings = ServerSettings()
    publishers: PublisherSettings = PublisherSettings()
    load: LoadSettings = LoadSettings()

    @field_validator("token")
    @classmethod
    def _shown_token(cls, token: str) -> str:
        # Blanks around it do not survive a header.
        return token.strip()

    @field_validator("voice_name")
    @classmethod
    def _named(cls, name: str | None) -> str | None:
        return name if name is None else check_voice_name(name)

    @field_validator("origins")
    @classmethod
    def _hosts(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if "/" in origin or ":" in origin:
                raise ValueError(
                    f"origin {origin!r} is not the name of a host alone, like 'example.org'"
                )
        return origins

    @model_validator(mode="after")
    def _guarded(self) -> Configuration:
        if not is_loopback(self.host) and not self.token:
            raise ValueError(
                f"host {self.host!r} lets other machines listen in: set a token "
                "(AFFECTD_TOKEN=…) that clients must show, or keep to 127.0.0.1"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the places that settings come from, strongest first."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_configuration(file: Path | None, flags: dict[str, Any]) -> Configuration:
    """Read the settings from everywhere.

    Args:
        file: A TOML file, if any.
        flags: Settings from the command line; `None` values are not set.

    Raises:
        ConfigurationError: the file cannot be read, a key is unknown, a value is not allowed.
    """
    if file is not None:
        try:
            tomllib.loads(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigurationError(f"configuration {file} cannot be read: {reason}") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"configuration {file} is no TOML: {error}") from None

    _refuse_unknown_variables()

    class _FromFile(Configuration):
        model_config = SettingsConfigDict(toml_file=file)

    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return _FromFile(**given)
    except ValidationError as error:
        raise ConfigurationError(_describe(error)) from None
    except SettingsError as error:
        # The library says it in its own terms; the field's name is all that is needed of them.
        field = str(error).partition('"')[2].partition('"')[0]
        raise ConfigurationError(
            f"setting {field!r} in the environment is a list or a table, written as JSON, like "
            "AFFECTD_ORIGINS='[\"example.org\"]' or AFFECTD_VOICE='{\"aggressiveness\": 3}'"
        ) from None


def _refuse_unknown_variables() -> None:
    for name in os.environ:
        key, _, _ = name.removeprefix(_PREFIX).lower().partition("__")
        if name.startswith(_PREFIX) and key not in {*Configuration.model_fields, *_OTHER_VARIABLES}:
            every = {*Configuration.model_fields, *_OTHER_VARIABLES}
            known = ", ".join(sorted(_PREFIX + each.upper() for each in every))
            raise ConfigurationError(
                f"variable {name!r} in the environment is unknown; known are {known}"
            )


def _describe(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = set(Configuration.model_fields)
        if len(first["loc"]) > 1:
            table: Any = Configuration.model_fields[str(first["loc"][0])].default
            known = {each.name for each in fields(table)} if is_dataclass(table) else set()
        return f"setting {key!r} is unknown; known are {', '.join(sorted(known))}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"].startswith("dataclass"):
        return f"setting {key!r} is {first['input']!r}: it is a table of settings"
    return f"setting {key!r} is {first['input']!r}: {first['msg'].lower()}"

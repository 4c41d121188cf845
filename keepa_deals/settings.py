"""Every setting, its default and its meaning. The only module that reads the environment.

A setting comes from, first wins: the runtime file that ``start_celery.sh`` leaves in the home (what
the running deployment was really started with), the environment, ``.env`` in the project's root.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from keepa_deals import env_file, redaction, text_file
from keepa_deals.addresses import database, hosts, redis, web
from keepa_deals.addresses.database import DatabaseAddress
from keepa_deals.addresses.redis import RedisAddress
from keepa_deals.errors import SettingsError
from keepa_deals.jobs import BACKFILL_JOB, MAINTENANCE_JOB, UPSERT_JOB
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.seller_terms import SellerTerms
from keepa_deals.setting_fields import PROJECT_ROOT as PROJECT_ROOT
from keepa_deals.setting_fields import as_path, setting

RUNTIME_FILE = "run/runtime.env"
"""Below the home: the settings that the start script chose or was given, as ``NAME=value`` lines."""
MARK = "KEEPA_DEALS_SUPERVISED"
"""Names the home to every program that the supervisor runs, in its environment."""
HOME_LINE = "# home: "
"""A line of that file. In a copied home it names the original, whose Redis and Keepa are not ours."""

KEY_LENGTH = 64
MAX_DAYS = 36_500
MAX_TOKENS = 1_000_000
"""More than any plan's bucket holds: what is larger is a slip of the finger."""
PING = "an http:// or https:// address, as the service gives it"
MAX_SHOWN = 80
"""Characters of a wrong value that an error repeats."""
_FILE = "_file"
_MAX_SECRET = 4096
"""Characters of a secret in a file."""
BEHIND_RUNS = 3
"""So many runs of the upserter may fail before it is behind."""
SHORTEST_RUN = timedelta(seconds=5)
"""A run lasts some seconds, however short its interval."""


def _redis_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        redis.parse(value.get_secret_value())
    return value


def _database_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        address = database.parse(value.get_secret_value())
        if address.is_sqlite and address.file is None:
            raise ValueError("must name a file: a database in memory would be another one for each program")
    return value


def _ping_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        web.whole(value.get_secret_value())
    return value


def _public_url(value: str | None) -> str | None:
    try:
        return None if value is None else web.base(value)
    except ValueError:
        raise ValueError("must be an http:// or https:// address without user and options") from None


def _host(value: str) -> str:
    try:
        return hosts.as_host(value.strip())
    except ValueError as error:
        raise ValueError(f"{error}: the port is DASHBOARD_PORT" if ":" in value else str(error)) from None


def _host_names(value: str) -> str:
    for name in filter(None, map(str.strip, value.split(","))):
        try:
            hosts.as_host(name)
        except ValueError as error:
            raise ValueError(f"{_shown(name)} {error}") from None
    return value


def _key_prefix(value: str) -> str:
    if not value or not all(c.isalnum() or c in "_-." for c in value):
        raise ValueError("must be letters, digits, '_', '-' or '.'")
    return value


def _other_address(value: str | None) -> str | None:
    return None if value is None else web.base(value)


class Settings(SellerTerms, BaseSettings):
    """The settings of one deployment. Build it with :func:`load`, which words the errors for people."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    keepa_api_key: SecretStr | None = setting(
        None, "Your Keepa API key. Without one: ./start_celery.sh --sandbox", f"{KEY_LENGTH} characters"
    )
    keepa_api_url: Annotated[str, AfterValidator(web.base)] = setting(
        "https://api.keepa.com",
        "The API, or a sandbox's address",
        "http:// or https://, without user and options",
    )
    keepa_domain_id: int = setting(
        1,
        "Amazon's locale. Set, it wins over the deal query's own domainId; unset, that one counts, and 1 "
        "where it has none",
        ", ".join(f"{number} ({market.tld})" for number, market in MARKETPLACES.items()),
    )
    keepa_deal_selection: Annotated[Path, AfterValidator(as_path)] = setting(
        Path(__file__).parent / "deal_selection.json",
        'The deal query, as keepa.com\'s "Show API query" gives it (docs/selection.md), or a folder of them '
        "(docs/searches.md)",
        "a JSON file, or a folder of *.json; relative paths start at the project's root",
    )
    keepa_tick_seconds: float = setting(
        60.0,
        "Seconds between two refills of the account. Keepa's is 60; a smaller one makes a sandbox run faster",
        ge=0.05,
        le=3600,
    )

    sp_api_url: Annotated[str | None, AfterValidator(_other_address)] = setting(
        None,
        "Amazon's Selling Partner API: that of the connected seller's region, or a sandbox's address",
        "http:// or https://, without user and options",
    )
    sp_api_login_url: Annotated[str | None, AfterValidator(_other_address)] = setting(
        None, "The same for Login with Amazon", "http:// or https://, without user and options"
    )
    may_sell_days: int = setting(
        7, "Days for which Amazon's answer whether you may sell a product is kept", ge=1, le=90
    )

    redis_url: Annotated[SecretStr | None, AfterValidator(_redis_url)] = setting(
        None,
        "Redis 6.2 or newer, or Valkey, with maxmemory-policy noeviction. Unset: one of our own is started",
        "a redis://, rediss://, unix:// or redis+sentinel:// address (docs/access.md)",
    )
    redis_key_prefix: Annotated[str, AfterValidator(_key_prefix)] = setting(
        "keepa_deals",
        "First part of every Redis key: give each deployment on a shared Redis its own",
        "letters, digits, _, - and .",
    )
    database_url: Annotated[SecretStr | None, AfterValidator(_database_url)] = setting(
        None,
        "The database. Unset: SQLite in the home",
        "a sqlite:/// or postgresql:// address (docs/access.md)",
    )
    keepa_deals_home: Annotated[Path, AfterValidator(as_path)] = setting(
        Path("var"),
        "Database, logs, pid files, data of the embedded Redis",
        "a folder; relative paths start at the project's root",
    )
    lock_ttl_seconds: int = setting(
        45,
        "For how long a lock lasts without a renewal; a third of it where its holder is not seen to live",
        ge=3,
        le=3600,
    )

    dashboard_host: Annotated[str, AfterValidator(_host)] = setting(
        "127.0.0.1",
        "Where the dashboard listens. Beyond loopback it wants a password (docs/access.md)",
        "an address or a host name",
    )
    dashboard_port: int = setting(8000, "The dashboard's port", ge=1, le=65535)
    dashboard_trusted_hosts: Annotated[str, AfterValidator(_host_names)] = setting(
        "",
        "Names that the dashboard answers to beside localhost. Without any, and listening beyond loopback, "
        "it answers to every name",
        "names without scheme and port, comma-separated",
    )
    dashboard_proxies: int = setting(
        0, "Reverse proxies in front whose X-Forwarded-* headers are believed", ge=0, le=5
    )

    dashboard_public_url: Annotated[str | None, AfterValidator(_public_url)] = setting(
        None,
        "Where readers reach the dashboard, for the links in messages. Unset: where it listens",
        "http:// or https://, without user and options",
    )

    upsert_interval_seconds: int = setting(
        60, "Seconds between two runs of update_recent_deals", ge=1, le=3600
    )
    deal_fresh_minutes: int = setting(
        60, "A live deal must have been seen within this many minutes", ge=1, le=24 * 60
    )

    retain_points_days: int = setting(365, "Days for which prices and ranks are kept", ge=1, le=MAX_DAYS)
    retain_ended_days: int = setting(
        180, "Days for which deals are kept after their end, or after they were last seen", ge=1, le=MAX_DAYS
    )
    retain_events_days: int = setting(180, "Days for which changes of state are kept", ge=1, le=MAX_DAYS)
    retain_samples_days: int = setting(
        90, "Days for which the samples of each minute are kept", ge=1, le=MAX_DAYS
    )
    retain_runs_days: int = setting(14, "Days for which the runs of the jobs are kept", ge=1, le=MAX_DAYS)

    retain_deliveries_days: int = setting(
        30, "Days for which messages of alerts are kept after they were sent or given up", ge=1, le=MAX_DAYS
    )
    alert_give_up_hours: int = setting(
        24, "Hours for which a message that its channel does not take is tried again", ge=1, le=24 * 30
    )

    upserter_ping_url: Annotated[SecretStr | None, AfterValidator(_ping_url)] = setting(
        None, "Called after each run of the upserter: a dead-man's switch (docs/operations.md)", PING
    )
    backfill_ping_url: Annotated[SecretStr | None, AfterValidator(_ping_url)] = setting(
        None, "The same for the backfill", PING
    )
    maintenance_ping_url: Annotated[SecretStr | None, AfterValidator(_ping_url)] = setting(
        None, "The same for maintenance", PING
    )

    deploy_verify_commits: bool = setting(
        default=False, meaning="Whether a deploy refuses a version with a commit that has no good signature"
    )

    min_token_threshold: int = setting(50, "Below this balance big requests wait", ge=0, le=MAX_TOKENS)
    recovery_target: int = setting(
        55,
        "The balance at which big requests go on",
        f"MIN_TOKEN_THRESHOLD to {MAX_TOKENS}",
        ge=0,
        le=MAX_TOKENS,
    )
    priority_pass_max_cost: int = setting(
        10, "Requests of up to so many tokens have priority", ge=1, le=MAX_TOKENS
    )

    @field_validator("keepa_api_key")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        key = value.get_secret_value().strip()
        if len(key) != KEY_LENGTH:
            raise ValueError(f"must have {KEY_LENGTH} characters, has {len(key)}")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ValueError("must have no blanks and no letters but a to z: copy it anew from Keepa's page")
        return SecretStr(key)

    @field_validator("keepa_domain_id")
    @classmethod
    def _check_domain(cls, value: int) -> int:
        if value not in MARKETPLACES:
            raise ValueError(f"must be one of {', '.join(map(str, MARKETPLACES))}")
        return value

    @field_validator("recovery_target")
    @classmethod
    def _check_recovery(cls, value: int, info: Any) -> int:
        threshold = info.data.get("min_token_threshold")
        if threshold is not None and value < threshold:
            raise ValueError(f"must be at least MIN_TOKEN_THRESHOLD ({threshold})")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings  # load() reads .env itself
        return init_settings, env_settings

    # -- what follows from the settings ------------------------------------------------------
    @property
    def database_dsn(self) -> str:
        """The SQLAlchemy URL, with its password: never log it."""
        return self.database_address.dsn

    @property
    def database_address(self) -> DatabaseAddress:
        """Where the database is."""
        if self.database_url is not None:
            return database.parse(self.database_url.get_secret_value())
        return database.of_file(self.keepa_deals_home / "deals.db")

    @property
    def api_key(self) -> str:
        """The Keepa key itself; a ``SettingsError`` that names both ways on when there is none."""
        if self.keepa_api_key is None:
            raise SettingsError(
                "KEEPA_API_KEY is not set: put your key into .env (see .env.example), "
                "or try everything without one: ./start_celery.sh --sandbox"
            )
        return self.keepa_api_key.get_secret_value()

    @property
    def chosen_domain_id(self) -> int | None:
        """``KEEPA_DOMAIN_ID`` where somebody has set it; else the selection's own ``domainId`` counts."""
        return self.keepa_domain_id if "keepa_domain_id" in self.model_fields_set else None

    @property
    def account_id(self) -> str:
        """Twelve hexadecimal digits that stand for the Keepa key in the names of Redis keys."""
        return hashlib.sha256(f"keepa_deals:{self.api_key}".encode()).hexdigest()[:12]

    @property
    def fresh_for(self) -> timedelta:
        """How long after a sight a deal counts as live."""
        return timedelta(minutes=self.deal_fresh_minutes)

    @property
    def alert_given_up_after(self) -> timedelta:
        """How long a message that its channel does not take is tried again."""
        return timedelta(hours=self.alert_give_up_hours)

    def behind_after(self, runs: int = BEHIND_RUNS) -> timedelta:
        """How old its last success may be: ``runs`` intervals, and as many ticks to wait for tokens."""
        run = timedelta(seconds=self.upsert_interval_seconds + self.keepa_tick_seconds)
        return runs * max(run, SHORTEST_RUN)

    @property
    def ping_urls(self) -> dict[str, str]:
        """The dead-man's switches by job, with what is secret in their addresses."""
        given = {
            UPSERT_JOB.name: self.upserter_ping_url,
            BACKFILL_JOB.name: self.backfill_ping_url,
            MAINTENANCE_JOB.name: self.maintenance_ping_url,
        }
        return {job: address.get_secret_value() for job, address in given.items() if address is not None}

    @property
    def redis_dsn(self) -> str:
        """The Redis address, with its password: never log it."""
        if self.redis_url is None:
            raise SettingsError(
                "REDIS_URL is not set and no Redis of ours is running: ./start_celery.sh starts one"
            )
        return self.redis_url.get_secret_value()

    @property
    def redis_address(self) -> RedisAddress:
        """Where Redis is, and as whom to speak to it; a ``SettingsError`` when no address is known."""
        return redis.parse(self.redis_dsn)

    @property
    def run_dir(self) -> Path:
        return self.keepa_deals_home / "run"

    @property
    def log_dir(self) -> Path:
        return self.keepa_deals_home / "log"

    @property
    def dashboard_is_public(self) -> bool:
        """Whether the dashboard listens beyond this machine."""
        return not hosts.is_loopback(self.dashboard_host)

    @property
    def dashboard_bind(self) -> str:
        """Where the dashboard listens, as ``host:port``."""
        return hosts.with_port(self.dashboard_host, self.dashboard_port)

    @property
    def readers_url(self) -> str:
        """Where readers reach the dashboard, with a slash at the end."""
        return f"{self.dashboard_public_url}/" if self.dashboard_public_url else self.dashboard_url

    @property
    def dashboard_url(self) -> str:
        """Where the dashboard answers on this machine, with a slash at the end."""
        every_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where we ask, not listen
        host = every_address.get(self.dashboard_host, self.dashboard_host)
        return f"http://{hosts.with_port(host, self.dashboard_port)}/"

    @property
    def trusted_hosts(self) -> tuple[str, ...]:
        """The names, beside loopback's, that the dashboard answers to."""
        names = self.dashboard_trusted_hosts.split(",")
        return tuple(hosts.as_host(name.strip()) for name in names if name.strip())


def load(
    *, env_file: Path | Literal["default"] | None = "default", runtime: bool = True, **overrides: Any
) -> Settings:
    """The settings in force; a ``SettingsError`` of one line a mistake otherwise.

    A program that the supervisor runs has those that the service was started with, whatever ``.env`` holds by
    now. ``env_file=None`` reads no ``.env``. ``runtime=False`` ignores what a running deployment was
    started with (for the start itself). ``overrides`` (by field name) win over everything.
    """
    home = os.environ.get(MARK)
    if (
        runtime
        and home
        and env_file == "default"
        and (started_with := _read_runtime(Path(home) / RUNTIME_FILE))
    ):
        return _build({"keepa_deals_home": home, **started_with, **overrides})
    path = PROJECT_ROOT / ".env" if env_file == "default" else env_file
    given = {**_read_file(path), **_with_secret_files(os.environ)}
    settings = _build({**given, **overrides})
    if not runtime:
        return settings
    started_with = _read_runtime(settings.keepa_deals_home / RUNTIME_FILE)
    return _build({**given, **started_with, **overrides}) if started_with else settings


def deployment_home() -> Path:
    """The home alone, whatever is wrong with other settings: whoever stops the service needs no more."""
    name = "keepa_deals_home"
    given = {**_known(env_file.read_anyhow(PROJECT_ROOT / ".env")), **_environment()}
    try:
        return as_path(Path(given.get(name, Settings.model_fields[name].default)))
    except ValueError as error:
        raise SettingsError(f"{name.upper()}={_shown(given[name])}: {error}") from None


class _Given(Settings):
    """Settings from what is passed in alone."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def in_force(home: Path) -> Settings:
    """What the deployment in ``home`` was started with, else the defaults: neither environment nor ``.env``.

    For whoever must look at a deployment although the settings of its next start are wrong.
    """
    started_with = _read_runtime(home / RUNTIME_FILE)
    _learn_secrets(started_with)
    try:
        return _Given(**{**started_with, "keepa_deals_home": home})
    except ValidationError:
        return _Given.model_validate({"keepa_deals_home": home})


def load_or_in_force() -> tuple[Settings, str | None]:
    """The settings in force, and why those of the next start are wrong where they are.

    For whoever looks at the service, which must be possible with any settings.
    """
    try:
        return load(), None
    except SettingsError as error:
        wrong = str(error)
    return in_force(deployment_home()), wrong


def _build(values: Mapping[str, Any]) -> Settings:
    _learn_secrets(values)
    try:
        return _Given(**values)
    except ValidationError as error:
        problem = explain(error)
    # Outside the handler, so that nothing chains to pydantic's error: it repeats the input, maybe the key.
    raise SettingsError(problem)


def _known(values: Mapping[str, str]) -> dict[str, str]:
    """What of these is a setting, by its field's name; an empty value is none at all."""
    named = {name.lower(): value for name, value in values.items() if value}
    return {name: named[name] for name in Settings.model_fields if name in named}


def _environment() -> dict[str, str]:
    return _known(os.environ)


def _read_file(path: Path | None) -> dict[str, str]:
    """What ``.env`` says. Its secrets are hidden from now on, also where something in it is wrong."""
    if path is None:
        return {}
    _learn_secrets(_known(env_file.read_anyhow(path)))
    return _with_secret_files(env_file.read(path))


def _with_secret_files(values: Mapping[str, str]) -> dict[str, str]:
    """The settings among these, also a secret whose file is named instead (``KEEPA_API_KEY_FILE``), as
    containers are given theirs."""
    named = {name.lower(): value for name, value in values.items() if value}
    for name in sorted(SECRET_SETTINGS & {key.removesuffix(_FILE) for key in named if key.endswith(_FILE)}):
        setting = f"{name}{_FILE}".upper()
        if name in named:
            raise SettingsError(f"{name.upper()} and {setting} are both set: keep one of them")
        named[name] = _read_secret(setting, PROJECT_ROOT / named[setting.lower()])
    return _known(named)


def _read_secret(setting: str, path: Path) -> str:
    """The one line that a file holds; a ``SettingsError`` that repeats none of it."""
    try:
        text = text_file.read(path).removesuffix("\n").removesuffix("\r")
    except SettingsError as error:
        raise SettingsError(f"{setting}={path}: {error}") from None
    if not text or len(text) > _MAX_SECRET or not text.isprintable():
        raise SettingsError(f"{setting}={path}: must hold the secret in one line, and nothing else")
    return text


def learn_secrets(settings: Settings) -> None:
    """Let the secrets of these settings be hidden from now on, wherever they were read."""
    _learn_secrets({name: getattr(settings, name) for name in SECRET_SETTINGS})


def _learn_secrets(values: Mapping[str, Any]) -> None:
    for name in SECRET_SETTINGS & values.keys():
        value = values[name]
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
        redaction.learn(*redaction.secrets_in(text))
        if name in PING_SETTINGS:
            redaction.learn(*redaction.secrets_in_path(text))


def _read_runtime(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file() or _is_a_copy(path):
            return {}
        values = env_file.read(path, expand=False)
    except (OSError, SettingsError):
        return {}  # another user's deployment, or damaged: what the environment says must do
    return dict(_known(values))


def _is_a_copy(path: Path) -> bool:
    """Whether a runtime file was written for another home than the one that it lies in."""
    with path.open(encoding="utf-8", errors="replace") as file:
        named = next((line for line in file if line.startswith(HOME_LINE)), None)
    return named is not None and named.removeprefix(HOME_LINE).rstrip("\n") != str(path.parent.parent)


def colours_are_unwanted() -> bool:
    """Whether the user asked programs for no colours (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


INHERITED: tuple[str, ...] = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR")
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables by which an administrator names the certificates to trust, the first one set wins."""
INHERITED += CA_BUNDLES
INHERITED += ("KEEPA_SANDBOX_DEALS", "KEEPA_SANDBOX_TOKENS")  # how large a sandbox a start runs


def ca_bundle() -> tuple[str, Path] | None:
    """The variable that names the certificates to trust for HTTPS, and its value; ``None`` without one."""
    named = next((name for name in CA_BUNDLES if os.environ.get(name)), None)
    return (named, Path(os.environ[named])) if named else None


def inherited_environment() -> dict[str, str]:
    """What the service's processes take over from whoever started them: no setting, so no secret."""
    return {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("LC_")}


def given_by_environment() -> dict[str, str]:
    """What whoever started this process gave it: settings and what programs take over, secrets among them."""
    given = {name.upper(): value for name, value in _environment().items()}
    return {**inherited_environment(), **given}


OVERRULING = ("CELERY", "GUNICORN", "FLASK")
"""What variables begin with by which libraries put another broker, address or mode before our settings: they
were meant for another project, and the dashboard would listen where nobody asked for a password."""


def own_environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with more in it, for a program that takes its place."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OVERRULING)}
    return {**kept, **more}


PING_SETTINGS = frozenset({"upserter_ping_url", "backfill_ping_url", "maintenance_ping_url"})
SECRET_SETTINGS = frozenset({"keepa_api_key", "redis_url", "database_url"}) | PING_SETTINGS


def explain(error: ValidationError) -> str:
    """One line for each wrong setting: its name, its value (never a secret's) and what is allowed."""
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0])
        value = "(hidden)" if name in SECRET_SETTINGS else _shown(problem["input"])
        wrong = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name.upper()}={value}: {wrong}{_on_quotes(problem['input'])}")
    return "\n".join(lines)


def _on_quotes(value: object) -> str:
    """What to do about quotes that came along: a shell takes them away, and a container's file does not."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return " (the quotes around it are part of the value: leave them out)" if quoted else ""


def _shown(value: object) -> str:
    """A value for people: cut short, and without what may be a secret in the wrong place."""
    text = redaction.redact(str(value))
    if "://" in text and any(char in text for char in "@?#"):
        return "(hidden)"
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…")

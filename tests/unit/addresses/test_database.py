"""Addresses of the database as operators write, paste and copy them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from keepa_deals.addresses.database import LIBPQ, of_file, parse
from keepa_deals.db.errors import shown as where
from keepa_deals.db.session import Database
from keepa_deals.settings import PROJECT_ROOT
from tests.support.secrets import shown
from tests.unit.addresses.test_redis import PASSWORDS

POSTGRESQL = {
    "postgres://u:p@db/deals": "postgresql+psycopg://u:p@/deals?host=db",
    "postgresql://u:p@db:5433/deals": "postgresql+psycopg://u:p@/deals?host=db&port=5433",
    "postgresql+psycopg2://u@db/deals": "postgresql+psycopg://u@/deals?host=db",
    "postgresql+asyncpg://u@db/deals": "postgresql+psycopg://u@/deals?host=db",
    "POSTGRES://u@DB/Deals": "postgresql+psycopg://u@/Deals?host=db",
    "postgresql:///deals": "postgresql+psycopg:///deals",
    "postgresql:///deals?host=/run/postgresql": "postgresql+psycopg:///deals?host=/run/postgresql",
    "postgresql://u@%2Frun%2Fpostgresql/deals": "postgresql+psycopg://u@/deals?host=/run/postgresql",
    "postgresql://u@[::1]:5432/deals": "postgresql+psycopg://u@/deals?host=%3A%3A1&port=5432",
    "postgresql://a:1,b:2/deals": "postgresql+psycopg:///deals?target_session_attrs=read-write&host=a%2Cb&port=1%2C2",
    "postgresql://a,b/deals?target_session_attrs=any": "postgresql+psycopg:///deals?target_session_attrs=any&host=a%2Cb",
    "postgresql:///deals?host=a,b&port=1,2": "postgresql+psycopg:///deals?target_session_attrs=read-write&host=a%2Cb&port=1%2C2",
    "postgresql:///?dbname=deals&user=u&password=p@x&host=db": "postgresql+psycopg://u:p%40x@/deals?host=db",
    "postgresql://u@db/deals?sslmode=verify-full&sslrootcert=/ca.pem":
        "postgresql+psycopg://u@/deals?sslmode=verify-full&sslrootcert=/ca.pem&host=db",
    "postgresql://u@bouncer:6432/deals?pgbouncer=true&connection_limit=1":
        "postgresql+psycopg://u@/deals?host=bouncer&port=6432",
}  # fmt: skip
SQLITE = {
    "sqlite:////data/deals.db": Path("/data/deals.db"),
    "sqlite:///deals.db": PROJECT_ROOT / "deals.db",
    "sqlite+pysqlite:////data/my%20deals.db": Path("/data/my deals.db"),
    "sqlite:////data/100%.db": Path("/data/100%.db"),
    "sqlite:////data/why%3F.db": Path("/data/why?.db"),
    "sqlite:////data/deals.db?timeout=30&check_same_thread=false": Path("/data/deals.db"),
    "sqlite:////data/deals.db?mode=rwc": Path("/data/deals.db"),
    "sqlite:////data/deals.db?": Path("/data/deals.db"),
}
REFUSED = {
    "": "must start with sqlite:/// or postgresql://",
    "mysql://u:p@db/deals": "must start with",
    "mariadb+pymysql://u:p@db/deals": "must start with",
    "postgresql+weird://u:p@db/deals": "must start with",
    "db/deals": "must start with",
    "sqlite://deals.db": "before an absolute path",
    "sqlite:///~nobody-of-this-name/deals.db": "no user's folder",
    "sqlite:////data/deals.db?mode=ro": "the service writes",
    "sqlite:///file:/data/deals.db?uri=true": "no options",
    "sqlite:////data/deals.db?key=secret": "no options",
    "sqlite:////data/why?.db": "? is written %3F",
    "postgresql://u:p@db:port/deals": "the port must be a number",
    "postgresql://u:p@db:0/deals": "the port must be a number",
    "postgresql://u:p@db/deals/more": "must end with the database's name",
    "postgresql://u:p@d b/deals": "without blanks",
    "postgresql://u:p@db/deals?ssl_mode=require": "(sslmode?)",
    "postgresql://u:p@db/deals?schema=public": "an option that PostgreSQL does not know",
    "postgresql:///deals?host=a,b,c&port=1,2": "as many ports as hosts",
}


@pytest.mark.parametrize(("address", "dsn"), POSTGRESQL.items())
def test_postgresql_is_one_address_however_it_is_written(address: str, dsn: str) -> None:
    assert make_url(parse(address).dsn) == make_url(dsn)


@pytest.mark.parametrize(("address", "file"), SQLITE.items())
def test_a_file_is_the_same_from_every_folder(address: str, file: Path) -> None:
    assert parse(address).file == file
    assert make_url(parse(address).dsn).database == str(file)


@pytest.mark.parametrize(("address", "said"), REFUSED.items())
def test_what_is_refused_says_why(address: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        parse(address)
    assert said in str(refused.value)


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_is_what_was_written_escaped_or_not(password: str) -> None:
    for form in (
        "postgres://deals:{}@db.example:5432/deals",
        "postgresql://deals:{}@a,b/deals?sslmode=require",
    ):
        for written in {quote(password, safe=""), *([password] if "%" not in password else [])}:
            address = parse(form.format(written))
            assert (address.user, address.password, address.name) == ("deals", password, "deals")
            assert make_url(address.dsn).password == password


@pytest.mark.parametrize("secret", ["Zr8Kw2Pq/5Xn7", "Zr8K@w2Pq5X#n7", "Zr8Kw2[Pq5Xn7", "Zr8Kw2?Pq5Xn7"])
def test_no_error_and_no_look_shows_a_piece_of_a_password(secret: str) -> None:
    for form in (
        "postgresql://u:{}@db:port/deals",
        "postgresql://u:{}@db/deals/x",
        "mysql://u:{}@db/x",
        "postgresql://u:{}",
    ):
        with pytest.raises(ValueError) as refused:  # noqa: PT011  # any of them
            parse(form.format(secret))
        assert shown(str(refused.value), secret, length=4) == set()
    database = Database(f"postgresql://u:{secret}@a:1,b:2/deals?sslpassword={secret}")
    for words in (repr(database), where(database.engine), repr(parse(f"postgresql://u:{secret}@a/deals")),
                 parse(f"postgresql://u:{secret}@a/deals?sslpassword={secret}").for_tools):  # fmt: skip
        assert shown(words, secret, quote(secret, safe=""), length=4) == set()
    assert where(database.engine) == "postgresql+psycopg://u:***@/deals?host=a,b&port=1,2"


def test_every_option_of_libpq_is_known() -> None:
    theirs = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    assert theirs - LIBPQ <= {
        "replication",
        "oauth_issuer",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_scope",
        "sslkeylogfile",
    }


@pytest.mark.parametrize("name", ["plain", "with blank", "100%41", "what?", "a#b", "ü", "a&b=c"])
def test_a_home_with_any_name_has_its_database_in_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    database = Database(of_file(tmp_path / name / "deals.db").dsn)
    with database.session() as session:
        session.execute(text("SELECT 1"))
    database.close()
    assert (tmp_path / name / "deals.db").exists()
    assert database.path == tmp_path / name / "deals.db"

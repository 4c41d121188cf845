"""Addresses of Redis as operators write, paste and copy them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.addresses.redis import RedisAddress, parse
from keepa_deals.errors import SettingsError
from keepa_deals.redaction import secrets_in
from keepa_deals.redis_store import pool_of
from tests.support.secrets import shown

PLACE = (("cache", 6379),)
TAKEN = {
    "redis://": {"places": (("localhost", 6379),)},
    "redis:///2": {"places": (("localhost", 6379),), "db": 2},
    "redis://:6380/1": {"places": (("localhost", 6380),), "db": 1},
    "redis://cache": {"places": PLACE},
    "redis://Cache/": {"places": PLACE},
    "valkey://cache": {"places": PLACE},
    "redis://10.0.0.7:7000/0": {"places": (("10.0.0.7", 7000),)},
    "redis://[::1]:6379/3": {"places": (("::1", 6379),), "db": 3},
    "redis://[fe80::1%25eth0]": {"places": (("fe80::1%eth0", 6379),)},
    "redis://cache?db=2": {"places": PLACE, "db": 2},
    "redis://cache/1?db=2": {"places": PLACE, "db": 2},
    "redis://cache?protocol=3": {"places": PLACE, "protocol": 3},
    "redis://cache/4?protocol=2&client_name=kd": {
        "places": PLACE, "db": 4, "protocol": 2, "client_name": "kd",
    },
    "redis://cache?socket_timeout=5&health_check_interval=3": {
        "places": PLACE, "left_out": ("health_check_interval", "socket_timeout"),
    },
    "redis://u:pa%40ss@cache": {"places": PLACE, "user": "u", "password": "pa@ss"},
    "redis://:100%25@cache": {"places": PLACE, "password": "100%"},
    "redis://:100%@cache": {"places": PLACE, "password": "100%"},
    "redis://cache?password=a@b/c#d": {"places": PLACE, "password": "a@b/c#d"},
    "redis://cache?username=u&password=a+b&c": {"places": PLACE, "user": "u", "password": "a+b&c"},
    "unix:///run/redis.sock": {"socket": "/run/redis.sock"},
    "unix:///run/redis@1.sock?db=2": {"socket": "/run/redis@1.sock", "db": 2},
    "unix:///a%20b/c.sock": {"socket": "/a b/c.sock"},
    "unix://u:p@ss/w@/run/redis.sock?db=3": {
        "socket": "/run/redis.sock", "user": "u", "password": "p@ss/w", "db": 3,
    },
    "unix://:p#w@/run/redis.sock": {"socket": "/run/redis.sock", "password": "p#w"},
    "unix:///run/redis.sock?password=p&w?x@y&db=1": {
        "socket": "/run/redis.sock", "password": "p&w?x@y", "db": 1,
    },
    "redis+socket:///run/redis.sock?virtual_host=2": {"socket": "/run/redis.sock", "db": 2},
    "rediss://cache:6380/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/ca.pem": {
        "places": (("cache", 6380),), "tls": True,
        "tls_options": {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"},
    },
    "rediss://cache?ssl_cert_reqs=none": {
        "places": PLACE, "tls": True, "tls_options": {"ssl_cert_reqs": "none"},
    },
    "rediss://cache?ssl_check_hostname=False&ssl_min_version=TLSv1.3": {
        "places": PLACE, "tls": True, "tls_options": {"ssl_check_hostname": False, "ssl_min_version": 772},
    },
    "redis+sentinel://s1,s2:1,s3/deals/2": {
        "places": (("s1", 26379), ("s2", 1), ("s3", 26379)), "master": "deals", "db": 2,
    },
    "redis+sentinel://u:p/w@s1:26379/deals": {
        "places": (("s1", 26379),), "master": "deals", "user": "u", "password": "p/w",
    },
    "redis-sentinel://:p@s1;s2/3#deals": {
        "places": (("s1", 26379), ("s2", 26379)), "master": "deals", "db": 3, "password": "p",
    },
    "sentinel://:p@s1:1;sentinel://:p@s2:2/0?master_name=deals&sentinel_password=w": {
        "places": (("s1", 1), ("s2", 2)), "master": "deals", "password": "p", "sentinel_password": "w",
    },
    "rediss+sentinel://[::1]:5/deals": {"places": (("::1", 5),), "master": "deals", "tls": True},
}  # fmt: skip
REFUSED = {
    "": "must start with redis://",
    "cache:6379": "must start with redis://",
    "http://cache": "must start with redis://",
    "redis:/cache": "must start with redis://",
    "redis://cache:port": "the port must be a number",
    "redis://cache:70000": "the port must be a number from 1 to 65535",
    "redis://cache/zero": "the database must be a number",
    "redis://cache/-1": "the database must be a number",
    "redis://cache?db=two": "the database must be a number",
    "redis://cache?dbb=2": "(db?)",
    "redis://cache?protocol=4": "protocol must be 2 or 3",
    "redis://ca che": "without blanks",
    "redis://a:1,b:2/0": "redis+sentinel://",
    "redis://cache?ssl_ca_certs=/x": "must start with rediss://",
    "rediss://cache?ssl_ca_certs=~nobody-of-this-name/ca.pem": "no user's folder",
    "rediss://cache?ssl_cert_reqs=maybe": "required, optional or none",
    "rediss://cache?ssl_check_hostname=perhaps": "true or false",
    "rediss://cache?ssl_min_version=SSLv3": "TLSv1.2 or TLSv1.3",
    "unix://run/redis.sock": "with three slashes",
    "unix://": "must name a socket",
    "redis+sentinel://s1,s2": "must name Sentinels and one master",
    "redis+sentinel:///deals": "must name Sentinels and one master",
    "redis+cluster://a,b": "Redis Cluster is not supported: the token bucket",
    "rediss+cluster://a": "Redis Cluster is not supported",
    "redis-cluster://a": "Redis Cluster is not supported",
}
PASSWORDS = ["pa/ss", "p#ss", "p?ss", "p[ss", "p]ss", "p@ss", "p:ss", "12/34", "12#34", "12?34", "a@b/c@d",
             "///", "x?y=z", "[::1]", "%", "ab%zz", "//u:v@w", "a b", "ü@€/", "p&a=b", "p;q,r",
             "\\'\"`$"]  # fmt: skip


@pytest.mark.parametrize(("address", "meant"), TAKEN.items())
def test_what_is_meant_is_taken(address: str, meant: dict[str, object]) -> None:
    assert parse(address) == RedisAddress(**meant)  # type: ignore[arg-type]


@pytest.mark.parametrize(("address", "said"), REFUSED.items())
def test_what_is_refused_says_why(address: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        parse(address)
    assert said in str(refused.value)


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "form", ["redis://u:{}@cache:6379/2", "rediss://:{}@[::1]/0?db=1", "unix://u:{}@/run/redis.sock?db=2",
             "redis+sentinel://:{}@a:1,b:2/deals/0"]
)  # fmt: skip
def test_a_password_is_what_was_written_escaped_or_not(password: str, form: str) -> None:
    assert parse(form.format(quote(password, safe=""))).password == password
    if "%" not in password:
        assert parse(form.format(password)).password == password


@given(st.text(st.characters(codec="ascii", exclude_characters="%\0"), min_size=8, max_size=20))
def test_any_password_is_read_back_escaped_and_shown_by_nothing(password: str) -> None:
    address = parse(f"redis://u:{quote(password, safe='')}@cache:6379/1")
    assert address.password == password
    assert f"{address!r} {address}" == f"{parse('redis://u:x@cache:6379/1')!r} redis://cache:6379/1"


@pytest.mark.parametrize("secret", ["Zr8Kw2Pq/5Xn7", "Zr8K@w2Pq5X#n7", "Zr8Kw2[Pq5Xn7", "Zr8Kw2?Pq5Xn7"])
@pytest.mark.parametrize("form", ["redis://:{}@cache:port/0", "redis://:{}@cache/zero", "redis://cache:{}/0",
                                  "redis://:{}@:x", "unix://:{}@redis.sock", "redis://u:{}",
                                  "rediss://{}@x y"])  # fmt: skip
def test_no_error_shows_a_piece_of_a_password(secret: str, form: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # any of them
        parse(form.format(secret))
    assert shown(str(refused.value), secret, length=4) == set()


def test_a_secret_is_known_however_it_was_written() -> None:
    assert "p/w" in secrets_in("redis://u:p/w@cache/0")
    assert "w" in secrets_in("redis+sentinel://a/deals?sentinel_password=w")
    assert "k&y" in secrets_in("rediss://cache?ssl_password=k&y")


@pytest.mark.parametrize("address", [address for address in TAKEN if "sentinel" not in address])
def test_redis_py_takes_what_the_address_says(address: str) -> None:
    pool = pool_of(parse(address), socket_timeout=1)
    pool.make_connection()  # would refuse an option that it does not know
    assert pool.connection_kwargs["db"] == parse(address).db


def test_a_plain_address_means_what_redis_py_means_by_it() -> None:
    for address in ("redis://u:p%2Fw@cache:7/3", "rediss://cache/1", "unix://u:p@/run/x.sock?db=4"):
        theirs, ours = redis.ConnectionPool.from_url(address), pool_of(parse(address))
        assert theirs.connection_class is ours.connection_class
        for name in ("path", "host", "db", "username", "password"):
            assert theirs.connection_kwargs.get(name) == ours.connection_kwargs.get(name)


def test_files_of_the_address_are_looked_at(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with pytest.raises(SettingsError, match=r"ssl_ca_certs=.*cannot be read \(No such file"):
        parse(f"rediss://cache?ssl_ca_certs={ca}").check_files()
    ca.write_text("nothing")
    with pytest.raises(SettingsError, match=r"is no PEM file"):
        parse(f"rediss://cache?ssl_ca_certs={ca}").check_files()
    ca.write_text("-----BEGIN CERTIFICATE-----\n")
    parse(f"rediss://cache?ssl_ca_certs={ca}").check_files()

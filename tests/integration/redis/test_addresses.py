"""Every kind of address, spoken to by both clients: redis-py's and the broker's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from kombu import Connection, Queue
from kombu.transport import redis as over_redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from keepa_deals.addresses.redis import RedisAddress, parse
from keepa_deals.deployment.embedded_redis import find_server
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.ports import free_port
from keepa_deals.ops import preflight
from keepa_deals.redis_store import connect, connect_probe
from keepa_deals.settings import Settings
from keepa_deals.worker.broker import GuardedTransport
from tests.support.secrets import shown
from tests.support.servers.redis import NO_PERSISTENCE, RedisServer

PASSWORD = "p@ss/w:rd#?[9Kx"
LOCKS = "~update_recent_deals_lock ~backfill_deals_lock ~check_listings_lock"
ALL = f"~keepa_deals:* {LOCKS} +@all -@admin -flushall -flushdb"


def settings_for(url: str, **more: Any) -> Settings:
    return Settings(_env_file=None, redis_url=url, **more)  # type: ignore[call-arg]


def speak(url: str) -> None:
    """Both clients write and read through the address."""
    client = connect(settings_for(url))
    client.set("keepa_deals:test", "1", px=1000)
    assert client.get("keepa_deals:test") == "1"
    client.close()
    assert message_through(parse(url)) == "hello"


class BareTransport(GuardedTransport):
    """Ours, without a look at the messages: that wants a whole Celery app."""

    def _deliver(self, message: Any, queue: str) -> None:
        over_redis.Transport._deliver(self, message, queue)


def message_through(address: RedisAddress) -> Any:
    options = {"address": address, "global_keyprefix": "keepa_deals:", "socket_timeout": 5}
    told: list[Any] = []
    queue = Queue("addresses")

    def take(body: Any, message: Any) -> None:
        told.append(body)
        message.ack()

    with Connection("never.invalid", transport=BareTransport, transport_options=options) as connection:
        connection.Producer().publish("hello", routing_key=queue.name, declare=[queue])
        with connection.Consumer([queue], callbacks=[take]):
            connection.drain_events(timeout=5)
    return told[0]


@contextmanager
def server(folder: Path, *flags: str, asked: str = "", **client: Any) -> Iterator[int]:
    """A Redis with these flags; its port. ``asked`` is a URL with ``{}`` for the port, to wait on."""
    port = free_port()
    words = [flag.replace("{}", str(port)) for flag in flags]
    command = [str(find_server()), *words, "--dir", str(folder)]
    command += NO_PERSISTENCE if "--sentinel" not in words else ()
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        patient = Retry(ConstantBackoff(0.02), 500)
        with redis.Redis.from_url(
            (asked or "redis://127.0.0.1:{}").format(port), retry=patient, **client
        ) as ready:
            ready.ping()
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.parametrize(
    "options",
    ["/0", "/2", "?db=3", "?protocol=2", "?protocol=3", "/1?protocol=3&client_name=kd", "?max_connections=4"],
)
def test_options_mean_the_same_to_both(redis_server: RedisServer, options: str) -> None:
    speak(f"redis://127.0.0.1:{redis_server.port}{options}")


def test_a_password_with_anything_in_it_and_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    flags = ("--port", "{}", "--unixsocket", str(path), "--requirepass", PASSWORD)
    with server(tmp_path, *flags, asked=f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{{}}") as port:
        for written in (PASSWORD, quote(PASSWORD, safe="")):
            speak(f"redis://:{written}@127.0.0.1:{port}/1")
            speak(f"unix://:{written}@{path}?db=2")
            speak(f"unix://{path}?db=2&password={quote(PASSWORD, safe='')}")
        with pytest.raises(OpsError) as refused:
            preflight.redis_answers(settings_for(f"redis://:{PASSWORD}x@127.0.0.1:{port}"))
        assert shown(str(refused.value), PASSWORD, length=4) == set()


@pytest.mark.parametrize(
    ("rights", "wanted"),
    [
        (ALL, ""),
        (ALL.replace("~update_recent_deals_lock ", ""), "~update_recent_deals_lock"),
        (ALL.replace("~keepa_deals:* ", "~other:* "), "~keepa_deals:*"),
        (f"{ALL} -brpop", "+brpop"),
        (f"{ALL} -info -brpop", "+info +brpop"),
        (f"{ALL} -@scripting", "+script +eval"),
        (f"{ALL} -@dangerous", "+info"),
    ],
)
def test_a_user_that_lacks_a_right_is_told_which(tmp_path: Path, rights: str, wanted: str) -> None:
    with server(tmp_path, "--port", "{}") as port:
        with redis.Redis(port=port) as client:
            client.execute_command("ACL", "SETUSER", "deals", "on", f">{PASSWORD}", *rights.split())
        url = f"redis://deals:{PASSWORD}@127.0.0.1:{port}/0"
        if not wanted:
            assert preflight.redis_answers(settings_for(url)).endswith("writable")
            speak(url)
            return
        with pytest.raises(OpsError) as refused:
            preflight.redis_answers(settings_for(url))
        said = str(refused.value)
        assert all(f" {word}" in said for word in wanted.split()), said
        assert f"(all that it needs: {ALL})" in said
        assert shown(said, PASSWORD, length=4) == set()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder)
    return folder


def make_certificates(folder: Path) -> None:
    """A CA, and a certificate of it for ``localhost``."""
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    run = {"cwd": folder, "check": True, "capture_output": True}
    subprocess.run([*new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA"], **run)
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"]
    subprocess.run([*new, "-keyout", "server.key", "-out", "server.pem", *signed, *names], **run)


def test_tls_is_verified_by_both_against_an_own_ca(tmp_path: Path, certificates: Path) -> None:
    flags = ("--port", "0", "--tls-port", "{}", "--tls-auth-clients", "no", "--tls-cert-file")
    flags += (f"{certificates}/server.pem", "--tls-key-file", f"{certificates}/server.key")
    flags += ("--tls-ca-cert-file", f"{certificates}/ca.pem")
    ca = f"ssl_ca_certs={certificates}/ca.pem"
    with server(tmp_path, *flags, asked=f"rediss://localhost:{{}}?{ca}") as port:
        for query in (
            ca,
            f"{ca}&ssl_cert_reqs=required&db=1",
            f"{ca}&ssl_cert_reqs=CERT_REQUIRED",
            "ssl_cert_reqs=none",
        ):
            speak(f"rediss://localhost:{port}?{query}")
        for refused in ("rediss://localhost:{}", f"rediss://127.0.0.1:{{}}?{ca}"):
            with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                connect_probe(settings_for(refused.format(port))).ping()
            with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):  # kombu's own kind
                message_through(parse(refused.format(port)))
        speak(f"rediss://127.0.0.1:{port}?{ca}&ssl_check_hostname=false")
        with pytest.raises(OpsError, match=r"ssl_ca_certs=/none\.pem cannot be read"):
            preflight.redis_answers(settings_for(f"rediss://localhost:{port}?ssl_ca_certs=/none.pem"))


def test_sentinels_lead_to_the_master(tmp_path: Path) -> None:
    asked = f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{{}}"
    with server(tmp_path, "--port", "{}", "--requirepass", PASSWORD, asked=asked) as port:
        conf = tmp_path / "sentinel.conf"
        conf.write_text(f'sentinel monitor deals 127.0.0.1 {port} 1\nsentinel auth-pass deals "{PASSWORD}"\n')
        with server(tmp_path, str(conf), "--port", "{}", "--sentinel") as watcher:
            url = f"redis+sentinel://:{PASSWORD}@127.0.0.1:1,127.0.0.1:{watcher}/deals/2"
            speak(url)
            assert preflight.redis_answers(settings_for(url)).endswith("writable")
            with pytest.raises(OpsError, match="No master found for 'others'"):
                preflight.redis_answers(settings_for(url.replace("/deals/", "/others/")))


def test_a_node_of_a_cluster_is_refused_with_the_reason(tmp_path: Path) -> None:
    with server(tmp_path, "--port", "{}", "--cluster-enabled", "yes") as port:
        with redis.Redis(port=port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        with pytest.raises(OpsError, match="Redis Cluster"):
            preflight.redis_answers(settings_for(f"redis://127.0.0.1:{port}"))

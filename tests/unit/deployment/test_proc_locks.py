"""The kernel's list of locks."""

from __future__ import annotations

from pathlib import Path

from keepa_deals.deployment.proc_locks import KernelLock, read_kernel_locks


def test_each_lock_that_is_held_is_read_and_who_waits_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "locks"
    source.write_text(
        "1: POSIX  ADVISORY  WRITE 123 08:01:4711 1073741825 1073742335\n"
        "1: -> POSIX  ADVISORY  WRITE 124 08:01:4711 0 EOF\n"
        "2: FLOCK  ADVISORY  WRITE -1 00:2e:9 0 EOF\n"
        "3: OFDLCK ADVISORY  READ -1 00:06:30 0 0\n"
        "nonsense\n"
    )
    assert read_kernel_locks(source) == (
        KernelLock("POSIX", "WRITE", 123, 4711),
        KernelLock("FLOCK", "WRITE", -1, 9),
        KernelLock("OFDLCK", "READ", -1, 30),
    )


def test_a_system_without_such_a_list_tells_nothing(tmp_path: Path) -> None:
    assert read_kernel_locks(tmp_path / "none") is None

"""A deploy that demands signed commits: what it refuses, and which commit it names."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.checkout import Checkout

SETTING = "DEPLOY_VERIFY_COMMITS"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A clone whose first commit counts as in service, and that trusts one key."""
    folder = tmp_path_factory.mktemp("signed")
    clone = Checkout(folder / "clone")
    for name in ("trusted", "other"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(command, check=True)
    public = (folder / "trusted.pub").read_text()
    (folder / "signers").write_text(f"test@localhost {public}")
    clone.git("config", "gpg.format", "ssh")
    clone.git("config", "gpg.ssh.allowedSignersFile", str(folder / "signers"))
    clone.git("update-ref", "refs/keepa-deals/deployed", "HEAD")
    clone.environment[SETTING] = "1"
    return clone


@pytest.fixture
def base(clone: Checkout) -> str:
    """The version in service, checked out."""
    commit = clone.git("rev-parse", "refs/keepa-deals/deployed")
    clone.git("checkout", "--quiet", commit)
    return commit


def commit(clone: Checkout, subject: str, key: str | None) -> str:
    sign = ["-c", f"user.signingkey={clone.root.parent / key}"] if key else []
    flag = "--gpg-sign" if key else "--no-gpg-sign"
    clone.git(*sign, "commit", "--quiet", "--allow-empty", "--message", subject, flag)
    return clone.head()[:10]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ((None,), "is not signed: change 0"),
        ((None, "trusted"), "is not signed: change 0"),
        (("trusted", None), "is not signed: change 1"),
        (("other",), "has a signature that is not good here"),
    ],
)
def test_a_version_with_a_commit_that_is_not_signed_is_refused(
    clone: Checkout, base: str, keys: tuple[str | None, ...], words: str
) -> None:
    commits = [commit(clone, f"change {number}", key) for number, key in enumerate(keys)]
    bad = commits[next(number for number, key in enumerate(keys) if key != "trusted")]
    dry = clone.run("deploy_update.sh", "--dry-run")
    assert dry.returncode == 1
    assert f"commit {bad} {words}" in dry.stderr
    assert clone.head() != base, "a dry run changes nothing"
    done = clone.run("deploy_update.sh")
    assert done.returncode == 1
    assert f"commit {bad} {words}" in done.stderr
    assert f"{base[:10]} is checked out again, nothing was stopped" in done.stderr
    assert clone.head() == base


def test_the_setting_in_the_file_counts_as_well(clone: Checkout, base: str) -> None:
    commit(clone, "unsigned", None)
    del clone.environment[SETTING]
    file = clone.root / ".env"
    try:
        for line, refused in ((f"export {SETTING} = 'True' # yes\n", True), (f"#{SETTING}=1\n", False)):
            file.write_text(line)
            assert ("is not signed" in clone.run("deploy_update.sh", "--dry-run").stderr) is refused
    finally:
        file.unlink()
        clone.environment[SETTING] = "1"


def test_a_version_whose_commits_are_all_signed_is_taken(clone: Checkout, base: str) -> None:
    for number in range(2):
        commit(clone, f"change {number}", "trusted")
    done = clone.run("deploy_update.sh", "--dry-run")
    assert "signature" not in done.stderr
    assert f"would deploy {base[:10]}" in done.stdout, done.stderr

"""Which version of the code is in service: a git ref, so that going back needs nothing but git."""

from __future__ import annotations

import shutil
import subprocess

from keepa_deals.deployment.errors import OpsError
from keepa_deals.settings import PROJECT_ROOT

DEPLOYED = "refs/keepa-deals/deployed"


def refuse_unreadable() -> None:
    """An ``OpsError`` when git has a checkout here and tells us nothing: no way back would be known."""
    if not (PROJECT_ROOT / ".git").exists():
        return
    git = shutil.which("git")
    if git is None:
        raise OpsError("this is a git checkout, and git is not installed: without it no way back is known")
    done = _run(git, "rev-parse", "--verify", "HEAD")
    if done.returncode != 0:
        raise OpsError(
            f"git does not read this checkout, so no way back is known: {done.stderr.strip()}\n"
            "Deploy as the user whose checkout it is"
        )


def current() -> str | None:
    """The commit that is checked out; ``None`` where there is no git checkout."""
    return _git("rev-parse", "--verify", "HEAD")


def deployed() -> str | None:
    """The commit that was last seen to work in service."""
    return _git("rev-parse", "--verify", DEPLOYED)


def remember() -> None:
    """Note that the commit that is checked out works in service."""
    if current() is not None:
        _git("update-ref", DEPLOYED, "HEAD")


def local_changes() -> bool:
    """Whether files under version control differ from the commit: going back would lose them."""
    return bool(_git("status", "--porcelain", "--untracked-files=no"))


def changed_between(old: str, new: str, *paths: str) -> bool:
    """Whether any of the files differ between two commits."""
    return bool(_git("diff", "--name-only", old, new, "--", *paths))


def go_to(commit: str) -> None:
    """Check out ``commit``; an ``OpsError`` with git's words when that fails."""
    git = str(shutil.which("git"))
    done = _run(git, "-c", "advice.detachedHead=false", "checkout", "--quiet", commit)
    if done.returncode != 0:
        raise OpsError(f"git cannot go back to {commit[:10]}: {done.stderr.strip()}")


def _git(*arguments: str) -> str | None:
    """What git says; ``None`` when it fails or is not there."""
    git = shutil.which("git")
    if git is None:
        return None
    done = _run(git, *arguments)
    return done.stdout.strip() if done.returncode == 0 else None


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # fixed arguments, and commits that git itself gave us
        command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )

"""What docs/gitops-managed.md and gitops/recipes hand out, as a user takes it: copied, renamed, and its commands run.

Nothing else is changed but times: steps of minutes become steps of seconds.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from e2e.managed.shop import ManagedShop
from e2e.shop import NAME

ROOT = Path(__file__).parents[2]
RECIPES = Path("gitops/recipes")
PAGE = ROOT / "docs" / "gitops-managed.md"
QUICK = "  traffic: {{settle: {settle}}}\n  analysis: {{interval: 1s, warmup: 0s}}\n"
"""The end of a Canary's spec."""
TIMEOUT = 60.0
CLAIMED = 'conflict with "canary-controller"'


class Recipes:
    """The recipes in a directory of the test, for the application and the namespace of `shop`.

    `hold` is how long each of the recipes' steps is held.
    """

    def __init__(self, shop: ManagedShop, directory: Path, *, hold: str = "1s", helm: Path | None = None) -> None:
        self._shop, self._directory, self._hold = shop, directory, hold
        self._programs(helm)
        for path in (ROOT / RECIPES).rglob("*"):
            if path.is_file():
                copy = directory / self._renamed(str(path.relative_to(ROOT)))
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(self._adapted(path.read_text("utf-8")), "utf-8")

    def path(self, name: str) -> Path:
        """A file or directory of the copy, by its name in gitops/recipes."""
        return self._directory / RECIPES / self._renamed(name)

    def application(self) -> list[dict[str, Any]]:
        """The manifests of gitops/recipes/app, as they are now."""
        app = self.path("app")
        names = yaml.safe_load((app / "kustomization.yaml").read_text("utf-8"))["resources"]
        return [yaml.safe_load((app / name).read_text("utf-8")) for name in names]

    def edit(self, name: str, old: str, new: str) -> None:
        """What a commit does to a file of the copy; `old` is in it once."""
        path = self.path(name)
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} is in {name} {text.count(old)} times"
        path.write_text(text.replace(old, new), "utf-8")

    def shown(self, kind: str) -> dict[str, Any]:
        """The only manifest of this kind in the page."""
        blocks = (yaml.safe_load(self._adapted(block)) for block in self._blocks("yaml"))
        (found,) = (block for block in blocks if block.get("kind") == kind)
        return dict(found)

    def commands(self, heading: str) -> list[str]:
        """The commands under a heading of the page, renamed, in their order."""
        blocks = self._blocks("sh", heading)
        return [self._adapted(line) for block in blocks for line in block.splitlines() if line]

    def run(self, command: str) -> str:
        """What a command prints; it must succeed, and have nothing to complain of.

        As the page says, who meets a write of the controller's in the moment before its claim is dropped applies again:
        a claim that stays is met by the second attempt as well.
        """
        done = self.attempt(command)
        if done.returncode and CLAIMED in done.stderr:
            done = self.attempt(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert not re.search(r"conflict|warning|error", done.stderr, re.IGNORECASE), f"{command}\n{done.stderr}"
        return done.stdout

    def attempt(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command as in the page, in the directory that holds `gitops`."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._shop.plane.kubeconfig(namespace=self._shop.namespace)),
            "KUBECACHEDIR": str(self._directory / "kubectl-cache"),
            "PATH": f"{self._directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        return subprocess.run(
            shlex.split(command) if not command.startswith("canary ") else self._canary(command),
            cwd=self._directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def _canary(self, command: str) -> list[str]:
        # As from a checkout: this directory is none.
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from canary.cli.main import main; sys.exit(main())"
        return [sys.executable, "-c", code, *shlex.split(command)[1:]]

    def _programs(self, helm: Path | None) -> None:
        """The programs that the commands name."""
        programs = self._directory / "bin"
        programs.mkdir(parents=True)
        (programs / "kubectl").symlink_to(Path(sys.executable).parent / "kubectl")
        if helm is not None:
            (programs / "helm").symlink_to(helm)

    def _blocks(self, language: str, heading: str | None = None) -> Iterator[str]:
        text = PAGE.read_text("utf-8")
        if heading is not None:
            (text,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
        yield from re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)

    def _adapted(self, text: str) -> str:
        text = self._renamed(text)
        text = re.sub(r"(namespace:? )shop\b", rf"\g<1>{self._shop.namespace}", text)
        text = re.sub(r"(hold: )\d+m", rf"\g<1>{self._hold}", text)
        end = QUICK.format(settle=self._shop.settle)
        return text + end if re.search(r"^kind: Canary$", text, re.MULTILINE) else text

    def _renamed(self, text: str) -> str:
        return text.replace("podinfo", NAME)

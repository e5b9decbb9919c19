"""Tokens: when files are read, and what a 401 does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from canary.kube.clock import LoopClock
from canary.kube.credentials import BadConfig, Kubeconfig, Token, TokenFile
from canary.sandbox.virtual_time import run_virtual


def clock() -> LoopClock:
    return LoopClock(datetime(2026, 1, 1, tzinfo=UTC))


def test_a_fixed_token_is_never_renewed_and_an_empty_one_not_sent() -> None:
    assert run_virtual(Token("t").headers()) == {"Authorization": "Bearer t"}
    assert run_virtual(Token().headers()) == {}
    assert run_virtual(Token("t").renew()) is False


def test_a_token_file_is_read_again_after_a_minute_and_not_before(tmp_path: Path) -> None:
    file = tmp_path / "token"

    async def main() -> None:
        tokens = TokenFile(file, clock())
        file.write_text("one\n")
        assert await tokens.headers() == {"Authorization": "Bearer one"}
        file.write_text("two\n")
        await asyncio.sleep(59)
        assert await tokens.headers() == {"Authorization": "Bearer one"}
        await asyncio.sleep(1)
        assert await tokens.headers() == {"Authorization": "Bearer two"}

    run_virtual(main())


@pytest.mark.parametrize("content", [None, ""])
def test_a_token_file_that_goes_missing_keeps_the_old_token(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"

    async def main() -> None:
        tokens = TokenFile(file, clock())
        file.write_text("one")
        await tokens.headers()
        file.unlink() if content is None else file.write_text(content)
        await asyncio.sleep(61)
        assert await tokens.headers() == {"Authorization": "Bearer one"}
        assert await tokens.renew() is False

    run_virtual(main())


def test_a_kubeconfig_is_loaded_again_once_for_many_refusals() -> None:
    loads: list[float] = []

    async def current() -> Mapping[str, str]:
        return {"n": str(len(loads))}

    async def main() -> None:
        now = clock()

        async def reload() -> None:
            await asyncio.sleep(1)
            loads.append(now.monotonic())

        credentials = Kubeconfig(current, reload, now)
        assert await asyncio.gather(*(credentials.renew() for _ in range(5))) == [True] * 5
        assert await credentials.headers() == {"n": "1"}
        await asyncio.sleep(11)
        assert await credentials.renew()

    run_virtual(main())
    assert len(loads) == 2


def test_a_kubeconfig_that_cannot_be_loaded_any_more_is_not_worth_another_try() -> None:
    async def current() -> Mapping[str, str]:
        return {}

    async def reload() -> None:
        raise BadConfig("gone")

    async def main() -> None:
        assert await Kubeconfig(current, reload, clock()).renew() is False

    run_virtual(main())

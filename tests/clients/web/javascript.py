"""Running the page's modules outside a browser, in the Node.js that Playwright brings along."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright._impl._driver import compute_driver_executable

WEB = Path(__file__).parents[3] / "clients" / "web"
NODE = compute_driver_executable()[0]


class Program:
    """A module that runs, and writes JSON values, one a line."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def value(self) -> Any:
        """Return the next value."""
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            assert self._process.stderr
            raise AssertionError((await self._process.stderr.read()).decode())
        return json.loads(line)

    async def values(self) -> list[Any]:
        """Return all that it writes until it ends by itself."""
        out, err = await self._process.communicate()
        assert self._process.returncode == 0, err.decode()
        return [json.loads(line) for line in out.splitlines()]


@contextlib.asynccontextmanager
async def javascript(program: str, *arguments: Any) -> AsyncIterator[Program]:
    """Run a program; ``load`` imports a file of the page, ``say`` writes a value.

    Args:
        program: Statements, which may ``await``.
        arguments: What it finds in ``given``.
    """
    text = (
        "const load = (name) => import(process.argv[1] + '/' + name);\n"
        "const given = JSON.parse(process.argv[2]);\n"
        "const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');\n" + program
    )
    process = await asyncio.create_subprocess_exec(
        NODE,
        "--input-type=module",
        "--eval",
        text,
        WEB.as_uri(),
        json.dumps(arguments),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def values_of(program: str, *arguments: Any) -> list[Any]:
    """Return all that a program writes."""
    async with javascript(program, *arguments) as running:
        return await running.values()

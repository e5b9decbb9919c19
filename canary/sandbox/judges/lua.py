"""Runs a Lua script as Argo CD does: Lua 5.1 with `obj` as a global, and almost no library.

Argo CD opens the base, package and table libraries and an `os` with `time` and `date` alone
(https://github.com/argoproj/argo-cd/blob/master/util/lua/lua.go). lupa, which is needed here, is a development
dependency and is imported when the first script runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

Plain: TypeAlias = Any
"""JSON values: `None`, `bool`, `int`, `float`, `str`, `list`, `dict`."""

_KEPT_LIBRARIES = {"_G", "table"}

# Everything that Argo CD does not open goes, and with `string` the methods of strings: they hang on a metatable.
_CONFINE = """
getmetatable("").__index = nil
local date, now, kept = ...
local loaded = package.loaded
for name in pairs(loaded) do
  if not kept[name] then loaded[name] = nil; _G[name] = nil end
end
for _, name in ipairs({"python", "package", "dofile", "loadfile", "newproxy"}) do _G[name] = nil end
loaded.os = {date = date, time = now}
_G.os = loaded.os
_G.require = function(name) return loaded[name] or error("module " .. name .. " not found") end
"""


class JudgeUnavailable(Exception):
    """A judge cannot work here; the message says what to install or where to run."""


class ScriptError(Exception):
    """The script failed; the message is Lua's."""


def run(script: str, obj: Mapping[str, Plain], *, wall: float = 0.0) -> Plain:
    """What `script` returns for `obj`, as JSON values; an empty table is an empty list, as in Argo CD.

    `wall` is the time that the script sees, in Unix seconds. Raises `ScriptError`, and `JudgeUnavailable` without lupa.
    """
    try:
        engine: Any = importlib.import_module("lupa.lua51")
    except ModuleNotFoundError as error:
        raise JudgeUnavailable("the Argo CD judge needs lupa: pip install lupa") from error
    lua = engine.LuaRuntime(register_eval=False, register_builtins=False)
    lua.execute(_CONFINE, _date(wall), lambda: int(wall), lua.table_from(dict.fromkeys(_KEPT_LIBRARIES, True)))
    lua.globals().obj = _to_lua(lua, obj)
    try:
        return _to_python(engine, lua.execute(script))
    except engine.LuaError as error:
        raise ScriptError(str(error)) from error


def _date(wall: float) -> Any:
    def date(pattern: str = "%c", *_: Any) -> str:
        # A leading "!" asks for UTC; the answer here always is.
        return datetime.fromtimestamp(int(wall), UTC).strftime(pattern.removeprefix("!"))

    return date


def _to_lua(lua: Any, value: Plain) -> Any:
    if isinstance(value, Mapping):
        table = lua.table()
        for key, item in value.items():
            table[key] = _to_lua(lua, item)
        return table
    if isinstance(value, (list, tuple)):
        return lua.table(*(_to_lua(lua, item) for item in value))
    return value


def _to_python(engine: Any, value: Any) -> Plain:
    if engine.lua_type(value) != "table":
        return int(value) if isinstance(value, float) and value.is_integer() else value
    keys = list(value.keys())
    if keys == list(range(1, len(keys) + 1)):
        return [_to_python(engine, value[key]) for key in keys]
    return {str(key): _to_python(engine, value[key]) for key in keys}

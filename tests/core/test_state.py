"""The annotation on the split: what is written is read back, and nothing else is believed."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.decision import Act, Change, Direction, stamped
from canary.core.phases import Phase
from canary.core.state import (
    MAX_REJECTED,
    Earlier,
    Gate,
    Said,
    State,
    UnknownVersion,
    WriteId,
    decode_state,
    encode_state,
    reject,
)

NAME = "n" * 63
REVISION = f"{NAME}-0123456789"
FULL = State(
    uid="0" * 36, seq=2**53 - 1, writer="w" * 63, attempt=2**31, epoch=2**31, phase=Phase.PROGRESSING, weight=100,
    step=50, plan="0" * 12, since=1767225600.123456, moved=1767225600.123456,
    change=WriteId(2**53 - 1, "w" * 63, 2**31),
    started=1767225600.123456, revision=REVISION, canary=NAME, serving=NAME, promoted=REVISION,
    rejected=(REVISION,) * MAX_REJECTED, failed=1000, lost=3, window=1767225600.123456,
    gate=Gate("Window", REVISION, ("0123456789",), 1767225600.1, 1767225600.1, 1e9,
              {f"{n:063}": "Healthy" for n in range(16)}, "0" * 36, WriteId(2**53 - 1, "w" * 63, 2**31)),
    approvals=tuple(f"{n:032}" for n in range(50)), command="c" * 160, abort="a" * 160, pause="ManualWeight",
    reason="ProgressDeadlineExceeded", note="n" * 400, label="l" * 253, trial="t" * 253,
    said=(Said("ProgressDeadlineExceeded", "n" * 400, True),),
    earlier=(Earlier(2**53 - 1, Phase.PROGRESSING, 100, REVISION, (Said("WeightAdvanced", "n" * 400, True),)),) * 2,
)  # fmt: skip


def test_a_full_state_is_read_back_and_stays_below_8_kib():
    text = encode_state(FULL)

    assert decode_state(text) == FULL
    assert len(text.encode()) < 8192


def test_a_small_state_has_its_version_and_no_empty_field():
    assert json.loads(encode_state(State(uid="u", seq=1))) == {"v": 1, "uid": "u", "seq": 1}


WORDS = st.text(max_size=30)
NUMBERS = st.floats(0, 2e9, allow_nan=False)
IDS = st.builds(WriteId, seq=st.integers(0, 2**53), writer=WORDS, attempt=st.integers(0, 2**31))
GATES = st.builds(Gate, kind=WORDS, revision=WORDS, pods=st.tuples(WORDS), start=NUMBERS, end=NUMBERS, requests=NUMBERS,
                  verdicts=st.dictionaries(WORDS, WORDS, max_size=3), split=WORDS, change=IDS)  # fmt: skip
STATES = st.builds(
    State, uid=WORDS, seq=st.integers(1, 2**53), writer=WORDS, phase=st.sampled_from(Phase), weight=st.integers(0, 100),
    step=st.integers(0, 51), since=NUMBERS, moved=NUMBERS, change=IDS, revision=WORDS, canary=WORDS, serving=WORDS,
    rejected=st.lists(WORDS, max_size=10).map(tuple), failed=st.integers(0, 1000), window=NUMBERS,
    gate=st.none() | GATES, approvals=st.lists(WORDS, max_size=3).map(tuple), command=WORDS, note=WORDS,
    said=st.lists(st.builds(Said, reason=WORDS, note=WORDS, warning=st.booleans()), max_size=2).map(tuple),
)  # fmt: skip


@given(STATES)
def test_any_state_is_read_back(state):
    assert decode_state(encode_state(state)) == state


@pytest.mark.parametrize("text", [None, "", " ", "null", "1", "[]", "{", '"x"', "{}", '{"v":1}', '{"v":"1","seq":1}',
                                  '{"v":1,"seq":0}', '{"v":1,"seq":-1}', '{"v":0,"seq":1}', '{"seq":1,"weight":101}',
                                  '{"v":1,"seq":1,"weight":-1}', '{"v":1,"seq":1,"weight":5.5}',
                                  '{"v":1,"seq":1,"phase":"Lost"}', '{"v":1,"seq":1,"rejected":"x"}',
                                  '{"v":1,"seq":1,"since":"NaN"}', "[" * 10, '{"v":null}'])  # fmt: skip
def test_what_is_no_state_counts_as_missing(text):
    assert decode_state(text) is None


@pytest.mark.parametrize("text", ['{"v":2}', '{"v":99,"weight":"5","phase":{"name":"Lost"}}', '{"seq":[],"v":2}'])
def test_a_newer_version_is_said_so_whatever_else_it_holds(text):
    with pytest.raises(UnknownVersion, match="newer than 1"):
        decode_state(text)


def test_unknown_fields_of_this_version_are_left_out():
    assert decode_state('{"v":1,"seq":1,"later":{"x":[1]}}') == State(seq=1)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"v":1,"x":' + "[" * 100_000, '{"v":' + "9" * 5000 + "}", "x" * 10**6,
                                  '{"v":1,"seq":1,"x":' + '{"a":' * 50_000 + "1" + "}" * 50_001])  # fmt: skip
def test_huge_and_deep_text_does_no_harm(text):
    assert decode_state(text) is None


@given(st.text(max_size=200) | st.dictionaries(st.sampled_from(State.__struct_fields__), st.integers() | st.text(),
                                               max_size=5).map(json.dumps))  # fmt: skip
def test_any_text_is_a_state_or_missing_or_newer(text):
    try:
        state = decode_state(text)
    except UnknownVersion:
        return
    assert state is None or (state.v == 1 and state.seq > 0 and 0 <= state.weight <= 100)


def test_rejected_revisions_are_the_last_ten_without_repetition():
    rejected = ()
    for name in [f"r{n}" for n in range(12)] + ["r5", ""]:
        rejected = reject(rejected, name)

    assert rejected == ("r2", "r3", "r4", "r6", "r7", "r8", "r9", "r10", "r11", "r5")


def change(**overrides):
    fields = {"act": Act.UPDATE, "state": State(seq=4, epoch=2, moved=7.0, change=WriteId(3, "x", 1)), "backends": (),
              "direction": Direction.UP, "moves": True}  # fmt: skip
    return Change(**(fields | overrides))


def stamp(wanted):
    return stamped(wanted, base_seq=4, writer="me", attempt=9, epoch=5, wall=100.0)


def test_a_write_that_moves_names_itself_as_the_last_move():
    state = stamp(change())

    assert (state.id, state.change, state.moved, state.epoch) == (WriteId(5, "me", 9), WriteId(5, "me", 9), 100.0, 5)


def test_a_write_that_does_not_move_keeps_the_last_move():
    state = stamp(change(moves=False))

    assert (state.id, state.change, state.moved) == (WriteId(5, "me", 9), WriteId(3, "x", 1), 7.0)


@pytest.mark.parametrize(("direction", "act", "epoch"), [(Direction.DOWN, Act.UPDATE, 2),
                                                         (Direction.DOWN, Act.CREATE, 5),
                                                         (Direction.LEVEL, Act.UPDATE, 5)])  # fmt: skip
def test_a_lowering_keeps_the_epoch(direction, act, epoch):
    assert stamp(change(direction=direction, act=act)).epoch == epoch


def test_states_are_values():
    with pytest.raises(AttributeError):
        FULL.weight = 5
    assert msgspec.structs.replace(FULL) == FULL

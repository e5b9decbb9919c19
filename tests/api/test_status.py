"""The status fits the definition, and a status that does not is no reason to stop."""

from __future__ import annotations

import msgspec

from canary.api import fields
from canary.api import status as parts
from canary.api.canary import Canary, CanaryStatus, status_of
from canary.api.conditions import ConditionType, Reason
from canary.api.crd import schema
from canary.api.meta import ObjectMeta
from canary.api.schema import check

STATUS = schema()["properties"]["status"]
NOW = "2026-01-01T12:05:40Z"


def largest() -> CanaryStatus:
    """A status with every field as long as it may be."""
    message, revision, text = "m" * fields.MAX_MESSAGE, "r" * fields.MAX_REVISION, "t" * fields.MAX_TEXT
    return CanaryStatus(
        observed_generation=7,
        phase=text,
        canary_weight=100,
        step=1000,
        steps=1000,
        stable_revision=revision,
        canary_revision=revision,
        promoted_revision=revision,
        last_applied_revision=revision,
        failed_windows=10**9,
        next_evaluation=NOW,
        message=message,
        metrics=tuple(
            parts.MetricStatus(name=f"m{i}", verdict="Healthy", canary=text, stable=text, limit=text, message=message)
            for i in range(parts.MAX_METRICS)
        ),
        conditions=tuple(
            parts.Condition(
                type=f"{ConditionType.READY}{i}",
                status="True",
                observed_generation=7,
                last_transition_time=NOW,
                reason=Reason.SERVING,
                message=message,
            )
            for i in range(parts.MAX_CONDITIONS)
        ),
        history=(parts.HistoryEntry(revision=revision, started_at=NOW, ended_at=NOW, outcome=text, reason=text),)
        * parts.MAX_HISTORY,
        record=parts.Record(
            seq=2**53 - 1,
            epoch=5,
            split_uid=text,
            serving=text,
            promoted=revision,
            rejected=(revision,) * parts.MAX_REJECTED,
            command=revision,
            abort=revision,
            split_version=text,
        ),
    )


def plain(status: CanaryStatus) -> object:
    return msgspec.json.decode(msgspec.json.encode(status))


def test_the_largest_status_fits_the_definition() -> None:
    assert list(check(STATUS, plain(largest()), "status")) == []


def test_an_empty_status_fits_the_definition() -> None:
    assert list(check(STATUS, plain(CanaryStatus()), "status")) == []


def test_a_status_longer_than_allowed_is_refused() -> None:
    long = msgspec.structs.replace(largest(), message="m" * (fields.MAX_MESSAGE + 1))
    assert [error.field for error in check(STATUS, plain(long), "status")] == ["status.message"]


def test_every_condition_and_reason_is_a_word_that_the_definition_takes() -> None:
    conditions = [parts.Condition(type=ConditionType.READY, status="True", reason=reason) for reason in Reason]
    conditions += [parts.Condition(type=kind, status="False") for kind in ConditionType]
    for condition in conditions:
        status = CanaryStatus(conditions=(condition,))
        assert list(check(STATUS, plain(status), "status")) == []


def test_every_word_has_a_meaning_of_its_own_in_one_line() -> None:
    for words in (ConditionType, Reason):
        meanings = [word.meaning for word in words]
        assert len(set(meanings)) == len(meanings)
        assert all(meaning.endswith(".") and "\n" not in meaning for meaning in meanings)


def test_a_status_is_read_back_as_it_was_written() -> None:
    raw = msgspec.Raw(msgspec.json.encode(largest()))
    assert status_of(Canary(ObjectMeta(), status=raw)) == largest()


def test_a_newer_status_is_read_without_the_fields_that_are_not_known() -> None:
    raw = msgspec.Raw(b'{"phase":"Idle","mood":"good","record":{"seq":3,"more":1}}')
    read = status_of(Canary(ObjectMeta(), status=raw))
    assert (read.phase, read.record) == ("Idle", parts.Record(seq=3))


def test_a_status_that_cannot_be_read_counts_as_empty() -> None:
    assert status_of(Canary(ObjectMeta(), status=msgspec.Raw(b'{"phase":5}'))) == CanaryStatus()

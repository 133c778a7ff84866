"""What training says, as lines of JSON."""

import json

import pytest

from charrnn.events import KINDS, Failed, Finished, Sample, Saved, Started, Step, Validation, from_json, to_json

EVENTS = [
    Started(0, 0.5, 1234, "cpu", 3.2, 2.9, "Because."),
    Step(3, 1.25, 0.1, 2.5, 0.01, 12345.6, 0.3),
    Validation(3, 1.3, 0.1, 2.75, 2.5, True),
    Sample(3, 1.3, "\n", 0.7, 1, 'quotes " and\nlines\u2028, 漢字 😀\x85'),
    Saved(3, 1.4),
    Finished(4, 2.0, "stopped", 2.75),
    Finished(0, 0.0, "stopped", None),
    Failed(4, 2.0, "It diverged."),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_survive_a_line_of_json(event):
    line = to_json(event)
    assert "\n" not in line
    assert from_json(line) == event
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_every_kind_is_covered():
    assert {type(event) for event in EVENTS} == set(KINDS.values())


@pytest.mark.parametrize("event", EVENTS[:4], ids=lambda event: type(event).__name__)
def test_a_torn_line_is_no_event(event):
    line = to_json(event)
    assert all(from_json(line[:cut]) is None for cut in range(len(line)))


@pytest.mark.parametrize("line", ["", "null", "[]", "7", '"x"', "{}", '{"event": "other"}', '{"event": []}', '{"event": "step"}'])
def test_what_is_no_event_is_none(line):
    assert from_json(line) is None


def test_fields_of_a_later_version_are_passed_over():
    line = json.loads(to_json(EVENTS[4])) | {"later": 1}
    assert from_json(json.dumps(line)) == EVENTS[4]
    without_reason = {key: value for key, value in json.loads(to_json(EVENTS[0])).items() if key != "reason"}
    assert from_json(json.dumps(without_reason)).reason == ""

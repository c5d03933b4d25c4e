"""The alert policies and the metric, read as Google's own messages, in which an unknown field is an error."""

import json
import re

import pytest
import yaml
from google.cloud import monitoring_v3
from google.cloud.logging_v2.types import LogMetric
from google.protobuf import duration_pb2, json_format

from tests.deploy.deployment import ROOT

ALERTS = sorted((ROOT / "deploy" / "alerts").glob("*.json"))
METRIC = yaml.safe_load((ROOT / "deploy" / "metric.yaml").read_text())


def policy(path):
    message = monitoring_v3.AlertPolicy.pb(monitoring_v3.AlertPolicy())
    return json_format.ParseDict(json.loads(path.read_text()), message, ignore_unknown_fields=False)


def seconds(text):
    duration = duration_pb2.Duration()
    duration.FromJsonString(text)
    return duration.seconds


def test_there_are_three_and_the_scripts_name_each(first):
    assert {path.stem for path in ALERTS} == {"errors", "sign-in-errors", "silence"}
    assert {a["userLabels"]["part"] for a in first[0].state["alerts"].values()} == {path.stem for path in ALERTS}


@pytest.mark.parametrize("path", ALERTS, ids=lambda p: p.stem)
def test_each_policy_is_one_that_monitoring_accepts(path):
    parsed = policy(path)
    assert parsed.display_name
    assert parsed.documentation.content
    assert parsed.combiner == monitoring_v3.AlertPolicy.ConditionCombinerType.OR
    assert len(parsed.conditions) == 1


@pytest.mark.parametrize("change", [{"conditionMatchedLogs": {}}, {"displayname": "x"}])
def test_a_field_that_monitoring_does_not_know_is_found(tmp_path, change):
    (tmp_path / "x.json").write_text(json.dumps(json.loads(ALERTS[0].read_text()) | change))
    with pytest.raises(json_format.ParseError):
        policy(tmp_path / "x.json")


@pytest.mark.parametrize(("part", "service"), [("errors", "threads-refresh"), ("sign-in-errors", "threads-oauth")])
def test_an_alert_on_errors_is_a_log_match_of_one_service_with_a_limit_on_mails(part, service):
    parsed = policy(ROOT / "deploy" / "alerts" / f"{part}.json")
    (condition,) = parsed.conditions
    assert re.findall(r'service_name="([^"]*)"', condition.condition_matched_log.filter) == [service]
    assert "severity>=ERROR" in condition.condition_matched_log.filter
    assert parsed.alert_strategy.notification_rate_limit.period.seconds == 6 * 3600


def test_the_alert_on_silence_watches_the_metric_for_as_long_as_monitoring_allows():
    parsed = policy(ROOT / "deploy" / "alerts" / "silence.json")
    absent = parsed.conditions[0].condition_absent
    assert (
        re.search(r'metric\.type="logging\.googleapis\.com/user/(\w+)"', absent.filter)[1] == "threads_runs_completed"
    )
    assert 'resource.type="cloud_run_revision"' in absent.filter
    assert 3 * 6 * 3600 < absent.duration.seconds <= seconds("84600s")
    (aggregation,) = absent.aggregations
    reducer = monitoring_v3.Aggregation.Reducer(aggregation.cross_series_reducer)
    assert reducer == monitoring_v3.Aggregation.Reducer.REDUCE_SUM
    assert 60 <= aggregation.alignment_period.seconds <= 90000
    assert not parsed.alert_strategy.HasField("notification_rate_limit")  # for log matches alone


def test_the_metric_counts_what_the_keeper_writes_when_a_run_completes():
    parsed = json_format.ParseDict(METRIC, LogMetric.pb(LogMetric()), ignore_unknown_fields=False)
    assert not parsed.HasField("metric_descriptor")  # so it is a counter
    assert parsed.filter == (
        'resource.type="cloud_run_revision" AND resource.labels.service_name="threads-refresh" '
        'AND jsonPayload.event="run_completed"'
    )


def test_the_metrics_filter_as_the_scripts_read_it_is_the_documents(first):
    assert first[0].state["metrics"]["threads_runs_completed"]["filter"] == METRIC["filter"]


def test_a_changed_document_is_an_update_and_an_unchanged_one_is_not(cloud, tmp_path):
    assert cloud.run("functions", THREADS_APP_ID="4242").stdout.count("alert on") == 0
    cloud.change(lambda s: [a["userLabels"].update(document="1") for a in s["alerts"].values()])
    assert cloud.run("functions", THREADS_APP_ID="4242").stdout.count("updated  alert on") == 3


def test_channels_that_were_attached_by_hand_stay(cloud):
    def attach(state):
        for alert in state["alerts"].values():
            alert["notificationChannels"].append("projects/demo/notificationChannels/slack")
            alert["userLabels"]["document"] = "1"

    cloud.change(attach)
    assert cloud.run("functions", THREADS_APP_ID="4242").returncode == 0
    for alert in cloud.state["alerts"].values():
        assert "projects/demo/notificationChannels/slack" in alert["notificationChannels"]
        assert len(alert["notificationChannels"]) == 2


def test_an_address_that_gets_no_mail_is_said_by_the_run_that_is_given_it(cloud):
    cloud.change(lambda s: [c.update(enabled=False, verificationStatus="UNVERIFIED") for c in s["channels"].values()])
    done = cloud.run("functions", THREADS_APP_ID="4242", ALERT_EMAIL="me@example.com")
    assert "me@example.com is off" in done.stdout
    assert "me@example.com is not verified" in done.stdout

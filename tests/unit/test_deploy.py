"""The files of deploy/, as far as they can be judged without the programs that read them: schemas, names, times."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from flowq.cli import main
from flowq.settings import Settings
from tests.programs import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KUBERNETES_VERSION = "1.30"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROBE = ["python", "-I", "-S", "workers/health.py", "/run/flowq/alive"]
METRICS = {
    "up", "pending_items", "running_items", "parked_items", "batches", "lease_age_seconds", "slots", "workers",
    "outcomes_total", "retried_items_total", "item_seconds_bucket", "chunk_seconds_bucket", "snapshot_bytes_total",
}  # fmt: skip


def objects() -> Iterator[dict[str, Any]]:
    for path in KUBERNETES:
        yield from yaml.safe_load_all(path.read_text())


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in objects():
        if "template" in one.get("spec", {}):
            yield one["metadata"]["name"], one["spec"]["template"]


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_a_manifest_keeps_to_the_schema_of_kubernetes(path: Path) -> None:
    for one in yaml.safe_load_all(path.read_text()):
        if one["kind"] == "ScaledObject":
            continue  # KEDA's own; see below
        kubernetes_validate.validate(one, KUBERNETES_VERSION, strict=True)


def test_every_manifest_is_in_the_kustomization_and_every_file_it_names_is_there() -> None:
    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    assert {DEPLOY / name for name in kustomization["resources"]} == set(KUBERNETES)
    for generator in kustomization["configMapGenerator"]:
        assert all((DEPLOY / name).is_file() for name in generator["files"])
    if shutil.which("kubectl"):
        built = subprocess.run(["kubectl", "kustomize", DEPLOY], capture_output=True, text=True, timeout=60, check=True)
        assert "kind: ScaledObject" in built.stdout


def test_selectors_find_the_pods_that_are_meant() -> None:
    labels = [template["metadata"]["labels"] for _, template in pods()]
    for one in objects():
        spec = one.get("spec", {})
        if one["kind"] == "Service":
            assert spec["selector"] in labels
        elif "template" in spec:
            assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
        elif one["kind"] == "NetworkPolicy":
            assert spec["podSelector"]["matchLabels"] in labels
        elif one["kind"] == "ScaledObject":
            assert spec["scaleTargetRef"]["name"] in {name for name, _ in pods()}


def test_no_container_runs_as_root_or_writes_where_it_need_not() -> None:
    for name, template in pods():
        assert template["spec"]["securityContext"]["runAsNonRoot"], name
        for container in template["spec"]["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"], name
            assert not security["allowPrivilegeEscalation"], name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


def test_workers_get_longer_to_stop_than_their_items() -> None:
    worker = dict(pods())["worker"]["spec"]
    env = {one["name"]: one.get("value") for one in worker["containers"][0]["env"]}
    assert worker["terminationGracePeriodSeconds"] >= float(env["FLOWQ_SOFT_SHUTDOWN_S"]) + 10
    service = COMPOSE["services"]["worker"]
    grace_s = float(service["stop_grace_period"].removesuffix("s"))
    assert grace_s >= float(service["environment"]["FLOWQ_SOFT_SHUTDOWN_S"]) + 10
    unit = (DEPLOY / "systemd" / "flowq-worker@.service").read_text()
    found = re.search(r"SOFT_SHUTDOWN_S=(\d+).*TimeoutStopSec=(\d+)", unit, re.DOTALL)
    assert found
    assert int(found[2]) >= int(found[1]) + 10
    assert "KillMode=mixed" in unit  # the children are told by the main process


def test_the_autoscaler_reads_what_the_exporter_tells() -> None:
    (scaled,) = [one for one in objects() if one["kind"] == "ScaledObject"]
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["type"] == "metrics-api"
    service, port, path = re.fullmatch(r"http://(\w+)\.flowq\.svc:(\d+)(/.*)", trigger["metadata"]["url"]).groups()  # type: ignore[union-attr]
    (metrics,) = [one for one in objects() if one["kind"] == "Service" and one["metadata"]["name"] == service]
    assert metrics["spec"]["ports"][0]["port"] == int(port) == default_of("metrics", "port")
    assert path == "/pending?queue=" + Settings.model_fields["queue"].default
    assert trigger["metadata"]["valueLocation"] == "pending"


def test_the_probe_is_the_same_everywhere_and_the_image_has_what_it_asks_for() -> None:
    worker = dict(pods())["worker"]["spec"]["containers"][0]
    assert worker["livenessProbe"]["exec"]["command"] == worker["startupProbe"]["exec"]["command"] == PROBE
    assert json.dumps(PROBE) in DOCKERFILE
    assert "FLOWQ_READY_FILE=/run/flowq/alive" in DOCKERFILE
    assert (ROOT / "workers" / "health.py").is_file()


def test_the_image_is_small_and_runs_as_nobody() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    assert len(stages) == 3
    assert re.search(r"^USER 10001:10001$", stages[-1], re.MULTILINE)
    assert "pip install" not in stages[-1]
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        assert all(f"!{name}" in ignored for name in copied.split())


def command_of(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None, f"flowq {name}"
    return command


def default_of(command: str, option: str) -> Any:
    return next(one.default for one in command_of(command).params if one.name == option)


def test_every_command_is_one_of_flowqs() -> None:
    said = [service["command"] for name, service in COMPOSE["services"].items() if service["image"] == "flowq"]
    said += [template["spec"]["containers"][0]["args"] for name, template in pods() if name != "redis"]
    for unit in (DEPLOY / "systemd").glob("*.service"):
        said.append(re.findall(r"ExecStart=\S+/flowq (.+)", unit.read_text())[0].split())
    assert len(said) == 9
    for name, *options in said:
        command_of(name).make_context(name, list(options))


def test_every_setting_that_is_named_exists() -> None:
    told = re.compile(r"\bFLOWQ_([A-Z_]+)")
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix in (".yaml", ".service", ".env", "")]
    names = {name.lower() for path in files for name in told.findall(path.read_text())}
    assert len(names) > 6
    assert names - Settings.model_fields.keys() == set()


def test_compose_asks_for_every_secret_and_the_example_names_them() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    named = set(re.findall(r"\$\{(\w+)", text))
    example = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    assert named == set(example)
    secrets = {name for name in named if name.endswith("PASSWORD")}
    assert secrets == {"REDIS_PASSWORD", "FLOWER_PASSWORD", "GRAFANA_PASSWORD"}
    assert all(not example[name] for name in secrets), "no password stands in the repository"
    assert all(re.search(rf"\$\{{{name}:\?", text) for name in secrets), "compose starts with none missing"


def test_compose_publishes_on_loopback_alone_and_mounts_what_is_there() -> None:
    for name, service in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            there = (DEPLOY / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]
            assert there, f"{name}: {volume}"
    if shutil.which("docker") and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "REDIS_PASSWORD": "a", "FLOWER_PASSWORD": "b"}
        command = ["docker", "compose", "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
        subprocess.run(command, env={**env, "GRAFANA_PASSWORD": "c"}, timeout=60, check=True)


def test_redis_keeps_what_it_has_acknowledged_and_throws_nothing_away() -> None:
    said = dict(re.findall(r"^([\w-]+) (.+)$", (DEPLOY / "redis.conf").read_text(), re.MULTILINE))
    assert (said["appendonly"], said["appendfsync"], said["maxmemory-policy"]) == ("yes", "everysec", "noeviction")
    assert said["maxmemory"]
    assert said["aclfile"]


def test_dashboard_and_alerts_use_figures_that_there_are() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "flowq.json").read_text())
    alerts = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    named = {name for expr in asked for name in re.findall(r"\bflowq_(\w+)", expr)}
    assert named == METRICS
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_prometheus_and_grafana_find_their_files() -> None:
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert all((DEPLOY / "prometheus" / name).is_file() for name in prometheus["rule_files"])
    host, _, port = prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0].partition(":")
    assert host in COMPOSE["services"]
    assert int(port) == default_of("metrics", "port")
    source = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text())
    dashboard = (DEPLOY / "grafana" / "dashboards" / "flowq.json").read_text()
    assert {source["datasources"][0]["uid"]} == set(re.findall(r'"uid": "(prometheus)"', dashboard))
    provider = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "dashboards" / "flowq.yml").read_text())
    path = provider["providers"][0]["options"]["path"]
    assert any(volume.split(":")[1] == path for volume in COMPOSE["services"]["grafana"]["volumes"])


@pytest.mark.parametrize("unit", sorted((DEPLOY / "systemd").glob("*.service")), ids=lambda path: path.name)
def test_a_unit_is_one_that_systemd_takes(unit: Path) -> None:
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(unit)
    assert parsed.sections() == ["Unit", "Service", "Install"]
    assert parsed["Service"]["User"] == "flowq"
    if shutil.which("systemd-analyze"):
        said = subprocess.run(
            ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False
        )
        # Only that flowq is not installed in /opt on this machine.
        objections = [line for line in said.stderr.splitlines() if unit.name.partition("@")[0] in line]
        assert [line for line in objections if "is not executable: No such file" not in line] == []

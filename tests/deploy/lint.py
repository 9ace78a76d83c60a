"""Looks at what operators start from, `.deploy/`, with Helm's own engine and the published schemas.

    target/deploy/bin/python tests/deploy/lint.py

Ends with 1 when there is a finding. No container engine and no cluster is needed, and none is asked.
"""

import pathlib
import re
import shutil
import subprocess
import sys

import helm_python as helm
import kubernetes_validate
import yaml

TREE = pathlib.Path(__file__).parent.parent.parent
DEPLOY = TREE / ".deploy"
CHART = DEPLOY / "helm"
# Values of an operator who sets everything that can be set.
SET = {
    "image": {"repository": "registry.example/trunkline", "tag": "1.2.3"},
    "env": {"PUBLIC_URL": "https://gateway.example", "RATE_LIMIT": "100/s", "EVENT_RETENTION": "30d"},
    "envSecret": "trunkline",
    "storage": {"size": "1Gi", "className": "fast"},
    "service": {"port": 80},
}
# From here on a finding of Helm's linter counts: a warning.
WARNING = 2


def main():
    findings = [*chart(), *compose(), *unit()]
    for finding in findings:
        print(f"deploy: {finding}")
    print(f"deploy: {len(findings)} findings")
    sys.exit(bool(findings))


def chart():
    """What Helm, Kubernetes' schemas and the gateway itself have against the chart."""
    report = helm.lint(str(CHART), strict=True)
    yield from report["errors"]
    yield from (said["error"] for said in report["messages"] if said["severity"] >= WARNING)
    yield from version()
    for values in ({}, SET):
        with helm.Chart.load(str(CHART)) as loaded:
            rendered = loaded.render(values, name="gateway", namespace="default")
        resources = [part for text in rendered.values() for part in yaml.safe_load_all(text) if part]
        for resource in resources:
            yield from valid(resource)
        yield from whole({resource["kind"]: resource for resource in resources}, values)


def version():
    told = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    ours = re.search(r'^version = "(.*)"', (TREE / "Cargo.toml").read_text(), re.M).group(1)
    if told != ours:
        yield f"the chart is of version {told}, the gateway of {ours}"


def valid(resource):
    try:
        kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{resource.get('kind')}: {error.message} at {list(error.path)}"


def whole(found, values):
    """What no schema says: that the parts fit together, and fit the image and the gateway."""
    if found.keys() != {"StatefulSet", "Service"}:
        yield f"the chart has {sorted(found)}"
        return
    pod, service = found["StatefulSet"]["spec"]["template"], found["Service"]["spec"]
    container = pod["spec"]["containers"][0]
    image = (DEPLOY / "Dockerfile").read_text()
    port = container["ports"][0]
    rules = {
        "one gateway alone has the volume": found["StatefulSet"]["spec"]["replicas"] == 1,
        "the service finds the pods": service["selector"].items() <= pod["metadata"]["labels"].items(),
        "the set finds its pods": found["StatefulSet"]["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"],
        "the set is behind the service": found["StatefulSet"]["spec"]["serviceName"] == found["Service"]["metadata"]["name"],
        "the service leads to the port": service["ports"][0]["targetPort"] == port["name"],
        "the port is that of the image": f"LISTEN=0.0.0.0:{port['containerPort']}" in image,
        "the volume is where the image writes": f"DATA_DIR={container['volumeMounts'][0]['mountPath']}" in image,
        "the user is that of the image": f"USER {pod['spec']['securityContext']['runAsUser']}:" in image,
        "it has longer than it takes to end": pod["spec"]["terminationGracePeriodSeconds"] > 5,
        "it is watched by the paths for that": [container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("liveness", "readiness")] == ["/livez", "/readyz"],
        "nothing but the volume can be written to": container["securityContext"]["readOnlyRootFilesystem"] is True,
        "the variables are those that were set": {one["name"]: one["value"] for one in container.get("env") or []} == values.get("env", {}),
    }
    yield from (f"the chart, with {values or 'its defaults'}: not so: {rule}" for rule, holds in rules.items() if not holds)


def compose():
    check = [str(pathlib.Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec"]
    run = subprocess.run([*check, str(DEPLOY / "compose.yaml")], capture_output=True, text=True)
    if run.returncode:
        yield f"compose.yaml: {run.stdout}{run.stderr}"
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in told["services"].items():
        for volume in service.get("volumes", []):
            volume = volume.split(":")[0]
            if not volume.startswith((".", "/")) and volume not in told.get("volumes", {}):
                yield f"compose.yaml: {name} has the volume {volume}, which there is not"
        build = service.get("build")
        if build and not (DEPLOY / build["context"] / build["dockerfile"]).is_file():
            yield f"compose.yaml: {name} is built from a file that there is not"


def unit():
    verify = shutil.which("systemd-analyze")
    if not verify:
        print("deploy: trunkline.service SKIPPED LOUDLY: there is no systemd-analyze", file=sys.stderr)
        return
    run = subprocess.run([verify, "verify", str(DEPLOY / "trunkline.service")], capture_output=True, text=True)
    # The binary isn't installed where this runs.
    said = [line for line in run.stderr.splitlines() if "trunkline" in line and "is not executable" not in line]
    yield from (f"trunkline.service: {line}" for line in said)


if __name__ == "__main__":
    main()

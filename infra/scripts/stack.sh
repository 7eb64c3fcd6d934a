#!/usr/bin/env bash
# The whole stack without an AWS account: MiniStack, an emulator that runs Lambda functions as real
# processes, fires schedules and serves HTTP APIs, and infra/template.yaml deployed into it by SAM.
#
#   stack.sh prepare                     install what is missing; does nothing when all is there
#   stack.sh run PORT [ENDPOINT [DAEMON]]
#                                        prepare, then serve 127.0.0.1:PORT in the foreground; the
#                                        functions call AWS at ENDPOINT (the same without one), and
#                                        send traces to the X-Ray daemon at DAEMON
#   stack.sh deploy PORT BINARIES PARAMETER=VALUE...
#                                        deploy the programs BINARIES/admin and so on as they are, and
#                                        print as JSON what came of it: outputs, functions, policies
#
# When standard input is a pipe, `run` ends with it: whoever holds the other end leaves no orphan
# behind, however it dies.
set -euo pipefail

ministack_version=1.5.33
# What MiniStack uses for SAM's transformation and for the signatures of tokens, and what asks it
# for the deployment; boto3 has to fit the botocore that MiniStack wants.
ministack_extras=("aws-sam-translator==1.115.0" "cryptography==50.0.2" "boto3==1.43.106")
# No package that is newer: the same day's packages everywhere.
packages_before=2026-11-26T00:00:00Z
region=eu-west-1
stack=halo-entra
bucket=halo-entra-packages

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=$root/.cache/stack
ministack=$cache/ministack

fail() {
  echo "stack.sh: $*" >&2
  exit 1
}

# shellcheck source=infra/scripts/emulator.sh
. "$root/infra/scripts/emulator.sh"

install() {
  local python
  echo "Installing MiniStack $ministack_version into .cache/stack" >&2
  python=$(find_python)
  rm -rf "$ministack"
  "$python" -m venv "$ministack"
  "$ministack/bin/pip" install --quiet "uv==$uv_version"
  "$ministack/bin/uv" pip install --quiet --python "$ministack/bin/python" \
    --exclude-newer "$packages_before" "ministack==$ministack_version" "${ministack_extras[@]}"
}

prepare() {
  once_for "$cache/stamp" "$ministack_version ${ministack_extras[*]} $packages_before $root" \
    "$ministack/bin/python" install
  sam=$(make --silent --directory "$root" sam)
}

# Functions inherit the whole environment of the emulator, so it gets one of its own: without the
# credentials of whoever runs it, and without proxies.
run() {
  local port=$1 endpoint=${2:-http://127.0.0.1:$1} daemon=${3:-127.0.0.1:2000}
  prepare
  make_state
  serve env -i PATH="$PATH" HOME="$state" TMPDIR="$state" PYTHONUNBUFFERED=1 \
    IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" MINISTACK_REGION="$region" \
    AWS_ENDPOINT_URL="$endpoint" AWS_XRAY_DAEMON_ADDRESS="$daemon" AWS_DEFAULT_REGION="$region" \
    AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
    "$ministack/bin/ministack"
}

# The template as `sam build` would leave it, without building: each function's code is a directory
# with its program, which is there already. MiniStack knows no alarms over several metrics, so those
# are left out. Nothing else of the template changes.
package() {
  local binaries=$1 target=$2
  "$(dirname "$sam")/python" - "$root/infra/template.yaml" "$binaries" "$target" <<'PYTHON'
import pathlib, shutil, subprocess, sys
from samcli.yamlhelper import yaml_dump, yaml_parse

source, binaries, target = map(pathlib.Path, sys.argv[1:])
template = yaml_parse(source.read_text())
template["Resources"] = {name: resource for name, resource in template["Resources"].items()
                         if "Metrics" not in resource.get("Properties", {})}
for resource in template["Resources"].values():
    if resource["Type"] != "AWS::Serverless::Function":
        continue
    name = resource["Metadata"]["BuildProperties"]["Binary"]
    (target / name).mkdir(parents=True)
    shutil.copy(binaries / name, target / name / "bootstrap")
    # One that is not optimised would carry symbols several times its size.
    subprocess.run(["strip", target / name / "bootstrap"], check=True)
    resource["Properties"]["CodeUri"] = name
    del resource["Metadata"]["BuildMethod"]
(target / "template.yaml").write_text(yaml_dump(template))
PYTHON
}

# MiniStack keeps a number that came by a parameter as text, and cannot count with it then.
mend() {
  "$ministack/bin/python" - <<'PYTHON'
import boto3

client = boto3.client("lambda")
for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
    most = int(mapping["ScalingConfig"]["MaximumConcurrency"])
    client.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": most})
PYTHON
}

# What was deployed, as AWS would tell an auditor: resolved names and policies.
describe() {
  "$ministack/bin/python" - "$stack" <<'PYTHON'
import boto3, json, sys

stack = boto3.client("cloudformation").describe_stacks(StackName=sys.argv[1])["Stacks"][0]
# A reference to a secret is its ARN, as it stands in policies then; in MiniStack it is its name. The
# random end of the ARN is not known to those who ask by name, so any counts.
arns = {secret["Name"]: secret["ARN"].rsplit("-", 1)[0] + "-??????"
        for secret in boto3.client("secretsmanager").list_secrets()["SecretList"]}
iam, functions = boto3.client("iam"), {}
for function in boto3.client("lambda").list_functions()["Functions"]:
    role = function["Role"].rsplit("/", 1)[1]
    inline = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
              for name in iam.list_role_policies(RoleName=role)["PolicyNames"]]
    for statement in (statement for policy in inline for statement in policy["Statement"]):
        resources = statement["Resource"]
        resources = [resources] if isinstance(resources, str) else resources
        statement["Resource"] = [arns.get(resource, resource) for resource in resources]
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    functions[function["FunctionName"]] = {
        "environment": function.get("Environment", {}).get("Variables", {}),
        "policies": inline, "attached": [policy["PolicyArn"] for policy in attached]}
outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
print(json.dumps({"outputs": outputs, "functions": functions}))
PYTHON
}

deploy() {
  local port=$1 binaries=$2
  shift 2
  prepare
  make_state
  package "$binaries" "$state/build"
  export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_DEFAULT_REGION=$region \
    AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test SAM_CLI_TELEMETRY=0 SAM_CLI_POLL_DELAY=1
  unset AWS_PROFILE AWS_SESSION_TOKEN
  # SAM could make the bucket itself, by a second stack, in five more seconds.
  "$ministack/bin/python" -c 'import boto3, sys; boto3.client("s3").create_bucket(Bucket=sys.argv[1],
    CreateBucketConfiguration={"LocationConstraint": sys.argv[2]})' "$bucket" "$region"
  "$sam" deploy --template-file "$state/build/template.yaml" --stack-name "$stack" \
    --s3-bucket "$bucket" --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \
    --no-confirm-changeset --no-fail-on-empty-changeset --no-progressbar --region "$region" \
    --parameter-overrides "$@" >&2
  mend
  describe
}

case ${1:-}:$# in
  prepare:1) prepare ;;
  run:[234]) shift && run "$@" ;;
  deploy:*) shift && deploy "$@" ;;
  *) fail "usage: stack.sh prepare | run PORT [ENDPOINT [DAEMON]] | deploy PORT BINARIES PARAMETER=VALUE..." ;;
esac

"""Looks whether a deployment can go ahead, and prints the parameters that it takes; run by deploy.sh.

    parameters.py STACK TEMPLATE ARCH [--guided]

Refuses with a sentence when there are no credentials or no region, when the file that PARAMETERS names is
not understood, and when a new stack lacks a parameter. Runs with the Python of sam, which has boto3.
"""

import os
import pathlib
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from samcli.yamlhelper import yaml_parse


def main(stack, template, arch, *arguments):
    known = yaml_parse(pathlib.Path(template).read_text())["Parameters"]
    given = read(os.environ.get("PARAMETERS"), known)
    given["Architecture"] = arch
    region, account, exists = look(stack)
    missing = [name for name, it in known.items() if "Default" not in it and name not in given]
    if missing and not exists and "--guided" not in arguments:
        lines = "".join(f"\n  {name}: {known[name]['Description']}" for name in missing)
        sys.exit(
            f"The stack {stack} is new in {region}, and these parameters are missing:{lines}\n"
            "Write NAME=value lines into a file and name it in PARAMETERS=, or be asked with GUIDED=1."
        )
    what = "Upgrading" if exists else "Making"
    print(f"{what} {stack} in account {account}, {region}, for {arch}", file=sys.stderr)
    for name, value in given.items():
        print(f'ParameterKey={name},ParameterValue="{value}"')


def read(path, known):
    """The parameters in a file of NAME=value lines; empty lines and # comments count for nothing."""
    if not path:
        return {}
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except OSError as error:
        sys.exit(f"The file with the parameters cannot be read: {error}")
    given = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or name.strip() not in known:
            sys.exit(f"{path}, line {number}: expected NAME=value with one of {', '.join(known)}")
        given[name.strip()] = value.strip()
    return given


def look(stack):
    """Region, account, and whether the stack exists."""
    session = boto3.Session()
    if not session.region_name:
        sys.exit("No region is set: name one, as in AWS_REGION=eu-west-1 make deploy")
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"AWS takes no credentials of yours: set AWS_PROFILE, or sign in again. ({error})")
    try:
        session.client("cloudformation").describe_stacks(StackName=stack)
    except ClientError as error:
        if "does not exist" not in str(error):
            sys.exit(f"The stack {stack} cannot be looked at: {error}")
        return session.region_name, account, False
    return session.region_name, account, True


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What is deployed on AWS in which order, and what each stack is told: as a script for bash, to be read and run.

Belongs here: the stacks, whose outputs each takes, what people must say. Stays out: what a stack is (`infra/`), the
instance and the image (`deploy/`), how a deployment is walked (`docs/aws.md`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from manga_enrichment.domain.operations.stages import staged

ASKED: Mapping[str, str] = MappingProxyType(
    {
        "VPC_ID": "the VPC, for example vpc-0123",
        "SUBNET_IDS": "private subnets in two zones, for example subnet-01,subnet-02",
        "CATALOG_URI": "the catalog, for example s3://your-bucket/catalog.parquet",
        "BUDGET_USD_PER_DAY": "what a UTC day may cost; begin with a small one",
        "IMAGE_TAG": "the version, for example the commit (git rev-parse --short HEAD)",
    }
)
"""Variable -> what people are told when they left it out, and no deployment before said it."""
_KEPT = ("VPC_ID", "SUBNET_IDS", "CATALOG_URI", "BUDGET_USD_PER_DAY")
"""Those that stay what they were unless they are given anew."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One template of infra/.

    takes: parameter -> name of an earlier stack's output. says: parameter -> word of bash. gives: outputs that later
    stacks take. is_large: CloudFormation wants it from a bucket. before: lines that come first.
    """

    name: str
    takes: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    gives: tuple[str, ...] = ()
    makes_roles: bool = False
    is_large: bool = False
    before: tuple[str, ...] = ()


def _same(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))


_TABLES = ("ResultsTableName", "RequestStatusTableName", "BudgetTableName", "SendersTableName")
STACKS = (
    Stack("registry", gives=("RepositoryArn", "RepositoryUri")),
    Stack("storage", gives=("ResultsBucketName", *_TABLES)),
    Stack("outbox", gives=("OutboxTableName",)),
    Stack("queues", gives=("AlertsTopicArn", "ResultsTopicArn")),
    Stack("partners"),
    Stack("monitoring", says={"DailyBudgetUsd": "$BUDGET_USD_PER_DAY"}),
    Stack(
        "rights",
        takes=_same("ResultsBucketName", *_TABLES, "OutboxTableName"),
        says={"CatalogObjects": "${CATALOG_URI#s3://}", "CatalogBucketName": "$CatalogBucketName"},
        gives=("ProcessPolicyArn", "BrowsingPolicyArn", "EditingPolicyArn"),
        makes_roles=True,
        before=("CatalogBucketName=${CATALOG_URI#s3://}; CatalogBucketName=${CatalogBucketName%%/*}",),
    ),
    Stack("analytics", takes=_same("ResultsBucketName"), is_large=True),
    Stack(
        "workflow",
        takes={"StatusTableName": "RequestStatusTableName", **_same("ResultsBucketName")},
        makes_roles=True,
    ),
    Stack(
        "api",
        takes={"StatusTableName": "RequestStatusTableName", **_same("BudgetTableName", "ResultsBucketName")},
        says={"AccessLog": "$AccessLog"},
        gives=("ApiUrl",),
        makes_roles=True,
        is_large=True,
        before=(
            "# The access log needs the account's role for it, which is set once (docs/api.md).",
            "role=$(aws apigateway get-account --query cloudwatchRoleArn --output text)",
            "[[ $role == arn:* ]] && AccessLog=true || AccessLog=false",
        ),
    ),
    Stack(
        "dagster",
        takes=_same(
            "RepositoryArn",
            "RepositoryUri",
            "ProcessPolicyArn",
            "BrowsingPolicyArn",
            "EditingPolicyArn",
            "ResultsBucketName",
            *_TABLES,
            "OutboxTableName",
            "AlertsTopicArn",
            "ResultsTopicArn",
            "ApiUrl",
        ),
        says={
            "VpcId": "$VPC_ID",
            "SubnetIds": "$SUBNET_IDS",
            "ImageTag": "$IMAGE_TAG",
            "CatalogUri": "$CATALOG_URI",
            "BudgetUsdPerDay": "$BUDGET_USD_PER_DAY",
        },
        gives=("UiUrl",),
        makes_roles=True,
        before=(
            "# A tag that is there stays what it is.",
            "query=\"imageIds[?imageTag=='$IMAGE_TAG'].imageTag\"",
            'there=$(aws ecr list-images --repository-name "${RepositoryUri#*/}" --query "$query" --output text)',
            "if [[ -z $there ]]; then",
            '    aws ecr get-login-password | docker login --username AWS --password-stdin "${RepositoryUri%%/*}"',
            '    docker build --platform linux/amd64 --file deploy/Dockerfile --tag "$RepositoryUri:$IMAGE_TAG" .',
            '    docker push "$RepositoryUri:$IMAGE_TAG"',
            "fi",
        ),
    ),
)
"""In order: a stack takes outputs of earlier ones alone."""

_HEAD = """\
#!/usr/bin/env bash
# Printed by `manga-enrichment deploy-plan`; to be run in a checkout of this version, with credentials that may deploy.
# All of it can be run again: what is as it should be is left alone, a parameter that is not named keeps its value.
# With words behind it, it deploys nothing and runs these as a command on ECS.
set -euo pipefail
export AWS_PAGER=
"""

_FUNCTIONS = """
deploy() { # NAME [OPTION ...]
    aws cloudformation deploy --stack-name "$PREFIX-$1" --template-file "infra/$1.yaml" \\
        --no-fail-on-empty-changeset "${@:2}"
}
output() { # NAME OUTPUT
    local query="Stacks[0].Outputs[?OutputKey=='$2'].OutputValue" value
    value=$(aws cloudformation describe-stacks --stack-name "$PREFIX-$1" --query "$query" --output text)
    [[ -n $value ]] || { echo "stack $PREFIX-$1 has no output $2" >&2; return 1; }
    echo "$value"
}
before() { # PARAMETER: what it is in the deployed stack of Dagster, if there is one
    aws cloudformation describe-stacks --stack-name "$PREFIX-dagster" --output text \\
        --query "Stacks[0].Parameters[?ParameterKey=='$1'].ParameterValue" 2> /dev/null || true
}
# A command with the role, the settings and the network of a run: it ends as the command does.
on_ecs() { # WORD ...
    local command="" word task code cluster definition subnets group logs
    cluster=$(output dagster ClusterName)
    definition=$(output dagster RunTaskDefinition)
    subnets=$(output dagster RunSubnets)
    group=$(output dagster RunSecurityGroup)
    logs=$(output dagster RunLogGroup)
    for word in "$@"; do
        word=${word//\\\\/\\\\\\\\} # as JSON has it
        command+="${command:+,}\\"${word//\\"/\\\\\\"}\\""
    done
    task=$(aws ecs run-task --cluster "$cluster" --launch-type FARGATE --task-definition "$definition" \\
        --network-configuration "awsvpcConfiguration={subnets=[$subnets],securityGroups=[$group]}" \\
        --overrides "{\\"containerOverrides\\": [{\\"name\\": \\"run\\", \\"command\\": [$command]}]}" \\
        --query "tasks[0].taskArn" --output text)
    # It waits for ten minutes, which the import of a large catalog takes longer than.
    for _ in {1..36}; do aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$task" && break; done
    aws logs get-log-events --log-group-name "$logs" --log-stream-name "run/run/${task##*/}" --start-from-head \\
        --query "events[].[message]" --output text
    code=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" \\
        --query "tasks[0].containers[0].exitCode" --output text)
    [[ $code == 0 ]]
}
if [[ $# -gt 0 ]]; then
    on_ecs "$@"
    exit
fi
"""

_LAST = """
# What is broken, what is off; the catalog; what the next night would cost for one bucket of it. None asks a model.
# BUCKET: one pass imports all of them, the estimate is of this one: 00 where MANGA_CATALOG_BUCKETS is 64, 000 of 256.
on_ecs manga-enrichment doctor
on_ecs dagster asset materialize -m manga_enrichment.definitions \\
    --select manga_catalog,similar_candidates --partition "${BUCKET:-0}"
on_ecs manga-enrichment estimate --buckets "${BUCKET:-0}"
echo "The UI is at $UiUrl"
"""


def deploy_plan(stage: str = "") -> str:
    """The script. stage: MANGA_STAGE, "" for none."""
    kept = [f"{name}=${{{name}:-$(before {_parameter(name)})}}" for name in _KEPT]
    asked = "\n".join([*kept, *(f': "${{{name}:?{meaning}}}"' for name, meaning in ASKED.items())])
    stacks = "\n\n".join("\n".join(_lines(each, number, stage)) for number, each in enumerate(STACKS, start=1))
    return f"{_HEAD}PREFIX={staged(stage, 'manga')}\n{_FUNCTIONS}\n{asked}\n\n{stacks}\n{_LAST}"


def _parameter(variable: str) -> str:
    (dagster,) = (stack for stack in STACKS if stack.name == "dagster")
    return next(parameter for parameter, word in dagster.says.items() if word == f"${variable}")


def _lines(stack: Stack, number: int, stage: str) -> Iterator[str]:
    yield f"# {number}. infra/{stack.name}.yaml"
    yield from stack.before
    yield " \\\n    ".join([f"deploy {stack.name}", *_options(stack, stage)])
    yield from (f"{output}=$(output {stack.name} {output})" for output in stack.gives)


def _options(stack: Stack, stage: str) -> Iterator[str]:
    if stack.makes_roles:
        yield "--capabilities CAPABILITY_IAM"
    if stack.is_large:
        yield '--s3-bucket "$ResultsBucketName" --s3-prefix runs/templates'
    parameters = {
        **({"MangaStage": stage} if stage else {}),
        **{name: f'"${output}"' for name, output in stack.takes.items()},
        **{name: f'"{word}"' for name, word in stack.says.items()},
    }
    if parameters:
        yield "--parameter-overrides"
    yield from (f"{name}={value}" for name, value in parameters.items())

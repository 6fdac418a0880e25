"""Rules for template.yaml, the state machines and the API's contract that no general linter knows.

Every rule is a function that yields complaints. To know that the rules can fail at all, the template is also broken on
purpose, once for each of the ways listed at the end, and the rules must object each time.

With an argument, the template is also written to that folder with its loops written out and its conditions decided: as
it is by default, and with everything that can be asked for.
"""

import copy
import fnmatch
import json
import re
import sys
import tomllib
from pathlib import Path

import yaml
from openapi_schema_validator import OAS31Validator

ROOT = Path(__file__).resolve().parent.parent
METHODS = ("get", "put", "post", "delete", "patch")
NO_VALUE = {"Ref": "AWS::NoValue"}
LEDGER_ACTIONS = {
    "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem",
}


# --- Reading ---


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, and without dates."""


def short_form(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short_form)
Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path):
    return yaml.load((ROOT / path).read_text(encoding="utf-8"), Loader)


def expanded(template):
    """The template with its loops written out, the default lines included."""
    resources = {}
    for name, resource in template["Resources"].items():
        if not name.startswith("Fn::ForEach::"):
            resources[name] = resource
            continue
        identifier, collection, fragment = resource
        if isinstance(collection, dict):
            collection = template["Parameters"][collection["Ref"]]["Default"].split(",")
        for item in collection:
            text = json.dumps(fragment).replace(f"${{{identifier}}}", item)
            text = text.replace(f"&{{{identifier}}}", re.sub(r"[^A-Za-z0-9]", "", item))
            resources.update(json.loads(text))
    return resources


def decided(value, holds):
    """The same where these conditions hold and no others do."""
    if isinstance(value, dict):
        if set(value) == {"Fn::If"}:
            condition, then, otherwise = value["Fn::If"]
            return decided(then if condition in holds else otherwise, holds)
        if "Properties" in value and value.get("Condition") not in (None, *holds):
            return NO_VALUE
        left_out = ("Condition",) if "Properties" in value else ()
        inner = {key: decided(one, holds) for key, one in value.items() if key not in left_out}
        return {key: one for key, one in inner.items() if one != NO_VALUE}
    if isinstance(value, list):
        return [one for one in (decided(one, holds) for one in value) if one != NO_VALUE]
    return value


class World:
    def __init__(self):
        self.template = read("template.yaml")
        self.contract = read("infra/openapi.yaml")
        self.machines = {path.name: read(path) for path in sorted((ROOT / "infra").glob("*.asl.yaml"))}
        self.refresh()

    def refresh(self):
        self.resources = expanded(self.template)

    def of_type(self, kind):
        return {name: r for name, r in self.resources.items() if r["Type"] == kind}


def named(value):
    """The logical name that a reference or attribute points to."""
    if isinstance(value, dict):
        if "Ref" in value:
            return value["Ref"].partition(".")[0]
        if "Fn::GetAtt" in value:
            return value["Fn::GetAtt"][0]
        if "Fn::Sub" in value and isinstance(value["Fn::Sub"], str):
            found = re.fullmatch(r"integrations/\$\{(\w+)\}", value["Fn::Sub"])
            return found and found[1]
    return None


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def listed(value):
    return value if isinstance(value, list) else [value]


def chosen(value):
    """The condition that something depends on, and what it is where the condition holds."""
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        condition, then, _ = value["Fn::If"]
        return condition, then
    return None, value


# --- Functions ---


def every_binary_exists(world):
    binaries = []
    for name, function in world.of_type("AWS::Serverless::Function").items():
        metadata, properties = function.get("Metadata", {}), function["Properties"]
        binary = metadata.get("BuildProperties", {}).get("Binary")
        manifest = ROOT / properties["CodeUri"] / "Cargo.toml"
        if metadata.get("BuildMethod") != "rust-cargolambda":
            yield f"{name} is not built with rust-cargolambda"
        if not manifest.exists():
            yield f"{name}: there is no {manifest}"
            continue
        cargo = tomllib.loads(manifest.read_text(encoding="utf-8"))
        built = [bin["name"] for bin in cargo.get("bin", [])] or [cargo["package"]["name"]]
        if binary not in built:
            yield f"{name}: {properties['CodeUri']} builds {built}, not {binary}"
        binaries.append(binary)
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml")}
    deployed = {binary.removeprefix("interline-") for binary in binaries if binary}
    if deployed != folders or len(set(binaries)) != len(binaries):
        yield f"the functions are {sorted(folders)}, deployed are {binaries}"


def every_function_is_watched(world):
    for name, function in world.of_type("AWS::Serverless::Function").items():
        properties = function["Properties"]
        called = properties["FunctionName"]
        for metric in ("Errors", "Throttles"):
            watching = [
                alarm for alarm in world.of_type("AWS::CloudWatch::Alarm").values()
                if alarm["Properties"].get("MetricName") == metric
                and any(d["Name"] == "FunctionName" and d["Value"] == called for d in alarm["Properties"]["Dimensions"])
            ]
            if not watching:
                yield f"{name} has no alarm for {metric}"
        logging = properties.get("LoggingConfig", {})
        groups = [group["Properties"]["LogGroupName"] for group in world.of_type("AWS::Logs::LogGroup").values()]
        if logging.get("LogFormat") != "JSON" or logging.get("LogGroup") not in groups:
            yield f"{name} does not log JSON to a log group of the stack"
    for name, alarm in world.of_type("AWS::CloudWatch::Alarm").items():
        if [named(action) for action in alarm["Properties"].get("AlarmActions", [])] != ["Alarms"]:
            yield f"{name} tells nobody"


WATCHED = {
    ("AWS/DynamoDB", "ReadThrottleEvents"), ("AWS/DynamoDB", "WriteThrottleEvents"),
    ("AWS/DynamoDB", "WriteThrottleEvents of member-statement"), ("AWS/DynamoDB", "TransactionConflict"),
    ("AWS/Lambda", "AsyncEventsDropped"), ("AWS/Lambda", "AsyncEventAge"),
    ("AWS/ApiGateway", "5xx"), ("AWS/ApiGateway", "Latency p99"),
    ("AWS/States", "ExecutionsFailed"), ("AWS/States", "ExecutionsTimedOut"), ("AWS/States", "ExecutionTime"),
    ("Interline", "ChecklistFailed"), ("Interline", "RefusedFiles"), ("Interline", "FullyRejectedFiles"),
    ("Interline", "SilentLines"),
}


def what_can_go_wrong_is_watched(world):
    found = set()
    for alarm in world.of_type("AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        index = [d["Value"] for d in properties.get("Dimensions", []) if d["Name"] == "GlobalSecondaryIndexName"]
        metric = properties.get("MetricName", "") + "".join(f" of {name}" for name in index)
        found.add((properties.get("Namespace"), " ".join(filter(None, (metric, properties.get("ExtendedStatistic"))))))
        math = {part["Id"] for part in properties.get("Metrics", []) if part.get("ReturnData") is False}
        for part in properties.get("Metrics", []):
            if set(re.findall(r"\b[a-z]\w*", part.get("Expression", ""))) not in (set(), math):
                yield f"{part['Id']} is not computed of {sorted(math)}"
    for namespace, metric in sorted(WATCHED - found):
        yield f"nobody watches {namespace} {metric}"


def every_alarm_is_explained(world):
    """The table of infra/README.md has the alarms that there are."""
    manual = (ROOT / "infra/README.md").read_text(encoding="utf-8").partition("## Alarms")[2].partition("\n## ")[0]
    explained = set()
    for cell in re.findall(r"^\| (`.*?) \|", manual, re.M):
        first, *others = re.findall(r"`([a-z<>-]+)`", cell)
        explained |= {first} | {first.rpartition("-")[0] + other for other in others}
    functions = [f["Properties"]["FunctionName"]["Fn::Sub"].rpartition("-")[2]
                 for f in world.of_type("AWS::Serverless::Function").values()]
    explained |= {name.replace("<function>", function) for name in explained for function in functions}
    there = {alarm["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${Prefix}-")
             for alarm in world.of_type("AWS::CloudWatch::Alarm").values()}
    for name in sorted({name for name in explained if "<" not in name} ^ there):
        yield f"{name} is an alarm, or explained, and not both"


def the_deadline_is_later(world):
    """Of all days that may be given, the rule takes those that are in order."""
    parameters = world.template["Parameters"]
    given = {name: range(parameters[name]["MinValue"], parameters[name]["MaxValue"] + 1)
             for name in ("FinalDay", "DeadlineDay")}
    assertion = world.template["Rules"]["DeadlineAfterFinal"]["Assertions"][0]["Assert"]
    for final in given["FinalDay"]:
        for deadline in given["DeadlineDay"]:
            if holds(assertion, {"FinalDay": str(final), "DeadlineDay": str(deadline)}) != (deadline > final):
                yield f"a deadline on day {deadline} with a final run on day {final}"


def holds(condition, values):
    (function, arguments), = condition.items()
    if function == "Ref":
        return values[arguments]
    arguments = [holds(one, values) if isinstance(one, dict) else one for one in arguments]
    if function in ("Fn::Or", "Fn::And") and not 2 <= len(arguments) <= 10:
        raise ValueError(f"{function} of {len(arguments)}")
    return {
        "Fn::Or": lambda *ones: any(ones), "Fn::And": lambda *ones: all(ones), "Fn::Not": lambda one: not one,
        "Fn::Equals": lambda one, other: one == other, "Fn::Contains": lambda ones, one: one in ones,
    }[function](*arguments)


def every_metric_is_counted(world):
    """The metrics of alarms and dashboard that are the programme's own are those that the code counts."""
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("functions/*/src/**/*.rs"))
    counted = set(re.findall(r'\.count\("([A-Z]\w+)", ', code))
    alarms = world.of_type("AWS::CloudWatch::Alarm").values()
    own = [alarm["Properties"] for alarm in alarms if alarm["Properties"].get("Namespace") == "Interline"]
    shown = re.findall(r'"Interline", "(\w+)", "Programme"', "".join(strings(world.resources["Dashboard"])))
    if counted != set(shown):
        yield f"the code counts {sorted(counted)}, the dashboard shows {sorted(shown)}"
    for alarm in own:
        if alarm["MetricName"] not in counted:
            yield f"nobody counts {alarm['MetricName']}"
        if alarm["Dimensions"] != [{"Name": "Programme", "Value": {"Ref": "Prefix"}}]:
            yield f"{alarm['MetricName']} is counted by Programme only"


def every_setting_is_read(world):
    """The environment variables of the code are those of the template, both ways."""
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("*/*/src/**/*.rs"))
    wanted = set(re.findall(r'(?:setting|env::var)\(\s*"(INTERLINE_[A-Z_]+)"', code))
    given = set(world.template["Globals"]["Function"]["Environment"]["Variables"])
    for function in world.of_type("AWS::Serverless::Function").values():
        given |= set(function["Properties"].get("Environment", {}).get("Variables", {})) - {"DEPLOYED_WITH"}
    if wanted != given:
        yield f"the code reads {sorted(wanted)}, the template gives {sorted(given)}"


def every_parameter_counts(world):
    body = {key: value for key, value in world.template.items() if key not in ("Parameters", "Metadata")}
    text = "\n".join(strings(body))
    used = set(re.findall(r"\$\{(\w+)", text)) | set(re.findall(r"^(\w+)$", text, re.M))
    for name, parameter in world.template["Parameters"].items():
        if name not in used:
            yield f"parameter {name} is not used"
        if not parameter.get("Description"):
            yield f"parameter {name} is not explained"


# A stack has them from the start: with others it is another one.
SETTLED_AT_FIRST = {"Prefix"}


def references(world, value):
    """The parameters that a value depends on, by conditions as well."""
    found = set()
    if isinstance(value, dict):
        if "Ref" in value:
            found.add(value["Ref"])
        if "Fn::If" in value:
            found |= references(world, world.template["Conditions"][value["Fn::If"][0]])
        if "Fn::Sub" in value:
            found |= set(re.findall(r"\$\{(\w+)\}", str(value["Fn::Sub"])))
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            found |= references(world, inner)
    return found & set(world.template["Parameters"])


def versions_are_called(world):
    """The API and the inbox call the alias, the month-end versions; nobody calls what is being deployed."""
    functions = set(world.of_type("AWS::Serverless::Function"))
    common = world.template["Globals"]["Function"]
    if common.get("AutoPublishAlias") != "live":
        yield "functions have no versions"
    for name, function in world.of_type("AWS::Serverless::Function").items():
        properties = function["Properties"]
        if "AutoPublishAlias" in properties or properties.get("AutoPublishAliasAllProperties") is not True:
            yield f"{name}: not every change becomes a version"
        deployed_with = properties.get("Environment", {}).get("Variables", {}).get("DEPLOYED_WITH", {})
        written = {named(value) for value in deployed_with.get("Fn::ToJsonString", [])}
        missing = (references(world, common) | references(world, properties)) - written - SETTLED_AT_FIRST
        if missing:
            yield f"{name}: a change of {sorted(missing)} makes no version"
    callers = {"AWS::ApiGatewayV2::Integration": "IntegrationUri", "AWS::Lambda::Permission": "FunctionName"}
    called = [(name, one["Properties"][key]) for kind, key in callers.items() for name, one in world.of_type(kind).items()]
    for name, bucket in world.of_type("AWS::S3::Bucket").items():
        for one in bucket["Properties"].get("NotificationConfiguration", {}).get("LambdaConfigurations", []):
            called.append((name, one["Function"]))
    for name, reference in called:
        if reference != {"Ref": f"{named(reference)}.Alias"} or named(reference) not in functions:
            yield f"{name} calls {reference}"
    for name, machine in world.of_type("AWS::Serverless::StateMachine").items():
        properties = machine["Properties"]
        given = properties["DefinitionSubstitutions"].values()
        steps = {named(value): value for value in given if named(value) in functions}
        for function, reference in steps.items():
            if reference != {"Ref": f"{function}.Version"}:
                yield f"{name} calls {reference}"
        allowed = {
            text for _, statement in statements(world, named(properties["Role"]))
            if "lambda:InvokeFunction" in listed(statement["Action"]) for text in strings(statement["Resource"])
        } - {"Fn::Sub"}
        if allowed != {f"${{{function}.Arn}}:*" for function in steps}:
            yield f"{name} may call {sorted(allowed)}"


# --- What is delivered later ---


def every_asynchronous_source_has_a_dead_letter_queue(world):
    queues = set(world.of_type("AWS::SQS::Queue"))
    called = set()
    for name, bucket in world.of_type("AWS::S3::Bucket").items():
        for one in bucket["Properties"].get("NotificationConfiguration", {}).get("LambdaConfigurations", []):
            called.add(named(one["Function"]))
    for name, function in world.of_type("AWS::Serverless::Function").items():
        invoke = function["Properties"].get("EventInvokeConfig")
        if name not in called:
            continue
        queue = named((invoke or {}).get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
        if queue not in queues:
            yield f"{name} is called asynchronously and has no queue for what it gives up"
        elif queue not in sends_to(world, named(function["Properties"]["Role"])):
            yield f"{name} may not send to {queue}"
        by_hand = [c["Properties"] for c in world.of_type("AWS::Lambda::EventInvokeConfig").values()
                   if named(c["Properties"]["FunctionName"]) == name and c["Properties"]["Qualifier"] == "$LATEST"]
        if [named(c["DestinationConfig"]["OnFailure"]["Destination"]) for c in by_hand] != [queue]:
            yield f"{name}, called by hand, has no queue for what it gives up"
    if not called:
        yield "no bucket calls a function"
    for name, schedule in world.of_type("AWS::Scheduler::Schedule").items():
        target = schedule["Properties"]["Target"]
        queue = named(target.get("DeadLetterConfig", {}).get("Arn"))
        if queue not in queues:
            yield f"{name} has no queue for what it gives up"
        elif queue not in sends_to(world, named(target["RoleArn"])):
            yield f"{name} may not send to {queue}"
        if not target.get("RetryPolicy", {}).get("MaximumRetryAttempts"):
            yield f"{name} does not try again"
        if schedule["Properties"].get("ScheduleExpressionTimezone") != {"Ref": "TimeZone"}:
            yield f"{name} has no time zone"
    for queue in queues:
        alarms = world.of_type("AWS::CloudWatch::Alarm").values()
        depth = [a for a in alarms if a["Properties"].get("MetricName") == "ApproximateNumberOfMessagesVisible"]
        if not any(named(d["Value"]) == queue for a in depth for d in a["Properties"]["Dimensions"]):
            yield f"nobody is told of messages in {queue}"


def sends_to(world, role):
    return {
        named(resource)
        for _, statement in statements(world, role)
        if "sqs:SendMessage" in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


# --- Permissions ---


def statements(world, only=None):
    """Every statement that allows something to a role or a caller."""
    for name, resource in world.resources.items():
        if only not in (None, name):
            continue
        properties = resource.get("Properties", {})
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            documents.append(properties["PolicyDocument"])
        for document in documents:
            for statement in document["Statement"]:
                statement = chosen(statement)[1]
                if statement["Effect"] == "Allow":
                    yield name, statement


# What has no resource to name, word for word.
OF_THE_ACCOUNT = (
    {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
    {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"},
    {"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
     "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"},
)


def every_statement_is_narrow(world):
    for name, statement in statements(world):
        where = f"{name}, {statement.get('Sid', 'no Sid')}"
        actions, resources = listed(statement.get("Action", [])), listed(statement.get("Resource", []))
        if resources == ["*"] and set(actions) in OF_THE_ACCOUNT:
            continue
        if not actions or not resources or "NotAction" in statement or "NotResource" in statement:
            yield f"{where}: actions and resources must be named"
        for action in actions:
            if "*" in action:
                yield f"{where}: {action} is a wildcard"
            if re.search(r":(Delete|BatchWrite|Update|Scan|PartiQL)", action):
                yield f"{where}: {action} is nothing that the programme does"
            if action.startswith("dynamodb:") and action not in LEDGER_ACTIONS:
                yield f"{where}: the ledger does not use {action}"
        if "*" in resources:
            yield f"{where}: every resource is too many"
        is_index = any("/index/" in text for text in strings(resources))
        if actions[0].startswith("dynamodb:") and not is_index and not leading_keys(statement):
            yield f"{where}: says nothing of which items"
        if "s3:ListBucket" in actions and "s3:prefix" not in strings(statement.get("Condition", {})):
            yield f"{where}: lists a bucket as a whole"
    for name, role in world.of_type("AWS::IAM::Role").items():
        if role["Properties"].get("ManagedPolicyArns"):
            yield f"{name} has a policy that was not written here"
    roles = [named(f["Properties"].get("Role")) for f in world.of_type("AWS::Serverless::Function").values()]
    if len(set(roles)) != len(roles) or None in roles:
        yield "every function has a role of its own"


READ = {"kms:Decrypt"}
WRITE = {"kms:Decrypt", "kms:GenerateDataKey"}
READ_LEDGER = {"kms:Decrypt", "kms:DescribeKey"}
WRITE_LEDGER = {*READ_LEDGER, "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
# What a call needs of the key that its object is encrypted with; a call of more has its actions added.
NEEDED_OF_KEY = {
    "dynamodb:GetItem": READ_LEDGER, "dynamodb:BatchGetItem": READ_LEDGER, "dynamodb:Query": READ_LEDGER,
    "dynamodb:ConditionCheckItem": READ_LEDGER, "dynamodb:PutItem": WRITE_LEDGER,
    "s3:GetObject": READ, "s3:GetObjectVersion": READ, "s3:PutObject": WRITE,
    "secretsmanager:GetSecretValue": READ, "sqs:SendMessage": WRITE, "sns:Publish": WRITE,
}


def a_key_is_used_by_those_who_need_it(world):
    """Who reads or writes what is encrypted may use the key for it, by that service, and nobody else may."""
    for name in {name for name, _ in statements(world)}:
        needed, given = {}, {}
        for _, statement in statements(world, name):
            actions = listed(statement["Action"])
            for action in actions:
                if action in NEEDED_OF_KEY:
                    needed.setdefault(action.partition(":")[0], set()).update(NEEDED_OF_KEY[action])
            if actions[0].startswith("kms:"):
                condition = statement.get("Condition", {}).get("StringEquals", {})
                service, _, rest = condition.get("kms:ViaService", {}).get("Fn::Sub", "").partition(".")
                if rest != "${AWS::Region}.${AWS::URLSuffix}" or statement["Resource"] != {"Ref": "KmsKeyArn"}:
                    yield f"{name}: uses a key for other things as well"
                given.setdefault(service, set()).update(actions)
        if needed != given:
            yield f"{name}: needs of the key {needed}, is given {given}"
    for name, resource in world.resources.items():
        documents = [p["PolicyDocument"] for p in resource.get("Properties", {}).get("Policies", [])
                     if resource["Type"] == "AWS::IAM::Role"]
        documents += [resource["Properties"]["PolicyDocument"]] if resource["Type"] == "AWS::IAM::ManagedPolicy" else []
        for statement in (statement for document in documents for statement in document["Statement"]):
            condition, then = chosen(statement)
            if any(action.startswith("kms:") for action in listed(then["Action"])) != (condition == "HasKey"):
                yield f"{name}: {then['Sid']} depends on {condition}"


ENCRYPTED = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::SQS::Queue", "AWS::SNS::Topic")


def what_is_kept_is_encrypted_with_the_key(world):
    for kind in ENCRYPTED:
        for name, resource in world.of_type(kind).items():
            keys = [value for value in conditional(resource["Properties"]) if value[1] == {"Ref": "KmsKeyArn"}]
            if keys != [("HasKey", {"Ref": "KmsKeyArn"})]:
                yield f"{name} is not encrypted with the key that is given"


def conditional(value):
    """Every value that depends on a condition, with the condition."""
    if isinstance(value, dict):
        if set(value) == {"Fn::If"}:
            yield chosen(value)
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from conditional(inner)


def a_new_account_can_deploy(world):
    """Nothing is asked for by default that takes a raised quota, and what is asked for arrives."""
    parameters = world.template["Parameters"]
    if parameters["ImportConcurrency"]["Default"] != -1:
        yield "a new account cannot reserve concurrency"
    if parameters["ShardsAtOnce"]["Default"] > 8 or parameters["ShardsAtOnce"]["MaxValue"] > 40:
        yield "so many shards at once are more than an account or a state machine has"
    definition = world.machines["month-end.asl.yaml"]["States"]
    at_once = definition["Cutoff"]["ResultSelector"].get("at_once.$")
    if definition["Tally"].get("MaxConcurrencyPath") != "$.at_once" or "MaxConcurrency" in definition["Tally"]:
        yield "shards at once are not those of the parameter"
    if at_once != "States.StringToJson('${ShardsAtOnce}')":
        yield f"shards at once are {at_once}"
    for name, table in world.of_type("AWS::DynamoDB::Table").items():
        for warm in (table["Properties"], *table["Properties"]["GlobalSecondaryIndexes"]):
            if chosen(warm.get("WarmThroughput"))[0] != "Warms":
                yield f"{name}: table and index are not warmed alike"


def runs_can_be_followed(world):
    """Every step of a run is logged, and traced with the functions if that is asked for."""
    for name, machine in world.of_type("AWS::Serverless::StateMachine").items():
        properties = machine["Properties"]
        logging = properties.get("Logging", {})
        groups = [named(one["CloudWatchLogsLogGroup"]["LogGroupArn"]) for one in logging.get("Destinations", [])]
        if (logging.get("Level"), logging.get("IncludeExecutionData")) != ("ALL", True) or not groups:
            yield f"{name} is not logged"
        for group in groups:
            called = world.resources[group]["Properties"]
            # Of this name, so that the account's resource policy for logs does not grow with it.
            if not called["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/states/${Prefix}-"):
                yield f"{name} logs to {called['LogGroupName']}"
        actions = {action for _, s in statements(world, named(properties["Role"])) for action in listed(s["Action"])}
        for wanted in OF_THE_ACCOUNT[1:]:
            if not wanted <= actions:
                yield f"{name} may not {sorted(wanted - actions)}"
        if chosen(properties.get("Tracing", {}).get("Enabled")) != ("Traces", True):
            yield f"{name} is not traced"
    if chosen(world.template["Globals"]["Function"].get("Tracing")) != ("Traces", "Active"):
        yield "functions are not traced"
    for name, function in world.of_type("AWS::Serverless::Function").items():
        role = world.resources[named(function["Properties"]["Role"])]["Properties"]["Policies"][0]["PolicyDocument"]
        traced = [s for s in role["Statement"] if chosen(s)[0] == "Traces" and chosen(s)[1]["Sid"] == "Trace"]
        if [set(chosen(s)[1]["Action"]) for s in traced] != [OF_THE_ACCOUNT[0]]:
            yield f"{name} may not send traces, or always may"
    fields = world.resources["ApiStage"]["Properties"]["AccessLogSettings"]["Format"]
    if '"function":"$context.integration.requestId"' not in fields or "$context.path" in fields:
        yield "the API's log does not lead to the function's, or names members"


def who_reads_and_writes_is_noted_on_request(world):
    trail = world.resources["DataTrail"]
    for name in ("DataTrail", "TrailBucket", "TrailBucketPolicy"):
        if world.resources[name].get("Condition") != "Trails":
            yield f"{name} is there without being asked for"
    if world.template["Parameters"]["Trail"]["Default"] != "no":
        yield "the trail is asked for by default"
    if trail.get("DependsOn") != "TrailBucketPolicy":
        yield "the trail may not write yet"
    watched = set()
    for selector in trail["Properties"]["AdvancedEventSelectors"]:
        fields = {one["Field"]: one for one in selector["FieldSelectors"]}
        if fields["eventCategory"]["Equals"] != ["Data"]:
            yield f"{selector['Name']} are no data"
        watched |= set(re.findall(r"\b(Table|ReportsBucket|InboxBucket|TrailBucket)\b", str(fields["resources.ARN"])))
    if watched != {"Table", "ReportsBucket", "InboxBucket"}:
        yield f"the trail watches {sorted(watched)}"


def a_final_run_waits_for_writers(world):
    states = world.machines["month-end.asl.yaml"]["States"]
    waits = [name for name, state in states.items() if state["Type"] == "Wait"]
    if waits != ["LetWritersEnd"] or states["LetWritersEnd"].get("SecondsPath") != "$.wait_seconds":
        yield "the wait is not that of the parameter"
    if states["Cutoff"]["ResultSelector"].get("wait_seconds.$") != "States.StringToJson('${SettleWaitSeconds}')":
        yield "the wait is not given"
    choice = states[states["Cutoff"]["Next"]]
    rules = choice.get("Choices", [{}])[0].get("And", [])
    if {"Variable": "$.kind", "StringEquals": "final"} not in rules or choice.get("Default") != "Tally":
        yield "a trial waits, or a final run does not"
    if choice.get("Choices", [{}])[0].get("Next") != "LetWritersEnd" or states["LetWritersEnd"].get("Next") != "Tally":
        yield "nothing is counted after the wait"


def no_page_calls_unless_it_is_named(world):
    condition, cors = chosen(world.resources["Api"]["Properties"].get("CorsConfiguration"))
    if condition != "HasOrigins" or world.template["Parameters"]["CorsOrigins"]["Default"] != "":
        yield "every stack answers browsers"
    elif cors.get("AllowOrigins") != {"Ref": "CorsOrigins"} or cors.get("AllowCredentials"):
        yield f"origins are {cors.get('AllowOrigins')}"
    else:
        methods = {key.partition(" ")[0] for key, _ in operations(world)}
        if set(cors["AllowMethods"]) != methods:
            yield f"pages may {cors['AllowMethods']}, the contract has {sorted(methods)}"


def leading_keys(statement):
    return statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])


def only_cutoff_seals(world):
    for name, statement in statements(world):
        if "dynamodb:PutItem" not in listed(statement["Action"]):
            continue
        keys = set(leading_keys(statement))
        if "G#*" in keys and name != "CutoffRole":
            yield f"{name} may seal"
        # Whoever writes accounts anew writes no events.
        written = keys & {"M#*", "E#*", "U#*"}
        if written and name not in ("RecordRole", "ImportRole") and (name, written) != ("AccountsPolicy", {"M#*"}):
            yield f"{name} may write events"
        if "R" in keys and name != "RulebookPolicy":
            yield f"{name} may bring a rulebook into force"


def every_kind_of_item_is_named(world):
    """The kinds of items in statements are those that the ledger's keys have, both ways."""
    code = (ROOT / "shared/ledger/src/keys.rs").read_text(encoding="utf-8").partition("#[cfg(test)]")[0]
    kinds = {f"{kind}#*" for kind in re.findall(r'format!\("([A-Z])#', code)}
    kinds |= set(re.findall(r'(?:pk: |&str = )"([A-Z])"', code))
    named_kinds = {key for _, statement in statements(world) for key in leading_keys(statement)}
    if kinds != named_kinds:
        yield f"the ledger has items {sorted(kinds)}, the statements name {sorted(named_kinds)}"


def works_in_every_partition(world):
    text = [s for s in strings(world.template)] + [s for m in world.machines.values() for s in strings(m)]
    for string in text:
        if re.search(r"arn:aws[:-]", string) or re.search(r"(?<!\$\{AWS::)\b[a-z]{2}-[a-z]+-\d\b", string):
            yield f"names a partition or region: {string[:80]}"
        if "amazonaws.com" in string and not re.fullmatch(r"[a-z0-9]+\.amazonaws\.com", string):
            yield f"names an endpoint: {string[:80]}"


def data_is_kept(world):
    for kind in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::Logs::LogGroup"):
        for name, resource in world.of_type(kind).items():
            kept = (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
            if kept != ("RetainExceptOnCreate", "Retain"):
                yield f"{name} goes with the stack"
            if kind == "AWS::S3::Bucket":
                properties = resource["Properties"]
                if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
                    yield f"{name} keeps no versions"
                if set(properties.get("PublicAccessBlockConfiguration", {0: False}).values()) != {True}:
                    yield f"{name} could be made public"
                policies = world.of_type("AWS::S3::BucketPolicy").values()
                own = [p for p in policies if named(p["Properties"]["Bucket"]) == name]
                if "aws:SecureTransport" not in strings(own):
                    yield f"{name} takes connections without TLS"
    for name, table in world.of_type("AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        if not (
            properties.get("DeletionProtectionEnabled")
            and properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
            and properties.get("BillingMode") == "PAY_PER_REQUEST"
        ):
            yield f"{name} is not on demand, protected and backed up"


def what_may_be_missing_may_be_looked_for(world):
    """Who reads what may not be there also lists it, or S3 says that it may not be read."""
    maybe = (("ImportRole", "checkpoints/*"), ("ImportRole", "files/*"), ("PeriodsRole", "payments/*"),
             ("RulebookPolicy", "rulebooks/keys/*"))
    for name, prefix in maybe:
        listed_prefixes = [
            text for _, statement in statements(world, name) if "s3:ListBucket" in listed(statement["Action"])
            for text in strings(statement["Condition"])
        ]
        if prefix not in listed_prefixes:
            yield f"{name} may not see that nothing is at {prefix}"


def names_are_of_one_stack(world):
    """No name is taken twice, neither by two prefixes nor, where an account has it once, by two regions."""
    once = (("AWS::IAM::ManagedPolicy", "ManagedPolicyName"), ("AWS::CloudWatch::Dashboard", "DashboardName"))
    for kind, key in once:
        for name, resource in world.of_type(kind).items():
            spelled = resource["Properties"].get(key, {}).get("Fn::Sub", "")
            if not (spelled.startswith("${Prefix}") and spelled.endswith("${RegionSuffix}")):
                yield f"{name} would be taken in a second region"
    for name, role in world.of_type("AWS::IAM::Role").items():
        if "RoleName" in role["Properties"]:
            yield f"{name} would be taken in a second region"
    for name, bucket in world.of_type("AWS::S3::Bucket").items():
        if not {"${Prefix}", "${AWS::AccountId}", "${AWS::Region}"} <= set(
                re.findall(r"\$\{[\w:]+\}", bucket["Properties"]["BucketName"]["Fn::Sub"])):
            yield f"{name} is named as one of another stack could be"


def final_runs_are_written_once(world):
    """By the bucket's policy, and locked by settle and nobody else, object by object: trials stay free to expire."""
    policies = [policy["Properties"] for policy in world.of_type("AWS::S3::BucketPolicy").values()]
    own = [one for p in policies if named(p["Bucket"]) == "ReportsBucket" for one in p["PolicyDocument"]["Statement"]]
    denied = {statement["Sid"]: statement for statement in own if statement["Effect"] == "Deny"}
    once = denied.get("FinalRunsAreWrittenOnce", {})
    wanted = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    if (once.get("Action"), once.get("Condition")) != ("s3:PutObject", wanted):
        yield "a final run's files may be written over"
    if once.get("Resource") != [{"Fn::Sub": "${ReportsBucket.Arn}/%s/*" % folder} for folder in ("periods", "payments")]:
        yield "not all files of final runs and of payments are written once"
    bucket = world.resources["ReportsBucket"]["Properties"]
    if bucket.get("ObjectLockEnabled") is not True or "Rule" in bucket["ObjectLockConfiguration"]:
        yield "the bucket cannot lock objects, or locks all of them"
    for name, statement in statements(world):
        if "s3:PutObjectRetention" in listed(statement["Action"]):
            where = {text.rpartition("}")[2] for text in strings(statement["Resource"]) if "/" in text}
            if name != "SettleRole" or where != {"/periods/*", "/accounts/*"}:
                yield f"{name} locks {sorted(where)}"
    if "s3:PutObjectRetention" not in strings(world.resources["SettleRole"]):
        yield "settle may not lock"


# --- The API ---


def operations(world):
    for path, item in world.contract["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def routes_are_the_contract(world):
    routes = {}
    for name, route in world.of_type("AWS::ApiGatewayV2::Route").items():
        properties = route["Properties"]
        if properties.get("AuthorizationType") != "AWS_IAM":
            yield f"{name} is open to everybody"
        integration = world.resources[named(properties["Target"])]
        function = world.resources[named(integration["Properties"]["IntegrationUri"])]
        routes[properties["RouteKey"].replace("+}", "}")] = function["Properties"]["CodeUri"].rpartition("/")[2]
    if routes.pop("$default", None) is None:
        yield "other paths have no route"
    contract = {key: operation.get("x-interline-function") for key, operation in operations(world)}
    # What can be read can be asked about, and is not documented twice.
    contract |= {f"HEAD {key[4:]}": function for key, function in contract.items() if key.startswith("GET ")}
    for key in sorted(set(routes) | set(contract)):
        if routes.get(key) != contract.get(key):
            yield f"{key}: the template has {routes.get(key)}, the contract {contract.get(key)}"


def policies_are_the_contract(world):
    """Each operation may be called with the policies of the callers that the contract names, and with no other."""
    holders = {"line": "LinePolicygrocery", "finance": "FinancePolicy", "members": "MembersPolicy"}
    for caller, policy in holders.items():
        allowed = [
            resource["Fn::Sub"].split("${Api}/", 1)[1]
            for _, statement in statements(world, policy)
            if listed(statement["Action"]) == ["execute-api:Invoke"]
            for resource in listed(statement["Resource"])
        ]
        may = lambda path: any(fnmatch.fnmatchcase(path, pattern) for pattern in allowed)
        for key, operation in operations(world):
            method, path = key.split(" ")
            own = re.sub(r"\{\w+\}", "x", path.replace("{line}", "grocery"))
            if may(f"$default/{method}{own}") != (caller in operation["x-interline-callers"]):
                yield f"{key} by {caller}: policy and contract differ"
            if caller == "line" and "{line}" in path:
                for other in ("fuel", "grocery2", "grocer"):
                    if may(f"$default/{method}{path.replace('{line}', other)}"):
                        yield f"{key}: a line may call the path of another"


def problems_are_those_of_the_code(world):
    source = (ROOT / "shared/lambda/src/problem.rs").read_text(encoding="utf-8")
    code = dict(re.findall(r'\bkind\(\s*"([a-z-]+)",\s*(\d{3})', source))
    source = (ROOT / "shared/domain/src/events/refusal.rs").read_text(encoding="utf-8")
    code |= dict(re.findall(r'\brow\(\s*Rule::\w+,\s*\("([a-z-]+)",[^)]*\),\s*\((\d{3})', source))
    schema = world.contract["components"]["schemas"]["ProblemType"]
    listed_types = [urn.rpartition(":")[2] for urn in schema["enum"]]
    table = dict(re.findall(r"^\| ([a-z-]+) \| (\d{3}) \|", schema["description"], re.M))
    if sorted(code) != sorted(listed_types):
        yield f"problem types differ: {sorted(set(code) ^ set(listed_types))}"
    if code != table:
        yield f"the table of problems differs: {sorted(set(code.items()) ^ set(table.items()))}"
    for name, response in world.contract["components"]["responses"].items():
        media = response.get("content", {}).get("application/problem+json")
        if media is None:
            continue
        problem = world.contract["components"]["schemas"][media["schema"]["$ref"].rpartition("/")[2]]
        for part in problem["allOf"]:
            properties = part.get("properties", {})
            for urn in properties.get("type", {}).get("enum", []):
                if [code.get(urn.rpartition(":")[2])] != [str(status) for status in properties["status"]["enum"]]:
                    yield f"{name}: {urn} has another status"


def examples_are_valid(world):
    found = 0
    for where, media in media_types(world.contract, "contract"):
        schema = {"components": world.contract["components"], **media["schema"]}
        for name, example in media.get("examples", {}).items():
            found += 1
            for error in OAS31Validator(schema).iter_errors(example["value"]):
                yield f"{where}, example {name}: {error.json_path} {error.message[:200]}"
    if found < 20:
        yield f"only {found} examples"


def media_types(value, where):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "content":
                for kind, media in inner.items():
                    yield f"{where} {kind}", media
            else:
                yield from media_types(inner, f"{where}/{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from media_types(inner, where)


# --- State machines ---


def state_machines_hold_together(world):
    errors = (ROOT / "shared/lambda/src/failure.rs").read_text(encoding="utf-8")
    known = set(re.findall(r'"(Interline\.\w+)"', errors))
    for name, machine in world.of_type("AWS::Serverless::StateMachine").items():
        properties = machine["Properties"]
        definition = world.machines[Path(properties["DefinitionUri"]).name]
        wanted = {hit for text in strings(definition) for hit in re.findall(r"\$\{(\w+)\}", text)}
        if wanted != set(properties["DefinitionSubstitutions"]):
            yield f"{name}: placeholders {sorted(wanted ^ set(properties['DefinitionSubstitutions']))}"
        for scope, states in scopes(definition, name):
            targets = {scope["StartAt"]}
            for state_name, state in states.items():
                where = f"{name}, {state_name}"
                nexts = [state[key] for key in ("Next", "Default") if key in state]
                nexts += [rule["Next"] for key in ("Choices", "Catch") for rule in state.get(key, [])]
                targets |= set(nexts)
                for target in nexts:
                    if target not in states:
                        yield f"{where}: there is no state {target}"
                if not nexts and not state.get("End") and state["Type"] not in ("Succeed", "Fail"):
                    yield f"{where}: leads nowhere"
                if state["Type"] == "Task":
                    if not state.get("Retry"):
                        yield f"{where}: is not tried again"
                    if not state["Resource"].startswith("arn:${Partition}:states:::"):
                        yield f"{where}: {state['Resource']}"
                    if "lambda:invoke" in state["Resource"]:
                        retried = {error for rule in state.get("Retry", []) for error in rule["ErrorEquals"]}
                        ours = {error for error in retried if error.startswith("Interline.")}
                        if not {"Interline.Retryable"} <= ours <= known & {"Interline.Retryable", "Interline.TimedOut"}:
                            yield f"{where}: retries {sorted(ours)}"
                        if not {"Lambda.TooManyRequestsException", "Lambda.ServiceException"} <= retried:
                            yield f"{where}: does not retry what Lambda means to be retried"
                        if not state.get("TimeoutSeconds"):
                            yield f"{where}: may take for ever"
                        if not state.get("ResultSelector") and state.get("ResultPath", "$") is not None:
                            yield f"{where}: keeps the whole answer"
                if state["Type"] == "Map" and {"ToleratedFailurePercentage", "ToleratedFailureCount"} & set(state):
                    yield f"{where}: tolerates failures"
            for orphan in set(states) - targets:
                yield f"{name}: {orphan} is never reached"


def scopes(machine, name):
    yield machine, machine["States"]
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            yield from scopes(state["ItemProcessor"], name)


RULES = [
    every_binary_exists,
    every_function_is_watched,
    what_can_go_wrong_is_watched,
    every_alarm_is_explained,
    the_deadline_is_later,
    every_metric_is_counted,
    every_setting_is_read,
    every_parameter_counts,
    versions_are_called,
    every_asynchronous_source_has_a_dead_letter_queue,
    every_statement_is_narrow,
    a_key_is_used_by_those_who_need_it,
    what_is_kept_is_encrypted_with_the_key,
    a_new_account_can_deploy,
    runs_can_be_followed,
    who_reads_and_writes_is_noted_on_request,
    a_final_run_waits_for_writers,
    no_page_calls_unless_it_is_named,
    only_cutoff_seals,
    every_kind_of_item_is_named,
    works_in_every_partition,
    data_is_kept,
    names_are_of_one_stack,
    final_runs_are_written_once,
    what_may_be_missing_may_be_looked_for,
    routes_are_the_contract,
    policies_are_the_contract,
    problems_are_those_of_the_code,
    examples_are_valid,
    state_machines_hold_together,
]


# --- Ways to break it ---


def breakages():
    def resource(name):
        return lambda world: world.template["Resources"][name]

    def properties(name):
        return lambda world: world.template["Resources"][name]["Properties"]

    def first_statement(name):
        return lambda world: properties(name)(world)["Policies"][0]["PolicyDocument"]["Statement"][1]

    yield "a binary of another name", every_binary_exists, lambda w: resource("TallyFunction")(w)["Metadata"][
        "BuildProperties"].update(Binary="interline-tallies")
    yield "a function without alarms", every_function_is_watched, lambda w: w.template["Resources"][
        "Fn::ForEach::ErrorAlarms"][1].remove("settle")
    yield "an index that nobody watches", what_can_go_wrong_is_watched, lambda w: properties("IndexWritesAlarm")(w)[
        "Dimensions"].pop()
    yield "a sum of other metrics", what_can_go_wrong_is_watched, lambda w: properties("CloseUnderWayAlarm")(w)[
        "Metrics"].pop()
    yield "an alarm that is not explained", every_alarm_is_explained, lambda w: properties(
        "SilentLinesAlarm")(w).update(AlarmName={"Fn::Sub": "${Prefix}-quiet"})
    yield "a deadline before the final run", the_deadline_is_later, lambda w: w.template["Rules"]["DeadlineAfterFinal"][
        "Assertions"][0]["Assert"]["Fn::Not"][0]["Fn::Or"].pop()
    yield "a metric that nobody counts", every_metric_is_counted, lambda w: properties("RefusedFilesAlarm")(w).update(
        MetricName="FilesRefused")
    yield "a setting that is not given", every_setting_is_read, lambda w: properties("PeriodsFunction")(w)[
        "Environment"]["Variables"].clear()
    yield "an API that calls no version", versions_are_called, lambda w: properties("RecordIntegration")(w).update(
        IntegrationUri={"Fn::GetAtt": ["RecordFunction", "Arn"]})
    yield "a run that changes its version", versions_are_called, lambda w: properties("MonthEnd")(w)[
        "DefinitionSubstitutions"].update(TallyFunction={"Ref": "TallyFunction.Alias"})
    yield "a run that may call one version", versions_are_called, lambda w: properties("MonthEndRole")(w)["Policies"][
        0]["PolicyDocument"]["Statement"][0]["Resource"].__setitem__(0, {"Ref": "CutoffFunction.Version"})
    yield "a limit that makes no version", versions_are_called, lambda w: properties("ImportFunction")(w)[
        "Environment"]["Variables"]["DEPLOYED_WITH"]["Fn::ToJsonString"].pop(6)
    yield "an import without a queue", every_asynchronous_source_has_a_dead_letter_queue, lambda w: properties(
        "ImportFunction")(w).pop("EventInvokeConfig")
    yield "a schedule without a queue", every_asynchronous_source_has_a_dead_letter_queue, lambda w: properties(
        "FinalSchedule")(w)["Target"].pop("DeadLetterConfig")
    yield "a queue without an alarm", every_asynchronous_source_has_a_dead_letter_queue, lambda w: w.template[
        "Resources"].pop("ScheduleFailuresAlarm")
    yield "a wildcard action", every_statement_is_narrow, lambda w: first_statement("TallyRole")(w).update(
        Action="dynamodb:*")
    yield "a delete", every_statement_is_narrow, lambda w: first_statement("RecordRole")(w).update(
        Action="dynamodb:DeleteItem")
    yield "all items", every_statement_is_narrow, lambda w: first_statement("SettleRole")(w).pop("Condition")
    yield "all resources", every_statement_is_narrow, lambda w: first_statement("ScheduleRole")(w).update(Resource="*")
    yield "a writer without the key", a_key_is_used_by_those_who_need_it, lambda w: properties("ImportRole")(w)[
        "Policies"][0]["PolicyDocument"]["Statement"].pop(-2)
    yield "a key for every use", a_key_is_used_by_those_who_need_it, lambda w: chosen(properties("RecordRole")(w)[
        "Policies"][0]["PolicyDocument"]["Statement"][-2])[1].pop("Condition")
    yield "a log without the key", what_is_kept_is_encrypted_with_the_key, lambda w: properties("ApiLog")(w).pop(
        "KmsKeyId")
    yield "an index that is cold", a_new_account_can_deploy, lambda w: properties("Table")(w)["GlobalSecondaryIndexes"][
        0].pop("WarmThroughput")
    yield "shards without a limit", a_new_account_can_deploy, lambda w: w.machines["month-end.asl.yaml"]["States"][
        "Cutoff"]["ResultSelector"].pop("at_once.$")
    yield "a run that is not logged", runs_can_be_followed, lambda w: properties("MonthEnd")(w).pop("Logging")
    yield "a log that leads nowhere", runs_can_be_followed, lambda w: properties("ApiStage")(w)[
        "AccessLogSettings"].update(Format='{"route":"$context.routeKey"}')
    yield "a function that may not trace", runs_can_be_followed, lambda w: properties("TallyRole")(w)["Policies"][0][
        "PolicyDocument"]["Statement"].pop()
    yield "a trail of itself", who_reads_and_writes_is_noted_on_request, lambda w: properties("DataTrail")(w)[
        "AdvancedEventSelectors"][1]["FieldSelectors"][2]["StartsWith"].append({"Fn::Sub": "${TrailBucket.Arn}/"})
    yield "a trial that waits", a_final_run_waits_for_writers, lambda w: w.machines["month-end.asl.yaml"]["States"][
        "IsAnythingSealed"].update(Default="LetWritersEnd")
    yield "every page", no_page_calls_unless_it_is_named, lambda w: chosen(properties("Api")(w)["CorsConfiguration"])[
        1].update(AllowOrigins=["*"])
    yield "a second sealer", only_cutoff_seals, lambda w: properties("PeriodsRole")(w)["Policies"][0][
        "PolicyDocument"]["Statement"].append(
            {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "x",
             "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["G#*"]}}})
    yield "a kind of item that is not there", every_kind_of_item_is_named, lambda w: first_statement("RecordRole")(w)[
        "Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"].append("V#*")
    yield "a partition", works_in_every_partition, lambda w: properties("ApiMayCallRecord")(w).update(
        SourceArn="arn:aws:execute-api:eu-west-1:1:x/*")
    yield "a table without backups", data_is_kept, lambda w: properties("Table")(w).pop(
        "PointInTimeRecoverySpecification")
    yield "a bucket's policy that goes", data_is_kept, lambda w: resource("InboxBucketPolicy")(w).pop("DeletionPolicy")
    yield "a policy of one region", names_are_of_one_stack, lambda w: properties("FinancePolicy")(w).update(
        ManagedPolicyName={"Fn::Sub": "${Prefix}-finance"})
    yield "a final run that is written twice", final_runs_are_written_once, lambda w: properties(
        "ReportsBucketPolicy")(w)["PolicyDocument"]["Statement"].pop()
    yield "trials that are locked", final_runs_are_written_once, lambda w: properties("ReportsBucket")(w)[
        "ObjectLockConfiguration"].update(Rule={"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}})
    yield "a fingerprint that is not looked for", what_may_be_missing_may_be_looked_for, lambda w: properties(
        "RulebookPolicy")(w)["PolicyDocument"]["Statement"].pop(1)
    yield "an open route", routes_are_the_contract, lambda w: properties("CloseRoute")(w).pop("AuthorizationType")
    yield "a route too few", routes_are_the_contract, lambda w: w.template["Resources"].pop("QuotesRoute")
    yield "a policy too wide", policies_are_the_contract, lambda w: properties("MembersPolicy")(w)["PolicyDocument"][
        "Statement"][0]["Resource"].append({"Fn::Sub": "x:${Api}/$default/GET/v1/periods/*"})
    yield "a problem too few", problems_are_those_of_the_code, lambda w: w.contract["components"]["schemas"][
        "ProblemType"]["enum"].pop()
    yield "an example of another shape", examples_are_valid, lambda w: w.contract["components"]["schemas"]["Started"][
        "required"].append("more")
    yield "a state that is not there", state_machines_hold_together, lambda w: w.machines["month-end.asl.yaml"][
        "States"]["Settle"].update(Next="Nowhere")


def main(arguments):
    world = World()
    if arguments:
        # For tools that know neither loops nor conditions.
        for name, holds in (("by-default", {"OwnTable"}), ("with-everything", set(world.template["Conditions"]))):
            written_out = decided({**world.template, "Resources": world.resources}, holds)
            written_out["Transform"] = "AWS::Serverless-2016-10-31"
            for parameter in written_out["Parameters"].values():
                if name == "with-everything" and parameter.get("Default") == "":
                    parameter["Default"] = "given"
            (Path(arguments[0]) / f"{name}.json").write_text(json.dumps(written_out, indent=1), encoding="utf-8")
    complaints = 0
    for rule in RULES:
        for complaint in rule(world):
            complaints += 1
            print(f"{rule.__name__}: {complaint}")
    blind = 0
    for name, rule, change in breakages():
        broken = copy.deepcopy(world)
        change(broken)
        broken.refresh()
        if not list(rule(broken)):
            blind += 1
            print(f"{rule.__name__} does not see: {name}")
    tried = len(list(breakages()))
    print(f"{len(RULES)} rules, {complaints} complaints; {tried - blind} of {tried} breakages seen")
    return 1 if complaints or blind else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

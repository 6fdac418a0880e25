"""Takes the built template through two months on an emulated AWS. Called by .ci/local-aws, which says how.

The emulator runs with TLS, checks every signature and evaluates every policy, so the narrow statements of the template
are those that the functions and callers really get by with. Two things it does not do: it knows no condition on the
leading keys of items, and drops backups, lifecycle rules and the expiry of versions without a word.
"""

import argparse
import filecmp
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "infra/local/sample"
RULEBOOK = SAMPLE / "rulebook.toml"
JANUARY, FEBRUARY = "2017-01", "2017-02"
FUNCTIONS = ("record", "account", "periods", "import", "cutoff", "tally", "prove", "settle")
REGION = os.environ["AWS_REGION"]
STARTED = time.monotonic()

# What the lines record over the API, in this order, before the files are imported.
EVENTS = [
    ("grocery", "accruals/A-1001", {"occurred_at": "2017-01-20T10:00:00+08:00", "amount": "250.00"}),
    ("drugstore", "redemptions/R-7", {"occurred_at": "2017-01-21T18:30:00+08:00", "points": 200}),
    ("drugstore", "reversals/V-1", {
        "occurred_at": "2017-01-22T09:00:00+08:00", "points": 50,
        "reverses": {"kind": "redemption", "reference": "R-7"},
    }),
]
MEMBER = "m1"


def step(text):
    print(f"\n== {text} ({time.monotonic() - STARTED:.0f}s)", flush=True)


def check(found, expected, what):
    if found != expected:
        raise SystemExit(f"{what}: expected {expected!r}, found {found!r}")


def until(what, seconds, probe):
    """The first answer of the probe that is not None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = probe()
        if answer is not None:
            return answer
        time.sleep(0.5)
    raise SystemExit(f"{what}: not within {seconds} seconds")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A server that ends, with all that it started, when the block does."""

    def __init__(self, command, log, env):
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for stop in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, stop)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        if kind:
            print(f"--- the end of {self.log.name}", self.log.read_text(errors="replace")[-6000:], "---", sep="\n")


class LocalAws(Process):
    def __init__(self, work):
        self.port = free_port()
        certificate, key = work / "certificate.pem", work / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=local-aws",
             "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, capture_output=True)
        self.url = f"https://127.0.0.1:{self.port}"
        # The emulator hands its environment on to the functions, and so does everything else that is started here.
        self.env = os.environ | {
            "AWS_ENDPOINT_URL": self.url, "AWS_CA_BUNDLE": str(certificate), "SSL_CERT_FILE": str(certificate)}
        for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
            os.environ[name] = self.env[name]
        self.trust = ssl.create_default_context(cafile=certificate)
        own = {
            "AUTH": "true", "USE_SSL": "1", "MINISTACK_SSL_CERT": str(certificate), "MINISTACK_SSL_KEY": str(key),
            "GATEWAY_PORT": str(self.port), "MINISTACK_REGION": REGION, "TMPDIR": str(work),
            # What Lambda sets for LoggingConfig, which the emulator does not read.
            "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO",
        }
        # By itself the emulator would take port 443 as well.
        # Else a connection is closed after a thousand requests, with the others that are under way on it.
        settings = work / "hypercorn.toml"
        settings.write_text("keep_alive_max_requests = 1000000000\n")
        server = [sys.executable, "-m", "hypercorn", "ministack.app:app", "--bind", f"127.0.0.1:{self.port}",
                  "--config", str(settings),
                  "--certfile", certificate, "--keyfile", key, "--keep-alive", "75"]
        super().__init__(server, work / "ministack.log", self.env | own)

    def client(self, service, credentials=None):
        given = {} if credentials is None else {
            "aws_access_key_id": credentials.access_key, "aws_secret_access_key": credentials.secret_key,
            "aws_session_token": credentials.token}
        return boto3.client(service, config=Config(retries={"max_attempts": 3}, read_timeout=300), **given)

    def is_up(self):
        if self.process.poll() is not None:
            raise SystemExit("the emulator ended")
        try:
            return self.client("sts").get_caller_identity()["Account"]
        except Exception:
            return None


class Stack:
    """The deployed stack, and the callers of its API."""

    def __init__(self, aws, tree, sam):
        self.aws, self.tree, self.sam = aws, tree, sam
        self.outputs = {}

    def deploy(self, **parameters):
        command = [self.sam, "deploy", "--config-env", "x86_64", "--no-confirm-changeset", "--region", REGION]
        if parameters:
            command += ["--parameter-overrides", " ".join(f"{name}={value}" for name, value in parameters.items())]
        done = subprocess.run(command, cwd=self.tree, env=self.aws.env, text=True, capture_output=True)
        if done.returncode:
            raise SystemExit(f"sam deploy: {done.stdout[-6000:]}{done.stderr[-6000:]}")
        stack = self.aws.client("cloudformation").describe_stacks(StackName="interline")["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def settings(self, credentials=None, **others):
        """What the program needs to work on this stack, as the account itself or with a role."""
        role = {} if credentials is None else {
            "AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.token}
        return self.aws.env | role | {
            "INTERLINE_TABLE": self.outputs["TableName"],
            "INTERLINE_REPORTS_BUCKET": self.outputs["ReportsBucketName"],
            "INTERLINE_INBOX_BUCKET": self.outputs["InboxBucketName"],
        } | others

    def caller(self, role, *policies):
        """Credentials of a role with policies of the stack."""
        account = self.aws.client("sts").get_caller_identity()["Account"]
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}}]}
        iam = self.aws.client("iam")
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        for policy in policies:
            iam.attach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::{account}:policy/{policy}")
        session = self.aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="drill")["Credentials"]
        return Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])

    def call(self, credentials, method, path, body=None):
        """Status, headers and body of a call, signed as the caller if there is one."""
        api = self.outputs["ApiUrl"].split("//")[1].split(".")[0]
        headers = {"Host": f"{api}.execute-api.localhost:{self.aws.port}"}
        data = None if body is None else json.dumps(body).encode()
        if credentials:
            signed = AWSRequest(method, f"{self.aws.url}{path}", headers=headers, data=data)
            SigV4Auth(credentials, "execute-api", REGION).add_auth(signed)
            headers = dict(signed.headers)
        request = urllib.request.Request(f"{self.aws.url}{path}", data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.aws.trust), NoRedirects)
        try:
            answer = opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers, answer.read()

    def run(self, machine, **input):
        """Status, output and error of an execution."""
        machines = self.aws.client("stepfunctions")
        return self.end(machines.start_execution(
            stateMachineArn=self.outputs[machine], input=json.dumps(input))["executionArn"])

    def end(self, execution):
        def ended():
            found = self.aws.client("stepfunctions").describe_execution(executionArn=execution)
            return None if found["status"] == "RUNNING" else found
        return until("a state machine", 600, ended)


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def ok(answer, status=200):
    check(answer[0], status, f"status of {answer[2][:500]}")
    return json.loads(answer[2])


def interline(program, *arguments, env=None):
    done = subprocess.run([program, "--json", *arguments], env=env, text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"interline {' '.join(map(str, arguments))}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return json.loads(done.stdout)


# --- The embedded run ---


def embedded_run(program, folder):
    """The same events, files and closes on one machine, in the same order."""
    common = ["--data-dir", folder]
    port = free_port()
    command = [program, "--json", *common, "--rulebook", RULEBOOK, "serve", "--port", str(port)]
    with Process(command, folder.parent / "serve.log", os.environ) as server:
        until("the embedded API", 60, lambda: server.log.stat().st_size or None)
        for line, path, body in EVENTS:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/lines/{line}/{path}", json.dumps({"member": MEMBER, **body}).encode(),
                {"Authorization": f"Bearer local-{line}"}, method="PUT")
            with urllib.request.urlopen(request) as answer:
                check(answer.status, 201, f"status of {line}/{path} on the embedded stack")
    for period in (JANUARY, FEBRUARY):
        interline(program, *common, "import", SAMPLE / f"events-{period}.csv.gz")
        interline(program, *common, "close", period)
        interline(program, *common, "reports", period, "--out", folder / "out" / period)
    return folder


def same_files(one, other, what):
    names = {str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()}
    others = {str(path.relative_to(other)) for path in other.rglob("*") if path.is_file()}
    check(others, names, f"files of {what}")
    _, differing, unread = filecmp.cmpfiles(one, other, sorted(names), shallow=False)
    check(differing + unread, [], f"files of {what} that differ")
    print(f"{what}: {len(names)} files, every byte the same")


# --- The drill ---


def check_deployed(stack):
    """What the template asks for is there, as far as the emulator keeps it."""
    aws = stack.aws
    pages = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName="interline")
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    check({resource["ResourceStatus"] for resource in resources}, {"CREATE_COMPLETE"}, "states of the resources")
    wanted = {r["PhysicalResourceId"] for r in resources if r["ResourceType"] == "AWS::CloudWatch::Alarm"}
    alarms = aws.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
    check({alarm["AlarmName"] for alarm in alarms}, wanted, "alarms")
    check({tuple(alarm["AlarmActions"]) for alarm in alarms}, {(stack.outputs["AlarmsArn"],)}, "who hears of alarms")
    scheduler = aws.client("scheduler")
    schedules = {}
    for entry in scheduler.list_schedules()["Schedules"]:
        found = scheduler.get_schedule(Name=entry["Name"])
        # The emulator drops the time zone.
        schedules[found["Name"]] = found["ScheduleExpression"]
        check(found["State"], "DISABLED", f"state of schedule {found['Name']}")
        check("DeadLetterConfig" in found["Target"], True, f"schedule {found['Name']} has a dead-letter queue")
    check(schedules, {
        "interline-trial": "cron(0 6 1 * ? *)",
        "interline-final": "cron(0 6 3 * ? *)",
        "interline-deadline": "cron(0 6 5 * ? *)",
    }, "schedules")
    queues = aws.client("sqs").list_queues()["QueueUrls"]
    check({url.rpartition("/")[2] for url in queues}, {"interline-import-failures", "interline-schedule-failures"},
          "queues")
    functions = aws.client("lambda").list_functions(MaxItems=50)["Functions"]
    check({function["FunctionName"] for function in functions},
          {f"interline-{name}" for name in FUNCTIONS}, "functions")
    check({function["Runtime"] for function in functions}, {"provided.al2023"}, "runtimes")
    print(f"{len(resources)} resources, {len(alarms)} alarms, {len(schedules)} schedules, {len(functions)} functions")


def publish_rulebook(stack, program, operations):
    """By a role that may do this and recompute months, and nothing else."""
    for _ in range(2):
        interline(program, "--aws", "rulebook", "publish", RULEBOOK, "--yes", env=stack.settings(operations))
    dynamodb = stack.aws.client("dynamodb", operations)
    try:
        dynamodb.delete_item(TableName=stack.outputs["TableName"], Key={"pk": {"S": "R"}, "sk": {"S": "current"}})
        raise SystemExit("operations could delete the rulebook")
    except ClientError as error:
        check(error.response["Error"]["Code"], "AccessDeniedException", "a delete")


def use_the_api(stack, callers):
    """Lines record and are kept to their own paths; members are read; strangers are turned away."""
    grocery, drugstore, members = callers["grocery"], callers["drugstore"], callers["members"]
    for line, path, body in EVENTS:
        ok(stack.call(callers[line], "PUT", f"/v1/lines/{line}/{path}", {"member": MEMBER, **body}), 201)
    line, path, body = EVENTS[0]
    answer = stack.call(grocery, "PUT", f"/v1/lines/{line}/{path}", {"member": MEMBER, **body})
    ok(answer)
    check(answer[1]["idempotent-replayed"], "true", "a repeated call")
    statement = ok(stack.call(members, "GET", f"/v1/members/{MEMBER}/entries"))["entries"]
    check([entry["balance"] for entry in statement], [100, 50, 250], "balances in the statement")
    # Points of 2017 are expired by now; balances and quotes are of today.
    today = {"member": "m2", "occurred_at": datetime.now(UTC).isoformat(timespec="seconds"), "amount": "250.00"}
    ok(stack.call(grocery, "PUT", "/v1/lines/grocery/accruals/A-1002", today), 201)
    check(ok(stack.call(members, "GET", "/v1/members/m2"))["balance"], 250, "balance")
    quote = ok(stack.call(drugstore, "POST", "/v1/quotes", {"member": "m2", "line": "drugstore", "value": "2.00"}))
    check((quote["points"], quote["most"], quote["reason"]), (200, 250, None), "a quote")
    refused = ok(stack.call(drugstore, "PUT", "/v1/lines/drugstore/redemptions/R-8", {
        "member": MEMBER, "occurred_at": "2017-01-21T18:31:00+08:00", "points": 9999}), 422)
    check(refused["type"], "urn:interline:problem:insufficient-points", "a redemption of too much")
    # Turned away by the gateway, before any function: without a signature, with a wrong one, without a policy.
    theft = {"member": MEMBER, "occurred_at": "2017-01-20T10:00:00+08:00", "amount": "1.00"}
    forged = Credentials(grocery.access_key, "x" * 40, grocery.token)
    for caller, what in ((None, "nobody"), (forged, "a forged signature"), (grocery, "another line"),
                         (callers["stranger"], "a role without policy"), (members, "the members' service")):
        status, _, body = stack.call(caller, "PUT", "/v1/lines/fuel/accruals/A-1", theft)
        check((status, b"urn:interline" in body), (403, False), f"a call by {what}")
    check(stack.call(grocery, "GET", f"/v1/members/{MEMBER}")[0], 403, "a line that reads a member")
    # A policy that allows too much is not enough: the function goes by the role's name.
    for caller, what in ((callers["greedy"], "a line with another line's policy"), (callers["guest"], "another role")):
        problem = ok(stack.call(caller, "PUT", "/v1/lines/fuel/accruals/A-1", theft), 403)
        check(problem["type"], "urn:interline:problem:forbidden", f"a call by {what}")
    # Policies bind functions as well.
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "dynamodb:GetItem", "Resource": "*"}]}
    iam, function = stack.aws.client("iam"), stack.aws.client("lambda").get_function(FunctionName="interline-account")
    role = function["Configuration"]["Role"].rpartition("/")[2]
    iam.put_role_policy(RoleName=role, PolicyName="drill", PolicyDocument=json.dumps(deny))
    check(stack.call(members, "GET", "/v1/members/m2")[0] >= 500, True, "a function without its permission fails")
    iam.delete_role_policy(RoleName=role, PolicyName="drill")
    ok(stack.call(members, "GET", "/v1/members/m2"))
    print("recorded, repeated, read and quoted; refused what must be refused")


def import_file(stack, caller, period):
    """The platform leaves a file for all lines; returns what came back."""
    name, inbox = f"events-{period}", stack.outputs["InboxBucketName"]
    s3 = stack.aws.client("s3", caller)
    s3.put_object(Bucket=inbox, Key=f"inbox/group/{name}.csv.gz", Body=(SAMPLE / f"{name}.csv.gz").read_bytes())

    def rejects():
        listed = s3.list_objects_v2(Bucket=inbox, Prefix=f"rejects/group/{name}")
        return next((entry["Key"] for entry in listed.get("Contents", [])), None)
    key = until(f"the import of {name}", 600, rejects)
    return key.rpartition("/")[2], s3.get_object(Bucket=inbox, Key=key)["Body"].read()


def imports(stack, callers, embedded):
    for period in (JANUARY, FEBRUARY):
        began = time.monotonic()
        name, rejects = import_file(stack, callers["group"], period)
        check(rejects, (embedded / "rejects" / name).read_bytes(), f"rejected rows of {period}")
        seconds, rows = time.monotonic() - began, rejects.count(b"\n") - 1
        print(f"{period}: imported in {seconds:.0f} s, {rows} rows rejected, the same as in the embedded run")


def hear_notices(stack):
    """A queue that gets what finance is mailed."""
    sqs, sns = stack.aws.client("sqs"), stack.aws.client("sns")
    topic = stack.outputs["NoticesArn"]
    url = sqs.create_queue(QueueName="drill-notices")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def next_message(stack, url, seconds):
    def received():
        for message in stack.aws.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            stack.aws.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
        return None
    return until(f"a message in {url.rpartition('/')[2]}", seconds, received)


def settled(stack, notices, kind, period, ended):
    check((ended["status"], ended.get("cause")), ("SUCCEEDED", None), f"the {kind} run of {period}")
    output = json.loads(ended["output"])
    check(output["checks_passed"], True, f"checks of the {kind} run")
    notice = next_message(stack, notices, 30)
    check(notice["Subject"], f"Interline {period}, {kind} run settled", "the notice")
    check(output["manifest"] in notice["Message"], True, "the notice names the manifest")
    print(f"{period} {kind} run {output['run']}: {output['entries']} entries, finance was told")
    return output


def failed(stack, notices, error, ended):
    check((ended["status"], ended.get("error")), ("FAILED", error), "the run")
    notice = next_message(stack, notices, 30)
    check(notice["Subject"], "Interline month-end failed", "the notice")
    check(error in notice["Message"], True, f"the notice names {error}")
    print(f"failed as it must with {error}, finance was told")


def close_january(stack, callers, notices):
    failed(stack, notices, "Interline.Refused", stack.run("MonthEndArn", kind="final", period=FEBRUARY))
    # A report that is there with other content stops a run, and the period says so.
    run = "trial-damaged"
    damaged = f"trials/{JANUARY}/{run}/positions.csv"
    stack.aws.client("s3").put_object(
        Bucket=stack.outputs["ReportsBucketName"], Key=damaged, Body=b"damaged")
    failed(stack, notices, "Interline.Broken", stack.run("MonthEndArn", kind="trial", period=JANUARY, run=run))
    noted = ok(stack.call(callers["finance"], "GET", f"/v1/periods/{JANUARY}"))["under_way"]
    reason = f"Interline.Broken: object {damaged} exists with other content"
    check((noted["run"], noted["failed"][:len(reason)]), (run, reason), "what the period says of the run")
    for kind in ("trial", "final"):
        settled(stack, notices, kind, JANUARY, stack.run("MonthEndArn", kind=kind, period=JANUARY))


def close_by_the_api(stack, callers, notices, period):
    """As finance does: start it, follow it, take the files."""
    finance = callers["finance"]
    path = f"/v1/periods/{period}"
    check(stack.call(callers["grocery"], "POST", f"{path}/close", {"kind": "final"})[0], 403, "a close by a line")
    started = ok(stack.call(finance, "POST", f"{path}/close", {"kind": "final"}), 202)
    executions = stack.aws.client("stepfunctions").list_executions(stateMachineArn=stack.outputs["MonthEndArn"])
    newest = max(executions["executions"], key=lambda execution: execution["startDate"])
    check(newest["name"].startswith(f"{period}-{started['run']}-"), True, f"name {newest['name']} of the execution")
    settled(stack, notices, "final", period, stack.end(newest["executionArn"]))
    check(ok(stack.call(finance, "GET", path))["status"], "final", "status of the period")
    status, headers, _ = stack.call(finance, "GET", f"{path}/reports/payments.csv")
    check(status, 302, "status of a report")
    with urllib.request.urlopen(headers["location"], context=stack.aws.trust) as answer:
        return answer.read()


def download(stack, program, period, folder):
    interline(program, "--aws", "reports", period, "--out", folder, env=stack.settings())
    return folder


def look_at_what_watches(stack):
    """What cannot be delivered is kept, a month that is not closed in time is a failure, functions log and count."""
    aws = stack.aws
    aws.client("s3").put_object(Bucket=stack.outputs["InboxBucketName"], Key="inbox/grocery/sales.txt", Body=b"")
    aws.client("lambda").invoke(
        FunctionName="interline-import", InvocationType="Event", Payload=json.dumps({"Records": [{"s3": {}}]}))
    given_up = next_message(stack, stack.outputs["ImportFailuresUrl"], 120)
    check(given_up["responsePayload"]["errorType"], "Interline.Refused", "why an import was given up")
    before = (datetime.now(UTC).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    ended = stack.run("DeadlineArn")
    late = ("Interline.NotClosedInTime", f"Period {before} has no final run.")
    check((ended["error"], ended["cause"]), late, "the deadline of an open month")
    period = {"pk": {"S": "P"}, "sk": {"S": before}}
    table = {"TableName": stack.outputs["TableName"]}
    aws.client("dynamodb").put_item(**table, Item=period | {"j": {"S": json.dumps({"status": "final"})}})
    check(stack.run("DeadlineArn")["status"], "SUCCEEDED", "the deadline of a closed month")
    aws.client("dynamodb").delete_item(**table, Key=period)
    fields = {"request_id", "outcome", "millis", "read_units", "write_units", "cold_start"}
    for name in FUNCTIONS:
        lines = logged(stack, name)
        requests = [line["fields"] for line in lines if line.get("fields", {}).get("message") == "request"]
        check([line for line in requests if not fields <= set(line)], [], f"requests in the log of {name}")
        check(len(requests) > 0, True, f"{name} logs its requests")
        api = [{"route", "caller", "status"} <= set(line) for line in requests if name in ("record", "account")]
        check(all(api), True, f"{name} logs who called what")
    wanted = {"RejectedRows": 292 + 159, "RefusedFiles": 1}

    def counts():
        counted = [line for line in logged(stack, "import") if line.get("Programme") == "interline" and "_aws" in line]
        found = {name: sum(line.get(name, 0) for line in counted) for name in wanted}
        return found if found == wanted else None
    until(f"import counts {wanted}", 30, counts)
    print("a file given up is in its queue, the deadline fails, requests are logged, rejected rows are counted")


def logged(stack, name):
    """The JSON lines of a function's log."""
    logs = stack.aws.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/interline-{name}")
    messages = [event["message"] for page in pages for event in page["events"]]
    return [json.loads(message) for message in messages if message.startswith("{")]


def copy_table(stack, source, target):
    """Stands for a restore to a point in time, which the emulator does not have."""
    dynamodb = stack.aws.client("dynamodb")
    table = dynamodb.describe_table(TableName=source)["Table"]
    indexes = [{key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
               for index in table["GlobalSecondaryIndexes"]]
    dynamodb.create_table(
        TableName=target, BillingMode="PAY_PER_REQUEST", KeySchema=table["KeySchema"],
        AttributeDefinitions=table["AttributeDefinitions"], GlobalSecondaryIndexes=indexes)
    dynamodb.get_waiter("table_exists").wait(TableName=target)
    copied = 0
    for page in dynamodb.get_paginator("scan").paginate(TableName=source):
        items = page["Items"]
        for start in range(0, len(items), 25):
            puts = [{"PutRequest": {"Item": item}} for item in items[start:start + 25]]
            check(dynamodb.batch_write_item(RequestItems={target: puts})["UnprocessedItems"], {}, "items left over")
        copied += len(items)
    print(f"{copied} items copied")


def restore(stack, program, callers, notices, embedded, work):
    """The steps of infra/README.md: stop, restore, compare, switch, go on."""
    own, restored = stack.outputs["TableName"], "interline-restored"
    stack.deploy(ApiRequestsPerSecond=1, ImportConcurrency=0, Schedules="DISABLED")
    copy_table(stack, own, restored)
    verified = interline(program, "--aws", "verify", JANUARY, env=stack.settings(INTERLINE_TABLE=restored))
    check(verified["identical"], True, "January from the restored table")
    stack.deploy(RestoredTable=restored, ApiRequestsPerSecond=1000, ImportConcurrency=4)
    check(stack.outputs["TableName"], restored, "the table in use")
    line, path, body = EVENTS[0]
    answer = stack.call(callers[line], "PUT", f"/v1/lines/{line}/{path}", {"member": MEMBER, **body})
    check((answer[0], answer[1]["idempotent-replayed"]), (200, "true"), "an event that is sent again")
    payments = close_by_the_api(stack, callers, notices, FEBRUARY)
    pack = download(stack, program, FEBRUARY, work / "aws" / FEBRUARY)
    check(payments, (pack / "payments.csv").read_bytes(), "payments by the link")
    same_files(embedded / "out" / FEBRUARY, pack, "February's reports, closed from the restored table")
    verified = interline(program, "--aws", "verify", FEBRUARY, env=stack.settings(callers["operations"]))
    check(verified["identical"], True, "February, computed again by operations")
    # The table that was left alone comes to the same: its run would be refused if a single byte differed.
    interline(program, "--aws", "close", FEBRUARY, env=stack.settings(INTERLINE_TABLE=own))
    print(f"{FEBRUARY}: closed from the stack's own table as well, the same bytes")


def contract(aws, test):
    """The tests of what ledger and reports need of DynamoDB and S3, against these."""
    command = ["cargo", "test", "--quiet", "--workspace", "--test", test]
    # Built apart, as cargo may want to download and is to trust more than the emulator then.
    subprocess.run([*command, "--no-run"], cwd=ROOT, check=True)
    # In this region a bucket is made without naming one.
    region = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    env = aws.env | region | {"INTERLINE_CONTRACT_ENDPOINT": aws.url}
    subprocess.run([*command, "contract", "--", "--ignored"], cwd=ROOT, env=env, check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tree", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--sam", required=True)
    parser.add_argument("--contract")
    parser.add_argument("--one-month", action="store_true")
    given = parser.parse_args()
    # So that what was started is ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))

    step("the same months on the embedded stack")
    embedded = embedded_run(given.program, given.work / "embedded")
    with LocalAws(given.work) as aws:
        step("the emulator")
        until("the emulator", 60, aws.is_up)
        step("sam deploy")
        stack = Stack(aws, given.tree, given.sam)
        stack.deploy(Schedules="DISABLED", Architecture="x86_64", SettleWaitSeconds=2)
        check_deployed(stack)
        callers = {
            "grocery": stack.caller("interline-line-grocery", "interline-line-grocery"),
            "drugstore": stack.caller("interline-line-drugstore", "interline-line-drugstore"),
            "group": stack.caller("interline-line-group", "interline-line-group"),
            "finance": stack.caller("interline-finance", "interline-finance"),
            "members": stack.caller("interline-members", "interline-members"),
            "stranger": stack.caller("interline-line-fuel"),
            "greedy": stack.caller("interline-line-dining", "interline-line-fuel"),
            "guest": stack.caller("guest", "interline-line-fuel"),
            "operations": stack.caller("operations", "interline-rulebook"),
        }
        step("the rulebook")
        publish_rulebook(stack, given.program, callers["operations"])
        step("the API")
        use_the_api(stack, callers)
        step("files in the inbox")
        imports(stack, callers, embedded)
        step("January")
        notices = hear_notices(stack)
        close_january(stack, callers, notices)
        pack = download(stack, given.program, JANUARY, given.work / "aws" / JANUARY)
        same_files(embedded / "out" / JANUARY, pack, "January's reports")
        step("what watches")
        look_at_what_watches(stack)
        if not given.one_month:
            step("a restored table, and February")
            restore(stack, given.program, callers, notices, embedded, given.work)
        if given.contract:
            step("the contract of DynamoDB and S3")
            contract(aws, given.contract)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The same month by Interline's fold and by what people would use instead.

    peers.py install                    DuckDB and Polars into target/peers; PostgreSQL and hledger come by apt
    peers.py measure --ours PROGRAM [--runs N] FOLDER

FOLDER holds slices.csv, prices.csv, splits.csv and, for hledger, month.journal, as the bench `figures` writes them. Every program
is a process of its own. Results are compared to the fen before any time is printed; what is not installed is left
out and named. Prints JSON: figures with one value for each run.
"""

import argparse
import csv
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
VENV = HERE.parent.parent / "target" / "peers"
# A private cluster with room to work in, on a machine that is its own.
POSTGRES = {
    "shared_buffers": "1GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "synchronous_commit": "off",
    "max_parallel_workers_per_gather": "2",
    "listen_addresses": "",
}


def install():
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin" / "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)


class Run:
    """A process that ended well: what it printed, wall seconds, peak memory in MB."""

    def __init__(self, command, cwd=None):
        with tempfile.TemporaryFile("w+") as output:
            started = time.perf_counter()
            process = subprocess.Popen([str(part) for part in command], stdout=output, cwd=cwd)
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                sys.exit(f"{command[0]} ended with {process.returncode}")
            self.memory = usage.ru_maxrss * 1024 / 1e6
            output.seek(0)
            self.output = output.read()


class Postgres:
    """A cluster of its own in a temporary folder, run by somebody who is not root."""

    def __init__(self, folder):
        self.bin = postgres_folder()
        self.user = pwd.getpwnam("nobody").pw_name if os.getuid() == 0 else None
        self.data = folder / "cluster"
        self.data.mkdir()
        if self.user:
            shutil.chown(self.data, self.user)
        self.call("initdb", "--pgdata", self.data, "--auth", "trust", "--username", "peers", "--no-sync")
        settings = [f"-c{name}={value}" for name, value in POSTGRES.items()]
        self.server = subprocess.Popen(
            [self.bin / "postgres", "-D", self.data, f"-cunix_socket_directories={self.data}", *settings],
            user=self.user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.data,
        )
        while subprocess.run([self.bin / "pg_isready", "-q", "-h", self.data], cwd="/").returncode != 0:
            if self.server.poll() is not None:
                sys.exit("postgres does not start")
            time.sleep(0.05)

    def call(self, program, *arguments):
        subprocess.run([self.bin / program, *arguments], user=self.user, check=True, cwd="/", stdout=subprocess.DEVNULL)

    def psql(self, script, folder):
        command = ["psql", "-h", self.data, "-U", "peers", "-d", "postgres", "-XqAt", "-v", "ON_ERROR_STOP=1"]
        return Run([*command, "-f", HERE / script], cwd=folder)

    def run(self, folder):
        """Loads and computes; the memory of the server's processes together, as often as it can be looked at."""
        peak, done = [0.0], threading.Event()

        def watch():
            while not done.wait(0.02):
                peak[0] = max(peak[0], sum(proportional(process) for process in family(self.server.pid)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            load = self.psql("postgres-load.sql", folder)
            query = self.psql("postgres.sql", folder)
        finally:
            done.set()
            watcher.join()
        query.load = load.seconds
        query.query = query.seconds
        query.seconds += load.seconds
        query.memory = peak[0]
        return query

    def stop(self):
        self.server.terminate()
        self.server.wait()


def postgres_folder():
    """The newest installed version's programs."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if not folders and shutil.which("postgres"):
        folders = [pathlib.Path(shutil.which("postgres")).parent]
    return folders[-1] if folders else None


def family(process):
    children = []
    for listed in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
        children += listed.read_text().split()
    return [process] + [member for child in children for member in family(int(child))]


def proportional(process):
    """Memory in MB, with what processes share counted once."""
    try:
        for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return 0.0


def minor(text):
    """Currency units with two decimals, or a whole number, as an integer."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > 2:
        sys.exit(f"{text} is not whole in minor units")
    return int(whole + fraction.ljust(2, "0")) if fraction else int(whole)


def result(output):
    """What must agree: (what, keys...) -> number."""
    rows = [line.split(",") for line in output.splitlines()]
    return {tuple(keys): minor(number) for *keys, number in rows}


def hledger_result(output):
    """`owed` and `outstanding` of the balances by account."""
    found = {}
    for account, balance in list(csv.reader(output.splitlines()))[1:]:
        kind, *keys = account.split(":")
        number = minor(balance.split(" ")[0])
        if kind == "owed":
            found["owed", *keys] = number
        elif kind == "points":
            found["outstanding", *keys] = number
    return found


def parquet(folder):
    """The same columns as in the CSV, as text but for the points."""
    code = (
        "import polars as pl; pl.scan_csv('slices.csv', infer_schema=False)"
        ".with_columns(pl.col('slice_points').cast(pl.Int64)).sink_parquet('slices.parquet')"
    )
    Run([VENV / "bin" / "python", "-c", code], cwd=folder)


def peers(folder, postgres):
    """Name -> what runs it, and how its output reads."""
    found = {}
    if (VENV / "bin" / "python").exists():
        parquet(folder)
        for name in ["duckdb", "polars"]:
            for form in ["csv", "parquet"]:
                command = [VENV / "bin" / "python", HERE / f"{name}_month.py", folder, form]
                found[f"{name} {form}"] = (lambda command=command: Run(command), result)
    else:
        print("not installed, left out: duckdb, polars (peers.py install)", file=sys.stderr)
    if postgres:
        found["postgres"] = (lambda: postgres.run(folder), result)
    else:
        print("not installed, left out: postgres", file=sys.stderr)
    if not shutil.which("hledger"):
        print("not installed, left out: hledger", file=sys.stderr)
    elif not (folder / "month.journal").exists():
        print("left out: hledger, there is no month.journal", file=sys.stderr)
    else:
        command = ["hledger", "-f", folder / "month.journal", "balance", "--flat", "-N", "-O", "csv", "points", "owed"]
        found["hledger"] = (lambda: Run(command), hledger_result)
    return found


def compare(name, ours, theirs):
    """Whatever a peer says must be what we say; it must say everything of a kind, or nothing."""
    kinds = {key[0] for key in theirs}
    expected = {key: number for key, number in ours.items() if key[0] in kinds}
    if not kinds or expected != theirs:
        different = {key for key in expected.keys() | theirs.keys() if expected.get(key) != theirs.get(key)}
        lines = [f"  {','.join(key)}: ours {expected.get(key)}, theirs {theirs.get(key)}" for key in sorted(different)]
        sys.exit(f"{name} finds another result:\n" + "\n".join(lines[:20]))


def measure(arguments):
    folder = arguments.folder.resolve()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        scratch = pathlib.Path(scratch)
        if os.getuid() == 0:
            # The server's own user has to reach its folder.
            for path in [scratch, folder]:
                path.chmod(0o755)
        postgres = Postgres(scratch) if postgres_folder() and shutil.which("psql") else None
        try:
            print(json.dumps(figures(folder, arguments, postgres)))
        finally:
            if postgres:
                postgres.stop()


def figures(folder, arguments, postgres):
    programs = {"interline csv": (lambda: Run([arguments.ours, "fold-file", folder / "slices.csv"]), result)}
    programs |= peers(folder, postgres)
    runs = {name: [] for name in programs}
    # In turns, so that whatever else the machine does meets all of them.
    for _ in range(arguments.runs):
        for name, (run, _) in programs.items():
            runs[name].append(run())
    expected = result(runs["interline csv"][0].output)
    for name, (_, read) in programs.items():
        for run in runs[name]:
            compare(name, expected, read(run.output))
    rows = []
    for name, of in runs.items():
        rows.append((f"{name}, time", "s", [run.seconds for run in of]))
        if name == "postgres":
            rows.append((f"{name}, of it loading", "s", [run.load for run in of]))
            rows.append((f"{name}, of it the query", "s", [run.query for run in of]))
        rows.append((f"{name}, memory", "MB", [run.memory for run in of]))
        if name != "interline csv":
            ratio = [theirs.seconds / ours.seconds for theirs, ours in zip(of, runs["interline csv"])]
            rows.append((f"{name}, time to ours", "x", ratio))
    return [{"what": what, "unit": unit, "runs": values} for what, unit, values in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install")
    command = commands.add_parser("measure")
    command.add_argument("--ours", type=pathlib.Path, required=True)
    command.add_argument("--runs", type=int, default=5)
    command.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    install() if arguments.command == "install" else measure(arguments)


if __name__ == "__main__":
    main()

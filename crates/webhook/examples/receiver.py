"""Takes webhooks, and nothing that somebody else has made or has recorded.

    WEBHOOK_SECRET=… python3 receiver.py 8080

Needs nothing but Python 3.10.
"""

import hashlib
import hmac
import http.server
import json
import os
import sys
import time

SECRET = os.environ["WEBHOOK_SECRET"].encode()
# How old a call may be, in seconds: what was recorded can't be played again later.
OLDEST = 300
# The largest body that is read.
LARGEST = 1 << 20
# Ids of what was worked on: a call may come again. A real receiver keeps them where its work is kept.
done = set()


def is_genuine(header, body, now):
    """Whether `X-Webhook-Signature-V2` (`t=<Unix seconds>,v1=<hex>`) is that of the body's exact bytes."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    at = parts.get("t", "")
    if not at.isdecimal() or abs(now - int(at)) > OLDEST:
        return False
    expected = hmac.new(SECRET, at.encode() + b"." + body, hashlib.sha256).hexdigest()
    # While the secret is changed, the new one stands beside it: either will do.
    given = [parts.get("v1", ""), parts.get("next", "")]
    # Takes the same time wherever they differ.
    return any([hmac.compare_digest(expected, one) for one in given if one.isascii()])


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length) if length <= LARGEST else b""
        if not is_genuine(self.headers.get("x-webhook-signature-v2", ""), body, time.time()):
            return self.send(401)
        event = json.loads(body)
        if event["id"] not in done:
            print("event", event["event"], event["id"], flush=True)
            done.add(event["id"])
        # Only now: what isn't answered with 2xx comes again.
        self.send(200)

    def send(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
print(f"listening http://127.0.0.1:{server.server_address[1]}/", flush=True)
server.serve_forever()

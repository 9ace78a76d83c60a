"""Makes an instance, shows its QR code, sends a text and a picture, and tells of what comes.

    python3 client.py http://127.0.0.1:3000 <API key> 79001234567 --image https://example.com/picture.jpg

Needs nothing but Python 3.10.
"""

import argparse
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid


class Refused(Exception):
    """The gateway has answered with an error."""


class Gateway:
    def __init__(self, url, api_key):
        self.url = url.rstrip("/")
        self.api_key = api_key

    def call(self, method, path, body=None, query=None, idempotency_key=None):
        """Status and JSON of the answer."""
        headers = {"x-api-key": self.api_key, "content-type": "application/json"}
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        query = "?" + urllib.parse.urlencode(query) if query else ""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api{path}{query}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def create_instance(self, name, description, webhook_url=None, webhook_secret=None):
        body = {"name": name, "description": description}
        if webhook_url:
            body |= {"webhookUrl": webhook_url, "webhookEnabled": True, "notifyReceived": True, "notifySent": True}
        if webhook_secret:
            body["webhookSecret"] = webhook_secret
        return self.call("POST", "/instances", body)[1]["id"]

    def qr_code(self, instance):
        """The text to show as a QR code. 202 says that it is still being made."""
        while True:
            status, answer = self.call("GET", f"/instances/{instance}/qr")
            if status == 200:
                return answer["qrCode"]
            time.sleep(0.5)

    def is_ready(self, instance):
        return self.call("GET", f"/whatsapp/{instance}/status")[1]["ready"]

    def send(self, instance, kind, body):
        """Sends once, however often it has to be tried: the key says that it is the same message."""
        key = str(uuid.uuid4())
        for patience in (1, 2, 4, None):
            try:
                return self.call("POST", f"/whatsapp/{instance}/{kind}", body, idempotency_key=key)[1]["id"]
            except (urllib.error.URLError, TimeoutError):
                # Whether the message was taken isn't known.
                if patience is None:
                    raise
                time.sleep(patience)

    def contacts(self, instance):
        return self.call("GET", f"/whatsapp/{instance}/contacts")[1]["contacts"]

    def events(self, instance, interval):
        """What happens, for ever: each call goes on where the last one ended."""
        since = None
        while True:
            query = {"limit": 10} | ({"since": since} if since else {})
            page = self.call("GET", f"/instances/{instance}/events", query=query)[1]
            yield from page["events"]
            since = page["latestTimestamp"] or since
            if not page["hasMore"]:
                time.sleep(interval)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url")
    arguments.add_argument("api_key")
    arguments.add_argument("phone", help="whom to write to")
    arguments.add_argument("--image", help="the address of a picture to send")
    arguments.add_argument("--webhook", help="where events are told")
    arguments.add_argument("--secret", help="what events are signed with: 12 bytes or more")
    arguments.add_argument("--messages", type=int, help="how many messages to wait for; without it, for ever")
    arguments.add_argument("--interval", type=float, default=5, help="seconds between two questions")
    given = arguments.parse_args()

    gateway = Gateway(given.url, given.api_key)
    instance = gateway.create_instance("Python", "made by client.py", given.webhook, given.secret)
    print("instance", instance, flush=True)
    print("qr", gateway.qr_code(instance), flush=True)
    while not gateway.is_ready(instance):
        time.sleep(given.interval / 5)
    print("sent", gateway.send(instance, "send", {"phone": given.phone, "message": "Hello from Python!"}), flush=True)
    if given.image:
        picture = {"phone": given.phone, "url": given.image, "caption": "A picture from Python"}
        print("sent", gateway.send(instance, "send-media", picture), flush=True)
    print("contacts", len(gateway.contacts(instance)), flush=True)

    received = 0
    for event in gateway.events(instance, given.interval):
        if event["type"] == "message_received":
            print("received", event["data"]["from"], event["data"]["body"], flush=True)
            received += 1
        if received == given.messages:
            break


if __name__ == "__main__":
    main()

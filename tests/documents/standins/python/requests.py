"""As much of requests as the program uses, over the standard library."""

import json as encoding
import urllib.error
import urllib.parse
import urllib.request


class Response:
    def __init__(self, status, body):
        self.status_code = status
        self.text = body.decode()

    def json(self):
        return encoding.loads(self.text)


def request(method, url, headers, data=None):
    call = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(call) as answer:
            return Response(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        return Response(error.code, error.read())


def get(url, headers=None, params=None):
    query = f"?{urllib.parse.urlencode(params)}" if params else ""
    return request("GET", url + query, headers)


def post(url, headers=None, json=None):
    return request("POST", url, headers, encoding.dumps(json).encode())

"""What of a call is chosen by hand, so that it means something, and the rules that no schema can say.

Only those parts of a request are touched that are meant to be right; what is made wrong on purpose stays as it was made.
"""

import datetime
import json
import os
import pathlib
import uuid

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.parameters import ParameterLocation

FACTS = json.loads(pathlib.Path(os.environ["CONTRACT_FACTS"]).read_text())
FRIEND = FACTS["people"][0]
LATER = datetime.timedelta(hours=2)

# What no pattern says: which numbers have WhatsApp, which addresses may be called, what is a picture. Where the form of a
# value has one of these names in the description, it is drawn from these.
FORMATS = {
    "phone": [f"+{FRIEND}", f"00{FRIEND}", f"{FRIEND[:1]} ({FRIEND[1:4]}) {FRIEND[4:7]}-{FRIEND[7:]}", f"{FRIEND}@c.us", FRIEND],
    "uri": [f"{FACTS['receiver']}/hook", f"{FACTS['receiver']}/picture.png?size=1"],
    "network": ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1"],
    "instance": [FACTS["linked"]],
    "file": [FACTS["png"], f"data:image/png;base64,{FACTS['png']}"],
    "jpeg": [FACTS["jpeg"]],
    # Those of the connection, of proxies and of the signature can't be set.
    "header": ["X-Own", "x-trace", "Authorization", "Cookie"],
}
for name, values in FORMATS.items():
    schemathesis.openapi.format(name, st.sampled_from(values))
# It is bytes that are counted where these are bounded.
for name in ("password", "ascii"):
    schemathesis.openapi.format(name, st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300))

# These end an instance, or its link, connection or key: they are made of those that nothing else needs.
ENDING = {
    "DELETE /api/instances/{id}",
    "POST /api/instances/{id}/logout",
    "POST /api/whatsapp/{id}/logout",
    "POST /api/instances/{id}/pause",
    "POST /api/instances/{id}/reconnect",
    "POST /api/instances/{id}/witi/rotate",
    "PUT /api/instances/{id}",
    "PUT /api/sessions/{session}",
    "DELETE /api/sessions/{session}",
    "POST /api/sessions/{session}/start",
    "POST /api/sessions/{session}/stop",
    "POST /api/sessions/{session}/restart",
    "POST /api/sessions/{session}/logout",
    "GET /api/{session}/auth/qr",
    "POST /api/{session}/auth/request-code",
    "GET /instance/connect/{instance}",
    "PUT /instance/restart/{instance}",
    "POST /instance/restart/{instance}",
    "DELETE /instance/logout/{instance}",
    "DELETE /instance/delete/{instance}",
}
# The same of what is in an instance.
REMOVING = {
    "DELETE /api/instances/{id}/consumers/{name}",
    "DELETE /api/instances/{id}/webhooks/{name}",
    "DELETE /api/instances/{id}/scheduled/{message}",
    "POST /api/whatsapp/{id}/groups/{group}/leave",
}


@schemathesis.hook
def before_call(context, case, kwargs):
    meta = case.meta
    label = case.operation.label

    def is_right(location):
        return meta is None or not meta.is_negative_at(location)

    if is_right(ParameterLocation.PATH) and case.path_parameters and not is_stateful(meta):
        case.path_parameters = {**case.path_parameters, **there_is(label, case.path_parameters)}
    if is_right(ParameterLocation.QUERY) and case.query:
        case.query = quick(case.query)
        # What programs written for WAHA call a session is an instance's name.
        if label.split(" ")[1].startswith("/api/contacts/") and case.query.get("session"):
            case.query = {**case.query, "session": FACTS["name"]}
    if is_right(ParameterLocation.BODY) and isinstance(case.body, dict):
        # What a form says has been drawn from what there is; its bytes can't be looked at again, its times can.
        is_form = case.media_type == "multipart/form-data"
        case.body = in_time(dict(case.body)) if is_form else said_right(label, case.body)


def is_stateful(meta):
    """What follows from earlier answers names what these have named."""
    return meta is not None and meta.phase.name == "stateful"


def there_is(label, given):
    """Values of a path that name something: made-up ones would all be answered 404."""
    path = label.split(" ")[1]
    found = {}
    if "{id}" in path and path.startswith(("/api/instances/", "/api/whatsapp/", "/api/stats/")):
        found["id"] = FACTS["spare"] if label in ENDING else FACTS["linked"]
    if path.startswith("/api/users/") and given.get("id") == FACTS["user"]:
        # Who disables themselves, or is another's from now on, can't go on.
        found["id"] = str(uuid.uuid4())
    for name in ("session", "instance"):
        if f"{{{name}}}" in path:
            found[name] = "spare" if label in ENDING else FACTS["name"]
    if path.startswith("/qr/"):
        found["unique_id"] = FACTS["sessions"][-1]
    if label in REMOVING:
        return found
    names = {"{name}": "main", "{group}": FACTS["group"], "{chat}": FRIEND, "{phone}": FRIEND, "{event}": FACTS["events"][-1]}
    found |= {name.strip("{}"): value for name, value in names.items() if name in path}
    if "{message}" in path:
        of_list = {"/scheduled/": FACTS["scheduled"], "/polls/": FACTS["poll"], "/media": FACTS["picture"]}
        found["message"] = next((id for part, id in of_list.items() if part in path), FACTS["text"])
    if path == "/api/{session}/chats/{chat}/messages/{message}":
        found["message"] = FACTS["own"]
    return found


def quick(query):
    """Nobody waits here for what doesn't happen."""
    wait = query.get("wait")
    is_long = isinstance(wait, (int, str)) and str(wait).isdecimal() and 0 < int(wait) <= 60
    query = {**query, "wait": 1} if is_long else query
    # A list goes on before a place or after one.
    return {name: value for name, value in query.items() if not (name == "after" and "before" in query)}


def said_right(label, body):
    """A body that keeps to the rules which its schema can't say."""
    path = label.split(" ")[1]
    body = {name: real(name, whole(value)) for name, value in body.items()}
    if path.startswith("/api/v1/") and (body.get("WhatsappID") or path.endswith("/events-get")) and label != "POST /api/v1/session-delete":
        body["WhatsappID"] = FACTS["sessions"][0]
    if path.startswith("/api/whatsapp/{id}/") and "phone" in body:
        body = in_time(body)
    if "session" in body and "chatId" in body or label == "PUT /api/reaction":
        body["session"] = FACTS["name"]
        if body.get("reply_to"):
            body["reply_to"] = f"true_{FRIEND}@c.us_{FACTS['text']}"
    if body.get("quoted"):
        body["quoted"] = {"key": {"id": FACTS["text"]}}
    # Nobody waits here.
    body = {**body, "delay": 1} if body.get("delay") else body
    rule = RULES.get(label) or RULES.get(path.split("/{")[0]) or RULES.get(path.rsplit("/", 1)[-1])
    return rule(body) if rule else body


def whole(value):
    """JSON Schema counts 2.0 as a whole number; what reads JSON here doesn't."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    return {name: whole(item) for name, item in value.items()} if isinstance(value, dict) else value


def real(name, value):
    """A value that there is."""
    if name in ("messageId", "quotedMessageId") and isinstance(value, str) and value:
        return FACTS["text"]
    if name == "messageIds" and isinstance(value, list):
        return [FACTS["received"]]
    if name in ("url", "webhookUrl", "webhook", "callback") and isinstance(value, str) and value.strip():
        return f"{FACTS['receiver']}/picture.png"
    if name == "proxy" and isinstance(value, str):
        # Public addresses alone may be proxies.
        return "socks5://user:password@proxy.example:1080"
    return value


def in_time(body):
    """Times from now on, and what belongs to them: `expireAt` to `sendAt`, `waitSeconds` to `wait`, and not both."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if body.get("sendAt"):
        body["sendAt"] = (now + LATER).isoformat()
        body.pop("wait", None)
        if body.get("expireAt"):
            body["expireAt"] = (now + 2 * LATER).isoformat()
    else:
        body.pop("expireAt", None)
    if not body.get("wait"):
        body.pop("waitSeconds", None)
    elif body.get("waitSeconds"):
        body["waitSeconds"] = 1
    return body


def only_one_of(*names):
    """Exactly one of these fields is given: the first that is, or else the first of them."""

    def rule(body):
        given = [name for name in names if body.get(name)] or [names[0]]
        value = body.get(given[0]) or {"base64": FACTS["png"], "data": FACTS["png"], "contact": FRIEND, "number": FRIEND}[names[0]]
        return {**{name: it for name, it in body.items() if name not in names}, given[0]: value}

    return rule


def with_url(url, enabled):
    """Only what has an address can be switched on."""

    def rule(body):
        return body if body.get(url) else {name: value for name, value in body.items() if name != enabled}

    return rule


def recipient(body):
    return {**body, "recipient": {"number": FRIEND}}


def cards(body):
    return {**body, "contacts": [only_one_of("number", "vcard")(card) for card in body["contacts"]]}


def poll(body):
    return {**body, "choices": min(body.get("choices", 1), len(body["options"]))}


def file(body):
    """A picture is all that there is."""
    body = {**body, "file": only_one_of("data", "url")(body["file"])}
    return {name: value for name, value in body.items() if name != "asNote"}


def hooks_of_waha(body):
    """Nothing of a configuration is drawn but where events go: what there is of proxies and headers stands elsewhere."""
    hook = {"url": f"{FACTS['receiver']}/hook", "events": ["message"]}
    return {name: value for name, value in body.items() if name != "config"} | {"config": {"webhooks": [hook]}}


def hook_of_evolution(body):
    hook = {"url": f"{FACTS['receiver']}/hook", "events": ["MESSAGES_UPSERT"]}
    return {"webhook": hook}


def key_of_message(message_id):
    return {"remoteJid": f"{FRIEND}@s.whatsapp.net", "fromMe": message_id != FACTS["received"], "id": message_id}


def session(body):
    # A phone that is asked for by number has to have one.
    return {**body, "number": "15550100077"} if body.get("auth_type") == "CODE" else body


def message(body):
    body = recipient(body)
    said = body["message"]
    kind = "text" if said.get("type", "text") in ("text", "voice") else said["type"]
    told = {"type": kind, "body": said.get("body") or "hello"}
    if kind != "text":
        told["media"] = {"data": FACTS["png"]}
    return {**body, "message": told}


def key(body):
    end = datetime.datetime.now(datetime.timezone.utc) + LATER
    body = {**body, "expiresAt": end.isoformat()} if body.get("expiresAt") else body
    return {**body, "instances": [FACTS["linked"]]} if body.get("instances") else body


def presence(body):
    needs_chat = body["presence"] not in ("available", "unavailable")
    return {**body, "number": FRIEND} if needs_chat else body


RULES = {
    "POST /api/instances": with_url("webhookUrl", "webhookEnabled"),
    "PUT /api/instances/{id}": with_url("webhookUrl", "webhookEnabled"),
    "POST /api/instances/{id}/webhooks": with_url("url", "enabled"),
    # The webhook of the path has an address; without one it can't be switched on.
    "PUT /api/instances/{id}/webhooks/{name}": lambda body: {**body, "url": f"{FACTS['receiver']}/hook"},
    # The log has no such place yet.
    "PUT /api/instances/{id}/consumers/{name}": lambda body: {**body, "from": 0} if isinstance(body.get("from"), int) else body,
    "POST /api/instances/{id}/consumers/{name}/ack": lambda body: {**body, "position": 0},
    # The end isn't before the beginning.
    "POST /api/instances/{id}/webhooks/{name}/replay": lambda body: {**body, "to": body["from"]},
    "PUT /api/instances/{id}/scheduled/{message}": in_time,
    "POST /api/keys": key,
    # WhatsApp knows which settings there are.
    "PUT /api/whatsapp/{id}/privacy": lambda body: {**body, "settings": {"last": "contacts"} if body["settings"] else {}},
    # Something of a contact has to be known, and a phone's number is no group's.
    "save": lambda body: {**body, "name": body.get("name") or "main", "isGroup": False},
    "send-media": only_one_of("base64", "url"),
    "send-contacts": cards,
    "send-poll": poll,
    # What can be done to a message depends on what it is.
    "edit": lambda body: {**body, "messageId": FACTS["own"]},
    "revoke": lambda body: {**body, "messageId": FACTS["own"]},
    "vote": lambda body: {**body, "messageId": FACTS["poll"], "options": ["green"]},
    "answer": lambda body: {**body, "messageId": FACTS["meeting"]},
    "send_message_file.aspx": only_one_of("base64", "url"),
    "send_contact.aspx": only_one_of("contact", "vcard"),
    "send_presence.aspx": presence,
    "session-create": session,
    # Of WAHA.
    "sendImage": file,
    "sendFile": file,
    "sendContactVcard": lambda body: {**body, "contacts": [{"fullName": "main", "phoneNumber": FRIEND}]},
    "PUT /api/reaction": lambda body: {**body, "messageId": f"true_{FRIEND}@c.us_{FACTS['text']}"},
    "sendSeen": lambda body: {**body, "messageIds": [FACTS["received"]], "messageId": FACTS["received"]},
    "/api/sessions": lambda body: hooks_of_waha({name: value for name, value in body.items() if name != "name"}),
    "POST /api/{session}/presence": lambda body: {**body, "chatId": FRIEND},
    "POST /api/{session}/auth/request-code": lambda body: {**body, "phoneNumber": "15550100077"},
    # Of Evolution API.
    "POST /instance/create": lambda body: {"instanceName": str(uuid.uuid4()), "qrcode": False},
    "/webhook/set": hook_of_evolution,
    "/message/sendMedia": lambda body: {**body, "media": FACTS["png"], "mediatype": "image"},
    "/message/sendContact": lambda body: {**body, "contact": [{"fullName": "main", "phoneNumber": FRIEND}]},
    "/message/sendPoll": lambda body: {**body, "selectableCount": min(body.get("selectableCount", 1), len(body["values"]))},
    "/message/sendReaction": lambda body: {**body, "key": key_of_message(FACTS["text"])},
    "/chat/deleteMessageForEveryone": lambda body: key_of_message(FACTS["own"]),
    "/chat/markMessageAsRead": lambda body: {"readMessages": [key_of_message(FACTS["received"])]},
    "/chat/sendPresence": lambda body: {"number": body["number"], "presence": "composing", "delay": 1},
    "send": lambda body: message(body) if "recipient" in body else body,
    "seen": recipient,
    "POST /api/v1/typing": recipient,
}

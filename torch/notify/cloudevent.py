"""A message as a CloudEvent 1.0 in structured JSON: what a webhook and a command are given.

Owns its fields. Source: the CloudEvents specification 1.0.2 and its JSON format. `id` and
`source` together name the event, so a receiver drops what it has seen.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from torch.clock import rfc3339
from torch.message import Message

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
TYPE = "dev.torchcron.task"


def event(message: Message) -> bytes:
    """The event, in ASCII."""
    document = {
        "specversion": "1.0",
        "id": message.id,
        "source": f"/torch/{quote(message.host or 'localhost', safe=':.')}",
        "type": f"{TYPE}.{message.kind.value}",
        **({"subject": message.task} if message.task else {}),  # an empty one is not allowed
        "time": rfc3339(message.at, milliseconds=True),
        "datacontenttype": "application/json",
        "data": message.as_json(),
    }
    return json.dumps(document).encode("ascii")

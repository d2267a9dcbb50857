"""A response that there is, for tests of the official OpenAI client that name one of OpenAI's.

Called by the copies of those tests, in the environment that they run in.
"""

from __future__ import annotations

import os

from openai import OpenAI


def stored_response() -> str:
    """Return the id of a response that was just made."""
    with OpenAI(base_url=os.environ["TEST_API_BASE_URL"], api_key="any") as client:
        return client.responses.create(model="org_auto", input="Hello.").id

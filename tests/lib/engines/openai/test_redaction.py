"""No form of a key passes, and what is no key does."""

import base64
import time
from urllib.parse import quote

import pytest

from scripts.lib.engines.openai.redaction import Redaction

KEY = "sk-proj+4711/aBcD-efGh"
FORMS = {
    "whole": KEY,
    "without its end": KEY[:-3],
    "without its beginning": KEY[4:],
    "eight characters": KEY[7:15],
    "reversed": KEY[::-1],
    "capitals": KEY.upper(),
    "hex": KEY.encode().hex(),
    "HEX": KEY.encode().hex().upper(),
    "in a URL": quote(KEY, safe=""),
    "all percent": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 of a header": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "base64 of a pair": base64.urlsafe_b64encode(f"me:{KEY}".encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_form_of_a_key_is_said(form):
    said = Redaction(KEY).words(f"Incorrect key (got '{form}'), see docs")
    assert said.startswith("Incorrect key (got '") and said.endswith("), see docs") and "***" in said
    own = form[12:] if form.startswith(("QmVhcmVy", "bWU6")) else form  # what stands before it is no secret
    assert not [start for start in range(len(own) - 7) if own[start : start + 8] in said]


def test_a_completion_loses_the_whole_key_and_keeps_words_of_a_servers_placeholder():
    known = Redaction(KEY)
    assert known.completion(f"It is {KEY.upper()}, or {KEY[::-1]}.") == "It is ***, or ***."
    assert known.completion(f"It is {KEY[:12]}.") == f"It is {KEY[:12]}."
    for key in ("", "EMPTY", "none", "password"):
        assert Redaction(key).completion(f"an {key} word") == f"an {key} word"
    assert Redaction("sk-no-key-required").completion("a key is required") == "a key is required"
    assert Redaction("EMPTY").words("key EMPTY, empty") == "key ***, empty"
    assert Redaction("").words("no key") == "no key"


def test_a_long_text_takes_no_time():
    began = time.process_time()
    words = "a usual text of words, some of them extraordinarily long; " * 4000
    assert Redaction(KEY).words(words) == words == Redaction(KEY).completion(words)
    assert time.process_time() - began < 5

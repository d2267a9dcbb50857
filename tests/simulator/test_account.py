"""Account: signed in or out, by itself or by a nonce, and the models that go with it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from lingma_trio.simulator.account import Account, catalogue


def test_status_tells_two_for_signed_in_and_one_for_signed_out() -> None:
    """With a name and tokens in one case, and all of them empty in the other."""
    assert (
        Account(machine_id="m", signed_in=True).status() | {"status": 2, "name": "simulator"}
        == Account(machine_id="m", signed_in=True).status()
    )
    out = Account(machine_id="m", signed_in=False).status()
    assert out["status"] == 1
    assert not out["name"] + out["token"] + out["refreshToken"] + out["accountId"]


def test_a_login_lasts_its_questions() -> None:
    """The last one is still answered; after it the status flips by itself."""
    account = Account(machine_id="m", signed_in=True, lasts=2)
    states = []
    for _ in range(3):
        account.expire()
        states.append(account.signed_in)
        account.note_question()
    assert states == [True, True, False]


def test_a_nonce_is_redeemed_once() -> None:
    """A link's nonce signs in; used, unknown and malformed ones do not."""
    account = Account(machine_id="machine", signed_in=False)
    link = account.login_link(nonce="abc", state="2-def", port=37510)
    url = urlsplit(link["loginUrl"])
    query = parse_qs(url.query)
    assert url.netloc == "127.0.0.1:37510"
    assert query["nonce"] == ["abc"]
    assert query["state"] == ["2-def"]
    assert query["port"] == ["37510"]
    assert query["machine_id"] == ["machine"]
    assert not account.redeem("other")
    assert not account.redeem(None)
    assert account.redeem("abc")
    assert account.signed_in
    assert account.report() == {"status": 2, "name": "simulator", "id": account.status()["id"]}
    assert not account.redeem("abc")
    assert not account.redeem_state("2-def")


def test_a_state_is_redeemed_once() -> None:
    """As by the callback, and then the nonce that came with it is used, too."""
    account = Account(machine_id="machine", signed_in=False)
    account.login_link(nonce="abc", state="2-def", port=1)
    assert not account.redeem_state("abc")
    assert account.redeem_state("2-def")
    assert account.signed_in
    assert not account.redeem_state("2-def")
    assert not account.redeem("abc")


def test_the_catalogue_repeats_its_models_in_each_scene() -> None:
    """One of them is the default, and the forms differ in their keys only."""
    normal, alternative = catalogue("normal"), catalogue("alternative")
    assert normal["chat"] == normal["assistant"]
    assert [model["key"] for model in normal["chat"] if model["isDefault"]] == ["auto"]
    assert [model["id"] for model in alternative["chat"]] == [model["key"] for model in normal["chat"]]
    assert catalogue("empty") == {}

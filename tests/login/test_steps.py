"""Steps: what is data there can be used as what it says it is."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from lingma_trio.login.journey import WANTED
from lingma_trio.login.messages import HumanReason
from lingma_trio.login.steps import ALIYUN


@pytest.mark.parametrize(
    ("address", "matches"),
    [
        ("http://127.0.0.1:37510/auth/callback?state=2-0&auth=a&token=t", True),
        ("http://localhost/auth/callback?state=2-0", True),
        ("https://account.example/login?oauth_callback=http://127.0.0.1:37510/auth/callback", False),
        ("http://127.0.0.1:37510/auth/loginWithOrganization", False),
    ],
)
def test_the_callback_is_known_by_its_address(address: str, matches: bool) -> None:
    """And nothing that leads to it is taken for it."""
    assert bool(re.search(ALIYUN.callback, address)) is matches


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("账号名或登录密码不正确", True),
        ("登录密码错误", True),
        ("Incorrect account name or password", True),
        ("The password is wrong.", True),
        ("您的账号已被锁定", False),
        ("请输入密码", False),
    ],
)
def test_a_wrong_password_is_known_by_its_message(text: str, wrong: bool) -> None:
    """In both languages; a locked account is something else."""
    assert bool(re.search(ALIYUN.wrong_password, text, re.IGNORECASE)) is wrong


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("https://account.aliyun.com/login/qr_login.htm?oauth_callback=x", "qr_only"),
        ("https://passport.aliyun.com/iv/mini/identity_verify.htm", "verification"),
        ("https://passport.aliyun.com/mini_login.htm/_____tmd_____/punish?x5step=1", "slider"),
        ("http://127.0.0.1:37510/auth/loginWithOrganization?organizationId=1", "organisation"),
        ("https://account.aliyun.com/login/login.htm", None),
        ("https://passport.aliyun.com/mini_login.htm?lang=zh", None),
    ],
)
def test_obstacles_are_known_by_the_real_sites_addresses(address: str, reason: str | None) -> None:
    """With their hosts, which the local site does not have."""
    signs = (*ALIYUN.obstacles, *ALIYUN.other_ways)
    found = {sign.reason for sign in signs if sign.address and re.search(sign.address, address)}
    assert found == ({reason} if reason else set())


def test_a_ram_form_is_looked_for_on_its_own_page_only() -> None:
    """Its fields have no names of their own, and would be found anywhere."""
    ram = [form for form in ALIYUN.forms if form.name.startswith("RAM")]
    assert len(ram) == 2
    for form in ram:
        assert re.search(form.address, "https://signin.aliyun.com/login.htm?callback=x")
        assert not re.search(form.address, "https://account.aliyun.com/login/login.htm")


def test_every_reason_has_words() -> None:
    """For the operator."""
    assert WANTED.keys() == set(get_args(HumanReason))

"""What the sign-in pages look like: selectors, texts and addresses, and nothing that acts on them.

All of it is from the protocol reference, section 7.3, where it has the lowest confidence there is: these pages belong
to somebody else and change. When they do, this is the module to change. Selectors are CSS with Playwright's
`:has-text`; commas separate alternatives. Addresses are regular expressions that are searched for, without a host where
the host depends on the region or the enterprise endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from lingma_trio.login.messages import HumanReason


@dataclass(frozen=True, slots=True)
class Form:
    """One form to fill in. It is there when all that it asks for is visible in one frame; an empty selector is not
    asked for. `address` is that of the frame.
    """

    name: str
    username: str
    password: str
    submit: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """Something by which a page is known: the address of any frame, or a selector of which something is visible."""

    reason: HumanReason
    address: str = ""
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Steps:
    """The way through one family of sign-in pages.

    `obstacles` are left to a person as soon as they are seen; `other_ways` only where neither a form nor a tab that
    leads to one appears beside them.
    """

    forms: tuple[Form, ...]
    password_tabs: str
    obstacles: tuple[Sign, ...]
    other_ways: tuple[Sign, ...]
    errors: str
    wrong_password: str
    nothing_typed: str
    callback: str


ALIYUN = Steps(
    forms=(
        Form(
            name="password form",
            username="#fm-login-id, [name=fm-login-id]",
            password="#fm-login-password, [name=fm-login-password]",
            submit=".fm-button.fm-submit.password-login, #fm-login-submit, #login-form .fm-btn button",
        ),
        # The two steps of a RAM user share an address; which of them it is shows in what the form asks for.
        Form(
            name="RAM user name",
            username="input[type=text], input[type=email], input:not([type])",
            password="",
            submit='button:has-text("下一步"), button:has-text("Next"), input[type=submit][value="下一步"]',
            address=r"//[^/]+/login\.htm",
        ),
        Form(
            name="RAM password",
            username="",
            password="input[type=password]",
            submit='button:has-text("登录"), button:has-text("Sign in"), input[type=submit][value="登录"]',
            address=r"//[^/]+/login\.htm",
        ),
    ),
    password_tabs='#J_Quick2Static, :text-is("密码登录"), :text-is("账密登录")',
    obstacles=(
        Sign("slider", address=r"/_____tmd_____/punish"),
        Sign("slider", selector=".nc-container, .nc_wrapper, #nc_1_n1z, #baxia-dialog-content"),
        Sign("check_code", selector="#fm-login-checkcode"),
        Sign("verification", address=r"//[^/]+/iv/"),
        Sign("organisation", address=r"/auth/loginWithOrganization"),
    ),
    other_ways=(
        Sign("qr_only", address=r"/qr_login\.htm"),
        Sign("verification", selector="#smsCode"),
    ),
    errors=".fm-error, .error-message, .next-form-item-help",
    wrong_password=r"密码.*(不正确|错误)|(incorrect|wrong|invalid).*password|password.*(incorrect|wrong|invalid)",
    nothing_typed=r"^(请输入|请填写|Please enter)",
    callback=r"//(127\.0\.0\.1|localhost)(:\d+)?/auth/callback\?",
)
"""The pages of accounts on aliyun.com and alibabacloud.com, to which an enterprise endpoint sends its users, too."""

"""The pages of the simulated sign-in site, as HTML.

Knows what a browser is shown and which ids the real pages give their parts (protocol reference, section 7.3). Must not
know who may sign in.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

if TYPE_CHECKING:
    from lingma_trio.simulator.knobs import SignIn

_REBUILD_AFTER: Final = 100
"""Milliseconds from typing to the rebuilding that wipes it."""

_FORM: Final = """
<form id="login-form">
  <input id="fm-login-id" name="fm-login-id" placeholder="账号">
  <input id="fm-login-password" name="fm-login-password" type="password">
  <div class="fm-btn"><button class="fm-button fm-submit password-login" type="submit">登录</button></div>
</form>
"""
_CHECK_CODE: Final = '<input id="fm-login-checkcode" placeholder="验证码">'
_SLIDER: Final = """
<div class="nc-container"><div class="nc_wrapper">
  <div id="nc_1__scale_text">请按住滑块拖动到最右边</div><span id="nc_1_n1z">&gt;&gt;</span>
</div></div>
"""
_QR: Final = """
<div id="qr"><canvas width="120" height="120"></canvas><p>请使用手机扫码登录</p>{tab}</div>
<script>
document.getElementById("tab").addEventListener("click", () => {{
  document.getElementById("qr").remove();
  document.getElementById("way").hidden = false;
}});
</script>
"""
_TEXT_TAB: Final = '<div id="tab">密码登录</div>'
_OLD_TAB: Final = '<i id="tab"><i id="J_Quick2Static" style="display: block; width: 20px; height: 20px"></i></i>'
_RAM_FORM: Final = """
<form id="ram">
  <input type="text" placeholder="用户名">
  <input type="password" hidden>
  <button type="submit">下一步</button>
</form>
"""
_UNKNOWN_FORM: Final = '<form><input class="a1" placeholder="?"><button type="button" class="b2">→</button></form>'

_MINI_SCRIPT: Final = """
<script>
let wipes = %(wipes)d;
const blank = document.getElementById("login-form").cloneNode(true);
function arm(form) {
  form.addEventListener("submit", send);
  form.querySelector("[type=password]").addEventListener("input", () => {
    if (wipes-- > 0) setTimeout(() => {
      const fresh = blank.cloneNode(true);
      document.getElementById("login-form").replaceWith(fresh);
      arm(fresh);
    }, %(rebuild)d);
  });
}
async function send(event) {
  event.preventDefault();
  const [name, password] = event.target.querySelectorAll("#fm-login-id, #fm-login-password");
  show(await ask({name: name.value, password: password.value}));
}
arm(document.getElementById("login-form"));
</script>
"""
_RAM_SCRIPT: Final = """
<script>
const ram = document.getElementById("ram");
const [name, password] = ram.querySelectorAll("input");
ram.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (password.hidden) {
    name.hidden = true;
    password.hidden = false;
    ram.querySelector("button").textContent = "登录";
  } else {
    show(await ask({name: name.value, password: password.value}));
  }
});
</script>
"""
_ASK_SCRIPT: Final = """
<div class="fm-error" id="error" hidden></div><div id="obstacle"></div>
<script>
async function ask(said) {
  const answer = await fetch("/sign_in", {method: "POST", body: new URLSearchParams({...said, state: %(state)s})});
  return answer.json();
}
function show(answer) {
  const error = document.getElementById("error");
  error.hidden = !answer.error;
  error.textContent = answer.error || "";
  document.getElementById("obstacle").innerHTML = answer.obstacle || "";
  if (answer.location) window.top.location = answer.location;
}
</script>
"""


def outer_page(form_url: str) -> str:
    """The page that holds the form in a frame of another site."""
    return _page("登录", f'<iframe id="alibaba-login-box" src="{escape(form_url)}" width="400" height="400"></iframe>')


def form_page(variant: SignIn, *, state: str, wipes: int) -> str:
    """The form's frame; it is rebuilt `wipes` times after it was filled in."""
    way = _FORM + (_CHECK_CODE if variant == "check_code" else "")
    qr = {"qr_first": _QR.format(tab=_TEXT_TAB), "qr_first_old": _QR.format(tab=_OLD_TAB)}.get(variant, "")
    hidden = " hidden" if qr else ""
    script = _MINI_SCRIPT % {"wipes": wipes, "rebuild": _REBUILD_AFTER}
    return _page("登录", f'<div id="way"{hidden}>{way}</div>{qr}{_ask_script(state)}{script}')


def ram_page(*, state: str) -> str:
    """The form of a RAM user: the name first, then the password."""
    return _page("RAM 用户登录", _RAM_FORM + _ask_script(state) + _RAM_SCRIPT)


def qr_page() -> str:
    """A page that only a telephone gets past."""
    return _page("扫码登录", _QR.format(tab='<b id="tab"></b>'))


def verification_page() -> str:
    """A page that wants a code which was sent to a person."""
    return _page("身份验证", "<p>短信验证码已发送</p><input><button>确定</button>")


def organisation_page() -> str:
    """A page that asks which of several organisations to sign in for."""
    links = "".join(f'<a href="?organizationId={number}">组织 {number}</a>' for number in (1, 2))
    return _page("选择组织", links)


def changed_page() -> str:
    """A page in which nothing has the ids that were known once."""
    return _page("Welcome", _UNKNOWN_FORM)


def message_page(text: str) -> str:
    """A page that says one thing."""
    return _page(text, f"<p>{escape(text)}</p>")


def obstacle(variant: SignIn) -> str:
    """What appears in the form after it was sent, where the site does not trust the visitor."""
    return _SLIDER if variant == "slider" else '<iframe src="/_____tmd_____/punish?x5step=2"></iframe>'


def _ask_script(state: str) -> str:
    quoted = to_json(state).decode().replace("<", "\\u003c")
    return _ASK_SCRIPT % {"state": quoted}


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        f"<body>{body}</body></html>"
    )

"""Why a right password was refused, as servers say it beside "invalid credentials". Pure functions of their answers."""

from __future__ import annotations

import re

POLICY_CONTROL = "1.3.6.1.4.1.42.2.27.8.5.1"
"""The control with which a client asks for the reason (draft-behera-ldap-password-policy-10 section 6)."""

# Win32 error codes in hexadecimal (MS-ERREF section 2.2). Active Directory gives these together with the right password
# only. 52e (wrong) and 525 (unknown) say nothing, and 775 (locked out) is also said for a wrong password.
_WIN32_REASONS = {
    "530": "not_now",
    "531": "not_here",
    "532": "password_expired",
    "533": "disabled",
    "701": "account_expired",
    "773": "must_change",
}
_WIN32_CODE = re.compile(r"AcceptSecurityContext error, data ([0-9a-fA-F]+)\b")

# Errors of the control's answer. 1 (locked) is left out: it is also said for a wrong password.
_POLICY_REASONS = {0: "password_expired", 2: "must_change"}
_SEQUENCE, _WARNING, _ERROR = 0x30, 0xA0, 0x81


def reason_in_words(message: str) -> str:
    """Return the reason in Active Directory's words beside a refused bind, "" for none that may be told."""
    match = _WIN32_CODE.search(message)
    return _WIN32_REASONS.get(match[1].lower(), "") if match else ""


def reason_in_control(value: bytes) -> str:
    """Return the reason in the value of the password policy control, "" for none that may be told.

    BER: SEQUENCE { warning [0] CHOICE OPTIONAL, error [1] ENUMERATED OPTIONAL }; all of it is shorter than 128 bytes.
    What is not that says nothing.
    """
    if len(value) < 2 or value[0] != _SEQUENCE or value[1] != len(value) - 2 or value[1] >= 0x80:
        return ""
    rest = value[2:]
    while len(rest) >= 2 and len(rest) >= 2 + rest[1]:
        tag, content, rest = rest[0], rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        if tag == _ERROR and len(content) == 1:
            return _POLICY_REASONS.get(content[0], "")
        if tag != _WARNING:
            break
    return ""

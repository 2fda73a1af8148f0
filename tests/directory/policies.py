"""People under OpenLDAP's password policies (overlay ppolicy), as LDIF: what it locks, expires and wants changed."""

from __future__ import annotations

from demo.people import BASE_DN, PEOPLE_DN
from tests.servers.slapd import ldif_entry

LOCKS_AFTER = 10
OVERLAYS = f"overlay ppolicy\nppolicy_default cn=default,ou=policies,{BASE_DN}\nppolicy_use_lockout"


def policy(name: str, **values: str) -> str:
    """Return one policy."""
    classes = ["device", "pwdPolicy"]
    return ldif_entry(
        f"cn={name},ou=policies,{BASE_DN}",
        {"objectClass": classes, "cn": name, "pwdAttribute": "userPassword", "pwdMustChange": "TRUE", **values},
    )


def person(uid: str, **values: str) -> str:
    """Return a person whose password is "demo-" and their name."""
    return ldif_entry(
        f"uid={uid},{PEOPLE_DN}",
        {
            "objectClass": ["inetOrgPerson", "shadowAccount"],
            "uid": uid,
            "cn": uid,
            "sn": uid,
            "userPassword": f"demo-{uid}",
            **values,
        },
    )


def _policy_dn(name: str) -> str:
    return f"cn={name},ou=policies,{BASE_DN}"


LDIF = (
    ldif_entry(f"ou=policies,{BASE_DN}", {"objectClass": "organizationalUnit", "ou": "policies"})
    + policy(
        "default",
        pwdLockout="TRUE",
        pwdMaxFailure=str(LOCKS_AFTER),
        pwdFailureCountInterval="1800",
        pwdLockoutDuration="1800",
    )
    + policy("short", pwdMaxAge="86400")
    + policy("forgetful", pwdLockout="TRUE", pwdMaxFailure=str(LOCKS_AFTER), pwdFailureCountInterval="1")
    + policy("lenient", pwdLockout="FALSE", pwdMaxFailure=str(LOCKS_AFTER))
    + person("victim")
    + person("crowd")
    + person("tired", pwdPolicySubentry=_policy_dn("forgetful"))
    + person("free", pwdPolicySubentry=_policy_dn("lenient"))
    + person("mustchange", pwdReset="TRUE")
    + person("oldpassword", pwdPolicySubentry=_policy_dn("short"), pwdChangedTime="20010101000000Z")
    + person("disabled", pwdAccountLockedTime="000001010000Z")
    + person("lockedonce", pwdAccountLockedTime="20010101000000Z")
    + person("left", shadowExpire="11323")
    + person("stays", shadowExpire="60000")
    + person("never", shadowExpire="-1")
)

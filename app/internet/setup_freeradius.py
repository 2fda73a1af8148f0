"""What is to be written into FreeRADIUS' configuration (3.2), with this instance's address filled in. Pure text.

The set-up page, docs/internet.md and the tests use the same lines.
"""

from __future__ import annotations

from typing import Final

TOKEN_HERE: Final = "tpm_PUT_THE_TOKEN_HERE"  # noqa: S105 - stands for one
"""Stands where the token belongs: it is shown once, when it is made, and by nobody else."""

MODULE: Final = """\
# /etc/freeradius/3.0/mods-enabled/twinpurse: how FreeRADIUS asks the instance (package freeradius-rest).
rest twinpurse {{
    tls {{
{tls}    }}
    connect_uri = "{address}"
    connect_timeout = 2.0
    authorize {{
        uri = "${{..connect_uri}}/api/v1/radius/authorize"
        method = 'post'
        body = 'json'
        timeout = 5.0
        tls = ${{..tls}}
    }}
    post-auth {{
        uri = "${{..connect_uri}}/api/v1/radius/authorize"
        method = 'post'
        body = 'json'
        timeout = 5.0
        tls = ${{..tls}}
    }}
    accounting {{
        uri = "${{..connect_uri}}/api/v1/radius/accounting"
        method = 'post'
        body = 'json'
        timeout = 5.0
        tls = ${{..tls}}
    }}
    pool {{
        start = 0
        min = 0
        max = 32
        spare = 4
        uses = 0
        lifetime = 0
        idle_timeout = 60
    }}
}}
"""

POLICY: Final = """\
# /etc/freeradius/3.0/policy.d/twinpurse: the token is in here, so chown root:freerad and chmod 0640.
twinpurse_token {{
    update control {{
        &REST-HTTP-Header += "Authorization: Bearer {token}"
    }}
}}

# May this person go online? Once the password has been checked: a refusal tells a balance, which is not everybody's.
twinpurse_may {{
    update request {{
        &User-Password !* ANY
    }}
    twinpurse_token
    twinpurse {{
        fail = 1
        invalid = 1
        reject = 1
        userlock = 1
        notfound = 1
    }}
    if (fail || invalid || reject || userlock || notfound) {{
        # The instance did not answer: {away}.
        {when_away}
    }}
    elsif (&control:Auth-Type == Reject) {{
        reject
    }}
}}

# What was used. Without an answer from the instance the controller gets none either, and sends it again later.
twinpurse_account {{
    twinpurse_token
    twinpurse
}}
"""

SITE: Final = """\
# /etc/freeradius/3.0/sites-enabled/default: one word in each of two sections that are there already.
post-auth {
    # ... what is there stays; this comes after it, before "Post-Auth-Type REJECT":
    twinpurse_may
}
accounting {
    # ... what is there stays; this comes last:
    twinpurse_account
}
"""

LET_IN: Final = """update reply {
            &Session-Timeout := 600
        }
        ok"""


def module(*, address: str, ca_file: str = "") -> str:
    """Return the rest module. `address`: the instance's; `ca_file`: the authority of its certificate, if not public."""
    return MODULE.format(address=address, tls=f'        ca_file = "{ca_file}"\n' if ca_file else "")


def policy(*, token: str = TOKEN_HERE, let_in_while_away: bool = False) -> str:
    """Return the policies; who may go online while the instance does not answer is the administrator's choice."""
    away = "people are let in, and asked about again in ten minutes" if let_in_while_away else "nobody is let in"
    return POLICY.format(token=token, away=away, when_away=LET_IN if let_in_while_away else "reject")

"""The forms of keys and passwords that the mask knows, by kind; group 1 of each stays, what follows it is hidden.

Each is read in linear time, and none reaches over a blank, a quote, a separator or a substitution.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["IN_HEADERS", "KEYS", "NAMES", "OPTION", "PLACES", "PREFIXED", "VALUE", "WEAKLY_NAMED"]

VALUE: Final = r"(?:(?!\$[({])[^\s\"'@&|;`<>()])"
"""A character of a value, which ends before anything that a shell would run."""
_START: Final = r"(?<!\w)"
_HEX: Final = "[0-9a-f]"

_LETTERS: Final = rf"""{_START}(
    (?:sk|pk|pypi)-(?=[\w-]{{0,60}}\d)|[rs]k_live_|gh[pousr]_|github_pat_|gl(?:pat|ptt|dt|rt|cbt|soat|ft)-
    |xox[abeoprs]-|xapp-(?=[0-9]-[0-9A-Z]{{8,14}}-)|AKIA|ASIA|AIza
    |npm_(?=[0-9A-Za-z]{{20}})|hf_(?=[0-9A-Za-z]{{20}})|GOCSPX-|do[opr]_v1_|shp(?:at|ca|pa|ss)_|AGE-SECRET-KEY-1
    |\d{{8,10}}:(?=AA[\w-]{{30}})
    |GR1348941(?=[\w-]{{20}})|nvapi-(?=[\w-]{{50}})|figd_(?=[\w-]{{30}})|dckr_[po]at_|pscale_(?:tkn|pw|oauth)_
    |rzp_live_|FLWSECK(?:_TEST)?-|ATATT3(?=[\w-]{{50}})|NRAK-|tskey-(?:auth|api|client)-|pcsk_(?=[0-9A-Za-z_]{{50}})
    |glsa_(?=[0-9A-Za-z]{{32}})|ya29\.(?:[a-z]\.)?(?=[\w-]{{30}})|hv[sb]\.(?=[\w-]{{24}})
    |dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z][\w-]{{0,35}}\.)?
    )[\w-]{{8,}}"""
"""Letters after the beginnings that their makers give them; a path that begins so goes on after its slash."""
_HEX_DIGITS: Final = rf"""{_START}(
    (?:bkua|sbp|sq[upa]|sk|lsv2_(?:pt|sk))_(?={_HEX}{{32}})|PMAK-(?={_HEX}{{24}})
    |access-(?:production|development)-(?={_HEX}{{8}}-)|dapi(?={_HEX}{{32}})|(?<![\w/-])key-(?={_HEX}{{32}}(?!\w))
    |(?:SK|AC)(?={_HEX}{{32}}(?!\w))
    |access_token\$(?:production|sandbox)\$[0-9a-z]{{16}}\$(?={_HEX}{{32}}(?!\w))
    )[0-9a-f_-]{{8,}}(?:-\d)?"""
"""Digests and the numbers of commits look the same, so the beginning has to be known."""
_AFTER_ACCOUNT: Final = rf"""(\bAC\*{{3}}["']?[ \t]{{0,5}}[,:][ \t]{{0,5}}["']?){_HEX}{{32}}(?!\w)"""
"""A token beside its account, which is masked by then."""
_DOTTED: Final = rf"""{_START}(
    pat(?=[0-9A-Za-z]{{14}}\.{_HEX}{{64}})|(?=[MNO][0-9A-Za-z]{{23,27}}\.[\w-]{{6}}\.[\w-]{{27,40}}(?![\w-]|\.\w))[MNO]
    |sk\.eyJ(?=[\w-]{{40,300}}\.)|(?<![\w-])eyJ(?=[\w-]{{8,}}\.eyJ)|SG\.
    )[\w.-]{{8,}}"""
_WITH_SLASHES: Final = rf"""{_START}(
    AccountKey=(?!\$)|sntrys_(?=eyJ)|fm2_(?=[\w+/=]{{60}})|LS0tLS1CRUdJTi(?=[\w+/=]{{20}})
    |(?<![+/])A{{20}}(?=[\w%]{{60,300}}(?![\w%+/=]))
    |hooks\.slack\.com/services/|discord(?:app)?\.com/api/webhooks/\d{{17,20}}/
    )[\w.%@/+-]{{8,}}=*"""
"""Keys in base64, and addresses to which whoever knows them may write."""
_IN_URLS: Final = r"([?&;]sig=(?=[\w+/%]{40})|\.webhook\.office\.com/webhookb2/)[\w.%@/+-]{8,}=*"
_ISSUED_AT_END: Final = r"(?<![0-9A-Za-z])()[0-9A-Za-z]{36}NRAL(?!\w)"
_HASHES: Final = r"""(:\$(?:apr1\$|2[aby]\$\d\d\$|[156]\$|y\$))[0-9A-Za-z./$]{22,120}"""
"""Hashes of passwords as `crypt` writes them; the dollars stay, since a shell would put variables there."""

KEYS: Final = tuple(
    re.compile(form, re.VERBOSE)
    for form in (_LETTERS, _HEX_DIGITS, _AFTER_ACCOUNT, _DOTTED, _WITH_SLASHES, _IN_URLS, _ISSUED_AT_END, _HASHES)
)
"""Keys by their makers."""
PREFIXED: Final = re.compile(
    r"(?<![\w/+.-])((?!sha\d)[a-z][a-z0-9]{1,11}[_-](?:[A-Za-z0-9]{1,20}[_-]){0,2})([0-9A-Za-z]{20,})(?![\w+/])"
)
"""A key as most makers of today write one: what it is for, and random letters and digits."""

NAMES: Final = "api[_.-]?key|accountkey|token|secret|passw(?:or)?d|passphrase"
OPTION: Final = r"--(?:[\w-]{0,20}-)?(?:passw(?:or)?d|token|api-?key|secret)"
"""An option of a program whose value is a key or password."""
_OR_KEY: Final = (
    r"(?:private|access|auth|signing|hmac|encryption|license|master|service|app)[_-]?key|credentials?"
    r"|(?<=[_.;-])(?:pass|pwd)|\bpass(?==)"
)
WEAKLY_NAMED: Final = re.compile(
    rf"""((?:(?:{_OR_KEY})(?![A-Za-z])["']?(?:[ \t]*:[ \t]*|[ \t]+=[ \t]*|=)
         |(?:{NAMES}|{_OR_KEY})\w{{0,20}}
          (?:["'],|,(?=[ ]["'])|["']\]?[ \t]{{0,5}}=|:[ ]?&[a-z]{{3}}[ ]=|[ \t]{{0,5}}=(?=[ \t]{{0,5}}[bru\[]))
          [ \t]{{0,5}})
        (?:\[\]byte\((?=["'])|[bru](?=["']))?["']?)
        (?!\$)({VALUE}{{8,}})""",
    re.IGNORECASE | re.VERBOSE,
)
"""Values by names that have others as well, such as a path or a word, and as programs have them."""

PLACES: Final = tuple(
    re.compile(form, re.VERBOSE)
    for form in (
        r"""(["']auth["'][ \t]{0,9}:[ \t]{0,9}["'])[0-9A-Za-z+/]{12,}={0,2}(?=["'])""",
        rf"""(\blogin[ \t\n]{{1,9}}[^\s;&|]{{1,100}}[ \t\n]{{1,9}}password[ \t]{{1,9}}["']?)(?!\$){VALUE}{{4,}}""",
        rf"""((?:^|(?<=["'\n]))[\w.*-]{{1,100}}:(?:\d{{2,5}}|\*):[\w*-]{{1,60}}:[\w*-]{{1,60}}:)
            (?=[^\s:/]{{0,99}}\d)(?!\$)(?:(?![:/]){VALUE}){{8,100}}(?=["'\s]|$)""",
        rf"""(\s-pass(?:in|out|word)?[ \t]{{1,9}}["']?pass:)(?!\$){VALUE}{{4,}}""",
        rf"""(["'\n ][\w.-]{{1,32}}:)(?!\$){VALUE}{{4,100}}
            (?=["'][ \t]{{0,9}}\|[ \t]{{0,9}}(?:sudo[ \t]{{1,9}})?chpasswd)""",
        rf"""(\bConvertTo-SecureString[ \t]{{1,9}}(?:-String[ \t]{{1,9}})?["'])(?!\$){VALUE}{{4,}}""",
        rf"""(\bbtoa\(["'`][\w.-]{{1,60}}(?:@[\w.-]{{1,60}})?:)(?!\$){VALUE}{{4,}}""",
    )
)
"""Places where a value is a secret whatever it looks like: files and options of programs."""
IN_HEADERS: Final = re.compile(
    rf"""(\b[Aa]uthorization["']?[ \t]{{0,3}}[:=,][ \t]{{0,3}}["']?[A-Za-z][\w-]{{2,30}}[ \t]{{1,3}})
        (?!\$){VALUE}{{12,}}""",
    re.VERBOSE,
)

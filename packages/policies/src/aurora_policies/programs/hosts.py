"""Finds the hosts that a command contacts, as far as its words show them."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Final

from aurora_policies.addresses import bare_hosts, hosts_of, is_address
from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.git_hosts import contacted_by_git
from aurora_policies.programs.network import CURL_VALUED, WGET_VALUED
from aurora_policies.programs.remote import SSH_VALUED
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aurora_policies.programs.arguments import Arguments
    from aurora_policies.repository import Repository

__all__ = ["contacted"]

_ADDRESS: Final = re.compile(r"(?:-[-\w]{0,40}=?)?([a-z][a-z0-9+.-]{0,40}://.*)", re.IGNORECASE | re.DOTALL)
"""An address, also as the value of an option."""
_GIT_PLACE: Final = re.compile(r"(?:-[-\w]*=)?git@([^:/]+):")
_PLACE: Final = re.compile(r"((?:[^/:@]+@)?(?:\[[^\]]+\]|[^/:]+)):")
"""A file elsewhere, as in `user@host:folder/file`."""
_CONNECTION: Final = re.compile(r"/dev/(?:tcp|udp)/([^/]+)/")
"""A file that bash opens as a connection."""
_SET_BY: Final = frozenset({"env", "export", "declare", "local", "readonly", "typeset"})
"""Programs with words such as `https_proxy=example.org`."""
_LEADS: Final = re.compile(
    r"(?:(?:https?|ftp|all|socks|rsync)_proxy|PGHOST(?:ADDR)?|MYSQL_HOST|REDISCLI_HOST|DOCKER_HOST|GH_HOST|GOPROXY"
    r"|(?:pip|uv)_\w{0,20}index\w{0,20}|npm_config_registry|aws_endpoint_url\w*)=(.*)",
    re.IGNORECASE | re.DOTALL,
)
"""Variables that lead programs to a host."""
_SPOKEN: Final = frozenset(
    {
        *(
            "echo",
            "printf",
            "print",
            "cat",
            "grep",
            "egrep",
            "fgrep",
            "rg",
            "ag",
            "ack",
            "sed",
            "gsed",
            "awk",
            "gawk",
        ),
        *("jq", "yq", "test", "[", "[[", "expr", "tr", "cut", "head", "tail", "sort", "tee", "diff", "true", ":"),
        *("read", "case", "let", "basename", "dirname", "wc", "base64"),
    }
)
"""Programs for which an address is only text."""
_SSH: Final = {"ssh": SSH_VALUED, "autossh": SSH_VALUED | {"-M"}, "mosh": SSH_VALUED | {"--ssh"}, "sftp": SSH_VALUED}
_COPIERS: Final = {
    "scp": frozenset({"-c", "-F", "-i", "-J", "-l", "-o", "-P", "-S", "-X"}),
    "rsync": frozenset({"-e", "--rsh", "-f", "-B", "-M", "-T"}),
    "rcp": frozenset[str](),
    "sshfs": frozenset({"-o", "-p", "-F"}),
}
"""Programs whose operands are files, some of them elsewhere."""
_JUMPS: Final = re.compile(r"\s*(?:ProxyJump|HostName)\s*[=\s]\s*\"?([^\"]*)", re.IGNORECASE)
_NO_FILE: Final = frozenset({"none", "/dev/null"})
_FIRST: Final[Mapping[str, frozenset[str]]] = {
    "ssh-copy-id": SSH_VALUED,
    "telnet": frozenset({"-l"}),
    "ftp": frozenset(),
    "lftp": frozenset({"-u", "-e", "-p", "-c"}),
    "tftp": frozenset({"-c", "-m"}),
    **dict.fromkeys(
        ("nc", "nc.openbsd", "nc.traditional", "netcat"), frozenset({"-w", "-p", "-s", "-x", "-X", "-i", "-q", "-P"})
    ),
    "ncat": frozenset({"-w", "-p", "-s", "-i", "--proxy", "--proxy-type", "--proxy-auth"}),
    **dict.fromkeys(("ping", "ping6"), frozenset({"-c", "-i", "-W", "-w", "-s", "-t", "-I"})),
    **dict.fromkeys(("traceroute", "tracepath", "mtr"), frozenset({"-m", "-q", "-w", "-p", "-c", "-i"})),
    **dict.fromkeys(("rsh", "rlogin"), frozenset({"-l"})),
    "grpcurl": frozenset({"-d", "-H", "-proto", "-import-path"}),
}
"""Programs whose first operand is a host, and their options with values."""
_LISTENING: Final = frozenset({"nc", "nc.openbsd", "nc.traditional", "ncat", "netcat"})
"""Programs that wait for others to contact them with `-l`."""
_PROXIES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("nc", "nc.openbsd", "netcat"), ("-x",)),
    "ncat": ("--proxy",),
}
_BROWSERS: Final = frozenset({"w3m", "lynx", "links", "elinks"})
_PAGE: Final = re.compile(r"^[^/]*\.(?:x?html?|md|txt)$", re.IGNORECASE)
"""A file here that a browser in a terminal shows."""
_ALL: Final[Mapping[str, frozenset[str]]] = {
    "curl": CURL_VALUED,
    "wget": WGET_VALUED,
    "aria2c": frozenset({"-d", "-o", "-x", "-s", "-i"}),
    "nmap": frozenset({"-p", "-oN", "-oX", "-iL"}),
    "ssh-keyscan": frozenset({"-p", "-t", "-T", "-f"}),
    "fping": frozenset({"-c", "-p"}),
    **dict.fromkeys(_BROWSERS, frozenset[str]()),
}
"""Programs of which each operand is an address, also without its scheme."""
_CURL_LEADS: Final = (
    *("-x", "--proxy", "--preproxy", "--proxy1.0", "--socks4", "--socks4a", "--socks5", "--socks5-hostname"),
    *("--url", "--doh-url", "--dns-servers"),
)
_WGET_PROXY: Final = re.compile(r"\s*\w+_proxy\s*=(.*)", re.IGNORECASE)
_LOOKS_UP: Final = frozenset({"dig", "drill", "kdig", "nslookup", "host", "getent", "resolvectl", "whois"})
"""Programs that ask about a host, which the name server of its domain sees."""
_HTTPIE: Final = frozenset({"http", "https", "xh", "xhs", "httpie", "curlie"})
_HTTPIE_VALUED: Final = frozenset(
    {
        *("-a", "--auth", "-A", "--auth-type", "-o", "--output", "-p", "--print", "-s", "--style", "--proxy"),
        "--session",
    }
)
_BY_OPTION: Final = frozenset(
    {
        *("psql", "pg_dump", "pg_restore", "createdb", "dropdb", "mysql", "mariadb", "mysqldump", "redis-cli"),
        *(
            "mongosh",
            "mongo",
            "mongodump",
            "ldapsearch",
            "smbclient",
            "swaks",
            "kubectl",
            "gh",
            "glab",
            "openssl",
            "pgcli",
        ),
        *("mycli", "mysqladmin", "mysqlimport", "pg_isready", "clickhouse-client"),
    }
)
_HOST_OPTIONS: Final = ("-h", "--host", "--hostname", "-H", "--server")
_NO_HOST_OF_OPENSSL: Final = frozenset({"-servername", "-port", "-starttls", "-alpn", "-CAfile", "-cert", "-key"})
_IN_WORDS: Final = re.compile(r"(?:^|\s)host(?:addr)?\s*=\s*'?([^\s']+)")
"""A host as psql takes it in the name of a database."""
_SOCAT: Final = re.compile(
    r"(?:tcp|udp|sctp|openssl|ssl|socks|proxy|datagram)\w*(?:-connect|-sendto|-datagram)?:(\[[^\]]*\]|[^:,]+)",
    re.IGNORECASE,
)
_INTERPRETER: Final = re.compile(r"python[\d.]*|node|nodejs|deno|bun|perl|ruby|php")
_IN_CODE: Final = re.compile(r"\b(?:https?|wss?|ftps?)://[^\s\"'`<>)]+", re.IGNORECASE)


def contacted(name: str, words: Sequence[Word], repository: Repository) -> Iterator[str]:
    """Yields the hosts that a command contacts; one that is known only in part holds the mark of what is not.

    Args:
        name: of the program.
        words: its arguments.
        repository: that it runs in.
    """
    if name in _SPOKEN:
        return
    name = name.lower().removesuffix(".exe")  # some disks do not tell upper and lower case apart
    if name == "git":
        yield from contacted_by_git(words, repository)
        return
    handler = _HANDLERS.get(name)
    if handler is not None:
        yield from handler(name, words)
    in_code = _INTERPRETER.fullmatch(name) is not None
    for word in words:
        yield from _of_word(word.text, in_code=in_code)


def _of_word(text: str, *, in_code: bool) -> Iterator[str]:
    connection = _CONNECTION.match(text)
    if connection is not None:
        yield connection[1]
        return
    address, place = _ADDRESS.match(text), _GIT_PLACE.match(text)
    if address is not None:
        yield from hosts_of(address[1])
    elif place is not None:
        yield place[1]
    elif UNKNOWN in text.partition("://")[0] and "://" in text and not in_code:
        yield UNKNOWN
    elif in_code:
        for each in _IN_CODE.findall(text):
            yield from hosts_of(each)


def _bare(texts: Iterable[str]) -> Iterator[str]:
    """Yields the hosts of texts such as `user@host:port/path`; addresses are found in all words anyway."""
    for text in texts:
        if not is_address(text):
            yield from bare_hosts(text)


def _values(given: Arguments, *options: str) -> Iterator[str]:
    return (word.text for word in given.values(*options))


def _first(name: str, words: Sequence[Word]) -> Iterator[str]:
    given = arguments(words, valued=_FIRST[name], stop_at_operand=True)
    if name in _LISTENING and given.has("-l", "--listen"):
        return
    yield from _bare([word.text for word in given.operands[:1]])
    yield from _bare(_values(given, *_PROXIES.get(name, ())))


def _ssh(name: str, words: Sequence[Word]) -> Iterator[str]:
    given = arguments(words, valued=_SSH[name], stop_at_operand=True)
    yield from _bare([word.text for word in given.operands[:1]])
    yield from _by_way_of(given)


def _by_way_of(given: Arguments) -> Iterator[str]:
    """Yields the hosts to which options of ssh lead; those in a configuration of its own are not known."""
    yield from _bare(_values(given, "-J", "-W"))
    for text in _values(given, "-o"):
        found = _JUMPS.match(text)
        yield from _bare([found[1]] if found and found[1].lower() != "none" else [])
    if any(text not in _NO_FILE for text in _values(given, "-F")):
        yield UNKNOWN


def _copier(name: str, words: Sequence[Word]) -> Iterator[str]:
    given = arguments(words, valued=_COPIERS[name])
    for text in [word.text for word in given.operands]:
        found = _PLACE.match(text)
        if found and not is_address(text):
            yield from hosts_of(found[1])
        elif text[:1] == UNKNOWN:
            yield UNKNOWN
    if name == "rsync":
        for text in _values(given, "-e", "--rsh"):
            yield from _by_shell(text)
    else:
        yield from _by_way_of(given)


def _by_shell(command: str) -> Iterator[str]:
    """Yields the hosts to which a command such as `ssh -J host` leads, that another program completes."""
    try:
        program, *words = shlex.split(command)
    except ValueError:
        yield UNKNOWN
        return
    if posixpath.basename(program) in _SSH:
        yield from _by_way_of(arguments([Word(each) for each in words], valued=SSH_VALUED))


def _all(name: str, words: Sequence[Word]) -> Iterator[str]:
    given = arguments(words, valued=_ALL[name])
    operands = (word.text for word in given.operands if name not in _BROWSERS or not _PAGE.search(word.text))
    yield from _bare(text for text in operands if not text.startswith(("file:", "/", ".")) or text[:2] == "//")
    if name == "curl":
        yield from _bare(_values(given, *_CURL_LEADS))
        yield from _by_curls_own_names(given)
    elif name == "wget":
        settings = map(_WGET_PROXY.match, _values(given, "-e", "--execute"))
        for found in filter(None, settings):
            yield from hosts_of(found[1])
    lists = {"wget": ("-i", "--input-file"), "curl": ("-K", "--config"), "aria2c": ("-i",), "ssh-keyscan": ("-f",)}
    if given.values(*lists.get(name, ())) or (name == "nmap" and any(word.text.startswith("-iL") for word in words)):
        yield UNKNOWN


def _by_curls_own_names(given: Arguments) -> Iterator[str]:
    """Yields the hosts that curl contacts in place of the one in the address."""
    for text in _values(given, "--connect-to"):  # HOST:PORT:OTHER HOST:PORT
        found = re.fullmatch(r"(?:\[[^\]]*\]|[^:]*):[^:]*:(\[[^\]]*\]|[^:]*)(?::.*)?", text)
        yield from filter(None, [found[1] if found else UNKNOWN])
    for text in _values(given, "--resolve"):  # HOST:PORT:ADDRESS,ADDRESS
        for each in text.split(":", 2)[2:]:
            yield from filter(None, each.split(","))


def _looks_up(_name: str, words: Sequence[Word]) -> Iterator[str]:
    given = arguments(words, valued=frozenset({"-h", "-p", "-t", "-c", "-b", "-f", "-k"}))
    texts = [word.text.removeprefix("@") for word in given.operands]
    yield from (text for text in texts if re.search(r"[.:\ue000]", text) and not text.startswith("+"))
    yield from _values(given, "-h")


def _httpie(_name: str, words: Sequence[Word]) -> Iterator[str]:
    given = arguments(words, valued=_HTTPIE_VALUED)
    operands = [word.text for word in given.operands]
    method = len(operands) > 1 and re.fullmatch(r"[A-Za-z]+", operands[0]) is not None
    for address in operands[method : method + 1]:
        yield from ["localhost"] if address.startswith((":", "/")) else _bare([address])
    for text in _values(given, "--proxy"):  # http:http://host
        yield from hosts_of(text.partition(":")[2])


def _by_option(name: str, words: Sequence[Word]) -> Iterator[str]:
    options = (*_HOST_OPTIONS, *(("-connect", "-host", "-proxy") if name == "openssl" else ()))
    given = arguments(words, valued={*options, *_NO_HOST_OF_OPENSSL}, single_dash=name == "openssl")
    yield from _bare(text for text in _values(given, *options) if not text.startswith("/"))  # the folder of a socket
    for word in words:
        yield from _bare(_IN_WORDS.findall(word.text) if name.startswith(("psql", "pg_")) else ())
    if name == "openssl":  # its options begin with one dash
        places = given.operands[1:] if given.operands[:1] and given.operands[0].text == "s_client" else ()
        yield from _bare(word.text for word in places)
    if name == "smbclient":
        yield from (re.split(r"[/\\]", word.text)[2] for word in words if re.match(r"(?://|\\\\)[^/\\]", word.text))


def _socat(_name: str, words: Sequence[Word]) -> Iterator[str]:
    for word in words:
        found = _SOCAT.match(word.text)
        if found and not re.match(r"\w+-listen:", word.text, re.IGNORECASE):
            yield found[1]


def _set(_name: str, words: Sequence[Word]) -> Iterator[str]:
    for word in words:
        found = _LEADS.fullmatch(word.text)
        if found and not found[1].startswith("/"):
            yield from bare_hosts(found[1])


_HANDLERS: Final[Mapping[str, Callable[[str, Sequence[Word]], Iterator[str]]]] = {
    **dict.fromkeys(_SSH, _ssh),
    **dict.fromkeys(_COPIERS, _copier),
    **dict.fromkeys(_FIRST, _first),
    **dict.fromkeys(_ALL, _all),
    **dict.fromkeys(_LOOKS_UP, _looks_up),
    **dict.fromkeys(_HTTPIE, _httpie),
    **dict.fromkeys(_BY_OPTION, _by_option),
    **dict.fromkeys(_SET_BY, _set),
    "socat": _socat,
}

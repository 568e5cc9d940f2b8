"""Programs that load from the network or send to it: files that they write, and secrets that they send."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.own import judge_sockets
from aurora_policies.programs.printing import reads, reads_all
from aurora_policies.shell.stream import NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aurora_policies.programs.arguments import Arguments
    from aurora_policies.programs.judge import Call

__all__ = ["CURL_VALUED", "PROGRAMS", "WGET_VALUED"]

CURL_VALUED: Final = frozenset(
    [
        "-o",
        "--output",
        "-d",
        "--data",
        "--data-binary",
        "--data-raw",
        "--data-urlencode",
        "--data-ascii",
        "-F",
        "--form",
        "-T",
        "--upload-file",
        "-H",
        "--header",
        "-X",
        "--request",
        "-u",
        "--user",
        "-A",
        "--user-agent",
        "-e",
        "--referer",
        "-b",
        "--cookie",
        "-c",
        "--cookie-jar",
        "-m",
        "--max-time",
        "--connect-timeout",
        "-w",
        "--write-out",
        "-x",
        "--proxy",
        "-K",
        "--config",
        "--cacert",
        "--cert",
        "-E",
        "--key",
        "--retry",
        "--retry-delay",
        "--resolve",
        "-D",
        "--dump-header",
        "--url",
        "--json",
        "--output-dir",
        "-r",
        "--range",
        "--limit-rate",
        "-C",
        "--form-string",
        "--trace",
        "--trace-ascii",
        "--stderr",
        "--netrc-file",
        "--unix-socket",
        "-Y",
        "-y",
        "-z",
        "-t",
        "-P",
        "-Q",
        "-U",
        *("--preproxy", "--proxy1.0", "--socks4", "--socks4a", "--socks5", "--socks5-hostname", "--connect-to"),
        *(
            "--doh-url",
            "--dns-servers",
            "--proxy-user",
            "--proxy-header",
            "--noproxy",
            "--interface",
            "--max-filesize",
        ),
        *("--max-redirs", "--retry-max-time", "--ciphers", "--oauth2-bearer", "--aws-sigv4", "--url-query"),
    ]
)
_CURL_SENDS: Final = frozenset(
    {
        "-d",
        "--data",
        "--data-binary",
        "--data-raw",
        "--data-urlencode",
        "--data-ascii",
        "-F",
        "--form",
        "-T",
        "--upload-file",
        "--json",
        "-H",
        "--header",
        "-b",
        "--cookie",
        "--url",
    }
)
_DELETES_ELSEWHERE: Final = "deletes what is stored on another machine"
_ON_LOCALHOST: Final = "Leave it to the user, or try it on localhost."
_LOCAL: Final = re.compile(r"(https?://)?(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/|$)")


def _curl(call: Call) -> Stream:
    given = arguments(call.words, valued=CURL_VALUED)
    for word in given.values(
        "-o", "--output", "-c", "--cookie-jar", "-D", "--dump-header", "--trace", "--trace-ascii", "--stderr"
    ):
        if word.text != "-":
            call.judge.write(word, NOT_KNOWN, call.shell, append=True, by="curl")
            path = call.shell.path(word.text)
            if path is not None:
                call.shell.files.made.add(path)
    if given.has("-O", "--remote-name", "-J"):
        for word in given.operands:
            call.judge.write(Word(posixpath.basename(word.text)), NOT_KNOWN, call.shell, append=True, by="curl")
    for word in given.values("-K", "--config"):
        if call.judge.content(word, call.shell).text is None or word.text == "-":
            call.judge.undecided("curl takes its options from elsewhere")
    judge_sockets(call)
    _judge_method(call, given, "-X", "--request")
    sent = [Word(_file_of(word.text)) for word in given.values(*_CURL_SENDS)]
    _sends(call, sent, given.operands)
    if any(re.match(r"file:", word.text) for word in given.operands):
        return Stream(None, reads(call, [Word(word.text.removeprefix("file://")) for word in given.operands]))
    return NOT_KNOWN


def _notes(call: Call, words: Iterable[Word]) -> None:
    """Notes the files that are sent: a pipe with a name may be filled later."""
    for word in words:
        path = call.shell.path(word.text)
        if path is not None and UNKNOWN not in path:
            call.shell.files.sent.add(call.judge.real(path, call.shell))


def _file_of(text: str) -> str:
    """Returns the file of `@file`, `name=@file` or `name@file`."""
    return re.split(r"[;,]", re.sub(r"^.*?[@<]", "", text), maxsplit=1)[0] if "@" in text or "<" in text else text


def _sends(call: Call, sent: list[Word], receivers: tuple[Word, ...]) -> None:
    _notes(call, sent)
    from_input = any(word.text in {"-", ""} for word in sent)
    secret = reads(call, [word for word in sent if word.text not in {"-", ""}]) if sent else None
    secret = secret or call.judge.taint(call.words) or (call.input.secret if from_input or not sent else None)
    receiver = next((word.text for word in receivers), "the network")
    if secret and not _LOCAL.match(receiver):
        call.judge.secret_sent(secret, receiver[:60])


WGET_VALUED: Final = frozenset(
    [
        "-O",
        "--output-document",
        "-P",
        "--directory-prefix",
        "-o",
        "--output-file",
        "-a",
        "--append-output",
        "--post-file",
        "--post-data",
        "--body-file",
        "--body-data",
        "--header",
        "--user-agent",
        "-U",
        "-t",
        "--tries",
        "-T",
        "--timeout",
        "-i",
        "--input-file",
        "--method",
        "-e",
        "--execute",
        "--use-askpass",
        "-A",
        "-R",
        "-l",
    ]
)


def _judge_method(call: Call, given: Arguments, *options: str) -> None:
    elsewhere = any(not _LOCAL.match(word.text) for word in given.operands)
    if elsewhere and any(word.text.upper() == "DELETE" for word in given.values(*options)):
        call.judge.prompt(Rule.DATA_LOSS, _DELETES_ELSEWHERE, _ON_LOCALHOST)


def _wget(call: Call) -> Stream:
    given = arguments(call.words, valued=WGET_VALUED)
    for word in given.values("-O", "--output-document", "-o", "--output-file", "-a", "--append-output"):
        if word.text != "-":
            call.judge.write(word, NOT_KNOWN, call.shell, append=True, by="wget")
            path = call.shell.path(word.text)
            if path is not None:
                call.shell.files.made.add(path)
    if not given.values("-O", "--output-document"):
        folder = next(iter(given.values("-P", "--directory-prefix")), Word("."))
        for word in given.operands:
            target = Word(posixpath.join(folder.text, posixpath.basename(word.text.rstrip("/")) or "index.html"))
            call.judge.write(target, NOT_KNOWN, call.shell, append=True, by="wget")
    _judge_method(call, given, "--method")
    if given.values("--use-askpass"):
        call.judge.prompt(Rule.CODE_INJECTION, "runs a program to ask for a password")
    sent = [*given.values("--post-file", "--body-file", "--post-data", "--body-data", "--header"), *given.operands]
    _sends(call, sent, given.operands)
    return NOT_KNOWN


_OPENED: Final = re.compile(
    r"(?:(?:open|file|gopen|create|rdonly|pipe):)?\"?([^\",]+)\"?(?:,.*?chdir=([^,]+))?.*", re.IGNORECASE
)


def _opened(word: Word) -> Word:
    """Returns the file of an address of socat, such as `OPEN:"a.key"` or `OPEN:a.key,chdir=certs`."""
    found = _OPENED.fullmatch(word.text)
    return Word(posixpath.join(found[2] or "", found[1])) if found else word


_ASKS_BY_METHOD: Final = frozenset({"http", "https", "xh", "httpie"})


def _sender(call: Call) -> Stream:
    """Any other sender: all files that it names, and its input."""
    judge_sockets(call)
    words = call.words if call.name != "socat" else [_opened(word) for word in call.words]
    _notes(call, words)
    secret = reads(call, words)
    if secret:
        call.judge.secret_sent(
            secret, next((text for text in reversed(call.texts()) if not text.startswith("-")), "the network")[:60]
        )
    if call.name in _ASKS_BY_METHOD and "DELETE" in call.texts() and not any(map(_LOCAL.match, call.texts())):
        call.judge.prompt(Rule.DATA_LOSS, _DELETES_ELSEWHERE, _ON_LOCALHOST)
    for index, text in enumerate(call.texts()):
        if call.name in {"nc", "ncat", "netcat", "socat"} and (
            re.fullmatch(r"-[a-zA-Z]*[ec]|--(sh-|lua-)?exec(=.*)?", text, re.DOTALL)
            or re.match(r"(EXEC|SYSTEM|SHELL)(:|,|$)", text, re.IGNORECASE)
        ):
            call.judge.prompt(Rule.CODE_INJECTION, f"lets another machine run {' '.join(call.texts()[index:])[:40]}")
    return NOT_KNOWN


_RUNS_LOCALLY: Final = re.compile(r"ProxyCommand|LocalCommand|KnownHostsCommand", re.IGNORECASE)
"""Options of ssh whose value is a command."""


def _scp(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-i", "-P", "-F", "-o", "-l", "-c", "-J", "-S"}))
    for value in given.values("-o"):
        if _RUNS_LOCALLY.search(value.text):
            call.judge.prompt(Rule.CODE_INJECTION, "runs a program to reach the remote")
    *sources, target = given.operands or (Word(""),)
    if ":" in target.text:
        return _sender_of(call, sources, target, folders=given.has("-r"))
    names = (
        [Word(posixpath.join(target.text, posixpath.basename(each.text))) for each in sources]
        if target.text.endswith("/")
        else []
    )
    for word in names or [target]:
        call.judge.write(word, NOT_KNOWN, call.shell, append=True, by="scp")
    return NOT_KNOWN


def _sender_of(call: Call, sources: list[Word], target: Word, *, folders: bool) -> Stream:
    secret = (reads_all if folders else reads)(call, sources)
    if secret:
        call.judge.secret_sent(secret, target.text)
    return NOT_KNOWN


def _looked_up(call: Call) -> Stream:
    """A name that is looked up reaches the server of its domain."""
    secret = call.judge.taint(call.words)
    if secret:
        call.judge.secret_sent(secret, "a name server")
    return NOT_KNOWN


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    "curl": _curl,
    "wget": _wget,
    "scp": _scp,
    **dict.fromkeys(
        ("ping", "ping6", "dig", "nslookup", "host", "drill", "kdig", "getent", "resolvectl"), _looked_up
    ),
    **dict.fromkeys(
        (
            "nc",
            "ncat",
            "netcat",
            "socat",
            "telnet",
            "ftp",
            "sftp",
            "mail",
            "mailx",
            "sendmail",
            "mutt",
            "http",
            "https",
            "xh",
            "httpie",
            "gist",
            "transfer",
            "croc",
            "wormhole",
            "curlie",
            "lftp",
            "tftp",
            "msmtp",
            "swaks",
            "websocat",
        ),
        _sender,
    ),
}

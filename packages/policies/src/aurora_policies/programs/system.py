"""Programs that can damage the machine, its disks and its services, or what is stored elsewhere."""

from __future__ import annotations

import re
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.printing import reads, reads_all
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_policies.programs.judge import Call
    from aurora_policies.shell.words import Word

__all__ = ["PROGRAMS", "deletes_in_cloud"]

_LEAVE: Final = "Leave it to the user."


def _disk(call: Call) -> Stream:
    """Programs that make or erase file systems."""
    texts = set(call.texts())
    only_shows = call.name == "wipefs" and not any(
        re.match(r"-\w*[aot]|--(all|offset|types)", each) for each in texts
    )
    if not only_shows and not _DISK_DRY & texts:
        call.judge.deny(Rule.SYSTEM_DAMAGE, f"{call.name} changes or erases a disk", "Do not change disks.")
    return NOT_KNOWN


_DISK_DRY: Final = frozenset(
    ("--help", "--longhelp", "-h", "--version", "-V", "-l", "--list", "-n", "--no-act", "--test")
)


def _lvm(call: Call) -> Stream:
    return call.shell.run_words(call.words, stdin=call.input)


def _power(call: Call) -> Stream:
    if not {"--help", "-c", "--version"} & set(call.texts()):
        call.judge.deny(Rule.SYSTEM_DAMAGE, "switches the machine off", "Do not switch the machine off.")
    return NOT_KNOWN


def _init(call: Call) -> Stream:
    if call.texts()[:1] in (["0"], ["6"], ["1"]):
        return _power(call)
    return NOT_KNOWN


def _kill(call: Call) -> Stream:
    """The number -1 stands for all programs, and 1 for the one that started them all."""
    texts = call.texts()
    signalled = texts[1:] if texts[:1] != ["-1"] or len(texts) > 1 else texts
    if {"-1", "1"} & set(signalled) and "-l" not in texts:
        call.judge.deny(Rule.SYSTEM_DAMAGE, "ends all programs of the user", "End only what you have started.")
    return EMPTY


_OURS: Final = re.compile(r"\baur\b|aurora[_-](spawner|cli|soar|aur)|supervisor\.py")


def _killall(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-u", "-s", "-o", "-y", "-t", "-g", "-P", "-U"}))
    if any(_OURS.search(word.text) for word in (*given.operands, *given.values("-f"))):
        call.judge.prompt(Rule.SELF_PROTECTION, "ends the processes that run agents", _LEAVE)
    if given.values("-u", "-U") or any(word.text in {".", ".*", "-1", ""} for word in given.operands):
        call.judge.prompt(
            Rule.SYSTEM_DAMAGE, "ends all programs of a user", "End only what you have started, by its number."
        )
    return EMPTY


_FIREWALL: Final = re.compile(
    r"^(-F|--flush|-X|-P (INPUT|FORWARD|OUTPUT)|-D\b|flush ruleset|disable|reset|delete table)"
    r"|\s(-F|--flush|-X)\b|\bflush\b"
)


def _matches(pattern: re.Pattern[str], rule: Rule, what: str, instead: str = _LEAVE) -> Callable[[Call], Stream]:
    """Returns a handler of a program whose arguments, as a text, tell what it does."""

    def handler(call: Call) -> Stream:
        text = " ".join(call.texts())
        if pattern.search(text) and not re.search(r"(^|\s)(--help|--dry-run|--dryrun|--noop)\b", text):
            call.judge.prompt(rule, what, instead)
        return NOT_KNOWN

    return handler


def _always(rule: Rule, what: str, instead: str = _LEAVE) -> Callable[[Call], Stream]:
    return _matches(re.compile(""), rule, what, instead)


def _systemctl(call: Call) -> Stream:
    text = " ".join(each for each in call.texts() if not each.startswith("-"))
    if re.match(r"(poweroff|reboot|halt|kexec|emergency|rescue|suspend|hibernate|isolate)\b", text):
        call.judge.deny(Rule.SYSTEM_DAMAGE, "switches the machine off or into another state", _LEAVE)
    elif re.match(r"(stop|disable|mask|kill|restart|enable|edit|link|set-default|daemon-reexec)\b", text):
        _change_service(call, text)
    return NOT_KNOWN


def _change_service(call: Call, text: str) -> None:
    """A service of the user's own may be restarted."""
    if "--user" not in call.texts() or not text.startswith(("restart", "stop")):
        call.judge.prompt(Rule.SYSTEM_DAMAGE, "changes a service of the machine", _LEAVE)


def _aws(call: Call) -> Stream:
    text = " ".join(each for each in call.texts())
    if re.search(r"--dryrun|--dry-run|\bhelp\b", text):
        return NOT_KNOWN
    if re.search(r"\bs3\s+(rm\b.*--recursive|rb\b|sync\b.*--delete)|\bs3\s+rm\b.*\*", text) or re.search(
        r"(^|\s)(batch-)?(delete|terminate|deregister|purge|destroy|remove)-[a-z-]+|(^|\s)schedule-key-deletion\b",
        text,
    ):
        call.judge.prompt(
            Rule.DATA_LOSS, "deletes what is stored in the cloud", "Name single objects, or leave it to the user."
        )
    if "get-secret-value" in call.texts():
        return Stream(None, "a secret of the cloud")
    if re.search(r"(^|\s)s3(api)?\s+(cp|mv|sync|put-object)\b", text):
        secret = (reads_all if "sync" in text or "--recursive" in text else reads)(call, _local(call))
        if secret:
            call.judge.secret_sent(secret, "the cloud")
    return NOT_KNOWN


def _local(call: Call) -> list[Word]:
    """Returns the words that may be files of this machine and are sent: what stands before the address."""
    words = list(call.words)
    to = [at for at, word in enumerate(words) if re.match(r"(s3|gs|https?)://", word.text)]
    return words[: to[-1]] if to else words


_FORGE: Final = re.compile(
    r"\b(repo (delete|archive)|release delete|secret (set|delete|remove)|auth (token|logout)"
    r"|api\b((?!\bapi\b).)*(-X|--method)[ =]?(DELETE|PUT|PATCH|POST)"
    r"|(ssh-key|gist|run|variable|cache) delete)\b|pr merge\b((?!\bpr merge\b).)*--admin"
)


def _gh(call: Call) -> Stream:
    texts = call.texts()
    if "force=true" in texts and any("git/refs/heads/" in text for text in texts):
        call.judge.by_rule(Rule.GIT_FORCE_PUSH, "overwrites a branch of the forge", "Push to a new branch.")
    if _FORGE.search(" ".join(call.texts())):
        call.judge.prompt(Rule.DATA_LOSS, "deletes or changes what is on the forge", _LEAVE)
    if {"gist", "release", "issue", "pr"} & set(call.texts()[:1]):
        secret = reads(call, call.words)
        if secret:
            call.judge.secret_sent(secret, "the forge")
    return NOT_KNOWN


_CLOUD_VERB: Final = re.compile(
    r"([\w-]+:)?(delete|destroy|purge|terminate|deprovision|remove|wipe)(-[a-z-]+)?|remove-all|rb|pg:reset|repo:reset|rm"
    r"|uninstall"
)
_CLOUD_COMPOUND: Final = re.compile(r"\w[\w-]*-(delete|destroy|terminate)|(Delete|Terminate|Release)[A-Z]\w*")
"""Verbs of clients that say all in one word, such as `instance-delete`; behind an option it may be a name."""
_CLOUD_REMOVES: Final = re.compile(r"remove(-tags?|-labels?|-metadata|-iam-policy-binding|-dimension\w*)?")
"""Verbs that take something off and delete nothing that is stored."""
_CLOUD_DRY: Final = frozenset({"--help", "-h", "help", "--dry-run", "--dryrun", "--what-if"})


_TERRAFORM: Final = frozenset(("destroy", "force-unlock", "taint"))
_APPROVED: Final = frozenset(
    ("-auto-approve", "--auto-approve", "-auto-approve=true", "-destroy", "--destroy", "-destroy=true")
)


def _terraform(call: Call) -> Stream:
    texts = call.texts()
    words = [text for text in texts if not text.startswith("-")]
    removes = {("state", "rm"), ("workspace", "delete")} & set(pairwise(words))
    applies = "apply" in words and _APPROVED & set(texts)
    if (removes or applies or _TERRAFORM & set(words)) and not {"-help", "--help"} & set(texts):
        call.judge.prompt(Rule.DATA_LOSS, "destroys resources", _LEAVE)
    return NOT_KNOWN


def deletes_in_cloud(call: Call) -> Stream:
    """Judges a command line of a cloud by the verbs in it, each a word by itself."""
    texts = call.texts()
    found = [text for text in texts if _CLOUD_VERB.fullmatch(text) and not _CLOUD_REMOVES.fullmatch(text)]
    found += filter(_CLOUD_COMPOUND.fullmatch, takewhile(lambda text: not text.startswith("-"), texts))
    if found and not _CLOUD_DRY & set(texts):
        call.judge.prompt(Rule.DATA_LOSS, f"deletes what is stored in the cloud: {found[0]}", _LEAVE)
    return NOT_KNOWN


_CRYPT: Final = re.compile(r"\b(luksFormat|erase|luksErase|luksRemoveKey|wipefs)\b")

PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    **dict.fromkeys(
        (
            *(
                "mkfs",
                "mkfs.ext2",
                "mkfs.ext3",
                "mkfs.ext4",
                "mkfs.xfs",
                "mkfs.btrfs",
                "mkfs.vfat",
                "mkfs.fat",
                "mkfs.ntfs",
                "mke2fs",
            ),
            *(
                "mkswap",
                "wipefs",
                "fdisk",
                "sfdisk",
                "cfdisk",
                "gdisk",
                "sgdisk",
                "parted",
                "blkdiscard",
                "hdparm",
                "mkfs.f2fs",
            ),
            *("badblocks", "newfs", "vgremove", "lvremove", "pvremove", "format"),
        ),
        _disk,
    ),
    **dict.fromkeys(("shutdown", "reboot", "halt", "poweroff"), _power),
    "lvm": _lvm,
    "init": _init,
    "telinit": _init,
    "kill": _kill,
    "killall": _killall,
    "pkill": _killall,
    "killall5": _power,
    "systemctl": _systemctl,
    **dict.fromkeys(
        ("iptables", "ip6tables", "nft", "ufw", "firewall-cmd", "pfctl"),
        _matches(_FIREWALL, Rule.SYSTEM_DAMAGE, "removes rules of the firewall"),
    ),
    "cryptsetup": _matches(_CRYPT, Rule.SYSTEM_DAMAGE, "erases an encrypted disk"),
    "service": _matches(re.compile(r"\b(stop|restart)\b"), Rule.SYSTEM_DAMAGE, "changes a service of the machine"),
    "launchctl": _matches(
        re.compile(r"^(load|bootstrap|unload|bootout|remove|disable|submit)"),
        Rule.SELF_PROTECTION,
        "changes what is run later",
    ),
    "diskutil": _matches(
        re.compile(r"\b(erase\w*|partitionDisk|zeroDisk|secureErase|apfs delete\w*)\b", re.IGNORECASE),
        Rule.SYSTEM_DAMAGE,
        "erases a disk",
    ),
    **dict.fromkeys(
        (
            "userdel",
            "groupdel",
            "deluser",
            "delgroup",
            "usermod",
            "passwd",
            "chpasswd",
            "visudo",
            "adduser",
            "useradd",
            "chsh",
        ),
        _always(Rule.SYSTEM_DAMAGE, "changes the users of the machine"),
    ),
    **dict.fromkeys(
        (
            "insmod",
            "rmmod",
            "modprobe",
            "sysctl",
            "swapoff",
            "umount",
            "kexec",
            "setenforce",
            "grub-install",
            "update-grub",
        ),
        _matches(re.compile(r"^(?!-a$|--all$|-n$|-l$|--list$)."), Rule.SYSTEM_DAMAGE, "changes the running system"),
    ),
    "tmutil": _matches(re.compile(r"^(delete|disable)"), Rule.DATA_LOSS, "deletes backups"),
    **dict.fromkeys(("terraform", "tofu", "terragrunt"), _terraform),
    "pulumi": _matches(re.compile(r"^(destroy|stack rm|state delete)"), Rule.DATA_LOSS, "destroys resources"),
    "cdk": _matches(re.compile(r"^destroy"), Rule.DATA_LOSS, "destroys resources"),
    "sam": _matches(re.compile(r"^delete"), Rule.DATA_LOSS, "destroys resources"),
    "serverless": _matches(re.compile(r"^remove"), Rule.DATA_LOSS, "destroys resources"),
    "helm": _matches(re.compile(r"^(uninstall|delete|del)\b"), Rule.DATA_LOSS, "removes what runs in a cluster"),
    "aws": _aws,
    **dict.fromkeys(
        (
            *(
                "az",
                "doctl",
                "oci",
                "ibmcloud",
                "linode-cli",
                "hcloud",
                "scw",
                "aliyun",
                "tccli",
                "exo",
                "openstack",
                "vultr-cli",
            ),
            *("argocd", "velero", "flux", "istioctl"),
            *("eksctl", "kops", "rancher", "cf", "upctl", "civo", "b2", "azcopy"),
        ),
        deletes_in_cloud,
    ),
    "gsutil": _matches(
        re.compile(r"\b(rm\s+(-\w*[rR]|.*\*)|rb\b|rsync\b.*\s-d\b)|\brm -"),
        Rule.DATA_LOSS,
        "deletes what is stored in the cloud",
    ),
    "s3cmd": _matches(
        re.compile(r"\b(rb|del\b.*(--recursive|-r)|sync\b.*--delete-removed)"),
        Rule.DATA_LOSS,
        "deletes what is stored in the cloud",
    ),
    "mc": _matches(
        re.compile(r"\b(rb|rm\b.*(--recursive|-r|--force))"), Rule.DATA_LOSS, "deletes what is stored in the cloud"
    ),
    "rclone": _matches(
        re.compile(r"^(delete|purge|sync|cleanup|move|rmdirs|deletefile)\b"),
        Rule.DATA_LOSS,
        "deletes what is stored elsewhere",
    ),
    "gh": _gh,
    "glab": _matches(
        re.compile(r"\b(repo|release|variable|ssh-key) delete\b"), Rule.DATA_LOSS, "deletes what is on the forge"
    ),
    "zfs": _matches(re.compile(r"^(destroy|rollback)"), Rule.SYSTEM_DAMAGE, "destroys a file system"),
    "zpool": _matches(re.compile(r"^(destroy|labelclear)"), Rule.SYSTEM_DAMAGE, "destroys a file system"),
    "btrfs": _matches(
        re.compile(r"\bsubvolume delete|device (delete|remove)"), Rule.SYSTEM_DAMAGE, "destroys a file system"
    ),
    "virsh": _matches(
        re.compile(r"^(undefine|destroy|vol-delete|pool-delete)"), Rule.DATA_LOSS, "deletes a virtual machine"
    ),
    "restic": _matches(re.compile(r"\b(forget|prune|key remove)\b"), Rule.DATA_LOSS, "deletes backups"),
    "borg": _matches(re.compile(r"^(delete|prune|compact)\b"), Rule.DATA_LOSS, "deletes backups"),
    "etcdctl": _matches(re.compile(r"\bdel\b.*--(prefix|from-key)"), Rule.DATA_LOSS, "deletes the data of a cluster"),
    "vault": _matches(
        re.compile(r"\b(delete|destroy|operator seal|secrets disable)\b"), Rule.DATA_LOSS, "deletes secrets"
    ),
    "consul": _matches(re.compile(r"\bkv delete\b.*-recurse"), Rule.DATA_LOSS, "deletes the data of a cluster"),
    "kafka-topics": _matches(re.compile(r"--delete"), Rule.DATA_LOSS, "deletes a topic"),
    "rabbitmqctl": _matches(
        re.compile(r"\b(reset|force_reset|purge_queue|delete_\w+)"), Rule.DATA_LOSS, "deletes queues"
    ),
    **dict.fromkeys(
        ("vercel", "netlify", "railway", "render", "supabase", "neonctl", "planetscale", "pscale", "firebase"),
        _matches(
            re.compile(
                r"\b(remove|rm|sites:delete|delete|db reset|projects delete|firestore:delete|database:remove)\b"
            ),
            Rule.DATA_LOSS,
            "deletes what is stored elsewhere",
        ),
    ),
    "twine": _matches(re.compile(r"^upload"), Rule.DATA_LOSS, "publishes a release, which cannot be taken back"),
    "gem": _matches(re.compile(r"^(push|yank)"), Rule.DATA_LOSS, "publishes a release, which cannot be taken back"),
    "defaults": _matches(re.compile(r"^delete"), Rule.SYSTEM_DAMAGE, "deletes settings of the user"),
}

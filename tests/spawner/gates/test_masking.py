"""Keys and passwords in commands, and words that only look like them."""

from pathlib import Path

import pytest
from tests.exhaustive import few

from aurora_spawner.gates.masking import masked
from aurora_spawner.gates.tool_calls import MASKED_WINDOW, SUBJECT_LIMIT, ToolCall, ToolUse, UseKind


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("curl -H 'Authorization: Bearer abcdef123456' x", "curl -H 'Authorization: Bearer ***' x"),
        ("OPENAI_API_KEY=abcd1234 run", "OPENAI_API_KEY=*** run"),
        ("export GITHUB_TOKEN='abcd1234'", "export GITHUB_TOKEN='***'"),
        ("git clone https://me:hunter22@host/x", "git clone https://me:***@host/x"),
        ("mysql --password hunter22 db", "mysql --password *** db"),
        ("mysql --password=hunter22 db", "mysql --password=*** db"),
        ('{"client_secret": "abcd1234"}', '{"client_secret": "***"}'),
        ("echo sk-ant-abc123def456", "echo sk-***"),
        ("echo ghp_0123456789abcdef", "echo ghp_***"),
        ("curl -u admin:secret x", "curl -u admin:*** x"),
        ("curl -s --user 'admin:secret' x", "curl -s --user 'admin:***' x"),
        ("git clone https://tok@host/x", "git clone https://***@host/x"),
        ("echo ghu_0123456789abcdef ghr_0123456789abcdef", "echo ghu_*** ghr_***"),
        ("X=ASIA0123456789ABCDEF x", "X=ASIA*** x"),
        ("echo eyJhbGciOiJI.eyJzdWIiOiJ4.c2lnbmF0dXJl", "echo eyJ***"),
        ("PASSWORD='my long phrase' run", "PASSWORD='***' run"),
        (
            'TOKEN=hunter22; curl -H "Authorization: Bearer $TOKEN" x',
            'TOKEN=***; curl -H "Authorization: Bearer $TOKEN" x',
        ),
        ("TOKEN='hunter 22'; x --token \"$TOKEN\"", "TOKEN='***'; x --token \"$TOKEN\""),
        ('TOKEN=hunter22; curl -H "X-Api: $TOKEN" x', 'TOKEN=***; curl -H "X-Api: $TOKEN" x'),
        ("TOKEN=hunter22; git clone https://me:$TOKEN@host/x", "TOKEN=***; git clone https://me:$TOKEN@host/x"),
        ("TOKEN=a1b2c3d4e5f6g7; echo $TOKEN | docker login", "TOKEN=***; echo $TOKEN | docker login"),
        ('PASSWORD="my long phrase" run', 'PASSWORD="***" run'),
        ("mysql -u root -psecret db", "mysql -u root -p*** db"),
        ("mysqldump -psecret db", "mysqldump -p*** db"),
        ("sshpass -p secret ssh host", "sshpass -p *** ssh host"),
        ("redis-cli -a secret ping", "redis-cli -a *** ping"),
        ("docker login -u me -p secret host", "docker login -u me -p *** host"),
        ("echo '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\nx'", "echo '-----BEGIN PRIVATE KEY-----***\nx'"),
        ("TOKEN=$TOKEN run", "TOKEN=$TOKEN run"),
        ("docker run -p 80:80 x", "docker run -p 80:80 x"),
        ("git clone git@host:x", "git clone git@host:x"),
        ("psql postgres://me@host/x", "psql postgres://me@host/x"),
        ("grep -rn token src", "grep -rn token src"),
        ("pytest tests/test_password.py -k secret", "pytest tests/test_password.py -k secret"),
        ("git push origin task-branch", "git push origin task-branch"),
        ("curl http://localhost:8080/x", "curl http://localhost:8080/x"),
    ],
)
def test_what_looks_like_a_key_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("password=`rm${IFS}-rf${IFS}src` ls", "rm${IFS}-rf${IFS}src"),
        ("password=$(rm${IFS}-rf${IFS}src) ls", "rm${IFS}-rf${IFS}src"),
        ("password=abcd$(rm${IFS}-rf${IFS}src) ls", "rm${IFS}-rf${IFS}src"),
        ("password=abcd`rm${IFS}-rf${IFS}src` ls", "rm${IFS}-rf${IFS}src"),
        ('password="abcd $(rm -rf src)" ls', "rm -rf src"),
        ('password="abcd `rm -rf src`" ls', "rm -rf src"),
        ("echo # '\necho ' TOKEN='; unlink src #'", "unlink src"),
        ("cat <<E\n'\nE\necho ' TOKEN='; unlink src #'", "unlink src"),
        ("rm -rf npm_cache/abcdefgh/../../..", "/../../.."),
        ("rm -rf hf_models123/../../etc/passwd", "/../../etc/passwd"),
        ("rm -rf sk-learn-data/../../..", "/../../.."),
        ("password= unlink src", "unlink src"),
        ("password='' unlink src", "unlink src"),
        ("x='a;password=' ; rm -rf src; echo 'b'", "rm -rf src"),
        ("x='password=' rm -rf src '", "rm -rf src"),
        ("x=\\'; password=' rm -rf src '", "password="),
        ("password=abcd;unlink src", "unlink src"),
        ("password=abcd>src.py", ">src.py"),
        ("password=abcd<(unlink src)", "unlink src"),
        ("mysql -p`unlink x`", "unlink x"),
        ("curl -u a:$(unlink x)", "unlink x"),
        ("curl https://`unlink${IFS}x`@host", "unlink${IFS}x"),
        ("echo '-----BEGIN PRIVATE KEY-----'\nunlink src", "unlink src"),
        ("TOKEN='rm -rf src'; sh -c \"$TOKEN\"", "rm -rf src"),
        ("export TOKEN='rm -rf src' && eval ${TOKEN}", "rm -rf src"),
        ("TOKEN=unlink; $TOKEN src", "unlink"),
        ("TOKEN=unlink; echo token\n$TOKEN src", "=unlink"),
        ("TOKEN=unlink; :\n$TOKEN src", "=unlink"),
        ("TOKEN='rm -rf src' bash -c 'printenv TOKEN | sh'", "rm -rf src"),
        ("A_TOKEN='rm -rf src'; B=$A_TOKEN; $B; curl -H \"Bearer $A_TOKEN\" x", "rm -rf src"),
        (f"{'N' * 90}_TOKEN=unlink; ${'N' * 90}_TOKEN src", "unlink"),
    ],
)
def test_a_mask_hides_nothing_that_a_shell_runs(text: str, run: str) -> None:
    assert run in masked(text)


@pytest.mark.parametrize(
    "piece",
    few(["curl ", "mysql ", "'", '"', "\\", "password=", "-", "docker login ", "https://", "a", "\n", "$a "], 4),
)
def test_any_text_is_masked_in_time(piece: str) -> None:
    masked(piece * (MASKED_WINDOW // len(piece)))


def call(*commands: str) -> ToolCall:
    uses = tuple(ToolUse(kind=UseKind.COMMAND, command=each) for each in commands)
    here = Path("/w")
    return ToolCall(task_id="1", agent="a", tool="Bash", uses=uses, cwd=here, workspace=here, isolated=True)


def test_a_call_that_is_cut_shows_both_ends_and_differs_from_all_others() -> None:
    subjects = {call(f"echo {'x' * size}; rm -rf {name}").subject for size in (600, 50_000) for name in ("a", "b")}
    subjects.add(call("echo " + "x" * 300 + "y" + "x" * 299 + "; rm -rf a").subject)
    assert len(subjects) == 5
    for each in subjects:
        assert len(each) <= SUBJECT_LIMIT
        assert each.startswith("echo xxx")
        assert "characters in all, digest " in each
        assert each.endswith(("; rm -rf a", "; rm -rf b"))


def test_keys_are_masked_at_both_ends_of_a_call_that_is_cut() -> None:
    key = "sk-ant-" + "a1" * 60
    for text in (f"run {key} {'x ' * 5000}{key}", "x" * (MASKED_WINDOW - 9) + key * 40, f"{key * 40}{'x ' * 2000}"):
        assert "a1a1" not in call(text).subject


def test_a_call_of_up_to_the_limit_is_shown_whole() -> None:
    assert call("x" * SUBJECT_LIMIT).subject == "x" * SUBJECT_LIMIT
    assert call("a", "b").subject == "a; b"
    assert call("rm \ud800" + "x" * 600).subject != call("rm \ud801" + "x" * 600).subject
    assert call().subject == "Bash"

"""Keys and passwords in commands, and words that only look like them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples, few
from tests.fuzz.bounded import bounded

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
        ("x --db-password hunter22 --client-secret 'a long phrase'", "x --db-password *** --client-secret '***'"),
        ("x --passwd hunter22 --apikey abcd1234 -Dapi.key=abcd1234", "x --passwd *** --apikey *** -Dapi.key=***"),
        ("alias x=y; TOKEN=hunter22 x", "alias x=y; TOKEN=*** x"),
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
        ('curl -H "X: Bearer ${TOKEN:-hunter22}" x', 'curl -H "X: Bearer ${TOKEN:***" x'),
        ("echo ${TOKEN:-a1b2c3d4e5f6g7} | x", "echo ${TOKEN:*** | x"),
        ('PASSWORD="my long phrase" run', 'PASSWORD="***" run'),
        ("mysql -u root -psecret db", "mysql -u root -p*** db"),
        ("mysqldump -psecret db", "mysqldump -p*** db"),
        ("sshpass -p secret ssh host", "sshpass -p *** ssh host"),
        ("redis-cli -a secret ping", "redis-cli -a *** ping"),
        ("docker login -u me -p secret host", "docker login -u me -p *** host"),
        ("echo '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\nx'", "echo '-----BEGIN PRIVATE KEY-----***\nx'"),
        (
            f"echo '-----BEGIN PRIVATE KEY-----\n{'A1b/' * 16}\n{'x' * 16}'",
            "echo '-----BEGIN PRIVATE KEY-----***\n" + "x" * 16 + "'",
        ),
        ("echo 'h.internal:5432:*:me:hunter2222' >> ~/.pgpass", "echo 'h.internal:5432:*:me:***' >> ~/.pgpass"),
        ("echo 'machine h login me password hunter22'", "echo 'machine h login me password ***'"),
        ("printf 'machine h\n  login me\n  password hunter22'", "printf 'machine h\n  login me\n  password ***'"),
        ('{"auths": {"h": {"auth": "bWU6aHVudGVyMjI="}}}', '{"auths": {"h": {"auth": "***"}}}'),
        ("echo 'me:hunter22' | sudo chpasswd", "echo 'me:***' | sudo chpasswd"),
        ("openssl pkcs12 -in a.p12 -passin pass:hunter22", "openssl pkcs12 -in a.p12 -passin pass:***"),
        ("ConvertTo-SecureString 'hunter22' -AsPlainText", "ConvertTo-SecureString '***' -AsPlainText"),
        ("btoa('me:hunter22')", "btoa('me:***')"),
        ("DB_PASS=hunter22 run", "DB_PASS=*** run"),
        ("MASTER_KEY=a1b2c3d4 run", "MASTER_KEY=*** run"),
        ("define('DB_PASSWORD', 'hunter222');", "define('DB_PASSWORD', '***');"),
        ('ENV["DB_PASSWORD"] = "hunter222"', 'ENV["DB_PASSWORD"] = "***"'),
        ('hmac_key = []byte("hunter222")', 'hmac_key = []byte("***")'),
        ('app.secret_key = b"hunter222"', 'app.secret_key = b"***"'),
        ("TOKEN=curl -u me:hunter22 x", "TOKEN=*** -u me:*** x"),
        (
            "https://hooks.slack.com/services/T01/B01/aB3dE6gH8",
            "https://hooks.slack.com/services/***/***/***",
        ),
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


HASH = "3f7a9c1e5b8d2046a7c9e1f3b5d70284c6e8fa91"
HARMLESS = [
    f"git show {HASH}",
    f"git checkout fix-{HASH} && git diff main_{HASH}..{HASH[:12]}",
    f"docker pull h/app@sha256:{HASH}0123456789abcdef01234567",
    f"docker run app-{HASH[:12]} --tag build_{HASH}",
    f"cat .cache/key-{HASH[:32]}/SK{HASH[:31]} cache-key-{HASH[:32]}",
    "curl http://h/550e8400-e29b-41d4-a716-446655440000",
    "npm install left-pad@1.3.0 @types/node@20.11.5 && npm_config_cache=.cache/npm npm ci",
    "pip install scikit_learn-1.4.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    '"integrity": "sha512-Zm9vYmFyQmF6UXV4MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3A2dGVzdDEyMzQ1Ng=="',
    "golang.org/x/sys v0.15.0 h1:h48lPFYpsTvQJZF4EKyI4aLHaev3CxivZmdy2MqY0U8=",
    "pytest -k test_thatHttp200IsReturnedWhenTheServerAnswersWithin30Seconds",
    "./gradlew test --tests a_Http2OverTls13ServerConnectionIntegrationTest",
    "rm -rf /nix/store/8zm9nrvlkdzyzmv7sn26rzzkwv0a3j6v-hello-2.12",
    "rm -rf sk-learn-data/cache npm_cache/abcdefgh hf_models123/x",
    "rm -rf SG./../../usr/local hooks.slack.com/services/../../etc/passwd",
    "scp a host:$1$/usr/local/share/applications",
    "export SECRET_DIR=/run/secrets/app DB_PASS=/etc/app/pass1 GOOGLE_APPLICATION_CREDENTIALS=~/keys/gcp-1.json",
    "OLDPWD=/home/me1 PWD=/home/me1/src2 make",
    "ls ../../deep2/Path3/with_Words-and-v1.2.3/File.test.tsx src/a1B2c3D4e5F6g7H8i9J0k1L2.js",
    "docker run -p 127.0.0.1:8080:80 -v ./a:/b:ro -e X=1 h:5000/app:v1.2.3",
    "ping 2001:0db8:85a3:0000:0000:8a2e:0370:7334",
    "src/a.py:12:warning:unused:import",
    'img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIB"',
    "grep -rn 'auth_key' src && write basic tests: token bearer",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_key_stays_readable(text: str) -> None:
    assert masked(text) == text


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
        (": -----BEGIN PRIVATE KEY-----\n/usr/local/bin/Evilprogram", "/usr/local/bin/Evilprogram"),
        (": -----BEGIN PRIVATE KEY-----\nremoveallsources src", "removeallsources src"),
        ("echo bearer\nunlink src", "unlink src"),
        ("echo token:\nunlink src", "unlink src"),
        ("echo token =\nunlink src", "unlink src"),
        ("x --token\nunlink src", "unlink src"),
        ("x --a-token\nunlink src", "unlink src"),
        ("docker login -p\nunlink src", "unlink src"),
        ("sshpass -p\nunlink src", "unlink src"),
        ("redis-cli -a\nunlink src", "unlink src"),
        ("curl -u\nunlink:src", "unlink:src"),
        ("echo machine a login b password\nunlink src", "unlink src"),
        ("DB_PASS=run1this; $DB_PASS src", "run1this"),
        ("curl https://me:a1;sweeper>src@host", ";sweeper>src"),
        ("curl https://me&sweeper>src@host", "&sweeper>src"),
        ("TOKEN='rm -rf src'; sh -c \"$TOKEN\"", "rm -rf src"),
        ("export TOKEN='rm -rf src' && eval ${TOKEN}", "rm -rf src"),
        ("TOKEN=unlink; $TOKEN src", "unlink"),
        ("TOKEN=unlink; echo token\n$TOKEN src", "=unlink"),
        ("TOKEN=unlink; :\n$TOKEN src", "=unlink"),
        ("TOKEN='rm -rf src' bash -c 'printenv TOKEN | sh'", "rm -rf src"),
        ("A_TOKEN='rm -rf src'; B=$A_TOKEN; $B; curl -H \"Bearer $A_TOKEN\" x", "rm -rf src"),
        ("alias token=unlink; token src", "unlink"),
        ("git -c alias.token='!rm -rf src' token", "rm -rf src"),
        ("X=bearer Unlink1 src", "Unlink1"),
        ("a; X=--token unlink src", "unlink"),
        ("X=token: 'unlink' src", "unlink"),
        ("X=a,password, 'unlink1x' src", "unlink1x"),
        ("authorization=Foo removeallsources src", "removeallsources"),
        ("A[0]+=Authorization:Foo removeallsources src", "removeallsources"),
        ("DB_PASSWORD= bdelete11 src", "bdelete11"),
        ("${TOKEN:-unlink} src", "unlink"),
        (': "${A_TOKEN:=unlink}"; $A_TOKEN src', "unlink"),
        ("${DB_PASS:+run1this} src", "run1this"),
        (f"{'N' * 90}_TOKEN=unlink; ${'N' * 90}_TOKEN src", "unlink"),
    ],
)
def test_a_mask_hides_nothing_that_a_shell_runs(text: str, run: str) -> None:
    assert run in masked(text)


_PARTS = (
    *(
        "'",
        '"',
        "\\",
        " ",
        "\t",
        "\n",
        "=",
        ":",
        ": ",
        "a",
        "1",
        "$X",
        "#",
        "/",
        "X=1 ",
        "abcd1234",
        "aB3dE6gH8jK1mN4pQ7sT",
    ),
    *(
        "password",
        "--db-password ",
        "DB_PASS=",
        "TOKEN='",
        '--token "',
        "--token ",
        "bearer",
        "Authorization: Key ",
        "echo ",
        "machine a login b ",
    ),
    *(
        "curl -u me:",
        "mysql -p",
        "sshpass -p",
        "docker login -p ",
        "redis-cli -a ",
        "-passin pass:",
        "btoa('me:",
        '"auth": "',
    ),
    *("https://me:", "h:5432:*:me:", "-----BEGIN PRIVATE KEY-----", "Private-Lines: 2", "ConvertTo-SecureString '"),
    *(
        "sk-",
        "SG.",
        "AccountKey=",
        "me:$apr1$",
        "?sig=",
        "eyJabcdefgh.eyJ",
        "hooks.slack.com/services/",
        "AC***, ",
        "key_",
    ),
)
_RUN = (
    "unlink src",
    "/usr/local/bin/sweeper src",
    "removeallsources src",
    "X=1 unlink src",
    "unlink:a src",
    "sweeper>src@a",
)


@settings(max_examples=examples(2_000))
@given(
    st.lists(st.sampled_from(_PARTS), max_size=8).map("".join),
    st.sampled_from(["\n", ";", "&&", "||", "|", "&", "$(", "`", "<(", "\n\t", "; "]),
    st.sampled_from(_RUN),
    st.lists(st.sampled_from((*_PARTS, ")", "`")), max_size=5).map("".join),
)
def test_whatever_stands_around_a_command_it_is_shown(before: str, between: str, run: str, after: str) -> None:
    assert f"{between}{run}" in masked(f"{before}{between}{run} {after}")


_PIECES = (
    *(
        "curl ",
        "mysql ",
        "'",
        '"',
        "\\",
        "password=",
        "-",
        "docker login ",
        "https://",
        "a",
        "\n",
        "$a ",
        "eyJ-",
        "sk-",
    ),
    *(
        "secret_",
        "--a-a-",
        "token  ",
        "ab_cd_",
        "a:12:b:c:",
        "login a password ",
        "a1B2",
        "A",
        ":$1$",
        "?sig=%2B",
        "'a:",
        "M.",
        "\\n",
    ),
    *(
        "Authorization: x ",
        "btoa('a@",
        "credentials   ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----\nAbcdefghijklmnopq\n",
    ),
)


@pytest.mark.parametrize("piece", few(_PIECES, 3))
def test_any_text_is_masked_in_time(piece: str) -> None:
    bounded(masked, piece * (300_000 // len(piece)))


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

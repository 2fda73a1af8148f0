"""The helper as a program that Squid talks to: one answer a request, in time, whatever comes in."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.squid_words import answer_line, read_request
from edge.standing import Verdict
from tests.edge.squid_helper import PROBES, Helper, helpers, listed
from tests.edge.squid_stub import StubInstance

ANSWER = re.compile(rb'(?:(\d+) )?(OK|ERR|BH)(?: message="((?:[^"\\]|\\.)*)")?')


@pytest.fixture
def instance() -> Iterator[StubInstance]:
    with StubInstance() as stub:
        stub.users = {**dict.fromkeys(PROBES, True), "alice": True, "bob": False, "dom\\user": True, "josé": True}
        stub.messages = {"bob": 'Your Internet purse is "empty": $0.00\\2 left.\nNext: €5 on Monday.'}
        yield stub


@pytest.fixture
def start(instance: StubInstance) -> Iterator[Callable[..., Helper]]:
    with helpers(instance) as start_one:
        yield start_one


def test_one_users_answer_is_no_others_however_the_line_is_written(
    instance: StubInstance, start: Callable[..., Helper]
) -> None:
    helper = listed(start(), instance)
    lines = [
        b"1  alice a.example -",
        b"2  bob a.example -",
        b"3 alice a.example -",
        b"4 bob b.example -",
        b"5  - a.example",
    ]
    lines += [b"6 alice b.example -", b"7 alice  b.example", b"8 - b.example", b"9 bob", b"x alice a.example -"]
    answers = dict(line.split(b" ", 1) for line in helper.talk(b"\n".join(lines) + b"\n"))
    assert [channel for channel in sorted(answers) if answers[channel] == b"OK"] == [b"1", b"3", b"6", b"7"]


def test_an_open_host_is_open_also_to_who_was_slowed_elsewhere(
    instance: StubInstance, start: Callable[..., Helper]
) -> None:
    instance.users["carol"] = "slow"
    instance.open = ["intranet.example"]
    helper = listed(start(), instance)
    hosts = ["a.example", "www.intranet.example", "b.example", "intranet.example"]
    answers = [b"1 OK slow_=yes", b"1 OK", b"1 OK slow_=yes", b"1 OK"]
    assert helper.talk(b"".join(b"1 carol %b -\n" % host.encode() for host in hosts)) == answers


def test_the_list_decides_and_the_instance_says_why(instance: StubInstance, start: Callable[..., Helper]) -> None:
    helper = listed(start(), instance)
    assert helper.ask("alice") == b"OK"
    assert helper.ask("Alice") == b"OK"
    assert helper.ask("DOM%5Cuser") == b"OK"
    assert helper.ask("jos%C3%A9") == b"OK"
    assert instance.asked == {}
    message = 'Your Internet purse is \\"empty\\": $0.00\\\\2 left. Next: €5 on Monday.'
    assert helper.ask("bob").startswith(f'ERR message="{message}" text_en_="'.encode("cp1252"))
    assert helper.ask("bob").startswith(b"ERR")
    assert instance.asked == {"bob": 1}
    assert helper.ask("nobody").startswith(b"ERR")
    assert helper.ask("-").startswith(b'ERR message="Sign in to use the Internet." text_en_="Sign in')
    assert b' text_de_="Melden Sie sich an, um das Internet zu nutzen."' in helper.ask("-")


def test_changes_arrive_within_two_polls(instance: StubInstance, start: Callable[..., Helper]) -> None:
    helper = listed(start(), instance)
    assert helper.ask("bob").startswith(b"ERR")
    instance.users = {"alice": False, "bob": True}
    assert helper.wait_for("bob", lambda answer: answer == b"OK") < 2.5
    assert helper.ask("alice").startswith(b"ERR")
    before, unchanged = instance.lists_sent, instance.lists_unchanged
    helper.wait_for("bob", lambda answer: instance.lists_unchanged > unchanged)
    assert instance.lists_sent == before, "an unchanged list is not sent again"


def test_somebody_new_is_asked_about(instance: StubInstance, start: Callable[..., Helper]) -> None:
    helper = listed(start(), instance)
    instance.mode = "monitor"
    assert helper.ask("stranger") == b"OK"
    assert instance.asked["stranger"] == 1
    time.sleep(1.5)
    for user in ("stranger", "other", "bob"):
        assert helper.ask(user) == b"OK"
    assert instance.asked == {"stranger": 1}, "in monitor mode nobody is refused, so nobody has to be asked about"


@pytest.mark.parametrize("policy", ["allow", pytest.param("refuse", marks=pytest.mark.long)])
def test_instance_away(instance: StubInstance, start: Callable[..., Helper], policy: str) -> None:
    helper = listed(start("--when-away", policy, "--longest-age", "2"), instance)
    instance.away = True
    time.sleep(1.1)
    assert helper.ask("alice") == b"OK"
    assert helper.ask("bob").startswith(b'ERR message="Your Internet purse is empty.')
    before = instance.turned_away
    answers = {helper.ask(f"stranger{number}") for number in range(50)}
    assert {answer[:3] for answer in answers} == {b"OK" if policy == "allow" else b"ERR"}
    assert instance.turned_away - before <= 2, "who is known to be away is not asked for every user"
    if policy == "allow":
        helper.wait_for("bob", lambda answer: answer == b"OK")
    else:
        helper.wait_for("alice", lambda answer: answer.startswith(b"ERR"))
        assert b"cannot be looked up" in helper.ask("alice")
    instance.away = False
    helper.wait_for("bob", lambda answer: b"Next: " in answer)
    assert helper.ask("alice") == b"OK"
    assert helper.log.read_text().count("no fresh list") == 1


def test_one_slow_answer_holds_up_nobody_else(instance: StubInstance, start: Callable[..., Helper]) -> None:
    helper = listed(start(), instance)
    instance.look_up_pause_s = 0.6
    helper.input.write(b"7 stranger -\n8 alice -\n9 stranger -\n")
    helper.input.flush()
    begun = time.monotonic()
    assert helper.output.readline() == b"8 OK\n"
    assert time.monotonic() - begun < 1.5
    assert {helper.output.readline()[:5], helper.output.readline()[:5]} == {b"7 ERR", b"9 ERR"}
    assert instance.asked["stranger"] == 1


def test_many_new_users_at_once(instance: StubInstance, start: Callable[..., Helper]) -> None:
    lines = b"".join(b"%d user%d -\n" % (number, number) for number in range(400))
    answers = listed(start("--look-up-time", "20"), instance).talk(lines)
    assert sorted(int(answer.split()[0]) for answer in answers) == list(range(400))
    assert all(b" ERR message=" in answer for answer in answers)


def test_a_thousand_requests_at_a_hanging_instance(instance: StubInstance, start: Callable[..., Helper]) -> None:
    helper = listed(start("--look-up-time", "0.5"), instance)
    instance.look_up_pause_s = 5
    begun = time.monotonic()
    answers = helper.talk(b"".join(b"%d user%d -\n" % (number, number) for number in range(1000)))
    assert time.monotonic() - begun < 4
    assert sorted(int(answer.split()[0]) for answer in answers) == list(range(1000))
    assert all(answer.endswith(b" OK") for answer in answers), "the policy for an absent instance"


def test_policies_and_open_sites(instance: StubInstance, start: Callable[..., Helper]) -> None:
    instance.users = {**instance.users, "sue": "slow", "wim": "warn"}
    instance.open = ["intranet.test"]
    helper = listed(start(), instance)
    assert helper.ask("sue") == b"OK slow_=yes"
    assert helper.ask("wim") == b"OK warn_=yes"
    for host, word in (("www.intranet.test", b"OK"), ("intranet.test", b"OK"), ("notintranet.test", b"ERR")):
        helper.input.write(b"1 bob %s -\n" % host.encode())
        helper.input.flush()
        assert helper.output.readline().split()[1] == word, host
    instance.users = {**instance.users, "sue": True, "wim": False}
    helper.wait_for("sue", lambda answer: answer == b"OK")
    assert helper.ask("wim").startswith(b"ERR")


def test_several_helpers_have_one_list_and_the_next_takes_over(
    instance: StubInstance, start: Callable[..., Helper], tmp_path: Path
) -> None:
    shared = ("--shared", str(tmp_path / "standing"))
    first = listed(start(*shared), instance)
    others = [start(*shared) for _ in range(3)]
    for helper in others:
        helper.wait_for("alice", lambda answer: answer == b"OK")
    instance.asked.clear()
    before = instance.lists_sent + instance.lists_unchanged
    time.sleep(2.1)
    assert instance.lists_sent + instance.lists_unchanged - before <= 3, "one helper asks for all"
    instance.users = {**instance.users, "bob": True, "alice": False}
    for helper in (first, *others):
        assert helper.wait_for("alice", lambda answer: answer.startswith(b"ERR")) < 2.5
        assert helper.ask("bob") == b"OK"
    first.process.kill()
    (tmp_path / "standing").open("ab").write(b'{"half a line')
    instance.users = {**instance.users, "bob": False, "alice": True}
    for helper in others:
        assert helper.wait_for("alice", lambda answer: answer == b"OK") < 4
    instance.away = True
    helper = start(*shared, "--when-away", "refuse")
    helper.wait_for("alice", lambda answer: answer == b"OK", 5)
    assert helper.ask("bob").startswith(b"ERR"), "a helper that is started while the instance is away has the last list"


def test_damaged_input(instance: StubInstance, start: Callable[..., Helper]) -> None:
    helper = listed(start(), instance)
    giant = b"5 " + b"x" * 1_000_000 + b"\n"
    answers = helper.talk(b"\n \n1 alice -\nno-channel -\n" + giant + b"2\n3 %00%0A -\n4 bob more fields -\n6 ali")
    assert answers[0] == b"1 OK"
    assert answers[1].startswith(b"BH message=")
    assert answers[2] == b'5 BH message="the request line is too long"'
    assert {answer[:5] for answer in answers[3:]} == {b"2 ERR", b"3 ERR", b"4 ERR"}
    assert len(answers) == 6, "a half line at the end is no request"


def test_noise_never_ends_it(instance: StubInstance, start: Callable[..., Helper]) -> None:
    dice = random.Random(3)  # noqa: S311 (the same dice each time)
    noise = bytes(byte for byte in range(256) if byte != 10)
    lines, wanted = b"", []
    for number in range(300):
        if dice.random() < 0.5:
            lines += b"%d alice -\n" % number
            wanted.append(b"%d OK" % number)
        else:
            lines += b"x" + bytes(dice.choice(noise) for _ in range(dice.randrange(1, 60))) + b"\n"
            wanted.append(b"BH")
    answers = listed(start(), instance).talk(lines)
    assert [answer if answer.endswith(b"OK") else answer[:2] for answer in answers] == wanted
    assert all(ANSWER.fullmatch(answer) for answer in answers)


def test_a_broken_config_does_not_end_squid(instance: StubInstance, start: Callable[..., Helper]) -> None:
    missing = Path("/nonexistent/edge.toml")
    assert start(config=missing).talk(b"1 alice -\n") == [b"1 OK"]
    assert start("--when-away", "refuse", config=missing).talk(b"1 alice -\n")[0].startswith(b"1 ERR")
    helper = start("--check", config=missing)
    assert helper.process.wait(10) == 1
    assert "cannot be read" in helper.log.read_text()
    assert start("--check").process.wait(10) == 0


def test_message_cannot_leave_its_quotes() -> None:
    dice = random.Random(5)  # noqa: S311 (the same dice each time)
    for _ in range(2000):
        message = "".join(dice.choice('ab"\\\n\r\t\x00é€ =') for _ in range(dice.randrange(1, 40)))
        line = answer_line(b"1", Verdict(False, message))
        assert line.endswith(b"\n")
        assert ANSWER.fullmatch(line[:-1]), line
    assert len(answer_line(b"1", Verdict(False, "x" * 9000))) < 600


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("−€5 – “so”", b"-\x805 \x96 \x93so\x94"),
        ("déjà", b"d\xe9j\xe0"),
        ("şah ł 円", b"sah ? ?"),
    ],
)
def test_message_as_squids_page_can_show_it(message: str, said: bytes) -> None:
    assert answer_line(b"1", Verdict(False, message)) == b'1 ERR message="' + said + b'"\n'


def test_requests() -> None:
    assert read_request(b"0 alice 10.0.0.1 -\n") == (b"0", "alice", "10.0.0.1")
    assert read_request(b"12 a%20b -\n") == (b"12", "a b", "")
    assert read_request(b"3 -\n") == (b"3", None, "")
    assert read_request(b"alice -\n") is None
    assert read_request(b"-1 alice\n") is None

"""The pages of refunds, from the job's page to the answer; they work without scripts, and reach nobody else's job."""

from __future__ import annotations

import pytest

from tests.printing.queues import Queues
from tests.web.browsing import Browser, signed_in, words_of


@pytest.fixture
def alice(quick_queues: Queues) -> Browser:
    """Alice has a printed job, number 1."""
    assert quick_queues.print() == 1
    return signed_in(quick_queues.app, "alice")


def test_a_request_goes_its_whole_way(quick_queues: Queues, alice: Browser) -> None:
    job, admin = "/print-jobs/1", signed_in(quick_queues.app, "admin")
    empty = alice.send(f"{job}/refund", job, reason=" ")
    assert (empty.status_code, "Give a reason" in empty.text) == (422, True)
    assert alice.send(f"{job}/refund", job, reason="The last page is <b>blank</b>").status_code == 303
    assert "Asked for" in alice.text(job)
    assert "Refunds (1)" in admin.get("/admin/people").text or "Printing (1)" in admin.get("/admin/people").text
    listed = admin.get("/admin/refunds")
    assert "The last page is &lt;b&gt;blank&lt;/b&gt;" in listed.text
    page = f"/admin{job}"
    much = admin.send("/admin/refunds/1/approve", page, amount="5.00", answer="")
    assert (much.status_code, "at most what was charged" in much.text) == (422, True)
    assert admin.send("/admin/refunds/1/approve", page, amount="0.10", answer="Sorry").status_code == 303
    for there in (alice.text(job), alice.text("/print-jobs"), admin.text(page), admin.text("/admin/print-jobs")):
        assert "efunded" in there
    assert "$0.10 of it refunded" in alice.text("/statement")
    assert "Sorry" in alice.text(job)
    assert "(1)" not in admin.get("/admin/people").text
    late = admin.send("/admin/refunds/1/refuse", page, words="No")
    assert late.status_code == 303
    assert "approved already by Ada Min (admin)" in words_of(admin.get(page).text)


@pytest.mark.long
def test_withdrawing_refusing_and_giving_unasked(quick_queues: Queues, alice: Browser) -> None:
    job, page, admin = "/print-jobs/1", "/admin/print-jobs/1", signed_in(quick_queues.app, "admin")
    alice.send(f"{job}/refund", job, reason="Blank")
    alice.send(f"{job}/refund/withdraw", job)
    assert "Withdrawn" in alice.text(job)
    alice.send(f"{job}/refund", job, reason="Blank all the same")
    no_words = admin.send("/admin/refunds/2/refuse", page, words="")
    assert (no_words.status_code, "Give the reason" in no_words.text) == (422, True)
    admin.send("/admin/refunds/2/refuse", page, words="It is not")
    assert "It is not" in (told := alice.text(job))
    assert "Ask for a refund" not in told
    admin.send(f"{page}/refund", page, amount="0.15", why="It was, sorry")
    assert "$0.15 of $0.15 was given back" in alice.text(job)


@pytest.mark.long
def test_another_user_sees_and_asks_nothing(quick_queues: Queues, alice: Browser) -> None:
    bob = signed_in(quick_queues.app, "bob")
    token = bob.token("/")
    for path in (
        "/print-jobs/1",
        "/admin/print-jobs/1",
        "/admin/refunds",
        "/admin/print-jobs",
        "/admin/print-jobs.csv",
    ):
        assert bob.get(path).status_code in (403, 404), path
    for path in (
        "/print-jobs/1/refund",
        "/print-jobs/1/refund/withdraw",
        "/admin/print-jobs/1/refund",
        "/admin/refunds/1/approve",
        "/admin/refunds/1/refuse",
        "/admin/print-privacy",
    ):
        refused = bob.client.post(path, data={"csrf_token": token, "reason": "x", "amount": "1", "words": "x"})
        assert refused.status_code in (403, 404), path
    assert "efund" not in alice.text("/print-jobs")

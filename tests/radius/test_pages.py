"""The page of Wi-Fi sessions: who is online, and the end of a session."""

from __future__ import annotations

from app.radius.models import RadiusSession
from tests.radius.conftest import RADIUS, Wifi

MB = 1_000_000
SAME = {"Sec-Fetch-Site": "same-origin"}


def test_an_administrator_sees_who_is_online_and_ends_a_session(wifi: Wifi) -> None:
    wifi.app.config["WTF_CSRF_ENABLED"] = False
    page = wifi.app.test_client()
    for name, shows in (("alice", False), ("admin", True)):
        page.post("/sign-in", data={"username": name, "password": f"demo-{name}"}, headers=SAME)
        answer = page.get("/admin/internet-use/wifi")
        assert (answer.status_code == 200) is shows
        assert ("No Wi-Fi session runs" in answer.get_data(as_text=True)) is shows
    wifi.account("Interim-Update", Calling_Station_Id="AA-BB-CC", Acct_Output_Octets=5 * MB, Acct_Session_Time=60)
    wifi.account("Interim-Update", "s2", "<i>ghost</i>", Acct_Output_Octets=7 * MB)
    text = page.get("/admin/internet-use/wifi").get_data(as_text=True)
    for words in ("Alice Andersson", "AA-BB-CC", "&lt;i&gt;ghost&lt;/i&gt;", "2 sessions", "$0.05"):
        assert words in text, words
    assert page.post("/admin/internet-use/wifi/1/end", headers=SAME).status_code == 303
    text = page.get("/admin/internet-use/wifi").get_data(as_text=True)
    assert "ap1 is told to end the session of alice" in text
    assert "Being ended" in text
    asked = wifi.call("GET", f"{RADIUS}/disconnects", token=wifi.radius_token).get_json()["sessions"]
    assert [each["username"] for each in asked] == ["alice"]
    wifi.account("Stop", Acct_Output_Octets=5 * MB)
    assert "Alice Andersson" not in page.get("/admin/internet-use/wifi").get_data(as_text=True)
    assert page.post("/admin/internet-use/wifi/99/end", headers=SAME).status_code == 404
    rows: list[RadiusSession] = wifi.rows()
    assert rows[0].end_asked_by == "Ada Min"

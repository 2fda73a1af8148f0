"""A state machine that asks the product's books and the model the same, and compares everything after every step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.ledger.both import Both

USERS, SHARED, MONEY = 2, 1, 12
NOBODY = USERS + SHARED
"""The number of an account that does not exist."""

ACCOUNTS = st.sampled_from([0, 0, 0, 0, 1, 2, 2, 2, NOBODY])
AMOUNTS = st.integers(-6, 9)
PARTS = st.integers(0, 6)
SOURCES = st.sampled_from(["print", "internet", "adjustment"])
ENFORCE = st.sampled_from([True, True, True, False])
FLOORS = st.sampled_from([0, -4, None])
FATES = st.sampled_from(["", "", "", "crash", "again"])
"""How a request travels: simply, or failing before its commit, or failing once and tried again by the product."""
THEN = st.sampled_from(["", "again", "other"])
"""What comes next: the answer was lost, or its causer was restarted or is in error."""


class BooksMachine(RuleBasedStateMachine):
    """Rules do several things in a row where only the row can go wrong: chance alone would seldom meet it."""

    def __init__(self) -> None:
        super().__init__()
        self.both = Both()
        self.model = self.both.model
        self.runs: list[str] = []

    @initialize(default=FLOORS)
    def open_accounts(self, default: int | None) -> None:
        self.both.ask("set_default_floor", floor=default)
        self.both.open(USERS, SHARED, MONEY)

    # One request

    @rule(
        account=ACCOUNTS,
        amount=AMOUNTS,
        source=SOURCES,
        measured=st.booleans(),
        enforce=ENFORCE,
        quantity=st.sampled_from([None, 3]),
        minutes=st.sampled_from([None, 0, -90]),
        fate=FATES,
        at_once=st.booleans(),
        then=THEN,
    )
    def post(self, minutes: int | None, fate: str, at_once: bool, then: str, **request: Any) -> None:
        at = None if minutes is None else self.both.till.now + timedelta(minutes=minutes)
        request |= {"key": self.both.new_key(), "at": at}
        self.both.send("post", request, fate=fate, at_once=at_once, then=then)

    @rule(
        account=ACCOUNTS,
        amount=PARTS,
        source=SOURCES,
        enforce=ENFORCE,
        minutes=st.integers(1, 60),
        fate=FATES,
        then=THEN,
    )
    def hold(self, minutes: int, fate: str, then: str, **request: Any) -> None:
        expires_at = self.both.till.now + timedelta(minutes=minutes)
        request |= {"key": self.both.new_key(), "expires_at": expires_at}
        self.both.send("hold", request, fate=fate, then=then)

    @rule(
        account=st.sampled_from([0, 0, USERS]),
        over=st.integers(-1, 2),
        held=st.integers(0, 2),
        how=st.sampled_from(["charge", "at once", "measured", "batch"]),
        fate=FATES,
    )
    def charge_down_to_the_floor(self, account: int, over: int, held: int, how: str, fate: str) -> None:
        """Ask for what is just there, a little less, or a little more, beside what is held."""
        if held:
            self._place(account, held)
        request = {"account": account, "amount": -self._all_of(account, over), "source": "internet"}
        request |= {"key": self.both.new_key(), "measured": how == "measured", "quantity": 1, "at": None}
        if how == "batch":
            self.both.send_many([request], enforce=True, fate=fate)
        else:
            self.both.send("post", request | {"enforce": True}, fate=fate, at_once=how == "at once")

    @rule(account=st.sampled_from([0, 0, USERS]), over=st.integers(-1, 2), fate=FATES)
    def hold_down_to_the_floor(self, account: int, over: int, fate: str) -> None:
        self._place(account, self._all_of(account, over), fate)

    @rule(
        data=st.data(),
        held=PARTS,
        verb=st.sampled_from(["capture", "capture", "release", "expire"]),
        more=st.integers(-2, 3),
        quantity=st.sampled_from([None, 5]),
        fate=FATES,
        then=st.sampled_from(["", "again", "other", "rekeyed", "release"]),
    )
    def end_hold(
        self, data: st.DataObject, held: int, verb: str, more: int, quantity: int | None, fate: str, then: str
    ) -> None:
        """Charge less, as much, or more than was held, or nothing; a new hold, or one that may have ended already."""
        holds = list(self.model.holds)
        hold = data.draw(st.sampled_from(holds)) if holds and held == 0 else self._place(0, held)
        if hold not in self.model.holds:
            return
        amount = max(0, self.model.holds[hold].amount + more)
        request = {"hold": hold, "amount": amount, "key": self.both.new_key(), "quantity": quantity}
        if verb == "expire":
            self.both.till.now += timedelta(minutes=46)
            self.both.ask("expire", now=self.both.till.now)
        if verb == "release":
            self.both.send("release", {"hold": hold}, fate=fate)
            self.both.send("capture", request)
        else:
            self.both.send("capture", request, fate=fate, then=then)
            if then == "release":
                self.both.send("release", {"hold": hold})

    @precondition(lambda self: self.model.lines)
    @rule(data=st.data(), fate=FATES, then=st.sampled_from(["", "again", "rekeyed"]))
    def reverse(self, data: st.DataObject, fate: str, then: str) -> None:
        line = data.draw(st.sampled_from([*self.model.lines, "nothing"]))
        self.both.send("reverse", {"line": line, "key": self.both.new_key()}, fate=fate, then=then)

    @rule(data=st.data(), how=st.sampled_from(["again", "charge"]), account=ACCOUNTS, amount=PARTS, fate=FATES)
    def a_key_of_before(self, data: st.DataObject, how: str, account: int, amount: int, fate: str) -> None:
        """Whatever became of the first, no second is booked; and another's charge under its key is refused."""
        verb, request = data.draw(st.sampled_from(self.both.requests))
        if how == "charge":
            verb, key = "post", request["key"]
            request = {"account": account, "amount": -amount, "source": "print", "key": key}
            request |= {"measured": False, "enforce": True, "quantity": None, "at": None}
        self.both.send(verb, request, fate=fate, at_once=amount > 3)

    # Many at once

    @rule(data=st.data(), enforce=ENFORCE, fate=FATES, then=THEN)
    def post_many(self, data: st.DataObject, enforce: bool, fate: str, then: str) -> None:
        """New ones and ones of before; by chance one of them twice in the batch, as it was or with other content."""
        new = st.fixed_dictionaries(
            {
                "account": ACCOUNTS,
                "amount": AMOUNTS,
                "source": SOURCES,
                "measured": st.booleans(),
                "quantity": st.sampled_from([None, 2]),
                "at": st.none(),
            }
        )
        asked = [one | {"key": self.both.new_key()} for one in data.draw(st.lists(new, min_size=1, max_size=5))]
        known = [request for verb, request in self.both.requests if verb == "post"]
        asked += data.draw(st.lists(st.sampled_from(known), max_size=2))
        if then:
            asked.append(asked[0] if then == "again" else asked[0] | {"amount": asked[0]["amount"] + 1})
        self.both.send_many(asked, enforce=enforce, fate=fate)

    @rule(
        run=st.integers(1, 3),
        amount=st.integers(0, 5),
        top_up=st.sampled_from(["add", "cap", "cap", "reset", "lower"]),
        cap=st.sampled_from([None, 3, MONEY + 1, MONEY + 2, MONEY + 6]),
        fate=FATES,
        then=st.sampled_from(["", "again", "undone", "undone"]),
        limit=st.integers(1, 3),
    )
    def credit_many(self, run: int, fate: str, then: str, limit: int, **terms: Any) -> None:
        """A run of everybody's; its second time, whatever the terms, finds only those who were not credited."""
        prefix = f"run:{run}:"
        self.both.credit_many(terms | {"prefix": prefix}, fate)
        self.runs.append(prefix)
        if then == "again":
            self.both.credit_many({"prefix": prefix, "amount": 2, "top_up": "add", "cap": None}, "")
        if then == "undone":
            for _twice in range(2):
                self.both.reverse_many(prefix, limit, "again" if fate == "again" else "")

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), limit=st.integers(1, 3), fate=st.sampled_from(["", "again"]))
    def undo_a_run(self, data: st.DataObject, limit: int, fate: str) -> None:
        self.both.reverse_many(data.draw(st.sampled_from(self.runs)), limit, fate)

    # What administrators and time do

    @rule(
        account=ACCOUNTS,
        floor=FLOORS,
        minutes=st.sampled_from([-600, -1, 1, 30, 90]),
        verb=st.sampled_from(["expire", "expire", "set_floor", "set_floor", "follow_default", "set_default_floor"]),
    )
    def meanwhile(self, verb: str, account: int, floor: int | None, minutes: int) -> None:
        """Time goes on or back; floors move while holds are open and balances are below them."""
        if verb == "expire":
            self.both.till.now += timedelta(minutes=minutes)
            self.both.ask("expire", now=self.both.till.now)
            return
        request: dict[str, Any] = {} if verb == "set_default_floor" else {"account": account}
        request |= {"floor": floor} if verb.startswith("set_") else {}
        self.both.ask(verb, **request)

    @rule(account=st.sampled_from([USERS] * 4 + [0, NOBODY]), how=st.sampled_from(["charge", "hold", "batch", "open"]))
    def close(self, account: int, how: str) -> None:
        """A closed account takes no charge and no hold; a credit it takes."""
        self.both.ask("close", account=account)
        request = {"account": account, "source": "print", "key": self.both.new_key(), "quantity": None, "at": None}
        for amount in (-1, 1):
            request |= {"key": self.both.new_key(), "amount": amount, "measured": False}
            if how == "charge":
                self.both.send("post", request | {"enforce": True})
            elif how == "batch":
                self.both.send_many([request], enforce=True, fate="")
        if how == "hold":
            self._place(account, 1)
        if how == "open":
            self.both.ask("reopen", account=account)

    # After every step

    @invariant()
    def everything_is_as_the_model_has_it(self) -> None:
        if self.both.till.ids:
            self.both.check()

    def teardown(self) -> None:
        self.both.leave()

    def _all_of(self, account: int, over: int) -> int:
        """Return what may still be taken from an account, and so much more."""
        floor = self.model.purses[account].floor
        return max(1, self.model.available(account) - (-4 if floor is None else floor) + over)

    def _place(self, account: int, amount: int, fate: str = "") -> str:
        """Ask for a hold, and return its key."""
        request = {"account": account, "amount": amount, "source": "print", "key": self.both.new_key()}
        expires_at = self.both.till.now + timedelta(minutes=45)
        self.both.send("hold", request | {"enforce": True, "expires_at": expires_at}, fate=fate)
        return str(request["key"])

"""Somebody who looks at the coverage page of an Airflow: logged in, or nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from playwright.sync_api import Page

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True)
class Visitor:
    """``root``: of the Airflow; ``token``: its own, empty for nobody."""

    root: str
    token: str = ""

    @classmethod
    def logged_in(cls, root: str, user: str, password: str) -> Visitor:
        answer = requests.post(f"{root}/auth/token", json={"username": user, "password": password}, timeout=30)
        return cls(root, str(answer.json()["access_token"]))

    def ask(self, path: str, *, method: str = "GET", accept: str = "*/*", tag: str = "", **query: Any) -> Any:
        """An answer of the page's app, which says each time that nothing from elsewhere is loaded or guessed."""
        headers = {"Accept": accept, **({"If-None-Match": tag} if tag else {})}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.root}/coverage/{path}"
        answer = requests.request(method, url, params=query, headers=headers, timeout=60, allow_redirects=False)
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        return answer

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """What the API says."""
        answer = self.ask(f"api/{path}", **query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refused(self, path: str, **query: Any) -> tuple[int, str]:
        """The status of a refusal, and its line."""
        answer = self.ask(f"api/{path}", **query)
        (detail,) = answer.json().values()
        return answer.status_code, detail

    def states(self, **query: Any) -> dict[str, str]:
        """The state of every session, by its date."""
        return {one["date"]: one["state"] for one in self.get("coverage", **query)["sessions"]}

    def reasons(self, day: str) -> list[str]:
        """What the calendar says of one session of the first dataset."""
        (found,) = (one for one in self.get("coverage")["sessions"] if one["date"] == day)
        return list(found["reasons"])

    def opens(self, page: Page, address: str) -> Page:
        """Go there as this visitor. ``address``: below Airflow's root."""
        page.context.add_cookies([{"name": "_token", "value": self.token, "url": self.root}])
        page.goto(f"{self.root}/{address}")
        return page

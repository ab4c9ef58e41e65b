"""No proxy stands before the loopback addresses, and those that are named are named without passwords."""

import urllib.request

import pytest

from fairmark.repo import proxies


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("spared", [{}, {"NO_PROXY": "a.example"}, {"no_proxy": "a.example, b.example"}])
def test_loopback_is_spared_by_both_spellings_and_what_was_spared_stays(
    name: str, spared: dict[str, str]
) -> None:
    environment = {name: "http://user:secret@proxy:3128", **spared}
    proxies.spare_loopback(environment)

    hosts = environment["NO_PROXY"].split(",")
    assert environment["no_proxy"] == environment["NO_PROXY"]
    assert {"127.0.0.1", "localhost", "::1"} <= set(hosts)
    assert all(host.strip() in hosts for text in spared.values() for host in text.split(","))
    assert proxies.named(environment) == [f"{name}=http://***@proxy:3128"]


def test_pythons_own_reading_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"http_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}.items():
        monkeypatch.setenv(name, text)
    proxies.spare_loopback()

    assert all(urllib.request.proxy_bypass(host) for host in ("127.0.0.1:4200", "localhost:4200"))
    assert not urllib.request.proxy_bypass("prefect.example")


def test_without_a_proxy_and_with_all_spared_nothing_is_touched() -> None:
    for environment in ({}, {"NO_PROXY": "x"}, {"HTTP_PROXY": "http://p", "NO_PROXY": "*"}):
        before = dict(environment)
        proxies.spare_loopback(environment)
        assert environment == before

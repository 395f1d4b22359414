import pytest

from nightschool.contacts import find_accounts, find_emails, find_hosts, find_phones, find_streets, is_same_phone


@pytest.mark.parametrize(
    "text",
    [
        "write to jane.doe+x@mail.example.co.uk please",
        "jane (at) mail (dot) com",
        "jane [at] mail [dot] com",
        "jane at mail dot com",
        "иван@почта.рф",
        "発注は tanaka@example.jp へ",
        "JANE@LOCALHOST.internal",
    ],
)
def test_an_email_address_is_found_however_it_is_written(text: str) -> None:
    assert len(find_emails(text)) == 1


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("see http://evil.example/login?x=1", {"evil.example"}),
        ("hxxps://evil.example", {"evil.example"}),
        ("www.evil.ru", {"evil.ru"}),
        ("bit.ly/3xyz", {"bit.ly"}),
        ("evil[.]com and evil dot com", {"evil.com"}),
        ("https://lumafern.example@evil.com/pay", {"evil.com"}),
        ("аррӏе.com", {"аррӏе.com"}),
        ("пример.рф", {"пример.рф"}),
        ("访问example.cn网站", {"example.cn"}),
        ("http://10.0.0.1:8080/a", {"10.0.0.1"}),
        ("That is all.The rest is in order.it costs 3.50, e.g. v3.5.1", set()),
        ("jane@mail.example", set()),
    ],
)
def test_a_link_is_found_with_a_scheme_without_one_and_spoiled(text: str, hosts: set[str]) -> None:
    assert find_hosts(text) == hosts


@pytest.mark.parametrize(
    "text",
    [
        "+49 151 2345 6789",
        "(212) 555-0147",
        "0 8 0 0 5 5 5 0 1 4 3",
        "call 5551234567",
        "555-123-4567x89",
        "0171/2345678",
        "my number is zero one seven one two three four five",
        "rufen Sie 030 1234567 an",
        "请拨打 138 1234 5678",
        "about your order, call (646) 555-0193",
        "0049 30 1234567",
    ],
)
def test_a_phone_number_is_found_in_any_groups(text: str) -> None:
    assert find_phones(text)


@pytest.mark.parametrize(
    "text",
    [
        "order LF-318204",
        "on 2024-10-05",
        "between 10.30 and 18.00",
        "30 days, 5 tries, 8 codes",
        "4111 1111 1111 1111",
        "the purchase 00004587345",
        "00004587345 was cancelled",
        "transaction 0171 2345678",
    ],
)
def test_other_numbers_are_no_phones(text: str) -> None:
    assert not find_phones(text)


def test_a_phone_with_its_countrys_code_is_the_same_phone() -> None:
    assert is_same_phone("498005550142", "08005550142")
    assert is_same_phone("0800555", "08005550142")
    assert not is_same_phone("08005550142", "07123395281")
    assert not is_same_phone("123456900", "7651234567890")


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1112, a card whose check digit was made up",
        "378282246310005",
        "4000056655665556",
        "5555555555554444",
        "6011111111111117",
        "DE89 3704 0044 0532 0130 00",
        "GB29NWBK60161331926819",
        "SSN 078-05-1120",
        "sk-proj-abcdefgh12345678",
    ],
)
def test_cards_accounts_and_keys_are_found(text: str) -> None:
    assert find_accounts(text)


@pytest.mark.parametrize("text", [
        "order 00004587345", "654-321987-5432109", "0800 555 0142", "ISO 8601 and RFC 2119",
        "#302-0731498-3876221", "883-1534934-6741291", "invoice 883153493466006",
    ],
)  # fmt: skip
def test_order_numbers_are_no_accounts(text: str) -> None:
    assert not find_accounts(text)


@pytest.mark.parametrize(
    "text", ["at 42 Elm Street", "Hauptstraße 7", "12 rue de Rivoli", "Calle Mayor 5", "9 Old Mill Road"]
)
def test_a_street_address_is_found(text: str) -> None:
    assert find_streets(text)


def test_a_word_behind_an_iban_is_no_part_of_it() -> None:
    assert find_accounts("Refund DE89 3704 0044 0532 0130 00 please.") == {"DE89370400440532013000"}

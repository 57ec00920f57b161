use super::*;

fn own() -> Settings {
    Settings::default()
}

/// What a server with these settings answers to these fields.
fn answer(own: Settings, fields: &[&str]) -> Option<String> {
    Some(Offers::read(fields.iter().map(|f| f.as_bytes())).choose(&own)?.1)
}

fn answers(offered: &str) -> Option<String> {
    answer(own(), &[offered])
}

fn is(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn rfc7692_7_1_offers_are_answered() {
    let table = [
        ("permessage-deflate", "permessage-deflate"),
        ("Permessage-Deflate", "permessage-deflate"),
        (" permessage-deflate ; client_max_window_bits ", "permessage-deflate"),
        ("permessage-deflate;client_max_window_bits=15", "permessage-deflate"),
        ("permessage-deflate;client_max_window_bits=\"10\"", "permessage-deflate; client_max_window_bits=10"),
        ("permessage-deflate;client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8"),
        ("permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=\"1\\0\"", "permessage-deflate; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits = 9", "permessage-deflate; server_max_window_bits=9"),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
        ("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"),
        (
            "permessage-deflate; client_max_window_bits; server_max_window_bits=11; client_no_context_takeover; \
             server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11",
        ),
    ];
    for (offered, answered) in table {
        assert_eq!(answers(offered), is(answered), "{offered}");
    }
}

#[test]
fn rfc7692_7_1_offers_with_something_wrong_are_declined() {
    for offered in [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate2",
        "permessage-deflate; foo",
        "permessage-deflate; foo=1",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=\"\"",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=1 0",
        "permessage-deflate; server_max_window_bits=\"10",
        "permessage-deflate; server_max_window_bits=\"10\"\"",
        "permessage-deflate; server_max_window_bits=1000000000000",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate;",
        "permessage-deflate; ; server_no_context_takeover",
        "permessage-deflate server_no_context_takeover",
        "permessage-deflate; Server_No_Context_Takeover",
        "\"permessage-deflate\"",
        // what zlib can't do
        "permessage-deflate; server_max_window_bits=8",
    ] {
        assert_eq!(answers(offered), None, "{offered}");
    }
}

#[test]
fn rfc7692_5_the_first_offer_that_can_be_met_is_taken() {
    let second = is("permessage-deflate; server_max_window_bits=12");
    for first in
        ["foo; bar=\"a, permessage-deflate\"", "permessage-deflate; foo", "permessage-deflate; x=\"\\\",\"", "b c"]
    {
        let offered = format!("{first}, permessage-deflate; server_max_window_bits=12, permessage-deflate");
        assert_eq!(answers(&offered), second, "{first}");
    }
    assert_eq!(answers("permessage-deflate; server_max_window_bits=8, , permessage-deflate"), is("permessage-deflate"));
    assert_eq!(
        answer(own(), &["mux", "permessage-deflate; x", "permessage-deflate; server_max_window_bits=12"]),
        second
    );
    let many = "permessage-deflate; x,".repeat(MAX_OFFERS) + "permessage-deflate";
    assert_eq!(answers(&many), None, "no more than so many are looked at");
}

#[test]
fn rfc7692_7_1_a_server_asks_for_what_is_set() {
    let small = own().server_max_window_bits(10).client_max_window_bits(11);
    assert_eq!(answer(small, &["permessage-deflate"]), is("permessage-deflate; server_max_window_bits=10"));
    let both = "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11";
    assert_eq!(answer(small, &["permessage-deflate; client_max_window_bits"]), is(both));
    assert_eq!(answer(small, &["permessage-deflate; client_max_window_bits=15; server_max_window_bits=12"]), is(both));
    let less = "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9";
    assert_eq!(answer(small, &["permessage-deflate; client_max_window_bits=9; server_max_window_bits=9"]), is(less));
    let fresh = own().server_no_context_takeover(true).client_no_context_takeover(true);
    assert_eq!(
        answer(fresh, &["permessage-deflate"]),
        is("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    );
}

#[test]
fn rfc7692_7_1_what_a_client_offers() {
    assert_eq!(offer(&own()), "permessage-deflate; client_max_window_bits");
    let all = own()
        .server_no_context_takeover(true)
        .client_no_context_takeover(true)
        .server_max_window_bits(8)
        .client_max_window_bits(10);
    assert_eq!(
        offer(&all),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; \
         client_max_window_bits=10"
    );
    let (agreed, answer) = Offers::read([offer(&all).as_bytes()]).choose(&own()).unwrap();
    assert_eq!(check([answer.as_bytes()], Some(&all)), Ok(Some(Agreed { own: all, ..agreed })));
}

#[test]
fn rfc7692_7_1_what_a_client_makes_of_the_answer() {
    let verdict = |own: Option<Settings>, text: &str| {
        check([text.as_bytes()], own.as_ref())
            .map(|a| a.map(|a| (a.server_no_takeover, a.client_no_takeover, a.server_bits, a.client_bits)))
    };
    let plain = |text: &str| verdict(Some(own()), text);
    assert_eq!(plain(""), Ok(None));
    assert_eq!(plain(" , "), Ok(None));
    assert_eq!(plain("permessage-deflate"), Ok(Some((false, false, 15, 15))));
    assert_eq!(plain("permessage-deflate; server_no_context_takeover"), Ok(Some((true, false, 15, 15))));
    assert_eq!(plain("permessage-deflate; client_no_context_takeover"), Ok(Some((false, true, 15, 15))));
    assert_eq!(
        plain("permessage-deflate; server_max_window_bits=8; client_max_window_bits=\"8\""),
        Ok(Some((false, false, 8, 8)))
    );
    assert_eq!(verdict(None, "permessage-deflate"), Err(BadAnswer::Unknown));
    assert_eq!(plain("foo"), Err(BadAnswer::Unknown));
    assert_eq!(plain("permessage-deflate, foo"), Err(BadAnswer::Unknown));
    assert_eq!(plain("permessage-deflate, permessage-deflate"), Err(BadAnswer::Rejected));
    for options in ["foo", "server_max_window_bits", "server_max_window_bits=7", "client_max_window_bits", "a b", "="] {
        assert_eq!(plain(&format!("permessage-deflate; {options}")), Err(BadAnswer::Options), "{options}");
    }
    let asked = Some(own().server_no_context_takeover(true).server_max_window_bits(10).client_max_window_bits(10));
    let rest = "server_no_context_takeover; server_max_window_bits=10";
    assert_eq!(verdict(asked, &format!("permessage-deflate; {rest}")), Ok(Some((true, false, 10, 10))));
    for options in [
        "server_no_context_takeover",
        "server_max_window_bits=10",
        "server_no_context_takeover; server_max_window_bits=11",
        "server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11",
    ] {
        assert_eq!(verdict(asked, &format!("permessage-deflate; {options}")), Err(BadAnswer::Rejected), "{options}");
    }
}

proptest::proptest! {
    #[test]
    fn rfc6455_9_1_any_bytes_are_read(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
        noise in "(permessage-deflate|server_max_window_bits|[;,=\"\\\\ 0-9a]){0,12}",
    ) {
        let _ = elements([&bytes[..], noise.as_bytes()]).count();
        if let Some((agreed, answer)) = Offers::read([noise.as_bytes()]).choose(&own()) {
            // whatever is agreed upon, a client could have asked for it
            let asked = own().server_max_window_bits(agreed.server_bits).client_max_window_bits(15);
            proptest::prop_assert!(check([answer.as_bytes()], Some(&asked)).is_ok());
        }
    }
}

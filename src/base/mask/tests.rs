//! A secret is found in every form, and no cut leaves a part of one.

use base64::Engine as _;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_oneof, proptest};

use super::{Masker, SHORTEST, Secret};

#[test]
fn masks_a_secret_and_its_encoded_forms() {
    let masker = Masker::new(&[Secret::new("p@ss word/1".to_owned())]);
    assert_eq!(masker.text("token=p@ss word/1;"), "token=***;");
    assert_eq!(masker.text("cEBzcyB3b3JkLzE="), "***=");
    assert_eq!(masker.text("?t=p%40ss%20word%2F1"), "?t=***");
    assert_eq!(masker.text("?t=p%40ss+word%2F1"), "?t=***");
    assert_eq!(
        masker.json(serde_json::json!({"a": ["p@ss word/1"]})),
        serde_json::json!({"a": ["***"]})
    );
}

#[test]
fn masks_a_secret_in_a_url_however_much_of_it_is_encoded() {
    let masker = Masker::new(&[Secret::new("to-k~en (1)/x".to_owned())]);
    for url in [
        "to-k~en%20%281%29%2Fx",
        "to-k~en%20%281%29%2fx",
        "to-k~en%20(1)%2Fx",
        "to-k%7Een+%281%29%2Fx",
    ] {
        assert_eq!(masker.text(&format!("?t={url}&")), "?t=***&");
    }
}

#[test]
fn masks_a_secret_inside_of_a_longer_base64_text() {
    for secret in ["hunter2hunter", "hunter2hunte", "hunter2hunt"] {
        let masker = Masker::new(&[Secret::new(secret.to_owned())]);
        let core = base64::engine::general_purpose::STANDARD.encode(&secret[3..9]);
        for (before, after) in [("monitor:", ""), ("abc", "\n"), ("ab:", "&x"), ("", ", ")] {
            let whole = base64::engine::general_purpose::STANDARD
                .encode(format!("{before}{secret}{after}"));
            let masked = masker.text(&whole);
            assert!(masked.contains("***"), "{whole}: {masked}");
            assert!(!masked.contains(&core), "{whole}: {masked}");
        }
    }
}

#[test]
fn masks_a_secret_in_json_inside_of_json() {
    let secret = "pä\"ss\\🔑\nsecond line";
    let masker = Masker::new(&[Secret::new(secret.to_owned())]);
    let once = serde_json::json!([secret]).to_string();
    let twice = serde_json::json!([once]).to_string();
    assert_eq!(masker.text(&once), "[\"***\"]");
    assert_eq!(masker.text(&twice), "[\"[\\\"***\\\"]\"]");
    let ascii = "[\"p\\u00e4\\\"ss\\\\\\ud83d\\udd11\\nsecond line\"]";
    assert_eq!(masker.text(ascii), "[\"***\"]");
}

#[test]
fn a_sign_before_an_escaped_secret_does_not_hide_it() {
    let masker = Masker::new(&[Secret::new("bf\"h 12".to_owned())]);
    for before in ["100%", "C:\\"] {
        for escaped in ["bf%22h%2012", "bf%22h+12", "bf\\\"h 12"] {
            let masked = masker.text(&format!("{before}{escaped};"));
            assert_eq!(masked, format!("{before}***;"));
        }
    }
}

#[test]
fn a_cut_leaves_no_part_of_a_secret() {
    let masker = Masker::new(&[Secret::new("hunter2pässword".to_owned())]);
    for end in (4..=12).filter(|end| "hunter2pässword".is_char_boundary(*end)) {
        let (before, after) = "hunter2pässword".split_at(end);
        assert_eq!(masker.before_cut(&format!("token {before}")), "token ");
        assert_eq!(masker.after_cut(&format!("{after}; next")), "; next");
    }
    assert_eq!(masker.before_cut("a hunter"), "a ");
    assert_eq!(masker.before_cut("a hunter!"), "a hunter!");
    assert_eq!(masker.after_cut("sword"), "");
    assert_eq!(Masker::default().before_cut("text"), "text");
}

#[test]
fn leaves_other_text_alone() {
    assert_eq!(Masker::default().text("nothing"), "nothing");
    assert_eq!(
        Masker::new(&[Secret::new("abc".to_owned())]).text("abc"),
        "abc"
    );
}

#[test]
fn tells_nothing_of_what_it_knows() {
    let secret = Secret::new("hunter2hunter2".to_owned());
    assert_eq!(format!("{:?}", Masker::new([&secret])), "Masker(***)");
    assert_eq!(format!("{secret:?} {secret}"), "*** ***");
}

#[test]
fn learns_for_all_who_share_it() {
    let masker = Masker::default();
    let shared = masker.clone();
    assert!(shared.is_empty() && !shared.finds_in("a hunter2hunter2"));
    masker.learn([&Secret::new("hunter2hunter2".to_owned())]);
    assert_eq!(shared.text("a hunter2hunter2"), "a ***");
    assert!(shared.finds_in("a hunter2hunter2"));
}

#[test]
fn secrets_that_overlap_are_masked_whole() {
    let secrets = ["hunter2secret", "secretpass"].map(|text| Secret::new(text.to_owned()));
    let masker = Masker::new(&secrets);
    assert_eq!(masker.text("a hunter2secretpass b"), "a *** b");
}

/// How a secret may look where it turns up.
fn written(secret: &str) -> Vec<(&'static str, String)> {
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let ascii: String = json(secret)
        .chars()
        .map(|character| {
            if character.is_ascii() {
                return character.to_string();
            }
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            units.iter().map(|unit| format!("\\u{unit:04X}")).collect()
        })
        .collect();
    let percent = |kept: &dyn Fn(u8) -> bool| -> String {
        let each = secret.bytes().map(|byte| match kept(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02x}"),
        });
        each.collect()
    };
    let xml = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    let standard = base64::engine::general_purpose::STANDARD;
    let inside = |before: &str| standard.encode(format!("{before}{secret};"));
    vec![
        ("plain", secret.to_owned()),
        ("json", json(secret)),
        ("json in json", json(&json(secret))),
        ("ascii json", ascii.clone()),
        ("ascii json in json", json(&ascii)),
        ("debug", format!("{secret:?}")),
        ("every byte", percent(&|_| false)),
        ("query", percent(&|byte| byte.is_ascii_alphanumeric())),
        (
            "path",
            percent(&|byte| byte.is_ascii_graphic() && byte != b'%' && byte != b'/'),
        ),
        (
            "form",
            url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        ),
        ("xml", xml),
        (
            "hexadecimal",
            secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ),
        ("in quotes of a shell", secret.replace('\'', r"'\''")),
        ("base64", standard.encode(secret)),
        ("base64, 1 before", inside("a")),
        ("base64, 2 before", inside("ab")),
        ("base64, 3 before", inside("abc")),
    ]
}

/// A secret of letters that stand nowhere else in the tests, with what has to be escaped somewhere in the middle.
fn a_secret() -> impl Strategy<Value = String> {
    let special = prop_oneof![
        "[ /+=?&%#@:\"'<>\\\\$`!~\t]{1,6}",
        Just("\n".to_owned()),
        Just("ä€🔑".to_owned())
    ];
    ("[Q-Z]{5}", special, "[Q-Z]{5}").prop_map(|(before, middle, after)| before + &middle + &after)
}

proptest! {
    #[test]
    fn no_form_of_a_secret_is_left(secret in a_secret(), before in "[a-p,.]{0,5}") {
        let masker = Masker::new([&Secret::new(secret.clone())]);
        for (form, written) in written(&secret) {
            let masked = masker.text(&format!("{before} {written}; "));
            prop_assert!(masked.contains("***"), "{form}: {masked}");
            // Of base64 some digits at either end belong to the neighbours too.
            let left = written.as_bytes().windows(6).filter(|part| {
                masked.as_bytes().windows(6).any(|window| window == *part)
            });
            let ends = if form.starts_with("base64, ") { 2 } else { 0 };
            prop_assert!(left.count() <= ends, "{form}: {written}: {masked}");
        }
    }

    #[test]
    fn a_cut_anywhere_leaves_no_part_of_any_form(secret in a_secret(), at in any::<prop::sample::Index>()) {
        let masker = Masker::new([&Secret::new(secret.clone())]);
        for (form, written) in written(&secret) {
            let places: Vec<usize> = (1..written.len()).filter(|end| written.is_char_boundary(*end)).collect();
            let (before, after) = written.split_at(places[at.index(places.len())]);
            let whole = format!("a, {before}");
            let kept = masker.text(masker.before_cut(&whole));
            let rest = format!("{after}; ,");
            let kept_after = masker.text(masker.after_cut(&rest));
            let live = masker.text(masker.between_cuts(&whole));
            // What stands between the quotes of JSON, and the end of base64, is not the secret's own.
            let longest = |kept: &str| {
                let shared = if form.starts_with("base64, ") { 4..written.len() - 6 } else { 0..written.len() };
                let run = |run: &str| secret.contains(run) || written[shared.clone()].contains(run);
                (SHORTEST..=kept.len())
                    .flat_map(|length| (0..=kept.len() - length).map(move |from| from..from + length))
                    .any(|range| kept.get(range).is_some_and(|part| run(part) && !part.ends_with([';', '"'])))
            };
            prop_assert!(!longest(&kept), "{form}: {before:?} | {after:?}: {kept:?}");
            prop_assert!(!longest(&kept_after), "{form}: {before:?} | {after:?}: {kept_after:?}");
            prop_assert!(form != "plain" || !longest(&live), "{before:?} | {after:?}: {live:?}");
        }
    }

    #[test]
    fn other_text_is_left_as_it_is(text in any::<String>()) {
        let masker = Masker::new([&Secret::new("QQQQQQQQ".to_owned())]);
        prop_assert!(masker.text(&text) == text || text.contains("QQQQ"));
        let _ = masker.before_cut(&text);
        let _ = masker.after_cut(&text);
        let _ = masker.between_cuts(&text);
    }
}

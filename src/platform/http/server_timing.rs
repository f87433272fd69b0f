//! The `Server-Timing` header (W3C Server Timing): what a server says about where its time went.

/// One measurement of the server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerTiming {
    /// Its name: `db`.
    pub name: String,
    /// How long it took, in milliseconds, if said.
    pub milliseconds: Option<f64>,
    /// What it is, if said.
    pub description: Option<String>,
}

impl ServerTiming {
    /// Reads the value of one header: `db;dur=53.2;desc="main query", cache;desc=hit`.
    ///
    /// As the specification asks, what is not understood is passed over and never an error: a measurement without a name,
    /// a parameter that is unknown, repeated or no number.
    #[must_use]
    pub fn read(value: &str) -> Vec<Self> {
        split(value, ',').filter_map(measurement).collect()
    }
}

fn measurement(text: &str) -> Option<ServerTiming> {
    let mut parts = split(text, ';');
    let name = parts.next()?.trim();
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    let mut timing = ServerTiming {
        name: name.to_owned(),
        milliseconds: None,
        description: None,
    };
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = unquoted(value.trim());
        match key.trim().to_ascii_lowercase().as_str() {
            "dur" if timing.milliseconds.is_none() => {
                timing.milliseconds = value.parse().ok().filter(|number: &f64| number.is_finite());
            }
            "desc" if timing.description.is_none() => timing.description = Some(value),
            _ => {}
        }
    }
    Some(timing)
}

/// Splits outside quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |character| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return character == separator && !quoted,
        }
        false
    })
}

/// A quoted string (RFC 9110, section 5.6.4) without its quotes, a token as it is.
fn unquoted(text: &str) -> String {
    let Some(inside) = text.strip_prefix('"') else {
        return text.to_owned();
    };
    let mut plain = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use proptest::{prop_assert, prop_assert_eq};

    use super::ServerTiming;

    fn timing(name: &str, milliseconds: Option<f64>, description: Option<&str>) -> ServerTiming {
        ServerTiming {
            name: name.to_owned(),
            milliseconds,
            description: description.map(str::to_owned),
        }
    }

    #[test]
    fn reads_names_times_and_descriptions() {
        assert_eq!(
            ServerTiming::read(
                "miss, db;dur=53, app ; DUR = 47.2 ; desc=\"a \\\"b\\\", c;d\";dur=9"
            ),
            [
                timing("miss", None, None),
                timing("db", Some(53.0), None),
                timing("app", Some(47.2), Some("a \"b\", c;d")),
            ]
        );
    }

    #[test]
    fn passes_over_what_it_does_not_understand() {
        assert_eq!(
            ServerTiming::read(",;dur=1,bad name;dur=2,x;dur=NaN;what=1,y;dur=,z;dur"),
            [
                timing("x", None, None),
                timing("y", None, None),
                timing("z", None, None)
            ]
        );
        assert_eq!(ServerTiming::read(""), []);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String) {
            prop_assert!(ServerTiming::read(&text).len() <= text.len());
        }

        #[test]
        fn reads_what_was_written(number in any::<u32>(), description in "[ -~]{0,20}") {
            let quoted = description.replace('\\', "\\\\").replace('"', "\\\"");
            let milliseconds = f64::from(number) / 10.0;
            prop_assert_eq!(
                ServerTiming::read(&format!("a, db;dur={milliseconds};desc=\"{quoted}\"")),
                vec![timing("a", None, None), timing("db", Some(milliseconds), Some(&description))]
            );
        }
    }
}

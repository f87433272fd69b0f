//! `[policy]`: what must be so before something is changed.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::base::{Diagnostic, Effect};
use crate::book::{Field, TableReader};

use super::estate::{Demands, Freeze, Policy};

/// The key of the whole.
pub(super) const TABLE: &str = "policy";

/// The words of a freeze's `effect`.
pub(super) const EFFECTS: [(&str, Effect); 2] =
    [("write", Effect::Write), ("destroy", Effect::Destroy)];

/// `[policy]`
pub(super) fn read(root: &TableReader<'_>) -> Policy {
    let table = root
        .optional(TABLE)
        .and_then(|field| field.table("the policy"));
    let Some(table) = table else {
        return Policy::default();
    };
    let demands = |key: &str| table.optional(key).and_then(demands).unwrap_or_default();
    let policy = Policy {
        write: demands("write"),
        destroy: demands("destroy"),
        freezes: table
            .optional("freeze")
            .and_then(|field| field.tables("a freeze"))
            .unwrap_or_default()
            .into_iter()
            .filter_map(freeze)
            .collect(),
    };
    table.finish();
    policy
}

fn demands(field: Field<'_>) -> Option<Demands> {
    let table = field.table(format!("the policy of a {}", field.key()))?;
    let wanted = |key| {
        let field = table.optional(key);
        field.and_then(|field| field.boolean()).unwrap_or_default()
    };
    let demands = Demands {
        reason: wanted("reason"),
        incident: wanted("incident"),
        approval: wanted("approval"),
        deny: wanted("deny"),
    };
    table.finish();
    Some(demands)
}

fn freeze(table: TableReader<'_>) -> Option<Freeze> {
    let title = table
        .required("title")
        .and_then(|field| field.filled_text());
    let from = table.required("from").and_then(moment);
    let end = table.required("until");
    let until = end.and_then(moment);
    let effect = match table.optional("effect") {
        Some(field) => field.choice(&EFFECTS),
        None => Some(Effect::Write),
    };
    if let (Some(from), Some(until), Some(end)) = (from, until, end)
        && until <= from
    {
        table.mistakes().push(
            Diagnostic::at(end.place(), "a freeze ends after it begins")
                .help("`until` is the first moment that is free again"),
        );
        return None;
    }
    table.finish();
    Some(Freeze {
        title: title?.trim().to_owned(),
        from: from?,
        until: until?,
        effect: effect?,
    })
}

/// A date and time of TOML, which is UTC where it names no offset; a date alone is its first moment.
fn moment(field: Field<'_>) -> Option<DateTime<Utc>> {
    let text = field.moment()?;
    let read = DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .or_else(|_| {
            let local = text.parse::<NaiveDateTime>().or_else(|_| {
                text.parse::<NaiveDate>()
                    .map(|day| day.and_time(NaiveTime::MIN))
            });
            local.map(|local| local.and_utc())
        });
    if read.is_err() {
        field.mistake_with_help(
            format!("{text} is no moment"),
            "write a date or a date and time: 2026-12-18, 2026-12-18T16:00:00Z",
        );
    }
    read.ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::{Demands, Effect};
    use crate::base::SourceFile;
    use crate::config::{Config, parse};
    use crate::model::Vocabulary;

    fn read(text: &str, environment: Option<&str>) -> Result<Config, String> {
        let source = SourceFile::new("opsbook.toml", text);
        parse(source, environment, Vocabulary(&[])).map_err(|mistakes| mistakes.to_string())
    }

    const WHOLE: &str = r#"
[policy.write]
reason = true

[policy.destroy]
incident = true
approval = true

[[policy.freeze]]
title = "Sale"
from = 2026-11-27
until = 2026-11-30T08:00:00+01:00

[[policy.freeze]]
title = "Holidays"
from = 2026-12-18 16:00:00
until = 2027-01-04
effect = "destroy"

[environment.production]
policy.destroy.reason = true
policy.destroy.approval = false

[environment.locked]
policy.write.deny = true
policy.freeze = []
"#;

    #[test]
    fn a_policy_is_what_it_says() {
        let policy = read(WHOLE, None).unwrap().policy;
        let reason = Demands {
            reason: true,
            ..Demands::default()
        };
        assert_eq!(policy.write, reason);
        assert!(policy.destroy.incident && policy.destroy.approval && !policy.destroy.reason);
        let times: Vec<(String, String, Effect)> = policy
            .freezes
            .iter()
            .map(|freeze| {
                (
                    freeze.from.to_rfc3339(),
                    freeze.until.to_rfc3339(),
                    freeze.effect,
                )
            })
            .collect();
        let time = |day: &str, clock: &str| format!("{day}T{clock}:00+00:00");
        assert_eq!(
            times,
            [
                (
                    time("2026-11-27", "00:00"),
                    time("2026-11-30", "07:00"),
                    Effect::Write
                ),
                (
                    time("2026-12-18", "16:00"),
                    time("2027-01-04", "00:00"),
                    Effect::Destroy
                ),
            ]
        );
    }

    #[test]
    fn an_environment_lays_its_own_over_it_key_by_key() {
        let production = read(WHOLE, Some("production")).unwrap().policy;
        assert!(production.write.reason && production.destroy.reason);
        assert!(production.destroy.incident && !production.destroy.approval);
        assert_eq!(production.freezes.len(), 2);
        let locked = read(WHOLE, Some("locked")).unwrap().policy;
        assert!(locked.write.deny && locked.write.reason);
        assert!(locked.freezes.is_empty());
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        for (text, said) in [
            (
                "[policy.destroy]\napprovel = true\n",
                "opsbook.toml:2:1\n    2 │ approvel = true\n      │ ^^^^^^^^ unknown key in the policy of a destroy; did you mean `approval`?",
            ),
            (
                "[policy.write]\nreason = \"yes\"\n",
                "opsbook.toml:2:10\n    2 │ reason = \"yes\"\n      │          ^^^^^ expected true or false, found a text",
            ),
            (
                "[[policy.freeze]]\ntitle = \"x\"\nfrom = 2026-01-02\nuntil = 2026-01-02\n",
                "opsbook.toml:4:9\n    4 │ until = 2026-01-02\n      │         ^^^^^^^^^^ a freeze ends after it begins; `until` is the first moment that is free again",
            ),
            (
                "[[policy.freeze]]\ntitle = \"x\"\nfrom = 02:00:00\nuntil = 2026-01-02\n",
                "opsbook.toml:3:8\n    3 │ from = 02:00:00\n      │        ^^^^^^^^ 02:00:00 is no moment; write a date or a date and time: 2026-12-18, 2026-12-18T16:00:00Z",
            ),
            (
                "[[policy.freeze]]\ntitle = \"x\"\nfrom = \"tomorrow\"\nuntil = 2026-01-02\neffect = \"read\"\n",
                "opsbook.toml:3:8\n    3 │ from = \"tomorrow\"\n      │        ^^^^^^^^^^ expected a date, found a text\n\nopsbook.toml:5:10\n    5 │ effect = \"read\"\n      │          ^^^^^^ expected one of write, destroy, found \"read\"",
            ),
        ] {
            assert_eq!(read(text, None).unwrap_err(), said, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_on_a_date(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?)?") {
            let _ = read(&format!("[[policy.freeze]]\ntitle = 'x'\nfrom = {text}\nuntil = {text}\n"), None);
        }
    }
}

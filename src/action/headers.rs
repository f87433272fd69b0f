//! `headers`: grades the headers by which a site protects its visitors, and says what to set. Asks nobody: it is handed
//! what `http` was answered.

use serde_json::{Map, Value, json};

use crate::base::Effect;
use crate::base::text::{count, fit, one_line};
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs};
use crate::model::{ActionSpec, EffectRule, Kind, OutputSpec, VerbSpec};

/// `headers.grade`.
pub(super) struct Headers;

/// The least `max-age` of Strict-Transport-Security, in seconds: 180 days.
const LEAST_AGE: u64 = 15_552_000;

/// The longest value that a row quotes, in terminal cells.
const QUOTED: usize = 120;

static SPEC: ActionSpec = ActionSpec {
    name: "headers",
    summary: "Judge the headers of an answer",
    verbs: &[VerbSpec {
        name: "grade",
        summary: "Grade the headers that protect a site's visitors: the `headers` that `http` gave",
        object: Kind::Json,
        effect: EffectRule::Always(Effect::Read),
        options: &[],
        outputs: &[
            output(
                "rows",
                "header, grade (good, weak, missing or advised), value and what to set",
            ),
            output("weak", "the names of the headers that say too little"),
            output(
                "missing",
                "the names of the headers that are not there and should be",
            ),
        ],
    }],
    options: &[],
    outputs: &[],
    timeout: None,
};

const fn output(name: &'static str, help: &'static str) -> OutputSpec {
    OutputSpec { name, help }
}

impl Action for Headers {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let crate::expr::Argument::Json(Value::Object(headers)) = &invocation.object else {
                let error = ActionError::config("these are no headers: a table is wanted");
                return Err(error.help("write headers.grade = \"{{ steps.NAME.headers }}\""));
            };
            let graded = grade(headers);
            let with = |grade| -> Vec<&str> {
                let same = graded.iter().filter(|graded| graded.grade == grade);
                same.map(|graded| graded.header).collect()
            };
            let (weak, missing) = (with(Grade::Weak), with(Grade::Missing));
            let rows: Vec<Value> = graded
                .iter()
                .map(|graded| {
                    json!({
                        "header": graded.header,
                        "grade": graded.grade.as_str(),
                        "value": graded.value.as_ref().map(|value| {
                            fit(&one_line(&context.masker.text(value)), QUOTED)
                        }),
                        "set": graded.set,
                    })
                })
                .collect();
            let detail = format!(
                "{} weak, {} missing",
                count(weak.len(), "header"),
                missing.len()
            );
            Ok(Outputs::new(detail)
                .with("rows", rows)
                .with("weak", weak)
                .with("missing", missing))
        })
    }
}

/// How well a header protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Good,
    /// It is there and says too little.
    Weak,
    /// It is not there and should be.
    Missing,
    /// It is not there, and that is a pity.
    Advised,
}

impl Grade {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Weak => "weak",
            Self::Missing => "missing",
            Self::Advised => "advised",
        }
    }
}

/// One header, and what to do about it; nothing where it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Graded {
    header: &'static str,
    grade: Grade,
    value: Option<String>,
    set: String,
}

impl Graded {
    /// A header that is good unless something is to be set.
    fn of(header: &'static str, value: String, to_set: Option<String>) -> Self {
        Self {
            header,
            grade: match to_set {
                Some(_) => Grade::Weak,
                None => Grade::Good,
            },
            value: Some(value),
            set: to_set.unwrap_or_default(),
        }
    }

    fn absent(header: &'static str, grade: Grade, set: &str) -> Self {
        Self {
            header,
            grade,
            value: None,
            set: set.to_owned(),
        }
    }
}

const FRAME_OPTIONS: &str = "x-frame-options";
const POLICY: &str = "content-security-policy";

/// Grades the headers, the most important first. Names are in small letters, as `http` gives them.
fn grade(headers: &Map<String, Value>) -> Vec<Graded> {
    let header = |name| value_of(headers, name);
    let policy = header(POLICY).map(|text| Policy::of(&text));
    let frame_options = header(FRAME_OPTIONS);
    let forbids_frames = (frame_options.as_deref()).is_some_and(|value| {
        let value = value.trim();
        value.eq_ignore_ascii_case("deny") || value.eq_ignore_ascii_case("sameorigin")
    });
    let frames_by_policy =
        (policy.as_ref()).is_some_and(|policy| policy.sources("frame-ancestors").is_some());
    vec![
        transport(header("strict-transport-security")),
        match (header(POLICY), &policy) {
            (Some(value), Some(policy)) => {
                Graded::of(POLICY, value, policy.weakness(forbids_frames))
            }
            _ => no_policy(header("content-security-policy-report-only").is_some()),
        },
        match frame_options {
            Some(value) if forbids_frames || frames_by_policy => {
                Graded::of(FRAME_OPTIONS, value, None)
            }
            Some(value) => Graded::of(FRAME_OPTIONS, value, Some("DENY or SAMEORIGIN".to_owned())),
            None if frames_by_policy => {
                let instead = "frame-ancestors of the policy".to_owned();
                Graded::of(FRAME_OPTIONS, instead, None)
            }
            None => Graded::absent(FRAME_OPTIONS, Grade::Missing, "DENY or SAMEORIGIN"),
        },
        one_of(
            "x-content-type-options",
            header("x-content-type-options"),
            &["nosniff"],
        ),
        one_of(
            "referrer-policy",
            // Of several the last one counts that a browser knows.
            header("referrer-policy"),
            &[
                "strict-origin-when-cross-origin",
                "strict-origin",
                "same-origin",
                "no-referrer",
            ],
        ),
        match header("permissions-policy") {
            Some(value) => Graded::of("permissions-policy", value, None),
            None => Graded::absent(
                "permissions-policy",
                Grade::Advised,
                "camera=(), microphone=(), geolocation=(), as far as the site needs none",
            ),
        },
    ]
}

/// The value of a header; of several, all, as one line of them would be written. None where it says nothing.
fn value_of(headers: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match headers.get(name)? {
        Value::String(text) => text.clone(),
        Value::Array(several) => {
            let texts: Vec<&str> = several.iter().filter_map(Value::as_str).collect();
            texts.join(", ")
        }
        other => other.to_string(),
    };
    (!text.trim().is_empty()).then_some(text)
}

/// Strict-Transport-Security (RFC 6797).
fn transport(value: Option<String>) -> Graded {
    const NAME: &str = "strict-transport-security";
    const SET: &str = "max-age=31536000; includeSubDomains";
    let Some(value) = value else {
        return Graded::absent(NAME, Grade::Missing, SET);
    };
    let directives: Vec<String> = value
        .split(';')
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    let age = directives.iter().find_map(|directive| {
        let (name, age) = directive.split_once('=')?;
        (name.trim() == "max-age").then(|| age.trim().trim_matches('"').parse::<u64>().ok())?
    });
    let is_long = age.is_some_and(|age| age >= LEAST_AGE);
    let covers_all = directives
        .iter()
        .any(|directive| directive == "includesubdomains");
    let weakness = match (is_long, covers_all) {
        (true, true) => None,
        (true, false) => Some(format!("{SET}: subdomains are not covered")),
        (false, _) => Some(format!("{SET}: max-age is less than {LEAST_AGE}")),
    };
    Graded::of(NAME, value, weakness)
}

fn no_policy(is_reported: bool) -> Graded {
    let set = "default-src 'self'; frame-ancestors 'none'";
    match is_reported {
        true => Graded::absent(
            POLICY,
            Grade::Missing,
            &format!("{set}: so far it is only reported"),
        ),
        false => Graded::absent(POLICY, Grade::Missing, set),
    }
}

/// A header of which only some words protect, the best first; of several words the last counts.
fn one_of(name: &'static str, value: Option<String>, good: &[&str]) -> Graded {
    let best = good.first().copied().unwrap_or_default();
    let Some(value) = value else {
        return Graded::absent(name, Grade::Missing, best);
    };
    let last = value.rsplit(',').next().unwrap_or_default().trim();
    let is_good = good.iter().any(|word| word.eq_ignore_ascii_case(last));
    Graded::of(name, value, (!is_good).then(|| best.to_owned()))
}

/// A Content-Security-Policy (level 3), its names in small letters. Of a directive that stands twice the first counts.
struct Policy(Vec<(String, Vec<String>)>);

impl Policy {
    fn of(text: &str) -> Self {
        let mut directives: Vec<(String, Vec<String>)> = Vec::new();
        for directive in text.split([';', ',']) {
            let mut words = directive.split_whitespace().map(str::to_ascii_lowercase);
            if let Some(name) = words.next()
                && !directives.iter().any(|(known, _)| *known == name)
            {
                directives.push((name, words.collect()));
            }
        }
        Self(directives)
    }

    fn sources(&self, name: &str) -> Option<&[String]> {
        let (_, sources) = self.0.iter().find(|(known, _)| known == name)?;
        Some(sources)
    }

    /// What to change, if it lets in what it is there to keep out.
    fn weakness(&self, forbids_frames: bool) -> Option<String> {
        let scripts = self
            .sources("script-src")
            .or_else(|| self.sources("default-src"));
        let Some(scripts) = scripts else {
            return Some("script-src 'self': scripts may come from anywhere".to_owned());
        };
        let has = |wanted: &str| scripts.iter().any(|source| source == wanted);
        // A browser that knows either of them passes 'unsafe-inline' over.
        let is_marked = scripts.iter().any(|source| {
            ["'nonce-", "'sha256-", "'sha384-", "'sha512-"]
                .iter()
                .any(|mark| source.starts_with(mark))
        });
        let anywhere = ["*", "http:", "https:", "data:"]
            .into_iter()
            .find(|open| has(open));
        if has("'unsafe-inline'") && !is_marked {
            return Some("script-src with 'nonce-…' in place of 'unsafe-inline'".to_owned());
        }
        if has("'unsafe-eval'") {
            return Some("script-src without 'unsafe-eval'".to_owned());
        }
        match anywhere {
            // With it, lists of hosts are passed over.
            Some(open) if !(is_marked && has("'strict-dynamic'")) => {
                return Some(format!("script-src without {open}: name the hosts"));
            }
            _ => {}
        }
        let frames = self.sources("frame-ancestors");
        let frames_anywhere = frames.map_or(!forbids_frames, |sources| {
            let anywhere = ["*", "http:", "https:"];
            sources
                .iter()
                .any(|source| anywhere.contains(&source.as_str()))
        });
        frames_anywhere.then(|| "frame-ancestors 'none' or 'self'".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::{Grade, Headers, grade};
    use crate::action::testing::World;
    use crate::expr::Argument;

    const GOOD: [(&str, &str); 6] = [
        (
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        ),
        (
            "content-security-policy",
            "default-src 'self'; script-src 'self' 'nonce-r4nd0m'",
        ),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("permissions-policy", "camera=()"),
    ];

    fn headers(values: &[(&str, &str)]) -> Map<String, Value> {
        let value = |(name, value): &(&str, &str)| ((*name).to_owned(), json!(value));
        values.iter().map(value).collect()
    }

    /// The grade of a header beside good ones, and what is to be set.
    fn graded(name: &str, value: Option<&str>) -> (Grade, String) {
        let mut all = headers(&GOOD);
        all.remove(name);
        if let Some(value) = value {
            all.insert(name.to_owned(), json!(value));
        }
        let graded = grade(&all);
        let graded = graded.into_iter().find(|graded| graded.header == name);
        graded.map(|graded| (graded.grade, graded.set)).unwrap()
    }

    #[test]
    fn all_good_leaves_nothing_to_set() {
        for graded in grade(&headers(&GOOD)) {
            assert_eq!(
                (graded.grade, graded.set.as_str()),
                (Grade::Good, ""),
                "{graded:?}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_missing_or_advised() {
        let grades: Vec<_> = grade(&Map::new())
            .into_iter()
            .map(|graded| graded.grade)
            .collect();
        let mut expected = [Grade::Missing; 6];
        expected[5] = Grade::Advised;
        assert_eq!(grades, expected);
        assert_eq!(
            graded("x-content-type-options", Some("  ")).0,
            Grade::Missing
        );
    }

    #[test]
    fn transport_is_held_to_half_a_year_and_all_subdomains() {
        let name = "strict-transport-security";
        for good in [
            "max-age=15552000;includesubdomains",
            "includeSubDomains; preload; MAX-AGE=\"63072000\"",
        ] {
            assert_eq!(graded(name, Some(good)).0, Grade::Good, "{good}");
        }
        for (weak, told) in [
            ("max-age=15551999; includeSubDomains", "less than 15552000"),
            ("max-age=0; includeSubDomains", "less than 15552000"),
            ("max-age=x; includeSubDomains", "less than 15552000"),
            ("includeSubDomains", "less than 15552000"),
            ("max-age=31536000", "subdomains are not covered"),
        ] {
            let (grade, set) = graded(name, Some(weak));
            assert_eq!(grade, Grade::Weak, "{weak}");
            assert!(set.ends_with(told), "{set}");
        }
    }

    #[test]
    fn a_policy_is_weak_where_it_lets_scripts_in() {
        let name = "content-security-policy";
        for good in [
            "default-src 'none'",
            "script-src 'self' 'unsafe-inline' 'nonce-x'",
            "script-src 'unsafe-inline' https: 'strict-dynamic' 'sha256-abc'",
            "default-src *; SCRIPT-SRC 'self'; script-src *",
        ] {
            assert_eq!(
                graded(name, Some(good)),
                (Grade::Good, String::new()),
                "{good}"
            );
        }
        for (weak, told) in [
            ("img-src 'self'", "scripts may come from anywhere"),
            ("default-src 'self' 'unsafe-inline'", "'nonce-…'"),
            (
                "script-src 'self' 'unsafe-eval' 'nonce-x'",
                "without 'unsafe-eval'",
            ),
            ("script-src https:", "without https:"),
            ("script-src 'strict-dynamic' *", "without *"),
            (
                "default-src 'self'; frame-ancestors *",
                "frame-ancestors 'none'",
            ),
            (
                "default-src 'self'; frame-ancestors https:",
                "frame-ancestors 'none'",
            ),
        ] {
            let (grade, set) = graded(name, Some(weak));
            assert_eq!(grade, Grade::Weak, "{weak}");
            assert!(set.contains(told), "{set}");
        }
        let only_reported =
            headers(&[("content-security-policy-report-only", "default-src 'self'")]);
        assert!(grade(&only_reported)[1].set.ends_with("only reported"));
    }

    #[test]
    fn frames_are_forbidden_by_either_header() {
        let policy = (
            "content-security-policy",
            "default-src 'self'; frame-ancestors 'self'",
        );
        let by_policy = grade(&headers(&[policy]));
        assert_eq!(
            (by_policy[1].grade, by_policy[2].grade),
            (Grade::Good, Grade::Good)
        );
        let neither = grade(&headers(&[(policy.0, "default-src 'self'")]));
        assert_eq!(
            (neither[1].grade, neither[2].grade),
            (Grade::Weak, Grade::Missing)
        );
        assert_eq!(graded("x-frame-options", Some("sameorigin")).0, Grade::Good);
        assert_eq!(
            graded("x-frame-options", Some("ALLOW-FROM https://example.com")).0,
            Grade::Weak
        );
    }

    #[test]
    fn of_several_words_the_last_counts() {
        let name = "referrer-policy";
        assert_eq!(graded(name, Some("unsafe-url, no-referrer")).0, Grade::Good);
        assert_eq!(graded(name, Some("no-referrer, unsafe-url")).0, Grade::Weak);
        assert_eq!(graded("x-content-type-options", Some("sniff")).1, "nosniff");
    }

    #[tokio::test]
    async fn what_is_wrong_can_be_asked_for_by_name() {
        let world = World::new();
        let some = json!({"x-frame-options": ["DENY"], "referrer-policy": "unsafe-url"});
        let outputs = world
            .run(&Headers, "grade", Argument::Json(some), &[])
            .await
            .unwrap();
        assert_eq!(outputs.values["weak"], json!(["referrer-policy"]));
        assert_eq!(
            outputs.values["missing"],
            json!([
                "strict-transport-security",
                "content-security-policy",
                "x-content-type-options"
            ])
        );
        assert_eq!(outputs.detail, "1 header weak, 3 missing");
        let none = world
            .run(&Headers, "grade", Argument::Json(json!("x")), &[])
            .await;
        assert!(
            none.unwrap_err()
                .help
                .unwrap()
                .contains("steps.NAME.headers")
        );
    }

    proptest! {
        #[test]
        fn any_value_is_graded(value in any::<String>(), which in 0..6_usize) {
            let told = graded(GOOD[which].0, Some(&value));
            prop_assert_eq!(told.0 == Grade::Good, told.1.is_empty());
        }
    }
}

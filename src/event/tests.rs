//! The format of events as it is kept in journals and read by programs.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use proptest::prelude::*;
use serde_json::json;

use crate::base::{RunId, Status};

use super::{Envelope, Event, VERSION, sample};

proptest! {
    #[test]
    fn every_kind_survives_the_way_through_text(event in sample::any_event()) {
        let envelope = sample::envelope(3, event);
        let text = serde_json::to_string(&envelope).unwrap();
        prop_assert!(!text.contains('\n'), "one event is one line");
        let read: Envelope = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, envelope);
    }

    #[test]
    fn folding_any_stream_keeps_one_line_a_step(stream in sample::any_stream()) {
        let summary = super::Summary::of(&stream);
        let mut keys: Vec<_> = summary.steps.iter().map(|line| &line.step).collect();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), summary.steps.len());
        for line in &summary.steps {
            if let Some(end) = &line.end {
                prop_assert_eq!(&end.step, &line.step);
            }
        }
    }
}

#[test]
fn an_event_looks_as_documented() {
    let envelope = Envelope {
        at: sample::odd_moment(),
        ..sample::envelope(1, sample::finished("count", Status::Ok))
    };
    assert_eq!(
        serde_json::to_value(&envelope).unwrap(),
        json!({
            "version": VERSION, "run": 412, "seq": 1, "at": "2026-11-20T03:00:00.123456789Z",
            "type": "step-finished", "step": "count", "action": "sql.query", "effect": "read",
            "status": "ok", "failed": false, "took_ms": 12.0, "detail": "", "attempts": 1,
            "outputs": {}, "saved": {}, "sensitive": false,
        })
    );
}

#[test]
fn a_kind_of_a_later_version_is_kept_as_it_is() {
    let text = r#"{"version":9,"run":7,"seq":2,"at":"2026-11-20T03:00:00Z","type":"step-undone","step":"a","why":[1]}"#;
    let envelope: Envelope = serde_json::from_str(text).unwrap();
    assert!(matches!(envelope.event, Event::Other(_)));
    assert_eq!(envelope.event.type_name(), "step-undone");
    assert_eq!((envelope.run, envelope.seq), (RunId(7), 2));
    assert_eq!(serde_json::to_string(&envelope).unwrap(), text);
}

#[test]
fn a_field_of_a_later_version_does_not_hinder() {
    let text = r#"{"type":"finding-raised","severity":"P3","cause":"late","since":"yesterday"}"#;
    let event: Event = serde_json::from_str(text).unwrap();
    assert!(matches!(event, Event::FindingRaised(_)), "{event:?}");
}

#[test]
fn a_known_kind_without_its_fields_is_refused() {
    assert!(serde_json::from_str::<Event>(r#"{"type":"finding-raised"}"#).is_err());
}

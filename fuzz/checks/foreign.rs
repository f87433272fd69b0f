//! Text from elsewhere, made fit to be shown.

use opsbook::base::text::{fit, neutral, one_line, width};

use super::{assert_harmless, steers};

/// No text steers a terminal, however it is made fit; doing it again changes nothing; a line keeps to its width.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let shown = neutral(&text);
    assert_harmless(&shown);
    assert_eq!(neutral(&shown), shown);
    assert_eq!(shown.chars().count(), text.chars().count());
    let line = one_line(&text);
    assert!(!line.chars().any(steers), "{line:?}");
    assert_eq!(one_line(&line), line);
    for cells in [0, 1, 2, 7, 40] {
        let fitted = fit(&line, cells);
        assert!(width(&fitted) <= cells, "{fitted:?} in {cells}");
        assert!(fitted == line || fitted.ends_with('…') || cells == 0);
    }
}

//! Names of tables and columns as SQL writes them. Must not judge what a name stands for.

/// A name as every dialect takes it, whatever stands in it.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name with those before its dots, each part by itself: `"sales"."orders"`.
#[must_use]
pub fn quoted_parts(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(quoted).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::{quoted, quoted_parts};

    #[test]
    fn a_name_stays_one_name_whatever_stands_in_it() {
        assert_eq!(quoted("a.b\"; DROP"), "\"a.b\"\"; DROP\"");
        assert_eq!(quoted_parts("sales.or\"ders"), "\"sales\".\"or\"\"ders\"");
    }
}

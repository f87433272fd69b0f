//! Which program wrangler is, and which version.

use std::path::Path;

/// The program to run: the one that is told; else the one that a package manager has put beside the configuration or above
/// it, which is the version that the project was made with; else the one of `PATH`.
pub(super) fn program(told: Option<&str>, folder: &Path) -> String {
    if let Some(told) = told {
        return told.to_owned();
    }
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let own = folder
        .ancestors()
        .map(|folder| folder.join("node_modules/.bin/wrangler"))
        .find(|path| path.is_file());
    own.map_or_else(|| "wrangler".to_owned(), |own| own.display().to_string())
}

/// The version of the package that a program is of, without running it. None where it is of none that can be seen.
pub(super) fn version(program: &str) -> Option<String> {
    let program = Path::new(program).canonicalize().ok()?;
    let package = program.parent()?.parent()?.join("package.json");
    let package: serde_json::Value = serde_json::from_slice(&std::fs::read(package).ok()?).ok()?;
    let version = package.get("version")?.as_str()?;
    (package.get("name")? == "wrangler").then(|| version.to_owned())
}

/// The three numbers of a version: `4.164.0`.
pub(super) fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let release = version.split(['-', '+']).next()?;
    let mut numbers = release.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::{numbers, program, version};

    #[test]
    fn the_projects_own_comes_first_and_tells_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let package = root.join("node_modules/wrangler");
        std::fs::create_dir_all(package.join("bin")).unwrap();
        std::fs::create_dir_all(root.join("node_modules/.bin")).unwrap();
        std::fs::create_dir_all(root.join("worker")).unwrap();
        assert_eq!(program(None, &root.join("worker")), "wrangler");
        let manifest = r#"{"name": "wrangler", "version": "4.86.0"}"#;
        std::fs::write(package.join("package.json"), manifest).unwrap();
        std::fs::write(package.join("bin/wrangler.js"), "").unwrap();
        let link = root.join("node_modules/.bin/wrangler");
        std::os::unix::fs::symlink("../wrangler/bin/wrangler.js", &link).unwrap();
        let found = program(None, &root.join("worker"));
        assert_eq!(found, link.display().to_string());
        assert_eq!(version(&found).as_deref(), Some("4.86.0"));
        assert_eq!(program(Some("wrangler2"), &root), "wrangler2");
        assert_eq!(version("wrangler2"), None);
    }

    #[test]
    fn a_version_is_three_numbers() {
        assert_eq!(numbers("4.164.0"), Some((4, 164, 0)));
        assert_eq!(numbers("4.0.0-beta.1"), Some((4, 0, 0)));
        assert_eq!(numbers("four"), None);
        assert!(numbers("3.114.0") < Some(super::super::OLDEST));
    }
}

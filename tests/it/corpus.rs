//! What the fuzzer kept and what it found, through the same checks, so that the ordinary suite holds them.

#[path = "../../fuzz/checks/mod.rs"]
#[expect(unreachable_pub, reason = "the fuzzer's own crate shares them")]
mod checks;

use std::path::Path;

/// The most that the kept inputs of one target may be: how many, and how many bytes together.
const MOST: (usize, u64) = (200, 500 * 1024);

/// Runs the check of a target over every file of a folder; gives how many there are and how long they are together.
fn replay(folder: &Path, check: fn(&[u8])) -> (usize, u64) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return (0, 0);
    };
    let mut sum = (0, 0);
    for entry in entries {
        let path = entry.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        sum = (sum.0 + 1, sum.1 + input.len() as u64);
        if std::panic::catch_unwind(|| check(&input)).is_err() {
            panic!("{} does not hold", path.display());
        }
    }
    sum
}

#[test]
fn every_kept_input_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (name, check) in checks::TARGETS {
        let (files, bytes) = replay(&root.join("corpus").join(name), *check);
        assert!(files > 0, "{name} has no corpus");
        assert!(
            files <= MOST.0 && bytes <= MOST.1,
            "{name}: {files} files, {bytes} bytes; make it smaller with `cargo fuzz cmin`"
        );
    }
}

#[test]
fn every_find_stays_mended() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut found = 0;
    for (name, check) in checks::TARGETS {
        found += replay(&root.join("finds").join(name), *check).0;
    }
    assert!(found > 0, "the finds are not where they should be");
}

/// Every target has its program, and every folder of inputs its target.
#[test]
fn targets_programs_and_folders_are_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut names: Vec<String> = checks::TARGETS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    names.sort();
    for (folder, all) in [("fuzz_targets", true), ("corpus", true), ("finds", false)] {
        let mut found: Vec<String> = std::fs::read_dir(root.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.trim_end_matches(".rs").to_owned())
            .collect();
        found.sort();
        if all {
            assert_eq!(found, names, "fuzz/{folder}");
        }
        assert!(found.iter().all(|name| names.contains(name)), "{found:?}");
    }
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

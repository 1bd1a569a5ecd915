//! Reading the sources: which files there are, what a manifest depends on, what a module imports.

use std::fs;
use std::path::{Path, PathBuf};

/// All files under a folder, sorted; a folder that does not exist has none.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    const SKIPPED: [&str; 2] = ["node_modules", "target"];
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        let skipped = entry.file_name().to_str().is_some_and(|name| SKIPPED.contains(&name));
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !skipped => found.extend(files_under(&path)),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
    found.sort();
    found
}

/// The names of all dependencies in a manifest, of every kind and target.
pub fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut in_table = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            in_table = section.ends_with("dependencies");
            // `[dependencies.name]` is a table of its own for one dependency.
            if let Some((table, name)) = section.rsplit_once('.')
                && table.ends_with("dependencies")
            {
                names.push(name.trim_matches('"').to_string());
            }
        } else if in_table
            && !line.starts_with('#')
            && let Some((key, _)) = line.split_once('=')
        {
            let name = key.trim().split('.').next().unwrap_or_default();
            names.push(name.trim_matches('"').to_string());
        }
    }
    names
}

/// What a TypeScript module imports or re-exports, as written.
pub fn imports(text: &str) -> Vec<String> {
    const OPENINGS: [&str; 4] = ["from ", "import ", "import(", "require("];
    let mut found = Vec::new();
    for line in text.lines().map(str::trim_start) {
        // Examples in documentation import as a user does.
        if line.starts_with('*') || line.starts_with("//") || line.starts_with("/*") {
            continue;
        }
        for opening in OPENINGS {
            for (at, _) in line.match_indices(opening) {
                let begins_word =
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '$');
                if let Some(specifier) = quoted(&line[at + opening.len()..]).filter(|_| begins_word) {
                    found.push(specifier.to_string());
                }
            }
        }
    }
    found
}

/// The content of the string literal that a text begins with.
fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let rest = &text[1..];
    rest.find(quote).map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_of_every_kind_are_found() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nlibm.workspace = true\n# napi = \"3\"\n\
            a = { path = \"../a\" }\n[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n\
            [dev-dependencies]\n\"quoted\" = \"1\"\n[build-dependencies.napi-build]\nversion = \"2\"\n[lints]\nworkspace = true\n";
        assert_eq!(dependencies(manifest), ["libm", "a", "libc", "quoted", "napi-build"]);
    }

    #[test]
    fn imports_of_every_form_are_found() {
        let text = "import { a } from './a.js'\nimport './b.js'\nexport * from \"../c.js\"\n\
            const d = await import('./d.js')\nimport type { E } from './e.js'\n} from './f.js'\n\
            /** import { x } from './no.js' */\n * import './no.js'\n// from './no.js'\n\
            const g = require('./g.js')\nArray.from './no.js'\n";
        assert_eq!(imports(text), ["./a.js", "./b.js", "../c.js", "./d.js", "./e.js", "./f.js", "./g.js"]);
    }
}

//! The walls of the house: which part may know which, how long a file may be.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::r#gen::MARK;
use crate::source::{dependencies, files_under, imports};

/// The crates and what each may depend on of the others.
const CRATES: [(&str, &[&str]); 7] = [
    ("core", &[]),
    ("cpu", &["core"]),
    ("cuda", &["core"]),
    ("files", &["core"]),
    ("node", &["core", "cpu", "cuda", "files"]),
    ("bars", &["core", "cpu"]),
    ("xtask", &["core"]),
];

/// Crates from outside that only one of ours may name: the beginning of their names, and ours.
const RESERVED: [(&str, &str); 4] =
    [("napi", "node"), ("cudarc", "cuda"), ("safetensors", "files"), ("zip", "files")];

/// The modules of the library, lowest first. A module may import from its own row and from those before.
const LAYERS: [&[&str]; 11] = [
    &["loader"],
    &["types", "errors", "ops"],
    &["native", "memory"],
    &["tensor", "random", "scope", "anomaly"],
    &["functional", "options"],
    &["jit"],
    &["nn", "losses", "optim", "data", "metrics", "io", "plot"],
    &["train"],
    &["index"],
    &["doctor"],
    &["bin"],
];

/// The module that only names types, all others' included: it may mention what lies above, without ever running it.
const VOCABULARY: &str = "types";

const LONGEST_FILE: usize = 600;

/// Everything that breaks a wall, one line each.
pub fn problems(root: &Path) -> Vec<String> {
    [crate_problems(root), library_problems(&root.join("lib")), file_problems(root)].concat()
}

fn crate_problems(root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    for manifest in files_under(&root.join("crates")) {
        if !manifest.ends_with("Cargo.toml") {
            continue;
        }
        let folder = manifest.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&manifest).unwrap_or_default();
        problems.extend(dependency_problems(&folder, &dependencies(&text)));
    }
    let core = fs::read_to_string(root.join("crates/core/src/lib.rs")).unwrap_or_default();
    if !core.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]") {
        problems.push("crates/core/src/lib.rs: must say `#![forbid(unsafe_code)]`".to_string());
    }
    problems
}

fn dependency_problems(name: &str, dependencies: &[String]) -> Vec<String> {
    let Some((_, allowed)) = CRATES.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "crates/{name}: has no place in the order of crates (crates/xtask/src/check.rs)"
        )];
    };
    let mut problems = Vec::new();
    for dependency in dependencies {
        let ours = dependency.strip_prefix("neuroxide-").unwrap_or(dependency);
        let is_ours = ours != dependency || CRATES.iter().any(|(known, _)| known == dependency);
        if is_ours && !allowed.contains(&ours) {
            problems.push(format!("crates/{name}: must not depend on crates/{ours}"));
        }
        for (prefix, owner) in RESERVED {
            if dependency.starts_with(prefix) && name != owner {
                problems.push(format!("crates/{name}: only crates/{owner} may name {dependency}"));
            }
        }
    }
    problems
}

fn library_problems(library: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    for path in files_under(library) {
        if path.extension().is_none_or(|extension| extension != "ts") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let module = path.strip_prefix(library).unwrap_or(&path);
        if part(module) == VOCABULARY {
            problems.extend(vocabulary_problem(module, &text));
        } else {
            problems.extend(imports(&text).iter().filter_map(|import| import_problem(module, import)));
        }
        if layer(module).is_none() {
            problems.push(format!(
                "lib/{}: has no place in the order of modules (crates/xtask/src/check.rs)",
                module.display()
            ));
        }
    }
    problems
}

/// What the vocabulary imports must vanish when it is compiled.
fn vocabulary_problem(module: &Path, text: &str) -> Option<String> {
    let runs = |line: &str| line.starts_with("import ") && !line.starts_with("import type ");
    text.lines().any(runs).then(|| format!("lib/{}: may import types only", module.display()))
}

/// What is wrong with an import of a module, both from the folder of the library.
fn import_problem(module: &Path, import: &str) -> Option<String> {
    let target = resolve(module, import)?;
    let name = part(&target);
    let allowed = match (layer(module), layer(&target)) {
        (_, Some(0)) => part(module) == "native",
        (Some(own), Some(other)) => other <= own,
        _ => return None,
    };
    (!allowed).then(|| format!("lib/{}: must not import {name} ({import})", module.display()))
}

/// The module that a relative import means, or none when it is a package.
fn resolve(module: &Path, import: &str) -> Option<PathBuf> {
    if !import.starts_with('.') {
        return None;
    }
    let mut target = module.parent().map(Path::to_path_buf).unwrap_or_default();
    for component in Path::new(import).components() {
        match component {
            Component::ParentDir => {
                target.pop();
            }
            Component::Normal(name) => target.push(name),
            _ => {}
        }
    }
    Some(target)
}

/// The part of the library that a module belongs to: its top folder, or its own name without extensions.
fn part(module: &Path) -> String {
    let top =
        module.components().next().map(|component| component.as_os_str().to_string_lossy().into_owned());
    let top = top.unwrap_or_default();
    top.split('.').next().unwrap_or_default().to_string()
}

fn layer(module: &Path) -> Option<usize> {
    let part = part(module);
    LAYERS.iter().position(|row| row.contains(&part.as_str()))
}

fn file_problems(root: &Path) -> Vec<String> {
    const FOLDERS: [&str; 6] = ["crates", "lib", "test", "bench", "examples", "scripts"];
    const EXTENSIONS: [&str; 3] = ["rs", "ts", "mjs"];
    let mut problems = Vec::new();
    for path in FOLDERS.iter().flat_map(|folder| files_under(&root.join(folder))) {
        let is_source =
            path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
        if !is_source {
            continue;
        }
        let shown = path.strip_prefix(root).unwrap_or(&path).display();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if matches!(&*stem, "utils" | "util") {
            problems.push(format!("{shown}: name it for what it is about"));
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let generated = text.lines().next().is_some_and(|first| first.contains(MARK));
        let length = text.lines().count();
        if length > LONGEST_FILE && !generated {
            problems.push(format!("{shown}: {length} lines, more than {LONGEST_FILE}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn crates_depend_towards_the_core_only() {
        assert!(dependency_problems("cpu", &names(&["neuroxide-core", "libm"])).is_empty());
        assert_eq!(
            dependency_problems("core", &names(&["neuroxide-cpu"])),
            ["crates/core: must not depend on crates/cpu"]
        );
        assert_eq!(
            dependency_problems("cpu", &names(&["neuroxide-cuda"])),
            ["crates/cpu: must not depend on crates/cuda"]
        );
        assert_eq!(dependency_problems("other", &[]).len(), 1);
    }

    #[test]
    fn outside_crates_stay_with_their_owner() {
        assert!(dependency_problems("node", &names(&["napi", "napi-derive", "napi-build"])).is_empty());
        assert_eq!(
            dependency_problems("core", &names(&["napi-derive"])),
            ["crates/core: only crates/node may name napi-derive"]
        );
        assert_eq!(
            dependency_problems("cpu", &names(&["cudarc"])),
            ["crates/cpu: only crates/cuda may name cudarc"]
        );
    }

    #[test]
    fn modules_import_downwards_only() {
        let problem = |module: &str, import: &str| import_problem(Path::new(module), import);
        assert_eq!(problem("nn/linear.ts", "../tensor.js"), None);
        assert_eq!(problem("nn/linear.ts", "./module.js"), None);
        assert_eq!(problem("train/model.ts", "../nn/module.js"), None);
        assert_eq!(problem("tensor.ts", "node:util"), None);
        assert_eq!(
            problem("tensor.ts", "./nn/module.js").as_deref(),
            Some("lib/tensor.ts: must not import nn (./nn/module.js)")
        );
        assert!(problem("nn/sequential.ts", "../train/model.js").is_some());
        assert_eq!(problem("random.ts", "./tensor/checks.js"), None);
        assert!(problem("tensor/checks.ts", "../functional.js").is_some());
        assert!(problem("anomaly.ts", "./jit.js").is_some());
        assert!(problem("scope.ts", "./train/index.js").is_some());
    }

    #[test]
    fn the_vocabulary_imports_types_only() {
        let problem = |text: &str| vocabulary_problem(Path::new("types.ts"), text);
        assert_eq!(problem("import type { Tensor } from './tensor.js'\n"), None);
        assert!(problem("import { Tensor } from './tensor.js'\n").is_some());
    }

    #[test]
    fn only_native_imports_the_loader() {
        assert_eq!(import_problem(Path::new("native.ts"), "./loader.js"), None);
        assert!(import_problem(Path::new("index.ts"), "./loader.js").is_some());
    }
}

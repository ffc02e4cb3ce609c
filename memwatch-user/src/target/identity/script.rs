//! Which script a Node process runs, by its arguments, and the npm package of a directory.

use std::path::{Component, Path, PathBuf};

use crate::target::file;

/// A `package.json` that is longer is not read.
const MAX_PACKAGE_JSON: u64 = 256 * 1024;
/// Directories above a script that are searched for a `package.json`.
const MAX_DEPTH: usize = 32;

/// Options of Node that take the next argument as their value (`node --help` of 12 to 26); options of V8 never do.
const WITH_VALUE: [&str; 21] = [
    "-C",
    "-r",
    "--conditions",
    "--cpu-prof-dir",
    "--diagnostic-dir",
    "--disable-warning",
    "--dns-result-order",
    "--env-file",
    "--env-file-if-exists",
    "--es-module-specifier-resolution",
    "--experimental-config-file",
    "--experimental-loader",
    "--icu-data-dir",
    "--import",
    "--input-type",
    "--loader",
    "--redirect-warnings",
    "--require",
    "--title",
    "--unhandled-rejections",
    "--watch-path",
];

/// The script among the arguments of a Node process: the first that is neither an option nor an option's value. `None`
/// if code was given on the command line, or nothing was.
pub(super) fn script(arguments: &[String]) -> Option<&str> {
    let mut rest = arguments.iter().skip(1).map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "--" => return rest.next(),
            "-" | "-e" | "--eval" | "-p" | "-pe" | "--print" | "-i" | "--interactive" => return None,
            option if WITH_VALUE.contains(&option) => {
                rest.next();
            }
            option if option.starts_with('-') => {}
            script => return Some(script),
        }
    }
    None
}

/// `path` seen from `directory`, without `.` and `..`.
pub(super) fn absolute(directory: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// Name in the `package.json` in `directory` or nearest above it, both as seen from `root`.
pub(super) fn package(root: &Path, directory: &Path) -> Option<String> {
    directory.ancestors().take(MAX_DEPTH).find_map(|directory| {
        let text = file::open_below(root, &directory.join("package.json")).ok()?;
        let json: serde_json::Value =
            serde_json::from_slice(&file::read(&text, MAX_PACKAGE_JSON).ok()?).ok()?;
        json.get("name")?.as_str().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_the_first_argument_that_is_not_an_option() {
        for (line, expected) in [
            ("node app.js --port 80", Some("app.js")),
            ("node --max-old-space-size=300 -r ./hook.js app.js x", Some("app.js")),
            ("node --import tsx --inspect src/main.ts", Some("src/main.ts")),
            ("node -- -odd.js", Some("-odd.js")),
            ("node -e process.exit()", None),
            ("node -p 1", None),
            ("node", None),
            ("node --inspect", None),
            ("node -", None),
        ] {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(script(&arguments), expected, "{line}");
        }
    }

    #[test]
    fn paths_are_made_absolute_as_they_are_written() {
        for (directory, path, expected) in [
            ("/srv/app", "./index.js", "/srv/app/index.js"),
            ("/srv/app", "../b/../c.js", "/srv/c.js"),
            ("/srv/app", "/opt/x.js", "/opt/x.js"),
            ("/", "../../x.js", "/x.js"),
        ] {
            assert_eq!(absolute(Path::new(directory), Path::new(path)), PathBuf::from(expected));
        }
    }

    #[test]
    fn the_nearest_package_names_the_script_and_links_stay_below_the_root() {
        let root = std::env::temp_dir().join(format!("memwatch-name-{}", std::process::id()));
        std::fs::create_dir_all(root.join("srv/app/src")).unwrap();
        std::fs::create_dir_all(root.join("srv/linked")).unwrap();
        std::fs::write(root.join("srv/app/package.json"), r#"{"name":"@shop/api"}"#).unwrap();
        std::fs::write(root.join("srv/package.json"), r#"{"name":"outer"}"#).unwrap();
        std::os::unix::fs::symlink("/srv/app/package.json", root.join("srv/linked/package.json")).unwrap();
        let named = |directory: &str| package(&root, Path::new(directory));
        let found = [named("/srv/app/src"), named("/srv/linked"), named("/srv"), named("/")];
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            found.each_ref().map(Option::as_deref),
            [Some("@shop/api"), Some("@shop/api"), Some("outer"), None]
        );
    }
}

//! The programs as processes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Builds every program of the workspace once, with the profile of the tests,
/// and gives the folder they lie in.
pub fn folder() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("--bins"))
}

/// Builds the examples likewise, and gives the program of one.
pub fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("--examples")).join("examples").join(name)
}

fn build(what: &str) -> PathBuf {
    // <target>/<profile>/deps/<test>
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().to_owned();
    let profile = match folder.file_name().and_then(OsStr::to_str).unwrap() {
        "debug" => "dev",
        profile => profile,
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--workspace", what, "--profile", profile, "--target-dir"])
        .arg(folder.parent().unwrap())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "the programs do not build");
    folder
}

/// The program `interline` on a data directory.
pub fn interline(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(folder().join("interline"));
    command.arg("--data-dir").arg(data_dir).args(arguments).stdin(Stdio::null());
    command
}

/// What the program printed as JSON, and whether its exit status was 0.
pub fn answer(data_dir: &Path, arguments: &[&str]) -> (serde_json::Value, bool) {
    let output = interline(data_dir, arguments).arg("--json").output().unwrap();
    (json(&output), output.status.success())
}

/// As [`answer`], where the program must end well.
pub fn good_answer(data_dir: &Path, arguments: &[&str]) -> serde_json::Value {
    let (answer, good) = answer(data_dir, arguments);
    assert!(good, "{arguments:?}: {answer}");
    answer
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
    })
}

/// A process that is killed when the test is done with it.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a process ended that was to be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Killed,
    /// It was done before it could be killed.
    Done,
}

/// Starts a program and kills it, as `kill -9` does, as soon as `when` holds.
pub fn kill_when(mut command: Command, when: impl Fn() -> bool) -> Ended {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut running = Running(child);
    loop {
        if let Some(status) = running.0.try_wait().unwrap() {
            assert!(status.success(), "{command:?} ended with {status}");
            return Ended::Done;
        }
        if when() {
            running.0.kill().unwrap();
            let status = running.0.wait().unwrap();
            return if status.success() { Ended::Done } else { Ended::Killed };
        }
        std::thread::yield_now();
    }
}

/// Starts a program and kills it, as `kill -9` does, after so long.
pub fn kill_after(mut command: Command, after: Duration) -> Ended {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.success() || status.code().is_none(), "{command:?} ended with {status}");
    if status.success() { Ended::Done } else { Ended::Killed }
}

/// Every file under a folder by its path.
pub fn files(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.insert(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned(), bytes);
            }
        }
    }
    found
}

/// The program where no file can grow beyond so many bytes, as on a disk that is full.
pub fn filled(command: &Command, bytes: u64) -> Command {
    // Units of 512 bytes. Without the trap a signal would end the process, which no
    // full disk does.
    let mut filled = Command::new("sh");
    filled.args(["-c", r#"trap '' XFSZ; ulimit -f "$1"; shift; exec "$@""#, "sh", &(bytes / 512).to_string()]);
    filled.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    filled
}

/// Starts the program with space enough, and takes it as soon as `when` holds.
#[cfg(target_os = "linux")]
pub fn filled_when(command: &Command, bytes: u64, when: impl Fn() -> bool) -> Output {
    let mut filled = Command::new("sh");
    filled.args(["-c", r#"trap '' XFSZ; exec "$@""#, "sh"]).arg(command.get_program()).args(command.get_args());
    filled.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = filled.spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        if when() {
            let limit = format!("--fsize={bytes}");
            // Fails if the process has ended meanwhile.
            let _ = Command::new("prlimit").arg("--pid").arg(child.id().to_string()).arg(limit).output().unwrap();
            break;
        }
        std::thread::yield_now();
    }
    child.wait_with_output().unwrap()
}

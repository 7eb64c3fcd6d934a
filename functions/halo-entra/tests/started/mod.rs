//! The program as a child process of a test.

#![allow(dead_code, reason = "each test uses what it needs of it")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program, with nothing of whoever runs the tests.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halo-entra"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// A process that serves until it is asked to end.
pub(crate) struct Serving {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Serving {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The same with its log in a file.
    pub(crate) fn logging(mut command: Command, log: std::fs::File) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// All that it printed from here to its end.
    pub(crate) fn rest(mut self) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let lines: Vec<String> = self.lines.by_ref().map_while(Result::ok).collect();
        self.child.wait().unwrap();
        lines.join("\n")
    }

    /// What stands behind `mark` in the first line from here that has it.
    pub(crate) fn after(&mut self, mark: &str) -> String {
        for line in self.lines.by_ref() {
            if let Some((_, rest)) = line.unwrap().split_once(mark) {
                return rest.trim().to_owned();
            }
        }
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        unreachable!("it ended before it printed {mark}: {error}")
    }

    /// Asks it to end, as a service manager does, and gives its status.
    pub(crate) fn end(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Only where a test failed; otherwise it has ended.
        let _ = self.child.kill();
    }
}

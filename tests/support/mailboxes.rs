//! Receivers that other people wrote: Postfix's smtp-sink, and Dovecot's LMTP server with maildirs.
//!
//! Owns: their configuration and their processes. Must not know: who gives them mail.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{forwarder, tools};

/// A mail as one of them keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// The sender.
    pub from: String,
    /// The recipients: in a mailbox its one.
    pub to: Vec<String>,
    /// What was kept, with fields of the receiver's own in front.
    pub text: Vec<u8>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn wait_for_port(port: u16) {
    forwarder::wait_until("it listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
}

/// smtp-sink, which writes each mail to a file; it ends with this value.
pub struct Sink {
    child: Child,
    port: u16,
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Sink {
    /// Starts it, or says why not. `flags` are smtp-sink's.
    pub fn start_or_skip(flags: &[&str]) -> Option<Self> {
        let program = tools::find_or_skip("smtp-sink")?;
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let child = Self::spawn(&program, folder.path(), port, flags);
        Some(Self {
            child,
            port,
            program,
            folder,
        })
    }

    fn spawn(program: &Path, folder: &Path, port: u16, flags: &[&str]) -> Child {
        let mut command = tools::of_postfix(program);
        command
            .args(flags)
            .arg("-d")
            .arg(folder.join("mail."))
            .args(["-u", "root", &format!("127.0.0.1:{port}"), "1000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect("smtp-sink starts");
        wait_for_port(port);
        child
    }

    /// Another one at the same port, with other flags.
    pub fn restart(&mut self, flags: &[&str]) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.program, self.folder.path(), self.port, flags);
    }

    /// What `--to` says.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// How many files there are, complete or not.
    pub fn count(&self) -> usize {
        std::fs::read_dir(self.folder.path()).unwrap().count()
    }

    /// The mails that were ended. Each line ends with LF in them.
    pub fn mails(&self) -> Vec<Kept> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let texts = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        texts.filter_map(|text| Self::kept(&text)).collect()
    }

    fn kept(text: &[u8]) -> Option<Kept> {
        let shown = String::from_utf8_lossy(text);
        let values = |name: &str| -> Vec<String> {
            let lines = shown
                .lines()
                .take_while(|line| !line.starts_with("Received:"));
            let values = lines.filter_map(|line| line.strip_prefix(name));
            let path = |value: &str| {
                let (_, rest) = value.split_once('<')?;
                Some(rest.split_once('>')?.0.to_owned())
            };
            values.filter_map(path).collect()
        };
        Some(Kept {
            from: values("X-Mail-Args:").pop()?,
            to: values("X-Rcpt-Args:"),
            text: text.to_vec(),
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Dovecot's LMTP server on a socket, with a maildir for each recipient; its processes end with this value.
pub struct Dovecot {
    child: Child,
    folder: tempfile::TempDir,
}

impl Dovecot {
    /// Starts it, or says why not.
    pub fn start_or_skip() -> Option<Self> {
        let program = tools::find_or_skip("dovecot")?;
        if !Path::new("/usr/lib/dovecot/lmtp").exists() {
            tools::skip("Dovecot's LMTP server is not installed (Debian: dovecot-lmtpd)");
            return None;
        }
        if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
            tools::skip("an instance of Dovecot is started by root alone");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(path.join("mail")).unwrap();
        std::fs::set_permissions(path.join("mail"), std::fs::Permissions::from_mode(0o777))
            .unwrap();
        let shown = path.display();
        let text = format!(
            "base_dir = {shown}/run\nstate_dir = {shown}/state\nlog_path = {shown}/log\nprotocols = lmtp\nssl = no\n\
             mail_location = maildir:{shown}/mail/%u\nmail_save_crlf = yes\nmail_fsync = never\n\
             passdb {{\n  driver = static\n  args = nopassword=y\n}}\n\
             userdb {{\n  driver = static\n  args = uid=65534 gid=65534 home={shown}/mail/%u allow_all_users=yes\n}}\n\
             service lmtp {{\n  unix_listener lmtp {{\n    mode = 0666\n  }}\n  client_limit = 1\n  process_limit = 40\n}}\n\
             service stats {{\n  unix_listener stats-writer {{\n    mode = 0666\n  }}\n}}\n"
        );
        let config = path.join("dovecot.conf");
        std::fs::write(&config, text).unwrap();
        let child = Command::new(program)
            .args(["-F", "-c"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dovecot starts");
        let started = Self { child, folder };
        forwarder::wait_until("Dovecot listens", || {
            std::os::unix::net::UnixStream::connect(started.socket()).is_ok()
        });
        Some(started)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/lmtp")
    }

    /// What `--to` says.
    pub fn url(&self) -> String {
        format!("lmtp://{}", self.socket().display())
    }

    fn files(&self) -> Vec<(String, PathBuf)> {
        let mut files = Vec::new();
        for mailbox in std::fs::read_dir(self.folder.path().join("mail")).unwrap() {
            let mailbox = mailbox.unwrap();
            let name = mailbox.file_name().into_string().unwrap();
            if let Ok(new) = std::fs::read_dir(mailbox.path().join("new")) {
                files.extend(new.map(|file| (name.clone(), file.unwrap().path())));
            }
        }
        files
    }

    /// How many mails there are.
    pub fn count(&self) -> usize {
        self.files().len()
    }

    /// The mails of all mailboxes.
    pub fn mails(&self) -> Vec<Kept> {
        let files = self.files().into_iter();
        let kept = files.map(|(name, path)| {
            let text = std::fs::read(path).unwrap();
            let shown = String::from_utf8_lossy(&text);
            let from = shown
                .lines()
                .find_map(|line| line.strip_prefix("Return-Path: <")?.strip_suffix('>'));
            Kept {
                from: from.expect("Dovecot writes Return-Path").to_owned(),
                to: vec![name],
                text,
            }
        });
        kept.collect()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        tools::signal(self.child.id(), "TERM");
        let _ = self.child.wait();
    }
}

//! Postfix as a sending MTA: an instance of its own, with its own queue.
//!
//! Owns: its configuration and its processes. Must not know: which server it sends to.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::tools;

/// A Postfix instance that sends mail and accepts none: its processes end with this value.
pub struct Postfix<'a>(&'a Path);

const MASTER: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

impl<'a> Postfix<'a> {
    /// Whether this machine can run one; else it has been said why not.
    pub fn can_run_or_skip() -> bool {
        if tools::find_or_skip("postfix").is_none() {
            return false;
        }
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let can = Path::new("/etc/postfix/postfix-files").exists() && root;
        if !can {
            tools::skip("an instance of Postfix is started by root alone");
        }
        can
    }

    /// Starts it in a folder that its users may read. `relay` is its `relayhost`, one or several destinations in their order;
    /// `tls` its `smtp_tls_security_level`.
    pub fn start(folder: &'a Path, relay: &str, tls: &str) -> Self {
        let path = folder.display();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {path}/queue\ndata_directory = {path}/data\n\
             multi_instance_name = postfix-sender\nmulti_instance_enable = yes\nmeta_directory = /etc/postfix\n\
             myhostname = client.example\nmydestination =\nalias_maps =\nalias_database =\n\
             inet_interfaces = loopback-only\nrelayhost = {relay}\nsmtp_tls_security_level = {tls}\n\
             smtp_tls_session_cache_database = btree:{path}/data/sessions\nmaillog_file = {path}/queue/log\n\
             maillog_file_prefixes = {path}\n"
        );
        for folder_of in ["queue", "data"] {
            std::fs::create_dir(folder.join(folder_of)).unwrap();
        }
        tools::run(
            Command::new("chown")
                .arg("postfix")
                .arg(folder.join("data")),
            b"",
        );
        std::fs::write(folder.join("main.cf"), main).unwrap();
        std::fs::write(folder.join("master.cf"), MASTER).unwrap();
        let postfix = Self(folder);
        postfix.command("start");
        postfix
    }

    fn command(&self, what: &str) {
        let mut command = Command::new("/usr/sbin/postfix");
        command.arg("-c").arg(self.0).arg(what);
        // Its daemons would keep a pipe of ours open.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "postfix {what}");
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.0.join("queue/log")).unwrap_or_default()
    }

    /// Puts a mail into its queue.
    pub fn send(&self, from: &str, to: &[&str], message: &[u8]) {
        let mut command = Command::new("/usr/sbin/sendmail");
        command
            .arg("-C")
            .arg(self.0)
            .args(["-i", "-f", from])
            .args(to);
        tools::run(&mut command, message);
    }
}

impl Drop for Postfix<'_> {
    fn drop(&mut self) {
        self.command("stop");
    }
}

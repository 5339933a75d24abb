//! Who and where this process is, for owners of tables and holders of locks.

/// The user: `HADOOP_USER_NAME` as Hadoop's clients take it, else the operating system's.
pub(super) fn user() -> String {
    named("HADOOP_USER_NAME")
        .or_else(system_user)
        .or_else(|| named("USER"))
        .or_else(|| named("LOGNAME"))
        .or_else(|| named("USERNAME"))
        .unwrap_or_else(|| "unknown".to_string())
}

/// Name of this machine.
pub(super) fn host() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    kernel
        .map(|name| name.trim().to_string())
        .filter(|name| !name.is_empty())
        .or_else(|| named("HOSTNAME"))
        .or_else(|| named("COMPUTERNAME"))
        .unwrap_or_else(|| "localhost".to_string())
}

fn named(key: &str) -> Option<String> {
    std::env::var(key).ok().filter(|name| !name.is_empty())
}

/// The name of the user that owns this process.
#[cfg(target_os = "linux")]
fn system_user() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == id).then(|| name.to_string())
    })
}

#[cfg(not(target_os = "linux"))]
fn system_user() -> Option<String> {
    None
}

//! Hadoop's configuration files: `hive-site.xml`, `core-site.xml`.
//!
//! ```xml
//! <configuration><property><name>key</name><value>text</value></property></configuration>
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use paimon_core::{Error, ErrorKind, Result};

/// Largest configuration file, bytes.
const SIZE_MAX: u64 = 16 << 20;
/// Deepest `${..}` within `${..}`.
const DEPTH_MAX: usize = 20;

const HADOOP_FILES: [&str; 2] = ["core-site.xml", "hdfs-site.xml"];

/// Keys and values of configuration files.
#[derive(Debug, Clone, Default)]
pub(super) struct SiteConfig {
    values: BTreeMap<String, String>,
}

impl SiteConfig {
    /// Reads the files of the given folders. Where one is not given, the environment names it (`HIVE_CONF_DIR`;
    /// `HADOOP_CONF_DIR`, `HADOOP_HOME`), and without that there are no files.
    ///
    /// # Errors
    /// `InvalidInput` when a given folder has no such file or the file is malformed.
    pub(super) fn load(hive_folder: Option<&str>, hadoop_folder: Option<&str>) -> Result<Self> {
        let mut config = Self::default();
        config.load_hadoop(hadoop_folder)?;
        let named = std::env::var("HIVE_CONF_DIR").ok();
        let folder = hive_folder.map(str::to_string).or(named);
        if let Some(folder) = folder.filter(|f| !f.trim().is_empty()) {
            let file = local(&folder, "hive-conf-dir")?.join("hive-site.xml");
            config.read(&file, "hive-conf-dir")?;
        }
        Ok(config)
    }

    fn load_hadoop(&mut self, folder: Option<&str>) -> Result<()> {
        const OPTION: &str = "hadoop-conf-dir";
        let given = folder.filter(|f| !f.trim().is_empty());
        let folders = match given {
            Some(folder) => vec![local(folder, OPTION)?],
            None => hadoop_folders(),
        };
        for folder in folders {
            let files = HADOOP_FILES.map(|name| folder.join(name));
            let files: Vec<_> = files.iter().filter(|f| f.is_file()).collect();
            for file in &files {
                self.read(file, OPTION)?;
            }
            if !files.is_empty() {
                return Ok(());
            }
        }
        match given {
            None => Ok(()),
            Some(folder) => Err(Error::invalid(format!(
                "expected one of {} in the folder, found none",
                HADOOP_FILES.join(", ")
            ))
            .with("option", OPTION)
            .with("path", folder)),
        }
    }

    fn read(&mut self, file: &Path, option: &'static str) -> Result<()> {
        let failed = |e: std::io::Error| {
            Error::new(
                ErrorKind::InvalidInput,
                "a configuration file cannot be read",
            )
            .with("option", option)
            .with("path", file.display())
            .with_source(e)
        };
        let size = file.metadata().map_err(failed)?.len();
        if size > SIZE_MAX {
            return Err(
                Error::invalid("a configuration file is too large").with("path", file.display())
            );
        }
        let text = std::fs::read_to_string(file).map_err(failed)?;
        let found = properties(&text).map_err(|e| e.with("path", file.display()))?;
        self.values.extend(found);
        Ok(())
    }

    /// The value of a key, with `${other.key}` replaced where the other key is known.
    pub(super) fn get(&self, key: &str) -> Option<String> {
        let mut text = self.values.get(key)?.clone();
        for _ in 0..DEPTH_MAX {
            let Some(replaced) = self.substituted(&text) else {
                break;
            };
            text = replaced;
        }
        Some(text)
    }

    fn substituted(&self, text: &str) -> Option<String> {
        let start = text.find("${")?;
        let length = text[start..].find('}')?;
        let value = self.values.get(&text[start + 2..start + length])?;
        Some(format!(
            "{}{value}{}",
            &text[..start],
            &text[start + length + 1..]
        ))
    }
}

fn hadoop_folders() -> Vec<PathBuf> {
    let named = |key: &str| std::env::var_os(key).map(PathBuf::from);
    let home = named("HADOOP_HOME");
    let below = |path: &str| home.as_ref().map(|h| h.join(path));
    [named("HADOOP_CONF_DIR"), below("conf"), below("etc/hadoop")]
        .into_iter()
        .flatten()
        .collect()
}

fn local(folder: &str, option: &'static str) -> Result<PathBuf> {
    let path = folder.strip_prefix("file:").unwrap_or(folder);
    if path.contains("://") {
        return Err(
            Error::unsupported("configuration files are read from local folders only")
                .with("option", option)
                .with("path", folder),
        );
    }
    Ok(PathBuf::from(path))
}

/// Names and values of the properties of a file, in order.
fn properties(text: &str) -> Result<Vec<(String, String)>> {
    let mut reader = Reader { rest: text };
    let mut found = Vec::new();
    let (mut name, mut value) = (None, None);
    while let Some(tag) = reader.next_tag()? {
        match tag {
            "property" => (name, value) = (None, None),
            "name" => name = Some(reader.content("name")?),
            "value" => value = Some(reader.content("value")?),
            "/property" => {
                if let (Some(name), Some(value)) = (name.take(), value.take()) {
                    found.push((name.trim().to_string(), value.trim().to_string()));
                }
            }
            other if other.starts_with("xi:include") => {
                return Err(Error::unsupported(
                    "configuration files that include others (xi:include) are not supported",
                ));
            }
            _ => {}
        }
    }
    Ok(found)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The next tag without its brackets, past comments and declarations.
    fn next_tag(&mut self) -> Result<Option<&'a str>> {
        loop {
            let Some(start) = self.rest.find('<') else {
                return Ok(None);
            };
            self.rest = &self.rest[start..];
            let end = match self.rest {
                rest if rest.starts_with("<!--") => "-->",
                rest if rest.starts_with("<?") => "?>",
                _ => ">",
            };
            let tag = self.until(end)?;
            if end == ">" && !tag.starts_with("<!") {
                return Ok(Some(tag[1..].trim_end()));
            }
        }
    }

    /// What stands before `end`, which is skipped.
    fn until(&mut self, end: &str) -> Result<&'a str> {
        let at = self.rest.find(end);
        let at = at
            .ok_or_else(|| Error::invalid(format!("expected {end:?} in the configuration file")))?;
        let found = &self.rest[..at];
        self.rest = &self.rest[at + end.len()..];
        Ok(found)
    }

    fn content(&mut self, tag: &str) -> Result<String> {
        let text = self.until(&format!("</{tag}>"))?;
        match text
            .trim()
            .strip_prefix("<![CDATA[")
            .and_then(|t| t.strip_suffix("]]>"))
        {
            Some(plain) => Ok(plain.to_string()),
            None => unescaped(text),
        }
    }
}

fn unescaped(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(';');
        let end = end.ok_or_else(|| Error::invalid("expected ';' after '&' in a value"))? + at;
        out.push(entity(&rest[at + 1..end])?);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn entity(name: &str) -> Result<char> {
    let code = match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        other => match other.strip_prefix("#x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => other.strip_prefix('#').and_then(|d| d.parse().ok()),
        },
    };
    code.and_then(char::from_u32)
        .ok_or_else(|| Error::invalid(format!("expected a character entity, found &{name};")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_give_their_properties_with_references_resolved() {
        let folder = tempfile::tempdir().unwrap();
        let text = "<?xml version=\"1.0\"?>\n<!-- <property> --><configuration>\n\
            <property><name>a</name><value>x &amp; &#65;</value><description>d</description></property>\n\
            <property><value>${a}/${nope}</value><name> b </name><final>true</final></property>\n\
            <property><name>loop</name><value>${loop}</value></property>\n\
            <property><name>empty</name></property></configuration>";
        std::fs::write(folder.path().join("hive-site.xml"), text).unwrap();
        let path = folder.path().to_str().unwrap();
        let config = SiteConfig::load(Some(path), None).unwrap();
        assert_eq!(config.get("a").as_deref(), Some("x & A"));
        assert_eq!(config.get("b").as_deref(), Some("x & A/${nope}"));
        assert_eq!(config.get("loop").as_deref(), Some("${loop}"));
        assert_eq!(config.get("empty"), None);
        let error = SiteConfig::load(None, Some(path)).unwrap_err().to_string();
        assert!(error.contains("hadoop-conf-dir"), "{error}");
    }

    #[test]
    fn malformed_files_are_errors() {
        for text in [
            "<property><name>a</name><value>b",
            "<property><name>a</name><value>&bad;</value></property>",
            "<!-- never closed",
            "<xi:include href=\"x\"/>",
        ] {
            assert!(properties(text).is_err(), "{text}");
        }
    }
}

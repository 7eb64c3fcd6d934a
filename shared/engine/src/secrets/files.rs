//! Secrets in files of a directory that only their owner can read, one file for each.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{ExposeSecret, SecretName, SecretString, Secrets, SecretsError, check_length};
use crate::clock::lock;

/// Secrets in a directory.
#[derive(Clone, Debug)]
pub struct Files {
    dir: Arc<Path>,
    /// Two writers of one secret would share its temporary file.
    writing: Arc<Mutex<()>>,
}

impl Files {
    /// The secrets in a directory, which is made with mode 0700 if there is none.
    ///
    /// # Errors
    ///
    /// Others than the owner may enter the directory.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, SecretsError> {
        let dir: PathBuf = dir.into();
        make_private_dir(&dir).map_err(|error| SecretsError {
            operation: "open",
            name: dir.display().to_string(),
            detail: error.to_string(),
        })?;
        Ok(Self { dir: dir.into(), writing: Arc::default() })
    }

    /// Does one operation on the file of a secret, away from the threads of the executor: writing
    /// waits for the disk.
    async fn on_file<T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &SecretName,
        work: impl FnOnce(&Place) -> io::Result<T> + Send + 'static,
    ) -> Result<T, SecretsError> {
        let (dir, writing, file) =
            (Arc::clone(&self.dir), Arc::clone(&self.writing), file_name(name));
        let task = tokio::task::spawn_blocking(move || {
            let _alone = lock(&writing);
            work(&Place { dir: &dir, file: &file })
        });
        let result = task.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        result.map_err(|error| SecretsError {
            operation,
            name: name.as_str().to_owned(),
            detail: error.to_string(),
        })
    }
}

#[async_trait]
impl Secrets for Files {
    async fn get(&self, name: &SecretName) -> Result<Option<SecretString>, SecretsError> {
        self.on_file("read", name, read).await
    }

    async fn put(&self, name: &SecretName, value: &SecretString) -> Result<(), SecretsError> {
        check_length(name, value)?;
        let value = value.clone();
        self.on_file("write", name, move |place| write(place, &value)).await
    }

    async fn delete(&self, name: &SecretName) -> Result<(), SecretsError> {
        self.on_file("delete", name, delete).await
    }
}

/// A point for each `/`: names are made of `a-z`, `0-9`, `-` and `/`, so no two share a file, none
/// leaves the directory, and none is hidden as the temporary files are.
fn file_name(name: &SecretName) -> String {
    name.as_str().replace('/', ".")
}

struct Place<'a> {
    dir: &'a Path,
    file: &'a str,
}

impl Place<'_> {
    fn path(&self) -> PathBuf {
        self.dir.join(self.file)
    }
}

fn read(place: &Place<'_>) -> io::Result<Option<SecretString>> {
    let path = place.path();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    refuse_open_to_others(&path, &file.metadata()?, "600")?;
    Ok(Some(SecretString::from(io::read_to_string(file)?)))
}

/// Writes beside the file, waits for the disk, then takes its place: a reader, or the next start
/// after a crash, sees the old value or the new one.
fn write(place: &Place<'_>, value: &SecretString) -> io::Result<()> {
    let beside = place.dir.join(format!(".{}.new", place.file));
    // Left by a crash.
    remove_if_there(&beside)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(value.expose_secret().as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, place.path())?;
    sync_dir(place.dir)
}

fn delete(place: &Place<'_>) -> io::Result<()> {
    remove_if_there(&place.path())?;
    sync_dir(place.dir)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700).create(dir)?;
    refuse_open_to_others(dir, &fs::metadata(dir)?, "700")
}

#[cfg(not(unix))]
fn make_private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(unix)]
fn refuse_open_to_others(path: &Path, found: &fs::Metadata, wanted: &str) -> io::Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o777;
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(io::Error::other(format!(
        "other users of this machine may use {path} (mode {mode:o}): chmod {wanted} {path}, and change the secret if they did"
    )))
}

#[cfg(not(unix))]
fn refuse_open_to_others(_: &Path, _: &fs::Metadata, _: &str) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    // C4
    #[tokio::test]
    async fn files_and_directory_are_for_the_owner_only() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("data/secrets");
        let secrets = Files::open(&dir).unwrap();
        secrets.put(&SecretName::halo(), &"s3cret".into()).await.unwrap();
        let file = dir.join("halo.client-secret");
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));

        set_mode(&file, 0o640);
        let refusal = secrets.get(&SecretName::halo()).await.unwrap_err().to_string();
        assert!(refusal.contains("chmod 600") && !refusal.contains("s3cret"), "{refusal}");
        secrets.put(&SecretName::halo(), &"n3w".into()).await.unwrap();
        assert_eq!(mode(&file), 0o600, "a new value closes the file again");

        set_mode(&dir, 0o750);
        let refusal = Files::open(&dir).unwrap_err().to_string();
        assert!(refusal.contains("chmod 700"), "{refusal}");
    }

    #[tokio::test]
    async fn what_a_crash_left_beside_the_file_is_no_value_and_no_obstacle() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("secrets");
        let secrets = Files::open(&dir).unwrap();
        fs::write(dir.join(".halo.client-secret.new"), "half").unwrap();
        assert!(secrets.get(&SecretName::halo()).await.unwrap().is_none());
        secrets.put(&SecretName::halo(), &"whole".into()).await.unwrap();
        let found = secrets.get(&SecretName::halo()).await.unwrap().unwrap();
        assert_eq!(found.expose_secret(), "whole");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }
}

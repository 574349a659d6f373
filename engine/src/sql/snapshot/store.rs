//! Where snapshots are: objects under a folder, written whole and flushed to disk before the call returns.
//!
//! It goes through `object_store`, so that a bucket can stand where the folder is. Calls block: a worker writes its own
//! state and does nothing else meanwhile.

use std::path::Path as FilePath;
use std::sync::Arc;

use futures::TryStreamExt;
use futures::executor::block_on;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::SnapshotError;

/// The greatest object that is read: parts are far smaller, so what is greater is not a part.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// A folder of objects.
#[derive(Clone, Debug)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    folder: String,
}

impl Store {
    /// A folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &FilePath) -> Result<Self, SnapshotError> {
        let name = folder.display().to_string();
        std::fs::create_dir_all(folder).map_err(|e| failed("make the folder", &name, e))?;
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(|e| failed("open the folder", &name, e))?;
        Ok(Store { objects: Arc::new(objects.with_fsync(true)), folder: name })
    }

    /// The folder, as it was given.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Writes an object; it is there whole once this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), SnapshotError> {
        block_on(self.objects.put(&Path::from(path), bytes.into())).map(|_| ()).map_err(|e| failed("write", path, e))
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When it is not there, too great or cannot be read.
    pub fn get(&self, path: &str) -> Result<Vec<u8>, SnapshotError> {
        let read = async {
            let found = self.objects.get(&Path::from(path)).await.map_err(|e| failed("read", path, e))?;
            if found.meta.size > OBJECT_BYTES_MAX {
                return Err(failed("read", path, format!("it is greater than {OBJECT_BYTES_MAX} bytes")));
            }
            found.bytes().await.map_err(|e| failed("read", path, e))
        };
        block_on(read).map(|bytes| bytes.to_vec())
    }

    /// Reads a part of an object.
    ///
    /// # Errors
    /// When it is not there, too great or cannot be read.
    pub fn get_range(&self, path: &str, offset: u64, bytes: u64) -> Result<Vec<u8>, SnapshotError> {
        let end = offset.checked_add(bytes).filter(|_| bytes <= OBJECT_BYTES_MAX);
        let end = end.ok_or_else(|| failed("read", path, format!("more than {OBJECT_BYTES_MAX} bytes of it are asked for")))?;
        let at = Path::from(path);
        block_on(self.objects.get_range(&at, offset..end)).map(|bytes| bytes.to_vec()).map_err(|e| failed("read", path, e))
    }

    /// The objects under a prefix, in order.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn list(&self, prefix: &str) -> Result<Vec<String>, SnapshotError> {
        let prefix_path = Path::from(prefix);
        let listed = self.objects.list(Some(&prefix_path)).map_ok(|m| m.location.to_string()).try_collect::<Vec<_>>();
        let mut found = block_on(listed).map_err(|e| failed("list", prefix, e))?;
        found.sort_unstable();
        Ok(found)
    }

    /// Takes objects away.
    ///
    /// # Errors
    /// With the first that cannot be taken away.
    pub fn delete(&self, paths: &[String]) -> Result<(), SnapshotError> {
        let deleted = async {
            for path in paths {
                self.objects.delete(&Path::from(path.as_str())).await.map_err(|e| failed("take away", path, e))?;
            }
            Ok(())
        };
        block_on(deleted)
    }
}

fn failed(attempted: &'static str, path: &str, cause: impl ToString) -> SnapshotError {
    SnapshotError::Store { attempted, path: path.to_string(), cause: cause.to_string() }
}

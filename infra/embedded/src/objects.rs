use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::sync::RwLock;

/// No bucket can have this name, so no request reaches what is inside.
const ARRIVING: &str = ".arriving";
/// The longest file name on the file systems in common use.
const FILE_NAME_BYTES: usize = 255;

/// Objects in a folder, one file each, by s3s-fs.
///
/// Alone, s3s-fs checks a put's condition before the upload and its checksum
/// after replacing the object, and writes the object and its attributes one
/// after the other. Here a put goes to a root folder of its own first, where
/// s3s-fs checks it; what it wrote there is then moved to the same names under
/// the served root, in one step as far as any reader can see.
pub(crate) struct Objects {
    served: FileSystem,
    root: PathBuf,
    arriving: PathBuf,
    /// Held to write while a put is published or an object deleted, to read
    /// while an object and its attributes are looked up. Never during an upload.
    visible: RwLock<()>,
}

impl Objects {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        let arriving = root.join(ARRIVING);
        // Left by a process that was killed during an upload.
        match fs::remove_dir_all(&arriving) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir(&arriving)?,
        }
        let served = file_system(&root).map_err(io::Error::other)?;
        Ok(Self { served, root, arriving, visible: RwLock::new(()) })
    }

    fn object(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let folder = self.root.join(bucket);
        if !folder.is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        if attributes_name_bytes(bucket, key) > FILE_NAME_BYTES {
            return Err(s3_error!(KeyTooLongError));
        }
        // Otherwise `..` would lead out of the bucket.
        if key.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(s3_error!(InvalidArgument, "a key is plain names between slashes"));
        }
        Ok(folder.join(key))
    }
}

/// s3s-fs keeps an object's attributes in `.bucket-<b>.object-<k>.metadata.json`,
/// bucket and key in base64.
fn attributes_name_bytes(bucket: &str, key: &str) -> usize {
    let base64 = |text: &str| (text.len() * 4).div_ceil(3);
    ".bucket-.object-.metadata.json".len() + base64(bucket) + base64(key)
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.served.create_bucket(req).await.map_err(|error| match error.code() {
            // There is one owner here, and this is what AWS answers it.
            S3ErrorCode::BucketAlreadyExists => s3_error!(BucketAlreadyOwnedByYou),
            _ => error,
        })
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.served.head_bucket(req).await
    }

    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        self.served.list_buckets(req).await
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.served.list_objects_v2(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let path = self.object(&req.input.bucket, &req.input.key)?;
        let _visible = self.visible.read().await;
        // s3s-fs would answer with the folder.
        if !path.is_file() {
            return Err(s3_error!(NoSuchKey));
        }
        // It would give what is there for any version; there are none here.
        if req.input.version_id.is_some() {
            return Err(s3_error!(NoSuchVersion));
        }
        self.served.get_object(req).await
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let path = self.object(&req.input.bucket, &req.input.key)?;
        let _visible = self.visible.read().await;
        if !path.is_file() {
            return Err(s3_error!(NoSuchKey));
        }
        self.served.head_object(req).await
    }

    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let path = self.object(&req.input.bucket, &req.input.key)?;
        let only_if_absent = match (req.input.if_none_match.take(), &req.input.if_match) {
            (None, None) => false,
            (Some(ETagCondition::Any), None) => true,
            _ => {
                return Err(s3_error!(NotImplemented, "the one condition offered is If-None-Match: *"));
            }
        };

        let arriving = TempDir::new_in(&self.arriving).map_err(unwritten)?;
        let response = file_system(arriving.path())?.put_object(req).await.map_err(with_reason)?;

        let _visible = self.visible.write().await;
        if only_if_absent && path.is_file() {
            return Err(s3_error!(PreconditionFailed, "Object already exists"));
        }
        publish(arriving.path(), &self.root, &path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists
            | ErrorKind::DirectoryNotEmpty
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory => s3_error!(error, InvalidRequest, "a key cannot be the folder of another"),
            _ => unwritten(error),
        })?;
        Ok(response)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let path = self.object(&req.input.bucket, &req.input.key)?;
        let _visible = self.visible.write().await;
        if !path.is_file() {
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        self.served.delete_object(req).await
    }
}

fn unwritten(error: io::Error) -> S3Error {
    with_reason(S3Error::internal_error(error))
}

/// What the system said, such as that the disk is full. Without a message an
/// answer would not tell.
fn with_reason(mut error: S3Error) -> S3Error {
    let reason = error.source().map(ToString::to_string).filter(|_| error.message().is_none());
    if let Some(reason) = reason {
        error.set_message(reason);
    }
    error
}

fn file_system(root: &Path) -> S3Result<FileSystem> {
    FileSystem::new(root).map_err(Into::into)
}

/// Moves the one object under `from`, and the files beside it in `from` that
/// hold its attributes, to the same names under `to`.
///
/// The old attributes go first and the new ones come last: killed on the way,
/// the process leaves an object without attributes, whose ETag is then computed,
/// and never an object with the checksum of another.
fn publish(from: &Path, to: &Path, path: &Path) -> io::Result<()> {
    let mut attributes = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            attributes.push((entry.path(), to.join(entry.file_name())));
        }
    }
    for (_, old) in &attributes {
        match fs::remove_file(old) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let relative = path.strip_prefix(to).map_err(io::Error::other)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::rename(from.join(relative), path)?;
    for (new, place) in &attributes {
        fs::rename(new, place)?;
    }
    Ok(())
}

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::thread;
use std::time::Duration;

use dynoxide::Database;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::clients::{ACCESS_KEY, SECRET_KEY};
use crate::error::EmbeddedError;
use crate::objects::Objects;

/// Two threads of their own gave 9.5 thousand puts per second, sharing the
/// caller's gave 5.8.
const WORKER_THREADS: usize = 2;
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Accepting fails while file handles are short; trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What every file of SQLite begins with.
const SQLITE_HEAD: &[u8; 16] = b"SQLite format 3\0";
const BACKLOG: u32 = 1024;
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What is served, and from where.
pub(crate) struct Place {
    directory: PathBuf,
    /// `None` keeps the tables in memory.
    database: Option<PathBuf>,
}

impl Place {
    pub(crate) fn in_memory(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), database: None }
    }

    pub(crate) fn on_disk(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), database: Some(directory.join(crate::DATABASE)) }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) dynamodb: u16,
    pub(crate) s3: u16,
}

/// Serves until the sender behind `stop` is dropped. On return every file is
/// closed and the directory is free again.
pub(crate) fn run(
    place: &Place,
    s3_port: u16,
    ready: oneshot::Sender<Result<Ports, EmbeddedError>>,
    stop: watch::Receiver<()>,
) {
    let opened = Opened::open(place, s3_port);
    let (opened, ports) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let Opened { lock, runtime, database, objects, dynamodb, s3 } = opened;
    runtime.block_on(async {
        let mut servers = JoinSet::new();
        let until = stopped(stop.clone());
        servers.spawn(async move {
            let _ = dynoxide::server::serve_with_shutdown(dynamodb, database, until).await;
        });
        servers.spawn(serve_s3(s3, objects, stop.clone()));
        let _ = ready.send(Ok(ports));
        stopped(stop).await;
        let _ = tokio::time::timeout(STOP_GRACE, servers.join_all()).await;
    });
    // Drops what is left of the connections and with them the database, before
    // the next process may have the directory.
    drop(runtime);
    drop(lock);
}

struct Opened {
    lock: File,
    runtime: runtime::Runtime,
    database: Database,
    objects: S3Service,
    dynamodb: TcpListener,
    s3: TcpListener,
}

impl Opened {
    fn open(place: &Place, s3_port: u16) -> Result<(Self, Ports), EmbeddedError> {
        let directory = &place.directory;
        fs::create_dir_all(directory).map_err(EmbeddedError::at("create the data directory", directory))?;
        let lock = lock(directory)?;
        let database = open_database(place.database.as_deref())?;
        let objects = open_objects(&directory.join("s3"))?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .thread_name("interline-embedded")
            .enable_all()
            .build()
            .map_err(EmbeddedError::Threads)?;
        let entered = runtime.enter();
        let (dynamodb, dynamodb_port) = listen(0)?;
        let (s3, s3_port) = listen(s3_port)?;
        drop(entered);
        let opened = Self { lock, runtime, database, objects, dynamodb, s3 };
        Ok((opened, Ports { dynamodb: dynamodb_port, s3: s3_port }))
    }
}

fn lock(directory: &Path) -> Result<File, EmbeddedError> {
    let path = directory.join("lock");
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(EmbeddedError::at("open", &path))?;
    // A process that is about to end lets go a moment later.
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(EmbeddedError::at("lock", path)(source)),
        }
    }
    Err(EmbeddedError::InUse(directory.to_owned()))
}

fn open_database(path: Option<&Path>) -> Result<Database, EmbeddedError> {
    let opened = match path {
        None => Database::memory(),
        Some(path) => {
            let text = path.to_str().ok_or_else(|| EmbeddedError::NotUtf8(path.to_owned()))?;
            Database::new(text)
        }
    };
    opened.map_err(|source| match path {
        Some(path) if is_damaged(path, &source.to_string()) => EmbeddedError::Damaged(path.to_owned()),
        _ => {
            EmbeddedError::Database { path: path.unwrap_or(Path::new(":memory:")).to_owned(), source: Box::new(source) }
        }
    })
}

/// Whether a file that SQLite refuses can be read and is none of its files.
fn is_damaged(path: &Path, reason: &str) -> bool {
    let mut head = [0; SQLITE_HEAD.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && (head != *SQLITE_HEAD || reason.contains("malformed"))
}

fn open_objects(root: &Path) -> Result<S3Service, EmbeddedError> {
    let objects = Objects::open(root).map_err(EmbeddedError::at("keep objects in", root))?;
    let mut service = S3ServiceBuilder::new(objects);
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    Ok(service.build())
}

fn listen(port: u16) -> Result<(TcpListener, u16), EmbeddedError> {
    let listen = || -> io::Result<(TcpListener, u16)> {
        let socket = TcpSocket::new_v4()?;
        // A fixed port must be free again right after a restart; on Windows the
        // same option would let two processes share it.
        socket.set_reuseaddr(cfg!(unix))?;
        // Accepted sockets inherit this, and the DynamoDB server offers no other way.
        socket.set_nodelay(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let listener = socket.listen(BACKLOG)?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    };
    listen().map_err(|source| EmbeddedError::Listen { port, source })
}

async fn stopped(mut stop: watch::Receiver<()>) {
    while stop.changed().await.is_ok() {}
}

async fn serve_s3(listener: TcpListener, objects: S3Service, stop: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut until = pin!(stopped(stop.clone()));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(serve_connection(socket, objects.clone(), stop.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = &mut until => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_connection(socket: TcpStream, objects: S3Service, stop: watch::Receiver<()>) {
    // 28 reads per second without, 2,041 with.
    let _ = socket.set_nodelay(true);
    let server = auto::Builder::new(TokioExecutor::new()).http1_only();
    let mut connection = pin!(server.serve_connection(TokioIo::new(socket), objects));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

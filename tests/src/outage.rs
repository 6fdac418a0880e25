//! A store that goes away and comes back under the same address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// More than any test has connections.
const BACKLOG: u32 = 1024;
/// A small answer comes in one piece, a page of entries in several.
const PIECE: usize = 1 << 16;

/// What callers meet while a store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Nobody listens.
    Refused,
    /// Connections are taken and broken off.
    Reset,
    /// Connections are taken and nothing ever comes back, then or later.
    Silent,
}

/// An address that passes everything on to a store, until it is told not to.
pub struct Endpoint {
    address: SocketAddr,
    line: Arc<Line>,
    /// What the address does by now, which follows what it was told.
    done: watch::Receiver<Option<Outage>>,
}

struct Line {
    outage: watch::Sender<Option<Outage>>,
    /// Answers that pass before the outage that comes by itself; negative if none does.
    answers_left: AtomicI64,
    next: std::sync::Mutex<Outage>,
}

impl Endpoint {
    /// In front of `http://127.0.0.1:<port>`.
    pub async fn of(url: &str) -> Self {
        let target = url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = reserve("127.0.0.1:0".parse().unwrap()).listen(BACKLOG).unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(Line {
            outage: watch::Sender::new(None),
            answers_left: AtomicI64::new(-1),
            next: std::sync::Mutex::new(Outage::Reset),
        });
        let (doing, done) = watch::channel(None);
        tokio::spawn(serve(listener, target, line.clone(), doing));
        Self { address, line, done }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn goes_away(&self, outage: Outage) {
        self.line.outage.send_replace(Some(outage));
        self.does(Some(outage)).await;
    }

    /// Goes away with an answer: what it tells was done, and the caller does not
    /// hear of it. So many answers come before.
    pub fn goes_away_after(&self, answers: i64, outage: Outage) {
        *self.line.next.lock().unwrap() = outage;
        self.line.answers_left.store(answers, Ordering::SeqCst);
    }

    pub fn is_away(&self) -> bool {
        self.line.outage.borrow().is_some()
    }

    pub async fn comes_back(&self) {
        self.line.answers_left.store(-1, Ordering::SeqCst);
        self.line.outage.send_replace(None);
        self.does(None).await;
    }

    async fn does(&self, what: Option<Outage>) {
        self.done.clone().wait_for(|done| *done == what).await.unwrap();
    }
}

impl Line {
    /// Whether an answer passes. The one that does not takes the store with it.
    fn passes(&self) -> bool {
        match self.answers_left.load(Ordering::SeqCst) {
            i64::MIN..0 => true,
            _ if self.answers_left.fetch_sub(1, Ordering::SeqCst) > 0 => true,
            _ => {
                let next = *self.next.lock().unwrap();
                self.outage.send_replace(Some(next));
                false
            }
        }
    }
}

/// Nobody else gets the address, and who connects to it is refused.
fn reserve(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

enum Place {
    Listening(TcpListener),
    Reserved(TcpSocket),
}

async fn serve(listener: TcpListener, target: SocketAddr, line: Arc<Line>, doing: watch::Sender<Option<Outage>>) {
    let address = listener.local_addr().unwrap();
    let mut place = Place::Listening(listener);
    let mut outage = line.outage.subscribe();
    loop {
        let now = *outage.borrow_and_update();
        place = match (place, now) {
            (Place::Listening(listener), Some(Outage::Refused)) => {
                drop(listener);
                Place::Reserved(reserve(address))
            }
            (Place::Reserved(socket), None | Some(Outage::Reset | Outage::Silent)) => {
                Place::Listening(socket.listen(BACKLOG).unwrap())
            }
            (place, _) => place,
        };
        doing.send_replace(now);
        loop {
            let accepted = async {
                match &place {
                    Place::Listening(listener) => listener.accept().await,
                    Place::Reserved(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = outage.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                accepted = accepted => {
                    let (client, _) = accepted.unwrap();
                    tokio::spawn(connection(client, target, line.clone()));
                }
            }
        }
    }
}

async fn connection(mut client: TcpStream, target: SocketAddr, line: Arc<Line>) {
    let mut outage = line.outage.subscribe();
    let now = *outage.borrow_and_update();
    if now.is_none() {
        // Without, small requests wait for the acknowledgement of those before.
        client.set_nodelay(true).unwrap();
        let mut store = TcpStream::connect(target).await.unwrap();
        store.set_nodelay(true).unwrap();
        let (mut requests, mut to_client) = client.split();
        let (mut answers, mut to_store) = store.split();
        let ask = tokio::io::copy(&mut requests, &mut to_store);
        let answer = async {
            let mut piece = vec![0; PIECE];
            loop {
                match answers.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) if !line.passes() => std::future::pending().await,
                    Ok(length) => {
                        if to_client.write_all(&piece[..length]).await.is_err() {
                            return;
                        }
                    }
                }
            }
        };
        tokio::select! {
            biased;
            _ = outage.changed() => {}
            _ = ask => return,
            () = answer => return,
        }
    }
    match *line.outage.borrow() {
        None | Some(Outage::Refused | Outage::Reset) => {
            let _ = client.set_zero_linger();
            return;
        }
        Some(Outage::Silent) => {}
    }
    // Open and silent for as long as the test runs.
    std::future::pending().await
}

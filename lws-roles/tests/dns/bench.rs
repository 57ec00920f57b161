//! A context whose names are resolved by the servers of a test, and a user who asks.

use lws::dns::{AsyncDns, DnsHandle, DnsSettings};
use lws::{
    Close, ConnectInfo, Context, DnsError, DnsType, Protocol, Reason, RetryPolicy, Vh, VhostId, VhostReason, Wsi,
};
use lws_roles as lws;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Longest that a test waits for something that should happen soon.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again soon, and often: so no result hangs on time.
const SOON: RetryPolicy =
    RetryPolicy { retry_ms_table: &[200, 400, 1000], conceal_count: 30, jitter_percent: 20, ..RetryPolicy::DEFAULT };

#[derive(Default)]
struct Heard {
    answers: Vec<(u32, Result<Vec<String>, DnsError>)>,
    connected: usize,
    errors: Vec<String>,
}

struct User(Rc<RefCell<Heard>>);

impl Protocol for User {
    const NAME: &'static str = "user";
    type Session = ();

    fn callback(&mut self, _: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            Reason::RawConnected => self.0.borrow_mut().connected += 1,
            Reason::ClientConnectionError(why) => self.0.borrow_mut().errors.push(why.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, _: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::AsyncDns(told) = reason {
            let result = told.result.map(|info| info.addresses().iter().map(ToString::to_string).collect());
            self.0.borrow_mut().answers.push((told.key, result));
        }
        Ok(())
    }
}

/// See the module's head.
pub(crate) struct Bench {
    pub(crate) context: Context,
    pub(crate) dns: DnsHandle,
    vhost: VhostId,
    heard: Rc<RefCell<Heard>>,
    asked: u32,
}

/// No files, no servers but those that a test adds.
pub(crate) fn settings() -> DnsSettings {
    DnsSettings::new().resolv_conf(None).hosts(None).retry_policy(SOON)
}

impl Bench {
    /// Names are asked of these servers.
    pub(crate) fn new(servers: &[SocketAddr]) -> Self {
        Self::with(servers.iter().fold(settings(), |settings, &server| settings.server(server)))
    }

    pub(crate) fn with(settings: DnsSettings) -> Self {
        Self::of(settings, |builder| builder)
    }

    pub(crate) fn of(settings: DnsSettings, more: impl FnOnce(lws::ContextBuilder) -> lws::ContextBuilder) -> Self {
        let resolver = AsyncDns::new(settings);
        let dns = resolver.handle();
        let heard = Rc::<RefCell<Heard>>::default();
        let mut context = more(lws::context().async_resolver(resolver)).create().expect("a context");
        let vhost = lws::Vhost::new("client").without_proxy().protocol(User(Rc::clone(&heard)));
        let vhost = context.create_vhost(vhost).expect("a vhost");
        Self { context, dns, vhost, heard, asked: 0 }
    }

    /// Asks, and gives the key of the answer.
    pub(crate) fn ask(&mut self, name: &str, kind: DnsType) -> u32 {
        self.asked += 1;
        self.context.vh(self.vhost, "user").expect("it is there").async_dns_query(name, kind, self.asked);
        self.asked
    }

    pub(crate) fn answer_of(&self, key: u32) -> Option<Result<Vec<String>, DnsError>> {
        let heard = self.heard.borrow();
        let mut found = heard.answers.iter().filter(|(other, _)| *other == key);
        let answer = found.next()?.1.clone();
        assert!(found.next().is_none(), "answered twice");
        Some(answer)
    }

    /// Turns until `done`.
    #[track_caller]
    pub(crate) fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "not after {PATIENCE:?}: {:?}", self.dns.statistics());
            self.context.service(Some(Duration::from_millis(20))).expect("the poll works");
        }
    }

    /// Asks and waits for the answer.
    #[track_caller]
    pub(crate) fn resolve(&mut self, name: &str, kind: DnsType) -> Result<Vec<String>, DnsError> {
        let key = self.ask(name, kind);
        self.until(|bench| bench.answer_of(key).is_some());
        self.answer_of(key).expect("it came")
    }

    /// Connects to a name and waits for what comes of it: nothing, or the error.
    #[track_caller]
    pub(crate) fn connect(&mut self, name: &str, port: u16) -> Result<(), String> {
        let before = (self.heard.borrow().connected, self.heard.borrow().errors.len());
        let info = ConnectInfo::new(name, port).method("RAW");
        self.context.vh(self.vhost, "user").expect("it is there").client_connect(info);
        self.until(|bench| (bench.heard.borrow().connected, bench.heard.borrow().errors.len()) != before);
        match self.heard.borrow().errors.get(before.1) {
            Some(why) => Err(why.clone()),
            None => Ok(()),
        }
    }
}

//! api-test-ntpclient: the NTP client against servers of this test over loopback, some of them liars, and
//! against chronyd where it is installed.

use api_tests::{PATIENCE, Tests, peer, wait_until};
use lws::dns::{AsyncDns, DnsSettings};
use lws::ntp::wire::{PACKET, Packet, Timestamp, request};
use lws::ntp::{NtpClient, NtpSettings};
use lws::{Context, SystemState};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HOUR_US: i64 = 3_600_000_000;

/// What a server of this test is like.
#[derive(Clone, Copy)]
enum Kind {
    /// Its clock is off by so many microseconds.
    Off(i64),
    Kiss(&'static [u8; 4]),
    Unsynchronised,
    /// It answers what wasn't asked.
    Forger,
    Dead,
}

fn reply(kind: Kind, request: &[u8]) -> Option<Vec<u8>> {
    let off = if let Kind::Off(us) = kind { us } else { 0 };
    let now = Timestamp::from_unix_us(lws::wall_us().wrapping_add_signed(off));
    let mut packet = vec![0; PACKET];
    packet.get_mut(..2)?.copy_from_slice(&[0b00_100_100, 2]);
    packet.get_mut(24..32)?.copy_from_slice(request.get(40..48)?);
    packet.get_mut(32..40)?.copy_from_slice(&now.0.to_be_bytes());
    packet.get_mut(40..48)?.copy_from_slice(&now.0.to_be_bytes());
    match kind {
        Kind::Off(_) => {}
        Kind::Kiss(code) => {
            *packet.get_mut(1)? = 0;
            packet.get_mut(12..16)?.copy_from_slice(code);
        }
        Kind::Unsynchronised => *packet.first_mut()? |= 0xc0,
        Kind::Forger => *packet.get_mut(24)? ^= 1,
        Kind::Dead => return None,
    }
    Some(packet)
}

/// A server in a thread that ends with the program.
fn serve(kind: Kind) -> std::io::Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let at = socket.local_addr()?;
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        loop {
            // an error is of a client that has gone
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
            if let Some(packet) = buffer.get(..len).and_then(|request| reply(kind, request)) {
                let _ = socket.send_to(&packet, from);
            }
        }
    });
    Ok(at)
}

/// A context that asks these servers.
fn asking(servers: &[SocketAddr]) -> Result<Context, Box<dyn std::error::Error>> {
    let servers = servers.iter().map(SocketAddr::to_string);
    let settings = NtpSettings::default().servers(servers).patience(Duration::from_millis(500));
    // the difference is the context's own: nobody sets the machine's clock
    Ok(lws::context().system_protocol(NtpClient::new(settings)?).create()?)
}

/// How far the context's clock is from the machine's, seconds.
fn difference(context: &Context) -> f64 {
    let machine = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (context.wall_us() as f64 - machine.as_micros() as f64) / 1e6
}

fn operational(context: &mut Context) -> bool {
    wait_until(context, PATIENCE, |context| context.system_state() == SystemState::Operational)
}

/// The context gets to OPERATIONAL with its clock off the machine's by so many hours.
fn told(tests: &mut Tests, what: &str, kinds: &[Kind], hours: f64) -> Result<(), Box<dyn std::error::Error>> {
    let servers: Vec<_> = kinds.iter().map(|kind| serve(*kind)).collect::<Result<_, _>>()?;
    let mut context = asking(&servers)?;
    tests.check(&format!("{what}: OPERATIONAL"), operational(&mut context));
    let off = difference(&context) - hours * 3600.0;
    tests.check(&format!("{what}: off by {off} s"), off.abs() < 1.0);
    Ok(())
}

/// Turns for a while; the state stays before TIME_VALID.
fn waits(tests: &mut Tests, what: &str, kinds: &[Kind]) -> Result<(), Box<dyn std::error::Error>> {
    let servers: Vec<_> = kinds.iter().map(|kind| serve(*kind)).collect::<Result<_, _>>()?;
    let mut context = asking(&servers)?;
    let until = Instant::now() + Duration::from_millis(1500);
    let reached =
        wait_until(&mut context, PATIENCE, |cx| Instant::now() > until || cx.system_state() > SystemState::Dhcp);
    tests.check(&format!("{what}: it is asked"), reached);
    tests.equal(what, &context.system_state(), &SystemState::Dhcp);
    Ok(())
}

/// A server of a name that the resolver has to find, and that has a dead address, too.
fn by_name(tests: &mut Tests) -> Result<(), Box<dyn std::error::Error>> {
    let port = serve(Kind::Off(HOUR_US))?.port();
    let Ok(dead) = UdpSocket::bind(("127.0.0.2", port)) else {
        tests.skip("by name", "this system has no second loopback address");
        return Ok(());
    };
    let file = std::env::temp_dir().join(format!("lws-ntp-hosts-{}", std::process::id()));
    std::fs::write(&file, "127.0.0.2 time.test\n127.0.0.1 time.test\n")?;
    let dns = AsyncDns::new(DnsSettings::new().resolv_conf(None).hosts(Some(&file)));
    let settings = NtpSettings::default().servers([format!("time.test:{port}")]).patience(Duration::from_millis(500));
    let mut context = lws::context().async_resolver(dns).system_protocol(NtpClient::new(settings)?).create()?;
    tests.check("by name: OPERATIONAL", operational(&mut context));
    let _ = std::fs::remove_file(&file);
    let off = difference(&context) - 3600.0;
    tests.check(&format!("by name: off by {off} s"), off.abs() < 1.0);
    dead.set_nonblocking(true)?;
    tests.check("by name: the dead address was asked first", dead.recv(&mut [0; 512]).is_ok());
    Ok(())
}

/// A chronyd that follows its own clock, and its folder.
struct Chronyd(Child, PathBuf);

impl Chronyd {
    fn start() -> std::io::Result<(Self, SocketAddr)> {
        let at = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let folder = std::env::temp_dir().join(format!("lws-chronyd-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("chrony.conf");
        let conf = format!(
            "local stratum 3\nport {}\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0\nbindcmdaddress /\npidfile {}\n",
            at.port(),
            folder.join("pid").display()
        );
        std::fs::write(&file, conf)?;
        let mut command = Command::new("chronyd");
        command.args(["-d", "-x", "-U", "-F", "0", "-f"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        Ok((Self(command.spawn()?, folder), at))
    }

    /// Asked until it answers; what it says.
    fn answer(at: SocketAddr) -> Option<Packet> {
        let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
        socket.set_read_timeout(Some(Duration::from_millis(100))).ok()?;
        let until = Instant::now() + PATIENCE;
        let mut buffer = [0; 512];
        while Instant::now() < until {
            // refused until it listens
            let _ = socket.send_to(&request(7), at);
            if let Ok((len, _)) = socket.recv_from(&mut buffer) {
                return Packet::parse(buffer.get(..len)?);
            }
        }
        None
    }
}

impl Drop for Chronyd {
    fn drop(&mut self) {
        // harmless when it has ended already
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(&self.1);
    }
}

fn chronyd(tests: &mut Tests) -> Result<(), Box<dyn std::error::Error>> {
    if !peer::has_program("chronyd") {
        tests.skip("chronyd", "it isn't in PATH, where /usr/sbin may be missing: apt install chrony");
        return Ok(());
    }
    let (_chronyd, at) = Chronyd::start()?;
    let Some(packet) = Chronyd::answer(at) else {
        tests.check("chronyd answers", false);
        return Ok(());
    };
    let said = packet.time(7, Duration::from_millis(100));
    tests.check(&format!("chronyd's packet: {said:?}"), said.is_ok());
    let mut context = asking(&[at])?;
    tests.check("chronyd: OPERATIONAL", operational(&mut context));
    let off = difference(&context);
    tests.check(&format!("chronyd: off by {off} s"), off.abs() < 1.0);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut tests, _) = Tests::start(&[]);
    told(&mut tests, "one server", &[Kind::Off(HOUR_US)], 1.0)?;
    told(&mut tests, "a liar of three", &[Kind::Off(HOUR_US), Kind::Off(-9 * HOUR_US), Kind::Off(HOUR_US)], 1.0)?;
    told(&mut tests, "one that is dead", &[Kind::Dead, Kind::Off(HOUR_US)], 1.0)?;
    told(&mut tests, "one that refuses", &[Kind::Kiss(b"DENY"), Kind::Off(HOUR_US)], 1.0)?;
    waits(&mut tests, "two that contradict each other", &[Kind::Off(0), Kind::Off(HOUR_US)])?;
    waits(&mut tests, "unsynchronised", &[Kind::Unsynchronised])?;
    waits(&mut tests, "a forger", &[Kind::Forger])?;
    by_name(&mut tests)?;
    chronyd(&mut tests)?;
    tests.finish();
}

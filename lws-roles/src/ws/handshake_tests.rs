use super::*;

#[derive(Clone)]
struct Head(Vec<(&'static str, String)>);

impl Fields for Head {
    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        let found = self.0.iter().filter(move |(field, _)| *field == name);
        found.map(|(_, value)| value.as_bytes())
    }
}

impl Head {
    fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(field, _)| *field != name).cloned().collect())
    }

    fn plus(&self, name: &'static str, value: &str) -> Self {
        let mut fields = self.clone();
        fields.0.push((name, value.to_owned()));
        fields
    }

    fn with(&self, name: &'static str, value: &str) -> Self {
        self.without(name).plus(name, value)
    }
}

fn request() -> Head {
    let fields = [
        ("host", "server.example.com"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-version", "13"),
    ];
    Head(fields.map(|(name, value)| (name, value.to_owned())).to_vec())
}

fn refused(fields: &Head) -> (ServerHandshakeError, u16) {
    let error = ServerHandshake::check(b"GET", (1, 1), fields).unwrap_err();
    (error, error.status())
}

#[test]
fn rfc6455_1_2_sample_request_is_accepted() {
    let ok = ServerHandshake::check(b"GET", (1, 1), &request()).unwrap();
    assert_eq!(&ok.accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn rfc6455_4_2_1_method_and_http_version() {
    let check = |method, version| ServerHandshake::check(method, version, &request());
    let error = check(b"POST", (1, 1)).unwrap_err();
    assert_eq!((error, error.status()), (ServerHandshakeError::Method, 405));
    assert_eq!(error.headers(), [("Allow", "GET")]);
    assert_eq!(check(b"GET", (1, 0)), Err(ServerHandshakeError::HttpVersion));
    assert_eq!(check(b"get", (1, 1)), Err(ServerHandshakeError::Method));
    assert!(check(b"GET", (2, 0)).is_ok());
}

#[test]
fn rfc6455_4_2_1_host_exactly_once() {
    let host = (ServerHandshakeError::Host, 400);
    assert_eq!(refused(&request().without("host")), host);
    assert_eq!(refused(&request().with("host", "  ")), host);
    assert_eq!(refused(&request().plus("host", "other")), host);
}

#[test]
fn rfc6455_4_2_1_upgrade_and_connection_tokens() {
    let upgrade = (ServerHandshakeError::Upgrade, 400);
    assert_eq!(refused(&request().without("upgrade")), upgrade);
    assert_eq!(refused(&request().with("upgrade", "h2c, web socket")), upgrade);
    let connection = (ServerHandshakeError::Connection, 400);
    assert_eq!(refused(&request().without("connection")), connection);
    assert_eq!(refused(&request().with("connection", "up")), connection);
    assert_eq!(refused(&request().with("connection", "keep-alive, close")), connection);

    let fields = request().with("connection", "keep-alive").plus("connection", "x, UPGRADE");
    let fields = fields.with("upgrade", "h2c, WebSocket");
    assert!(ServerHandshake::check(b"GET", (1, 1), &fields).is_ok());
}

#[test]
fn rfc6455_4_4_other_versions_get_426_and_the_version_we_speak() {
    for version in ["8", "12", "013", "13, 8", ""] {
        let (error, status) = refused(&request().with("sec-websocket-version", version));
        assert_eq!((error, status), (ServerHandshakeError::Version, 426));
        assert!(error.headers().contains(&("Sec-WebSocket-Version", "13")));
        assert!(error.headers().contains(&("Upgrade", "websocket")));
    }
    assert_eq!(refused(&request().without("sec-websocket-version")).1, 426);
    assert_eq!(refused(&request().plus("sec-websocket-version", "13")).1, 426);
}

#[test]
fn rfc6455_4_2_1_key_must_be_16_bytes_once() {
    let key = (ServerHandshakeError::Key, 400);
    assert_eq!(refused(&request().without("sec-websocket-key")), key);
    assert_eq!(refused(&request().with("sec-websocket-key", "dG9vIHNob3J0")), key);
    assert_eq!(refused(&request().plus("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")), key);
    let blanks = request().with("sec-websocket-key", " dGhlIHNhbXBsZSBub25jZQ==\t");
    assert!(ServerHandshake::check(b"GET", (1, 1), &blanks).is_ok());
}

#[test]
fn rfc6455_4_2_1_a_plain_request_asks_for_nothing() {
    assert!(ServerHandshake::is_asked_for(&request()));
    assert!(!ServerHandshake::is_asked_for(&request().with("upgrade", "h2c")));
}

fn client() -> ClientHandshake {
    ClientHandshake::new(*b"the sample nonce", "chat,superchat").unwrap()
}

fn answer() -> Head {
    let fields = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "chat"),
    ];
    Head(fields.map(|(name, value)| (name, value.to_owned())).to_vec())
}

fn failed(status: u16, fields: &Head) -> &'static str {
    client().check(status, fields).unwrap_err().text()
}

#[test]
fn rfc6455_4_1_request_fields() {
    let handshake = client();
    let fields: Vec<_> = handshake.headers().collect();
    let want = [
        ("Upgrade", &b"websocket"[..]),
        ("Connection", b"Upgrade"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", b"chat, superchat"),
        ("Sec-WebSocket-Version", b"13"),
    ];
    assert_eq!(fields, want);
    let none = ClientHandshake::new([0; 16], "").unwrap();
    assert!(none.headers().all(|(name, _)| name != "Sec-WebSocket-Protocol"));
    assert_eq!(ClientHandshake::new([0; 16], "a,a"), Err(OfferError::Duplicate));
}

#[test]
fn rfc6455_4_1_sample_answer_is_accepted() {
    assert_eq!(client().check(101, &answer()), Ok(Some("chat")));
    let none = answer().without("sec-websocket-protocol");
    assert_eq!(client().check(101, &none), Ok(None));
    let blanks = answer().with("sec-websocket-accept", "\ts3pPLMBiTxaQ9kYGzzhZRbK+xOo= ");
    let cases = blanks.with("upgrade", "WebSocket").with("connection", "keep-alive, upgrade");
    assert_eq!(client().check(101, &cases), Ok(Some("chat")));
}

#[test]
fn rfc6455_4_1_status_is_101() {
    assert_eq!(failed(401, &answer()), "HS: ws upgrade unauthorized");
    assert_eq!(failed(200, &answer()), "HS: ws upgrade response not 101");
    assert_eq!(failed(404, &answer()), "HS: ws upgrade response not 101");
}

#[test]
fn rfc6455_4_1_upgrade_is_websocket() {
    assert_eq!(failed(101, &answer().without("upgrade")), "HS: UPGRADE missing");
    for value in ["h2c", "websocket, h2c", "websockets", ""] {
        let text = failed(101, &answer().with("upgrade", value));
        assert_eq!(text, "HS: Upgrade to something other than websocket");
    }
}

#[test]
fn rfc6455_4_1_connection_has_upgrade() {
    assert_eq!(failed(101, &answer().without("connection")), "HS: CONNECTION missing");
    assert_eq!(failed(101, &answer().with("connection", "close")), "HS: UPGRADE malformed");
}

#[test]
fn rfc6455_4_1_accept_fits_the_key() {
    assert_eq!(failed(101, &answer().without("sec-websocket-accept")), "HS: ACCEPT missing");
    for value in ["", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO=", "S3PPLMBITXAQ9KYGZZHZRBK+XOO="] {
        let text = failed(101, &answer().with("sec-websocket-accept", value));
        assert_eq!(text, "HS: Accept hash wrong");
    }
    let twice = answer().plus("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(failed(101, &twice), "HS: Accept hash wrong");
}

#[test]
fn rfc6455_4_1_unasked_extension_is_refused() {
    let deflate = answer().plus("sec-websocket-extensions", "permessage-deflate");
    assert_eq!(failed(101, &deflate), "HS: EXT: unknown ext");
    let empty = answer().plus("sec-websocket-extensions", " , ");
    assert_eq!(client().check(101, &empty), Ok(Some("chat")));
}

#[test]
fn rfc6455_4_1_subprotocol_is_one_that_was_offered() {
    for name in ["other", "Chat", "chat, superchat", "", "cha"] {
        let text = failed(101, &answer().with("sec-websocket-protocol", name));
        assert_eq!(text, "HS: PROTOCOL malformed", "{name}");
    }
    let twice = answer().plus("sec-websocket-protocol", "superchat");
    assert_eq!(failed(101, &twice), "HS: PROTOCOL malformed");
    let none = ClientHandshake::new(*b"the sample nonce", "").unwrap();
    assert_eq!(none.check(101, &answer()), Err(ClientHandshakeError::Protocol));
}

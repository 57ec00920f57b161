//! Status codes: reason phrases and the built-in error page
//! (RFC 9110 section 15; C: `lws_return_http_status`).

/// The reason phrase of a status code, empty for one that is not registered
/// (RFC 9110 15; the phrase is optional on the wire).
#[must_use]
pub const fn reason(code: u16) -> &'static str {
    match code {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// Whether a response with this status never has a body, whatever its fields
/// say (RFC 9112 6.3 rule 1).
#[must_use]
pub const fn is_bodyless(code: u16) -> bool {
    matches!(code, 100..=199 | 204 | 304)
}

/// Whether a client follows this status to its `Location` (RFC 9110 15.4).
#[must_use]
pub const fn is_redirect(code: u16) -> bool {
    matches!(code, 301 | 302 | 303 | 307 | 308)
}

const PAGE_START: &[u8] = b"<html><head><meta charset=utf-8 http-equiv=\"Content-Language\" \
content=\"en\"/><link rel=\"stylesheet\" type=\"text/css\" href=\"/error.css\"/></head><body><h1>";
const PAGE_MIDDLE: &[u8] = b"</h1>";
const PAGE_END: &[u8] = b"</body></html>";

/// Appends the error page for `code` (`text/html`), the page that C sends.
///
/// `body` is HTML and is written as given: text that came from a peer must be
/// escaped by the caller. Nothing of the page depends on the request.
pub fn write_error_page(out: &mut Vec<u8>, code: u16, body: &str) {
    out.extend_from_slice(PAGE_START);
    for divisor in [100, 10, 1] {
        out.push(b'0' + (code / divisor % 10) as u8);
    }
    out.extend_from_slice(PAGE_MIDDLE);
    out.extend_from_slice(body.as_bytes());
    out.extend_from_slice(PAGE_END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_15_reasons_of_the_codes_the_parser_sends() {
        for code in [400, 403, 413, 414, 431, 501, 505] {
            assert!(!reason(code).is_empty(), "{code}");
        }
        assert_eq!(reason(299), "");
        assert_eq!(reason(0), "");
    }

    #[test]
    fn rfc9112_6_3_statuses_without_a_body() {
        assert!([100, 101, 199, 204, 304].into_iter().all(is_bodyless));
        assert!(![200, 205, 206, 301, 404].into_iter().any(is_bodyless));
    }

    #[test]
    fn rfc9110_15_4_redirects_that_are_followed() {
        let followed: Vec<u16> = (300..400).filter(|&c| is_redirect(c)).collect();
        assert_eq!(followed, [301, 302, 303, 307, 308]);
    }

    #[test]
    fn error_page_holds_the_code_and_the_body() {
        let mut out = Vec::new();
        write_error_page(&mut out, 404, "<p>gone</p>");
        let page = String::from_utf8(out).expect("utf-8");
        assert!(page.starts_with("<html><head><meta charset=utf-8 "));
        assert!(page.ends_with("<h1>404</h1><p>gone</p></body></html>"));
    }
}

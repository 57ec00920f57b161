use super::*;
use proptest::prelude::*;

const NAMES: [&str; 3] = ["text1", "send", "file"];

/// What came of a form: the values, and the uploads as text.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    values: Vec<Vec<Vec<u8>>>,
    uploads: Vec<(String, Vec<u8>)>,
    end: Result<(), String>,
}

fn read(kind: &str, pieces: &[&[u8]]) -> Seen {
    read_max(kind, pieces, DEFAULT_MAX_STORAGE)
}

fn read_max(kind: &str, pieces: &[&[u8]], max: usize) -> Seen {
    let mut spa = Spa::of_type(Some(kind), &NAMES).unwrap().max_storage(max);
    let mut uploads: Vec<(String, Vec<u8>)> = Vec::new();
    let mut end = Ok(());
    for piece in pieces {
        end = end.and_then(|()| {
            spa.process_uploads(piece, &mut |upload| {
                match upload {
                    Upload::Open { name, filename, content_type } => {
                        uploads.push((format!("{name}|{filename}|{content_type}"), Vec::new()));
                    }
                    Upload::Content { data, .. } => {
                        assert!(!data.is_empty());
                        uploads.last_mut().unwrap().1.extend_from_slice(data);
                    }
                    Upload::Close { .. } => uploads.last_mut().unwrap().0.push_str("|whole"),
                }
                Ok(())
            })
        });
    }
    let end = end.and_then(|()| spa.finalize()).map_err(|e| e.to_string());
    let values = (0..NAMES.len()).map(|n| spa.get_all(n).map(<[u8]>::to_vec).collect()).collect();
    Seen { values, uploads, end }
}

/// The same, whole and cut at every place and into single bytes, which must come to the same.
fn read_any_way(kind: &str, body: &[u8]) -> Seen {
    let whole = read(kind, &[body]);
    for at in 0..=body.len() {
        let (a, b) = body.split_at(at);
        assert_eq!(read(kind, &[a, b]), whole, "cut at {at}");
    }
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(read(kind, &bytes), whole);
    whole
}

fn texts(seen: &Seen, n: usize) -> Vec<String> {
    seen.values[n].iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect()
}

const BOUNDARY: &str = "----WebKitFormBoundarymkpJmUmUPYqFxZ1C";

fn multipart() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// A form of these parts: a disposition's parameters, more header lines, and the content.
fn parts(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (parameters, lines, content) in parts {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {parameters}\r\n{lines}\r\n");
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    out
}

#[test]
fn urlencoded_values_are_decoded() {
    let seen = read_any_way(URLENCODED, b"text1=a+b%26%c3%BC=&x=1&send=%41&send=&file");
    assert_eq!(texts(&seen, 0), ["a b&\u{fc}="]);
    assert_eq!(texts(&seen, 1), ["A", ""]);
    assert_eq!(texts(&seen, 2), [""], "a name alone has an empty value");
    assert_eq!(seen.end, Ok(()));
}

#[test]
fn urlencoded_names_are_decoded_too() {
    let seen = read_any_way(URLENCODED, b"te%78t1=1&text%311=no&%74ext1=2");
    assert_eq!(texts(&seen, 0), ["1", "2"]);
}

#[test]
fn what_is_no_escape_is_itself() {
    let seen = read_any_way(URLENCODED, b"text1=100%&send=%4&file=%zz%4g%%41");
    assert_eq!(
        (texts(&seen, 0), texts(&seen, 1), texts(&seen, 2)),
        (vec!["100%".into()], vec!["%4".into()], vec!["%zz%4g%A".into()])
    );
}

#[test]
fn empty_and_odd_bodies_are_forms() {
    for body in [&b""[..], b"&&&", b"=", b"=x&=", b"&=&"] {
        let seen = read_any_way(URLENCODED, body);
        assert_eq!((seen.end, seen.values.concat().len()), (Ok(()), 0));
    }
}

#[test]
fn storage_has_a_bound_that_unknown_fields_do_not_use() {
    let body = [b"other=".as_slice(), &[b'x'; 5_000], b"&text1=", &[b'y'; 511]].concat();
    assert_eq!(read(URLENCODED, &[&body]).end, Ok(()));
    let more = [&body[..], b"y"].concat();
    assert_eq!(read(URLENCODED, &[&more]).end, Err("the form's values are longer than 512 bytes".into()));
    let many = b"text1&".repeat(513);
    assert!(read(URLENCODED, &[&many]).end.is_err(), "empty values count");
    assert_eq!(read_max(URLENCODED, &[&more, &many], 10_000).end, Ok(()));
}

#[test]
fn rfc7578_4_1_values_and_files() {
    let body = parts(&[
        (r#"name="text1""#, "", b"two words"),
        (r#"name="other""#, "", b"dropped"),
        (r#"name="file"; filename="me.png""#, "Content-Type: image/png\r\n", b"\x89PNG\r\n--\r\n\0\xff"),
        (r#"name="send""#, "", b""),
    ]);
    let seen = read_any_way(&multipart(), &body);
    assert_eq!((texts(&seen, 0), texts(&seen, 1)), (vec!["two words".into()], vec![String::new()]));
    assert_eq!(seen.uploads, [("file|me.png|image/png|whole".into(), b"\x89PNG\r\n--\r\n\0\xff".to_vec())]);
    assert_eq!(seen.end, Ok(()));
}

#[test]
fn rfc2046_5_1_1_what_is_almost_a_boundary_is_content() {
    let almost = format!("\r\r\n\r\n--\r\n-{BOUNDARY}\r\n--{}", &BOUNDARY[..BOUNDARY.len() - 1]);
    let body = parts(&[(r#"name="file"; filename="a""#, "", almost.as_bytes())]);
    let seen = read_any_way(&multipart(), &body);
    assert_eq!(seen.uploads, [("file|a|text/plain|whole".into(), almost.into_bytes())]);
}

#[test]
fn rfc2046_5_1_1_preamble_epilogue_and_padding_are_ignored() {
    let body = b"a preamble with --b in it\r\n--b \t\r\ncontent-disposition:form-data;name=text1\r\n\r\nv\r\n--b--\r\n--b\r\njunk";
    let seen = read_any_way("multipart/form-data; charset=x; boundary=\"b\"", body);
    assert_eq!((texts(&seen, 0), seen.end), (vec!["v".into()], Ok(())));
}

#[test]
fn no_file_chosen_is_an_empty_value() {
    let body = parts(&[(r#"name="file"; filename="""#, "Content-Type: application/octet-stream\r\n", b"")]);
    let seen = read_any_way(&multipart(), &body);
    assert_eq!((seen.values[2].clone(), seen.uploads), (vec![Vec::new()], Vec::new()));
}

#[test]
fn an_empty_file_is_opened_and_closed() {
    let body = parts(&[(r#"name="file"; filename="none""#, "", b"")]);
    assert_eq!(read_any_way(&multipart(), &body).uploads, [("file|none|text/plain|whole".into(), Vec::new())]);
}

#[test]
fn files_of_unknown_fields_are_dropped() {
    let body = parts(&[(r#"name="evil"; filename="x""#, "", b"data"), (r#"name="send""#, "", b"1")]);
    let seen = read_any_way(&multipart(), &body);
    assert_eq!((seen.uploads.len(), texts(&seen, 1)), (0, vec!["1".into()]));
}

#[test]
fn a_form_that_is_cut_off_is_truncated() {
    let body = parts(&[(r#"name="text1""#, "", b"v"), (r#"name="file"; filename="f""#, "", b"content")]);
    // after the last boundary's dashes it is whole
    for len in 0..body.len() - 2 {
        let seen = read(&multipart(), &[&body[..len]]);
        assert_eq!(seen.end, Err("the form ends too early".into()), "of {len} bytes");
    }
    assert_eq!(read(&multipart(), &[&body[..body.len() - 2]]).end, Ok(()));
}

#[test]
fn malformed_parts_say_what_is_wrong() {
    for (body, why) in [
        (&b"--b\r\n\r\nno header"[..], "malformed form: a part without a disposition"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\n", "malformed form: a part without a name"),
        (
            b"--b\r\nContent-Disposition: inline; name=text1\r\n\r\n",
            "malformed form: a part's disposition isn't form-data",
        ),
        (b"--b\r\nno colon\r\n\r\n", "malformed form: a part's header"),
        (b"--bc\r\n", "malformed form: a boundary isn't the end of its line"),
        (b"--b-\r\n", "malformed form: a boundary isn't the end of its line"),
    ] {
        let seen = read_any_way("multipart/form-data; boundary=b", body);
        assert_eq!(seen.end, Err(why.into()));
    }
}

#[test]
fn a_parts_header_has_a_bound() {
    let head = |len: usize| {
        let begin = "--b\r\nX: ";
        let end = "\r\nContent-Disposition: form-data; name=text1\r\n\r\n";
        let fill = "x".repeat(len - (begin.len() - "--b\r\n".len()) - end.len());
        format!("{begin}{fill}{end}v\r\n--b--")
    };
    let kind = "multipart/form-data; boundary=b";
    assert_eq!(read(kind, &[head(4096).as_bytes()]).end, Ok(()));
    assert_eq!(read(kind, &[head(4097).as_bytes()]).end, Err("a form part's header is too long".into()));
}

#[test]
fn the_type_decides() {
    assert!(Spa::of_type(None, &NAMES).is_ok());
    assert!(Spa::of_type(Some("Application/X-WWW-Form-URLEncoded ; charset=UTF-8"), &NAMES).is_ok());
    let status = |kind: &str| Spa::of_type(Some(kind), &NAMES).err().map(|e| e.status());
    assert_eq!(status("application/json"), Some(415));
    assert_eq!(status("multipart/form-data"), Some(400));
    assert_eq!(status("multipart/form-data; boundary="), Some(400));
    assert_eq!(status("multipart/form-data; boundary=\"a\rb\""), Some(400));
    assert_eq!(status(&format!("multipart/form-data; boundary={}", "b".repeat(128))), Some(400));
    assert_eq!(status(&format!("multipart/form-data; boundary={}", "b".repeat(127))), None);
}

#[test]
fn a_receiver_can_refuse() {
    let body = parts(&[(r#"name="file"; filename="f""#, "", b"content")]);
    let mut spa = Spa::of_type(Some(&multipart()), &NAMES).unwrap();
    let full = spa.process_uploads(&body, &mut |upload| match upload {
        Upload::Content { .. } => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    });
    let error = full.unwrap_err();
    assert_eq!(error.status(), 500);
    assert!(std::error::Error::source(&error).is_some());
}

/// Any bytes, with what delimiters are made of often among them.
fn content_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\r\n--".to_vec()),
        Just(b"\r\n--b".to_vec()),
        Just(b"-".to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_content_comes_out_as_it_went_in(content in content_bytes(), cut in 1_usize..50) {
        let boundary = "b0und";
        prop_assume!(memchr::memmem::find(&[b"\r\n", &content[..]].concat(), b"\r\n--b0und").is_none());
        let mut body = format!("--{boundary}\r\nContent-Disposition: form-data; name=file; filename=f\r\n\r\n").into_bytes();
        body.extend_from_slice(&content);
        body.extend_from_slice(b"\r\n--b0und--");
        let pieces: Vec<&[u8]> = body.chunks(cut).collect();
        let seen = read("multipart/form-data; boundary=b0und", &pieces);
        prop_assert_eq!(seen.uploads, vec![("file|f|text/plain|whole".to_owned(), content)]);
    }

    #[test]
    fn any_pairs_survive_encoding(pairs in prop::collection::vec((0_usize..3, any::<String>()), 0..8), cut in 1_usize..20) {
        let mut body = String::new();
        for (n, value) in &pairs {
            if !body.is_empty() {
                body.push('&');
            }
            body.push_str(NAMES[*n]);
            body.push('=');
            for byte in value.bytes() {
                match byte {
                    b' ' => body.push('+'),
                    b if b.is_ascii_alphanumeric() => body.push(char::from(b)),
                    b => body.push_str(&format!("%{b:02x}")),
                }
            }
        }
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(cut).collect();
        let seen = read_max(URLENCODED, &pieces, 100_000);
        for n in 0..NAMES.len() {
            let sent: Vec<_> = pairs.iter().filter(|(m, _)| *m == n).map(|(_, v)| v.clone()).collect();
            prop_assert_eq!(texts(&seen, n), sent);
        }
    }

    #[test]
    fn no_bytes_break_it(body in prop::collection::vec(any::<u8>(), 0..300), cut in 1_usize..20) {
        let pieces: Vec<&[u8]> = body.chunks(cut).collect();
        for kind in [URLENCODED, "multipart/form-data; boundary=b"] {
            prop_assert_eq!(read(kind, &pieces), read(kind, &[&body]));
        }
    }
}

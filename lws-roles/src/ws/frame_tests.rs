use super::*;
use proptest::prelude::*;

const OPCODES: [Opcode; 6] =
    [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];

fn head(opcode: Opcode, fin: bool) -> FrameHead {
    FrameHead { fin, rsv: 0, opcode, mask: None, len: 0 }
}

fn parsed(data: &[u8]) -> FrameHead {
    let (head, used) = FrameHead::parse(data, 0).unwrap().unwrap();
    assert_eq!(used, data.len());
    head
}

#[test]
fn rfc6455_5_7_examples() {
    assert_eq!(parsed(&[0x81, 0x05]), FrameHead { len: 5, ..head(Opcode::Text, true) });
    let masked = parsed(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]);
    assert_eq!(masked.mask, Some([0x37, 0xfa, 0x21, 0x3d]));
    assert_eq!(parsed(&[0x01, 0x03]), FrameHead { len: 3, ..head(Opcode::Text, false) });
    assert_eq!(parsed(&[0x80, 0x02]), FrameHead { len: 2, ..head(Opcode::Continuation, true) });
    assert_eq!(parsed(&[0x89, 0x05]).opcode, Opcode::Ping);
    assert_eq!(parsed(&[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d]).opcode, Opcode::Pong);
    assert_eq!(parsed(&[0x82, 0x7e, 0x01, 0x00]).len, 256);
    assert_eq!(parsed(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]).len, 65536);
}

#[test]
fn rfc6455_5_2_payload_is_not_part_of_the_head() {
    let (head, used) = FrameHead::parse(b"\x81\x05Hello", 0).unwrap().unwrap();
    assert_eq!((head.len, used), (5, 2));
}

#[test]
fn rfc6455_5_2_reserved_opcodes_fail_at_the_first_byte() {
    for opcode in (3..8).chain(11..16) {
        assert_eq!(FrameHead::parse(&[FIN | opcode], 0), Err(FrameError::ReservedOpcode));
    }
    for opcode in OPCODES {
        assert_eq!(FrameHead::parse(&[FIN | opcode as u8], 0), Ok(None));
    }
}

#[test]
fn rfc6455_5_2_rsv_bits_fail_unless_negotiated() {
    for rsv in (1..8u8).map(|bits| bits << 4) {
        let first = FIN | rsv | Opcode::Text as u8;
        assert_eq!(FrameHead::parse(&[first], 0), Err(FrameError::ReservedBits));
        assert_eq!(FrameHead::parse(&[first], RSV), Ok(None));
    }
    let (head, _) = FrameHead::parse(&[0xc1, 0], RSV1).unwrap().unwrap();
    assert_eq!(head.rsv, RSV1);
    assert_eq!(FrameHead::parse(&[0xa1, 0], RSV1), Err(FrameError::ReservedBits));
}

#[test]
fn rfc7692_6_1_rsv1_only_on_the_first_frame_of_a_message() {
    for opcode in [Opcode::Continuation, Opcode::Close, Opcode::Ping, Opcode::Pong] {
        let first = FIN | RSV1 | opcode as u8;
        assert_eq!(FrameHead::parse(&[first], RSV1), Err(FrameError::ReservedBits));
    }
}

#[test]
fn rfc6455_5_5_control_frames_max_125() {
    for opcode in [Opcode::Close, Opcode::Ping, Opcode::Pong] {
        let first = FIN | opcode as u8;
        assert_eq!(parsed(&[first, 125]).len, 125);
        assert_eq!(FrameHead::parse(&[first, 126], 0), Err(FrameError::LongControl));
        assert_eq!(FrameHead::parse(&[first, 0xff], 0), Err(FrameError::LongControl));
    }
}

#[test]
fn rfc6455_5_5_control_frames_not_fragmented() {
    for opcode in [Opcode::Close, Opcode::Ping, Opcode::Pong] {
        assert_eq!(FrameHead::parse(&[opcode as u8], 0), Err(FrameError::FragmentedControl));
    }
}

#[test]
fn rfc6455_5_2_length_must_be_minimal() {
    let short = [0x82, 126, 0, 125];
    assert_eq!(FrameHead::parse(&short, 0), Err(FrameError::LengthNotMinimal));
    assert_eq!(parsed(&[0x82, 126, 0, 126]).len, 126);
    let short = [0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    assert_eq!(FrameHead::parse(&short, 0), Err(FrameError::LengthNotMinimal));
}

#[test]
fn rfc6455_5_2_64_bit_length_top_bit_is_zero() {
    assert_eq!(FrameHead::parse(&[0x82, 127, 0x80], 0), Err(FrameError::LengthTooLarge));
    let longest = [0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255];
    assert_eq!(parsed(&longest).len, u64::MAX >> 1);
}

#[test]
fn rfc6455_5_1_clients_mask_and_servers_do_not() {
    let plain = head(Opcode::Text, true);
    let masked = FrameHead { mask: Some([0; 4]), ..plain };
    assert_eq!(plain.check_masking(Sender::Client), Err(FrameError::Unmasked));
    assert_eq!(masked.check_masking(Sender::Server), Err(FrameError::Masked));
    assert_eq!(plain.check_masking(Sender::Server), Ok(()));
    assert_eq!(masked.check_masking(Sender::Client), Ok(()));
}

#[test]
fn rfc6455_5_4_continuation_needs_a_start() {
    let mut order = Fragments::default();
    for fin in [false, true] {
        let cont = head(Opcode::Continuation, fin);
        assert_eq!(order.accept(&cont), Err(FrameError::ContinuationWithoutStart));
    }
    order.accept(&head(Opcode::Text, true)).unwrap();
    let cont = head(Opcode::Continuation, true);
    assert_eq!(order.accept(&cont), Err(FrameError::ContinuationWithoutStart));
}

#[test]
fn rfc6455_5_4_no_new_message_inside_a_message() {
    let mut order = Fragments::default();
    order.accept(&head(Opcode::Binary, false)).unwrap();
    for opcode in [Opcode::Text, Opcode::Binary] {
        assert_eq!(order.accept(&head(opcode, true)), Err(FrameError::StartInsideMessage));
    }
    assert!(order.in_message());
}

#[test]
fn rfc6455_5_4_control_frames_between_fragments() {
    let mut order = Fragments::default();
    let part = |binary, first, last| Ok(Some(Fragment { binary, first, last }));
    assert_eq!(order.accept(&head(Opcode::Binary, false)), part(true, true, false));
    assert_eq!(order.accept(&head(Opcode::Ping, true)), Ok(None));
    assert_eq!(order.accept(&head(Opcode::Continuation, false)), part(true, false, false));
    assert_eq!(order.accept(&head(Opcode::Close, true)), Ok(None));
    assert_eq!(order.accept(&head(Opcode::Continuation, true)), part(true, false, true));
    assert!(!order.in_message());
    assert_eq!(order.accept(&head(Opcode::Text, true)), part(false, true, true));
}

#[test]
fn rfc6455_7_1_7_errors_close_with_1002_and_a_text() {
    assert_eq!(FrameError::FragmentedControl.code(), 1002);
    assert_eq!(FrameError::FragmentedControl.to_string(), "frag ctl");
}

fn any_head() -> impl Strategy<Value = FrameHead> {
    let len = prop_oneof![0..200u64, 65_400..65_700u64, Just(0xffff), Just(0x1_0000), 0..=u64::MAX >> 1];
    let mask = prop_oneof![Just(None), any::<[u8; 4]>().prop_map(Some)];
    (any::<bool>(), 0..8u8, 0..6usize, mask, len).prop_map(|(fin, rsv, opcode, mask, len)| {
        let opcode = OPCODES[opcode];
        if opcode.is_control() {
            FrameHead { fin: true, rsv: 0, opcode, mask, len: len % 126 }
        } else if opcode == Opcode::Continuation {
            FrameHead { fin, rsv: 0, opcode, mask, len }
        } else {
            FrameHead { fin, rsv: rsv << 4, opcode, mask, len }
        }
    })
}

proptest! {
    #[test]
    fn rfc6455_5_2_what_is_encoded_parses_back(head in any_head(), more in any::<[u8; 3]>()) {
        let mut wire = head.encode().as_slice().to_vec();
        let len = wire.len();
        for cut in 0..len {
            prop_assert_eq!(FrameHead::parse(&wire[..cut], RSV), Ok(None));
        }
        wire.extend(more);
        prop_assert_eq!(FrameHead::parse(&wire, RSV), Ok(Some((head, len))));
    }

    #[test]
    fn rfc6455_5_2_any_bytes_parse_the_same_in_pieces(
        data in proptest::collection::vec(any::<u8>(), 0..20),
        rsv in 0..8u8,
    ) {
        let whole = FrameHead::parse(&data, rsv << 4);
        for cut in 0..data.len() {
            match FrameHead::parse(&data[..cut], rsv << 4) {
                Ok(None) => {}
                early => prop_assert_eq!(early, whole),
            }
        }
        if let Ok(Some((head, used))) = whole {
            let encoded = head.encode();
            prop_assert_eq!(encoded.as_slice(), &data[..used]);
        }
    }
}

#[test]
fn state_per_connection_is_one_byte() {
    assert_eq!(size_of::<Fragments>(), 1);
    assert_eq!(size_of::<super::super::utf8::Utf8Stream>(), 3);
}

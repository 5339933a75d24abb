#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read};

use rstest::rstest;

use super::layer::FrameReader;
use super::mechanism::{Gssapi, Layer};
use super::negotiate;
use super::negotiation::{Status, message};
use super::testing::{OVERHEAD, Script, Stub};

const ALL: [Layer; 3] = [Layer::Privacy, Layer::Integrity, Layer::None];

/// What a server that offers these layers says.
fn server(offer: &[u8]) -> Vec<u8> {
    let [who, welcome] = Stub::SERVER_TOKENS;
    [
        message(Status::Ok, who).unwrap(),
        message(Status::Ok, welcome).unwrap(),
        message(Status::Ok, &Stub::wrapped(offer, false)).unwrap(),
        message(Status::Complete, b"").unwrap(),
    ]
    .concat()
}

fn client(wanted: &[Layer]) -> Gssapi<Stub> {
    Gssapi::new(Stub::default(), wanted.to_vec())
}

#[rstest]
#[case(&ALL, 7, Layer::Privacy)]
#[case(&ALL, 3, Layer::Integrity)]
#[case(&ALL, 1, Layer::None)]
#[case(&[Layer::None], 7, Layer::None)]
#[case(&[Layer::Integrity, Layer::Privacy], 6, Layer::Integrity)]
fn the_first_wanted_layer_that_the_server_offers_is_taken(
    #[case] wanted: &[Layer],
    #[case] offered: u8,
    #[case] layer: Layer,
) {
    let mut script = Script::new(&server(&[offered, 0, 1, 0]));
    negotiate(client(wanted), &mut script).unwrap();
    let size: &[u8] = match layer {
        Layer::None => &[0, 0, 0],
        _ => &[0xff, 0xff, 0xff],
    };
    let choice = [&[layer as u8], size].concat();
    let expected = [
        message(Status::Start, b"GSSAPI").unwrap(),
        message(Status::Ok, b"client 1").unwrap(),
        message(Status::Ok, b"client 2").unwrap(),
        message(Status::Ok, b"client 3").unwrap(),
        message(Status::Complete, &Stub::wrapped(&choice, false)).unwrap(),
    ];
    assert_eq!(script.heard, expected.concat());
}

#[rstest]
#[case(&[Layer::Privacy], 3)]
#[case(&[Layer::None], 6)]
#[case(&ALL, 0)]
fn without_a_common_layer_nobody_is_logged_in(#[case] wanted: &[Layer], #[case] offered: u8) {
    let error = negotiate(client(wanted), Script::new(&server(&[offered, 0, 1, 0]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(
        error.to_string().contains("hadoop.rpc.protection"),
        "{error}"
    );
}

#[test]
fn privacy_is_not_chosen_where_the_context_cannot_encrypt() {
    let context = Stub {
        cannot_encrypt: true,
        ..Stub::default()
    };
    let mut script = Script::new(&server(&[7, 0, 1, 0]));
    negotiate(Gssapi::new(context, ALL.to_vec()), &mut script).unwrap();
    let choice = Stub::wrapped(&[Layer::Integrity as u8, 0xff, 0xff, 0xff], false);
    assert!(script.heard.ends_with(&choice));
}

#[rstest]
#[case::bad(&message(Status::Bad, b"no\x07such user").unwrap(), ErrorKind::PermissionDenied, "no such user")]
#[case::error(&message(Status::Error, b"broken").unwrap(), ErrorKind::PermissionDenied, "broken")]
#[case::not_utf8(&message(Status::Bad, b"\xff\xfe").unwrap(), ErrorKind::PermissionDenied, "refused")]
#[case::ended_early(&message(Status::Complete, b"who?").unwrap(), ErrorKind::PermissionDenied, "before it was complete")]
#[case::start(&message(Status::Start, b"GSSAPI").unwrap(), ErrorKind::InvalidData, "Start")]
#[case::garbage_token(&message(Status::Ok, b"garbage").unwrap(), ErrorKind::PermissionDenied, "defective")]
#[case::another_protocol(
    b"HTTP/1.1 400 Bad Request",
    ErrorKind::InvalidData,
    "between 1 and 5, found 72"
)]
#[case::negative_length(&[2, 0xff, 0xff, 0xff, 0xff, 1], ErrorKind::InvalidData, "found length 4294967295")]
#[case::absurd_length(&[2, 0x7f, 0xff, 0xff, 0xff], ErrorKind::InvalidData, "found length 2147483647")]
#[case::longer_than_sent(&[2, 0, 0, 0, 9, 1], ErrorKind::UnexpectedEof, "")]
#[case::silence(b"", ErrorKind::UnexpectedEof, "")]
fn what_a_server_must_not_say_first_ends_the_login(
    #[case] says: &[u8],
    #[case] kind: ErrorKind,
    #[case] text: &str,
) {
    let error = negotiate(client(&ALL), Script::new(says)).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

#[rstest]
#[case::short(&[7, 0, 1])]
#[case::long(&[7, 0, 1, 0, 0])]
#[case::empty(&[])]
#[case::no_room(&[4, 0, 0, 1])]
fn an_offer_that_makes_no_sense_ends_the_login(#[case] offer: &[u8]) {
    let error = negotiate(client(&ALL), Script::new(&server(offer))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
}

#[test]
fn a_login_that_is_cut_off_anywhere_fails() {
    let whole = server(&[7, 0, 1, 0]);
    for cut in 0..whole.len() {
        let error = negotiate(client(&ALL), Script::new(&whole[..cut])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{cut}");
    }
}

#[test]
fn a_login_with_any_byte_changed_fails_or_agrees_on_what_was_signed() {
    let whole = server(&[7, 0, 1, 0]);
    for at in 0..whole.len() {
        for flip in [0xff, 0x80, 1] {
            let mut other = whole.clone();
            other[at] ^= flip;
            assert!(
                negotiate(client(&ALL), Script::new(&other)).is_err(),
                "{at}"
            );
        }
    }
}

#[test]
fn more_tokens_after_the_last_one_are_refused() {
    let whole = server(&[7, 0, 1, 0]);
    let end = message(Status::Complete, b"").unwrap().len();
    let more = message(Status::Ok, b"more").unwrap();
    let says = [&whole[..whole.len() - end], &more].concat();
    let error = negotiate(client(&ALL), Script::new(&says)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
}

/// Frames on the wire as the other side makes them.
fn framed(parts: &[Vec<u8>]) -> Vec<u8> {
    let frame = |part: &Vec<u8>| {
        let length = u32::try_from(part.len()).unwrap();
        [&length.to_be_bytes()[..], part].concat()
    };
    parts.iter().flat_map(frame).collect()
}

fn secured(layer: Layer, buffer: u8) -> super::layer::Secured<Stub> {
    let offer = [layer as u8, 0, 0, buffer];
    negotiate(client(&[layer]), Script::new(&server(&offer))).unwrap()
}

#[rstest]
#[case(Layer::Integrity, false)]
#[case(Layer::Privacy, true)]
fn messages_go_in_frames_that_the_server_has_room_for(#[case] layer: Layer, #[case] encrypt: bool) {
    let message: Vec<u8> = (0..100).collect();
    let buffer = 12;
    let frames = secured(layer, buffer).frames(&message).unwrap();
    let part = usize::from(buffer) - usize::try_from(OVERHEAD).unwrap();
    let parts: Vec<Vec<u8>> = message
        .chunks(part)
        .map(|p| Stub::wrapped(p, encrypt))
        .collect();
    assert_eq!(frames, framed(&parts));
    let mut session = secured(layer, buffer);
    let mut back = vec![0; message.len()];
    FrameReader::new(frames.as_slice(), &mut session)
        .read_exact(&mut back)
        .unwrap();
    assert_eq!(back, message);
}

#[test]
fn without_a_layer_messages_are_framed_alone() {
    let frames = secured(Layer::None, 0).frames(b"message").unwrap();
    assert_eq!(frames, framed(&[b"message".to_vec()]));
    let mut session = secured(Layer::None, 0);
    // an empty frame is no end
    let all = [
        framed(&[Vec::new(), b"mess".to_vec()]),
        framed(&[b"age".to_vec()]),
    ]
    .concat();
    let mut back = String::new();
    let mut reader = FrameReader::new(all.as_slice(), &mut session).take(7);
    reader.read_to_string(&mut back).unwrap();
    assert_eq!(back, "message");
}

#[test]
fn frames_that_were_changed_sent_in_the_clear_or_cut_off_are_errors() {
    let read = |layer, bytes: &[u8]| {
        let mut session = secured(layer, 64);
        let mut back = [0; 8];
        let read = FrameReader::new(bytes, &mut session).read_exact(&mut back);
        read.unwrap_err().kind()
    };
    let plain = framed(&[b"eight by".to_vec()]);
    let mut changed = framed(&[Stub::wrapped(b"eight by", true)]);
    *changed.last_mut().unwrap() ^= 1;
    for layer in [Layer::Integrity, Layer::Privacy] {
        assert_eq!(read(layer, &plain), ErrorKind::PermissionDenied);
        assert_eq!(read(layer, &changed), ErrorKind::PermissionDenied);
        assert_eq!(
            read(layer, &[0xff, 0xff, 0xff, 0xff, 0]),
            ErrorKind::InvalidData
        );
        assert_eq!(read(layer, &[0, 0, 1, 0, b's']), ErrorKind::UnexpectedEof);
        assert_eq!(read(layer, &[]), ErrorKind::UnexpectedEof);
    }
    let signed = framed(&[Stub::wrapped(b"eight by", false)]);
    assert_eq!(read(Layer::Privacy, &signed), ErrorKind::PermissionDenied);
}

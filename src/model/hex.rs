//! Bytes as hex digits.

/// Two lower-case digits a byte.
///
/// ```
/// assert_eq!(pantau::model::hex(&[0, 0xa7]), "00a7");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Exactly `N` bytes, in digits of either case; `None` where the text is anything else.
///
/// ```
/// assert_eq!(pantau::model::unhex("00A7"), Some([0, 0xa7]));
/// assert_eq!(pantau::model::unhex::<1>("+7"), None);
/// ```
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |sign: u8| char::from(sign).to_digit(16);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}

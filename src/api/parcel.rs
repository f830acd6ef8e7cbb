//! A report that waits for the database, with its photos: the JSON alone where there are none, else a parcel of both
//! in the same bytes, so that it waits wherever a report can.

use crate::photos::Drawn;

/// No JSON begins so.
const MAGIC: &[u8] = b"\0pantau-photos-1";

/// Puts photos to the JSON of a report.
pub fn wrap(json: Vec<u8>, photos: &[Drawn]) -> Vec<u8> {
    if photos.is_empty() {
        return json;
    }
    let mut parcel = MAGIC.to_vec();
    let mut put = |bytes: &[u8]| {
        parcel.extend((bytes.len() as u32).to_be_bytes());
        parcel.extend_from_slice(bytes);
    };
    put(&json);
    for Drawn { photo, thumb, width, height } in photos {
        put(&[width.to_be_bytes(), height.to_be_bytes()].concat());
        put(photo);
        put(thumb);
    }
    parcel
}

/// The JSON of a report that waits, without its photos; `None` where the bytes are cut.
pub fn words_of(bytes: &[u8]) -> Option<&[u8]> {
    unwrap(bytes).map(|(json, _)| json)
}

/// The JSON of a report and its photos; `None` where the bytes are a parcel that was cut.
pub fn unwrap(bytes: &[u8]) -> Option<(&[u8], Vec<Drawn>)> {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return Some((bytes, Vec::new())) };
    let mut take = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = after;
        Some((part, after.is_empty()))
    };
    let (json, mut is_last) = take()?;
    let mut photos = Vec::new();
    while !is_last {
        let (sides, _) = take()?;
        let [w0, w1, h0, h1] = *sides else { return None };
        let (photo, _) = take()?;
        let (thumb, end) = take()?;
        is_last = end;
        photos.push(Drawn {
            photo: photo.to_vec(),
            thumb: thumb.to_vec(),
            width: u16::from_be_bytes([w0, w1]),
            height: u16::from_be_bytes([h0, h1]),
        });
    }
    Some((json, photos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_unwrapped_and_what_is_cut_is_noticed() {
        let drawn =
            |n: u8| Drawn { photo: vec![n; 300], thumb: vec![n, 1], width: 2_048, height: u16::from(n) };
        let json = b"{\"category\":\"water\"}".to_vec();
        assert_eq!(wrap(json.clone(), &[]), json);
        assert_eq!(unwrap(&json), Some((&json[..], vec![])));
        let photos = [drawn(1), drawn(2)];
        let parcel = wrap(json.clone(), &photos);
        assert_eq!(unwrap(&parcel), Some((&json[..], photos.to_vec())));
        for cut in [MAGIC.len(), MAGIC.len() + 9, parcel.len() - 1, parcel.len() - 308] {
            assert_eq!(unwrap(&parcel[..cut]), None, "{cut}");
        }
    }
}

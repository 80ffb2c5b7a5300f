//! SentencePiece's map of characters, checked before it is used: the crate that reads it trusts it.
//!
//! The map is a u32 with the bytes of a trie, the trie's units of u32 each, and texts that end in a
//! zero byte. The trie is a double array (Aoe, 1989) as darts-clone packs it: in a unit, bit 31 says
//! that it is a value (the place of a text), bit 8 that a value belongs to it, bits 0 to 7 are its
//! label, and the rest is the offset (times 256 if bit 9 is set) that, by exclusive or with its
//! place, leads to its value and with each label to its children.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokenizers::normalizers::Precompiled;

const IS_VALUE: u32 = 1 << 31;
const HAS_VALUE: u32 = 1 << 8;

/// Reads a map as it stands in `tokenizer.json`.
pub(super) fn read(text: &str) -> Result<Precompiled, String> {
    let bytes = STANDARD.decode(text).map_err(|source| format!("is not base64: {source}"))?;
    check(&bytes).ok_or("is a broken precompiled_charsmap")?;
    Precompiled::from(&bytes).map_err(|source| source.to_string())
}

/// `None` if a lookup could lead outside of the trie or of the texts.
fn check(bytes: &[u8]) -> Option<()> {
    let (size, rest) = bytes.split_first_chunk()?;
    let (trie, texts) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
    let (trie, []) = trie.as_chunks() else { return None };
    let texts = str::from_utf8(texts).ok()?;
    let unit = |place: usize| trie.get(place).map(|bytes| u32::from_le_bytes(*bytes));
    unit(0)?;
    for place in 0..trie.len() {
        let this = unit(place)?;
        // The root is entered whatever it is, others by a label, which values do not have.
        if place > 0 && this & IS_VALUE != 0 {
            continue;
        }
        let offset = (this >> 10) << ((this & (1 << 9)) >> 6);
        let next = place ^ offset as usize;
        unit(next | 0xff)?;
        if this & HAS_VALUE != 0 && place > 0 {
            let value = unit(next)? & !IS_VALUE;
            texts.is_char_boundary(value as usize).then_some(())?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trie that turns "a" into what stands at `value` of `texts`.
    fn map(value: u32, texts: &[u8]) -> Vec<u8> {
        let mut units = vec![0u32; 512];
        units[0] = 256 << 10; // children of the root are in the second block
        units[256 ^ 0x61] = HAS_VALUE | 0x61 | (0x61 << 10);
        units[256] = IS_VALUE | value;
        let mut bytes = (4 * units.len() as u32).to_le_bytes().to_vec();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend(texts);
        bytes
    }

    #[test]
    fn a_map_maps() {
        let read = read(&STANDARD.encode(map(0, b"bc\0d\0"))).unwrap();
        assert_eq!(read.normalize_string("xay"), "xbcy");
    }

    #[test]
    fn maps_that_lead_outside_are_refused() {
        let valid = map(0, "é\0".as_bytes());
        assert!(check(&valid).is_some());
        assert!(check(&map(1, "é\0".as_bytes())).is_none(), "within a character");
        assert!(check(&map(4, "é\0".as_bytes())).is_none(), "behind the texts");
        assert!(check(&map(3, "é\0".as_bytes())).is_some());
        let changed = |at: usize, unit: u32| {
            let mut bytes = valid.clone();
            bytes[4 + 4 * at..][..4].copy_from_slice(&unit.to_le_bytes());
            check(&bytes)
        };
        assert!(changed(0, 512 << 10).is_none(), "behind the trie");
        assert!(changed(7, 1 << 30).is_none(), "far behind it");
        assert!(check(&[]).is_none());
        assert!(check(&[0; 4]).is_none(), "no root");
        assert!(check(&valid[..40]).is_none());
        assert!(check(&[&valid[..], b"\xff"].concat()).is_none(), "no UTF-8");
        assert_eq!(read("?").unwrap_err().split(':').next(), Some("is not base64"));
    }
}

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

/// The longest text in real maps, for an Arabic sign that means a sentence, has 33 bytes.
const LONGEST: usize = 1024;

/// A map that was checked.
#[derive(Debug, Clone)]
pub(super) struct Map {
    map: Precompiled,
    /// How many bytes one of ASCII, and one of another character, can become.
    growth: (usize, usize),
}

impl Map {
    /// Reads a map as `tokenizer.json` holds it, in base64.
    pub(super) fn read(text: &str) -> Result<Map, String> {
        let bytes = STANDARD.decode(text).map_err(|source| format!("is not base64: {source}"))?;
        Map::from_bytes(&bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Map, String> {
        let texts = check(bytes).ok_or("is a broken precompiled_charsmap")?;
        let longest = texts.split('\0').map(str::len).max().unwrap_or_default();
        if longest > LONGEST {
            return Err(format!(
                "maps to a text of {longest} bytes, at most {LONGEST} are expected"
            ));
        }
        let map = Precompiled::from(bytes).map_err(|source| source.to_string())?;
        let of = |text: &str| map.transform(text).map_or(0, str::len).div_ceil(text.len());
        let ascii = (0..128).map(|byte| of((byte as u8 as char).encode_utf8(&mut [0; 4])));
        let of_ascii = ascii.chain([of("\r\n"), 1]).max().unwrap_or(1);
        // Characters that are not ASCII have at least two bytes, and what joins them to a sign, too.
        Ok(Map { growth: (of_ascii, longest.div_ceil(2).max(1)), map })
    }

    pub(super) fn get(&self) -> &Precompiled {
        &self.map
    }

    pub(super) fn growth(&self) -> (usize, usize) {
        self.growth
    }
}

/// The texts of a map; `None` if a lookup could lead outside of the trie or of them.
fn check(bytes: &[u8]) -> Option<&str> {
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
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_to_a_long_text_is_refused() {
        let of = |bytes: usize| Map::from_bytes(&map(0, &[vec![b'x'; bytes], vec![0]].concat()));
        assert_eq!(of(1024).unwrap().growth(), (1024, 512));
        assert!(of(1025).unwrap_err().contains("1025 bytes"));
    }

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
        let read = Map::read(&STANDARD.encode(map(0, b"bc\0d\0"))).unwrap();
        assert_eq!(read.get().normalize_string("xay"), "xbcy");
        assert_eq!(read.growth(), (2, 1));
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
            check(&bytes).map(String::from)
        };
        assert!(changed(0, 512 << 10).is_none(), "behind the trie");
        assert!(changed(7, 1 << 30).is_none(), "far behind it");
        assert!(check(&[]).is_none());
        assert!(check(&[0; 4]).is_none(), "no root");
        assert!(check(&valid[..40]).is_none());
        assert!(check(&[&valid[..], b"\xff"].concat()).is_none(), "no UTF-8");
        assert_eq!(Map::read("?").unwrap_err().split(':').next(), Some("is not base64"));
    }
}

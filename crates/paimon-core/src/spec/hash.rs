//! Murmur3 as Paimon uses it for bucket assignment.
//!
//! Source: `MurmurHashUtils`: x86-32 variant, seed 42, over 32-bit little-endian words.

const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// Hash of bytes whose length is a multiple of four (binary rows always are); a shorter tail is ignored.
pub fn murmur_hash(bytes: &[u8]) -> i32 {
    let mut h1: u32 = 42;
    for word in bytes.chunks_exact(4) {
        let mut k1 = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        k1 = k1.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
        h1 = (h1 ^ k1)
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    h1 ^= u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    h1 ^= h1 >> 16;
    h1 = h1.wrapping_mul(0x85eb_ca6b);
    h1 ^= h1 >> 13;
    h1 = h1.wrapping_mul(0xc2b2_ae35);
    h1 ^= h1 >> 16;
    h1.cast_signed()
}

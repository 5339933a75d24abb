//! Values by hashing.

/// A random-looking number that depends only on its arguments (SplitMix64 finaliser).
pub fn mix(id: i64, version: u64, column: u64) -> u64 {
    let mut z = id
        .cast_unsigned()
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(version.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(column.wrapping_mul(0xaef1_7502_108e_f2d9));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `hash` scaled to `0..bound`, evenly.
pub fn below(hash: u64, bound: u64) -> u64 {
    let wide = (u128::from(hash) * u128::from(bound)) >> 64;
    u64::try_from(wide).unwrap_or(0)
}

/// `below` as a signed number.
pub fn below_signed(hash: u64, bound: u64) -> i64 {
    i64::try_from(below(hash, bound)).unwrap_or(0)
}

/// `below` as an `i32`; `bound` must fit.
pub fn below_int(hash: u64, bound: u64) -> i32 {
    i32::try_from(below(hash, bound)).unwrap_or(0)
}

/// A name in the form of a UUID that depends only on its arguments.
pub fn uuid_like(seed: &str) -> String {
    let seed = seed
        .bytes()
        .fold(7i64, |h, b| h.wrapping_mul(1_000_003) ^ i64::from(b));
    let (a, b) = (mix(seed, 1, 1), mix(seed, 2, 2));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

/// Position `i` of `0..n` after a fixed shuffle.
pub fn shuffled(i: i64, n: i64) -> i64 {
    const STRIDE: i128 = 2_654_435_761;
    if n <= 1 {
        return 0;
    }
    let mut stride = STRIDE;
    while gcd(stride, i128::from(n)) != 1 {
        stride += 2;
    }
    i64::try_from(i128::from(i) * stride % i128::from(n)).unwrap_or(0)
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

//! The code of `Heap::MaxReserved` as the releases have it, byte for byte.

use super::*;

/// Bytes from their hexadecimal digits.
fn code(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const NODE_12: &str = "48 8b 47 50 55 48 89 e5 48 89 c2 48 03 57 68 5d 48 8d 04 42 c3";
const NODE_14: &str = "48 8b 47 50 48 8d 04 40 48 03 47 68 c3";
const NODE_16: &str = "48 8b 47 60 48 8b 57 78 48 8d 04 40 48 01 d0 c3";
const NODE_20: &str = "48 8b 87 c8 00 00 00 48 8b 97 e0 00 00 00 48 8d 04 40 48 01 d0 c3";
const NODE_22: &str =
    "80 3d 23 11 6c 05 01 b8 02 00 00 00 48 8b 57 48 48 83 d0 00 48 0f af 47 30 48 01 d0 c3";
const NODE_24: &str = "0f b6 15 c3 6f c6 05 b8 03 00 00 00 48 29 d0 48 0f af 47 30 48 8b 57 50 48 01 d0 c3";
const NODE_25: &str =
    "55 48 89 e5 48 8b 47 30 0f b6 0d db 54 c8 05 80 f1 01 48 8b 57 50 48 01 c2 48 d3 e0 48 01 d0 5d c3";
const NODE_26: &str = "55 48 89 e5 48 8b 57 20 0f b6 0d cb c7 3a 06 80 f1 01 48 89 d0 48 d3 e0 48 8b 8f b8 07 00 00 \
                       48 8b 49 30 48 01 d0 48 01 c8 5d c3";

#[test]
fn every_release_is_understood() {
    let by_flag = |address| Factor::ByFlag { address, clear: 3, set: 2 };
    for (hex, address, max_semi_space, max_old_generation, indirect, factor) in [
        (NODE_12, 0xd4_d5d0, 0x50, 0x68, None, Factor::Fixed(3)),
        (NODE_14, 0xd6_ae50, 0x50, 0x68, None, Factor::Fixed(3)),
        (NODE_16, 0xe8_b830, 0x60, 0x78, None, Factor::Fixed(3)),
        (NODE_20, 0x10f_01d0, 0xc8, 0xe0, None, Factor::Fixed(3)),
        (NODE_22, 0x146_a4d0, 0x30, 0x48, None, by_flag(0x6b2_b5fa)),
        (NODE_24, 0xf0_6680, 0x30, 0x50, None, by_flag(0x6b6_d64a)),
        (NODE_25, 0xde_81f0, 0x30, 0x50, None, by_flag(0x6a6_d6da)),
        (NODE_26, 0xf3_ef80, 0x20, 0x30, Some(0x7b8), by_flag(0x72e_b75a)),
    ] {
        let expected = LimitFormula { max_semi_space, max_old_generation, indirect, factor };
        assert_eq!(decode(&code(hex), address), Ok(expected), "{hex}");
    }
}

#[test]
fn what_is_not_the_known_form_is_refused() {
    for (why, hex) in [
        ("one word only", "48 8b 47 50 c3"),
        ("both words count once", "48 8b 47 50 48 03 47 68 c3"),
        ("the semi-space counts four times", "48 8b 47 50 48 c1 e0 02 48 03 47 68 c3"),
        ("a constant is added", "48 8b 47 50 48 8d 44 40 08 48 03 47 68 c3"),
        ("three words", "48 8b 47 50 48 8d 04 40 48 03 47 68 48 03 47 70 c3"),
        ("half a word", "8b 47 50 48 8d 04 40 48 03 47 68 c3"),
        ("no return", "48 8b 47 50"),
        ("a call", "e8 00 00 00 00 c3"),
        ("a branch", "74 00 c3"),
        ("a store", "48 89 47 50 c3"),
        ("a register of which nothing is known", "48 89 f0 c3"),
        ("two flags", "0f b6 05 00 00 00 00 0f b6 0d 00 00 00 00 48 01 c8 c3"),
        (
            "a carry that an addition has changed",
            "80 3d 00 00 00 00 01 b8 02 00 00 00 48 83 c0 00 48 83 d0 00 c3",
        ),
        ("no code", ""),
    ] {
        assert!(decode(&code(hex), 0x1000).is_err(), "{why}");
    }
}

#[test]
fn a_flag_is_0_or_1_or_the_factor_is_not_known() {
    let formula = decode(&code(NODE_24), 0xf0_6680).unwrap();
    for (byte, expected) in [
        (Ok(0), Ok(3)),
        (Ok(1), Ok(2)),
        (Ok(7), Err(FactorError::NotAFlag { byte: 7 })),
        (Err("gone"), Err(FactorError::Read("gone"))),
    ] {
        assert_eq!(formula.factor(|_| byte), expected);
    }
    let fixed = decode(&code(NODE_12), 0).unwrap();
    assert_eq!(fixed.factor(|_| Err("not asked")), Ok(3));
}

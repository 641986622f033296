//! Random numbers as Go's `math/rand` makes them from a seed: an additive lagged Fibonacci generator over words of 64
//! bits. A seed gives the same identifiers as in the reference stack.

const LENGTH: usize = 607;
const TAP: usize = 273;
const MODULUS: i64 = 0x7fff_ffff;

/// State that seeds are mixed into; `build.rs` says what it is.
static COOKED: [u64; LENGTH] = include!(concat!(env!("OUT_DIR"), "/cooked.rs"));

/// A source of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: Box<[u64; LENGTH]>,
    tap: usize,
    feed: usize,
    /// Bytes of the last number that are not taken yet, the next one lowest, and how many there are.
    rest: (u64, u32),
}

impl Random {
    /// The source with this seed.
    pub fn new(seed: i64) -> Self {
        let mut x = match seed % MODULUS {
            0 => 89_482_311,
            negative if negative < 0 => (negative + MODULUS).unsigned_abs(),
            positive => positive.unsigned_abs(),
        };
        let mut step = || {
            x = x * 48_271 % MODULUS.unsigned_abs();
            x
        };
        for _ in 0..20 {
            step();
        }
        let mut state = Box::new(COOKED);
        for word in state.iter_mut() {
            *word ^= (step() << 40) ^ (step() << 20) ^ step();
        }
        Self {
            state,
            tap: 0,
            feed: LENGTH - TAP,
            rest: (0, 0),
        }
    }

    /// The next number, 63 bits of it.
    pub fn int63(&mut self) -> u64 {
        self.tap = self.tap.checked_sub(1).unwrap_or(LENGTH - 1);
        self.feed = self.feed.checked_sub(1).unwrap_or(LENGTH - 1);
        let word = self.state[self.feed].wrapping_add(self.state[self.tap]);
        self.state[self.feed] = word;
        word & (u64::MAX >> 1)
    }

    /// The next bytes. A number gives seven of them; what is left of it is for the next call.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| {
            if self.rest.1 == 0 {
                self.rest = (self.int63(), 7);
            }
            let (number, count) = self.rest;
            self.rest = (number >> 8, count - 1);
            (number & 0xff) as u8
        })
    }

    /// A UUID of version 4, in small letters.
    pub fn uuid(&mut self) -> String {
        let mut bytes = self.bytes::<16>();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let digits = hex::encode(bytes);
        [0..8, 8..12, 12..16, 16..20, 20..32]
            .map(|part| &digits[part])
            .join("-")
    }

    /// A volume id of FAT: `XXXX-XXXX` in capitals.
    pub fn volume_id(&mut self) -> String {
        let digits = hex::encode_upper(self.bytes::<4>());
        format!("{}-{}", &digits[..4], &digits[4..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_table_is_that_of_go() {
        let mut hash = Sha256::new();
        for word in COOKED {
            hash.update(word.to_le_bytes());
        }
        assert_eq!(
            hex::encode(hash.finalize()),
            "1928503b93a563e491119a5889baba73d1605b90b63634c14a408805797a7c7b"
        );
    }

    #[test]
    fn a_seed_gives_the_numbers_bytes_and_identifiers_of_go() {
        let zero = (
            [
                8_717_895_732_742_165_505,
                2_259_404_117_704_393_152,
                6_050_128_673_802_995_827,
            ],
            "0194fdc2fa2ffcc041d3ff12045b73c86e4ff95ff662a5ee",
            ["0194-FDC2", "fa2ffcc0-41d3-4f12-845b-73c86e4ff95f"],
        );
        let one = (
            [
                5_577_006_791_947_779_410,
                8_674_665_223_082_153_551,
                6_129_484_611_666_145_821,
            ],
            "52fdfc072182654f163f5f0f9a621d729566c74d10037c4d",
            ["52FD-FC07", "2182654f-163f-4f0f-9a62-1d729566c74d"],
        );
        let minus_one = (
            [
                3_644_962_268_338_389_676,
                550_171_362_161_912_239,
                3_094_056_749_125_766_625,
            ],
            "ac020308df8195afe9405ff099a2e18d8a66384cf0fb8352",
            ["AC02-0308", "df8195af-e940-4ff0-99a2-e18d8a66384c"],
        );
        let cases = [
            (0, zero),
            (1, one),
            (-1, minus_one),
            (MODULUS, zero),
            (i64::MAX, one),
        ];
        for (seed, (numbers, bytes, [volume, uuid])) in cases {
            let mut random = Random::new(seed);
            assert_eq!([(); 3].map(|()| random.int63()), numbers, "seed {seed}");
            let mut random = Random::new(seed);
            let drawn = [random.bytes::<5>().to_vec(), random.bytes::<19>().to_vec()].concat();
            assert_eq!(hex::encode(drawn), bytes, "seed {seed}");
            let mut random = Random::new(seed);
            assert_eq!(random.volume_id(), volume, "seed {seed}");
            assert_eq!(random.uuid(), uuid, "seed {seed}");
        }
    }
}

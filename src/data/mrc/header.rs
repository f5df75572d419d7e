//! The header: what the samples are, how many, and where they start.

use super::super::samples::LARGEST;

/// Bytes of the header.
pub(super) const HEADER: usize = 1024;
/// Most sections that a header is believed to promise.
const MOST_SECTIONS: usize = 1 << 20;
/// Priism's number at byte 96.
pub(super) const PRIISM: i16 = -16_224;

/// What the file's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MrcMode {
    /// Mode 0 of MRC2014.
    I8,
    /// Mode 0 of Priism.
    U8,
    /// Mode 1.
    I16,
    /// Mode 2.
    F32,
    /// Mode 6.
    U16,
    /// Mode 12.
    F16,
}

impl MrcMode {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Mrc2014,
    Priism,
    Unmarked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) fn array<const N: usize>(self, bytes: &[u8]) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&bytes[..N]);
        // `from_le_bytes` follows everywhere.
        if self == Self::Big {
            array.reverse();
        }
        array
    }
}

/// The header's fields that matter here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Header {
    pub(super) order: Order,
    pub(super) mode: MrcMode,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) sections: usize,
    /// Where the first section starts.
    pub(super) start: u64,
    /// Spacing along x, y, z in µm.
    pub(super) voxel_um: [Option<f64>; 3],
}

impl Header {
    /// The header, of a file of `length` bytes; or what is wrong with it.
    pub(super) fn parse(bytes: &[u8; HEADER], length: u64) -> std::result::Result<Self, String> {
        let is_map = &bytes[208..212] == b"MAP ";
        let stamped = match (is_map, &bytes[212..214]) {
            (true, [0x44, 0x44 | 0x41]) => Some(Order::Little),
            (true, [0x11, 0x11]) => Some(Order::Big),
            _ => None,
        };
        if let Some(order) = stamped {
            return Self::read(bytes, order, Dialect::Mrc2014)?.within(length);
        }
        for order in [Order::Little, Order::Big] {
            if i16::from_le_bytes(order.array(&bytes[96..])) == PRIISM {
                return Self::read(bytes, order, Dialect::Priism)?.within(length);
            }
        }
        let explains = |order| {
            let header = Self::read(bytes, order, Dialect::Unmarked).ok()?;
            (header.end() == length).then_some(header)
        };
        explains(Order::Little).or_else(|| explains(Order::Big)).ok_or_else(|| {
            let mark = if is_map {
                format!("its machine stamp {:02x?} is unknown", &bytes[212..216])
            } else {
                "there is neither \"MAP \" at byte 208 nor Priism's −16224 at byte 96".into()
            };
            format!("is no MRC file: {mark}, and no byte order makes the header fit the file's {length} bytes")
        })
    }

    fn read(bytes: &[u8; HEADER], order: Order, dialect: Dialect) -> std::result::Result<Self, String> {
        let int = |at: usize| i32::from_le_bytes(order.array(&bytes[at..]));
        let float = |at: usize| f64::from(f32::from_le_bytes(order.array(&bytes[at..])));
        let size = |name: &str, value: i32, most: usize| match usize::try_from(value) {
            Ok(v) if v >= 1 && v <= most => Ok(v),
            _ => Err(format!("has a damaged header: {value} {name}; 1 to {most} are read")),
        };
        let mode = match (int(12), dialect) {
            (0, Dialect::Priism) => MrcMode::U8,
            (0, _) => MrcMode::I8,
            (1, _) => MrcMode::I16,
            (2, _) => MrcMode::F32,
            (6, _) => MrcMode::U16,
            (12, _) => MrcMode::F16,
            (other, _) => {
                return Err(format!(
                    "holds samples of mode {other}; modes 0 (8 bits), 1 (16 bits), 2 (float), 6 (unsigned 16 bits) and 12 \
                     (16-bit float) are read"
                ));
            }
        };
        let extended = int(92);
        let Ok(extended_bytes) = u64::try_from(extended) else {
            return Err(format!("has a damaged header: an extended header of {extended} bytes"));
        };
        // A standard file gives the cell's length in Å, and how many samples span it; Priism, which counts one, µm.
        let unit = if dialect == Dialect::Priism { 1.0 } else { 1e-4 };
        let spacing = [0, 1, 2].map(|axis| float(40 + 4 * axis) / f64::from(int(28 + 4 * axis)) * unit);
        Ok(Self {
            order,
            mode,
            width: size("columns", int(0), LARGEST)?,
            height: size("rows", int(4), LARGEST)?,
            sections: size("sections", int(8), MOST_SECTIONS)?,
            start: HEADER as u64 + extended_bytes,
            voxel_um: spacing.map(|s| (s.is_finite() && s > 0.0).then_some(s)),
        })
    }

    /// Bytes of a section.
    pub(super) fn section_bytes(&self) -> usize {
        self.width * self.height * self.mode.bytes()
    }

    /// Where the last section ends. The limits on the sizes keep it far below 2⁶⁴.
    fn end(&self) -> u64 {
        self.start + self.section_bytes() as u64 * self.sections as u64
    }

    fn within(self, length: u64) -> std::result::Result<Self, String> {
        if self.end() <= length {
            return Ok(self);
        }
        Err(format!(
            "is truncated: {length} bytes where {} sections of {} × {} after {} bytes of headers need {}",
            self.sections,
            self.height,
            self.width,
            self.start,
            self.end()
        ))
    }
}

// A view's place in its buffer is a vec2u: the values before its first one, and the values from one sample to the next.

// Workgroups are numbered through the first two dimensions of the grid; no dimension takes more than 65535.
fn linear(workgroup: vec3u) -> u32 {
    return workgroup.x + workgroup.y * 65535u;
}

// a / b and a % b, exactly, of numbers below 2^31. Software drivers take vectors apart to divide integers, lane after lane at the price
// of a hundred instructions, and GPUs have no instruction for it either. A quotient of floats is off by its rounding, one of what is
// then left by one at most.
fn quotient(a: u32, b: u32) -> u32 {
    let divisor = f32(i32(b));
    let near = i32(f32(i32(a)) / divisor);
    let q = near + i32(floor(f32(i32(a) - near * i32(b)) / divisor));
    let rest = i32(a) - q * i32(b);
    return u32(select(select(q, q + 1, rest >= i32(b)), q - 1, rest < 0));
}

fn remainder(a: u32, b: u32) -> u32 {
    return a - quotient(a, b) * b;
}

// The items of a sample that a workgroup takes, from `first` to before `end`, its invocations in turn. `index` counts the sample's blocks.
struct Block { n: u32, index: u32, first: u32, end: u32, past: bool }

// A sample has so many blocks of `size` items each, the last one perhaps of less. A workgroup past the end gets an empty one.
fn block_of(workgroup: vec3u, blocks: u32, workgroups: u32, size: u32, items: u32) -> Block {
    let id = linear(workgroup);
    let past = id >= workgroups;
    let n = quotient(min(id, workgroups - 1u), blocks);
    let index = id - n * blocks;
    let first = select(index * size, items, past);
    return Block(n, index, first, min(first + size, items), past);
}

// 1.5 * 2^23: the low bits of a small whole number plus this are the number. WGSL's conversion from a float clamps, which software drivers
// spell out.
const LOW_BITS = 12582912.0;
